//! Requests beyond a limit are refused, with the time after which to try again.

use super::stage::{Person, Stage, credential, settings};
use super::wire::{Reply, counted, send};
use crate::api::{Quotas, Settings};

fn with(change: impl FnOnce(&mut Quotas)) -> Stage {
    let mut settings: Settings = settings();
    change(&mut settings.quotas);
    Stage::with(settings)
}

fn asks_to_wait(reply: &Reply, most: u64) {
    reply.is(429, "too_many_requests");
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=most).contains(&wait), "{wait}");
}

#[test]
fn requests_in_a_minute_are_counted_by_user() {
    let api = with(|quotas| quotas.requests_per_minute = 5);
    let mut replies = (0..9).map(|_| api.owner.get("whoami"));
    let refused = replies.find(|reply| reply.status == 429);
    asks_to_wait(&refused.expect("nine are too many"), 61);
    assert_eq!(api.foreign.get("whoami").status, 200);
    for _ in 0..5 {
        api.admin.get("whoami");
    }
    asks_to_wait(&api.admin.get("whoami"), 61);
}

#[test]
fn wrong_tokens_are_counted_by_address_and_right_ones_always_work() {
    let api = with(|quotas| quotas.wrong_tokens_per_minute = 3);
    let ask = |bearer: &str, from: &str| {
        let headers = [("Authorization", bearer), ("X-Forwarded-For", from)];
        send(api.at, "GET /api/v2/whoami", &headers, None)
    };
    let guess = |from: &str| ask("Bearer hhk_wrong", from);
    for _ in 0..3 {
        guess("192.0.2.1").is(401, "unauthenticated");
    }
    asks_to_wait(&guess("192.0.2.1"), 61);
    guess("192.0.2.2").is(401, "unauthenticated");
    assert_eq!(api.owner.get("whoami").status, 200);
    assert_eq!(ask(&api.owner.bearer(), "192.0.2.1").status, 200);
}

#[test]
fn tokens_are_not_made_without_end() {
    let api = with(|quotas| quotas.tokens_per_hour = 4);
    let make = || api.owner.post("tokens", "{}");
    for _ in 0..4 {
        assert_eq!(make().status, 201);
    }
    asks_to_wait(&make(), 3601);
}

#[test]
fn a_user_has_so_many_tokens_and_the_daemon_so_many_users() {
    let api = with(|quotas| (quotas.tokens, quotas.users) = (3, 4));
    let make = |who: &Person, body: &str| who.post("tokens", body);
    let before = counted("tokens_per_user");
    // One is there from the start.
    let first = make(&api.owner, "{}");
    assert_eq!((first.status, make(&api.owner, "{}").status), (201, 201));
    for (who, body) in [(&api.owner, "{}"), (&api.admin, r#"{"user":"owner"}"#)] {
        let refused = make(who, body);
        refused.is(429, "quota_reached");
        assert!(refused.body.contains("3 API tokens"), "{refused:?}");
        assert_eq!(refused.header("retry-after"), None);
    }
    assert_eq!(counted("tokens_per_user"), before + 2);
    assert_eq!(make(&api.foreign, "{}").status, 201, "another user");
    let revoked = api.owner.delete(format!("tokens/{}", first.text("id")));
    assert_eq!(revoked.status, 204);
    assert_eq!(make(&api.owner, "{}").status, 201);
    let add = |name: &str| api.admin.post("users", format!(r#"{{"name":"{name}"}}"#));
    assert_eq!(add("fourth").status, 201);
    add("fifth").is(429, "quota_reached");
}

#[test]
fn what_was_removed_counts_for_as_long_as_it_is_kept() {
    let api = with(|quotas| quotas.repositories = 1);
    let connect = |name: &str| {
        let body = format!(r#"{{"repository_full_name":"octo/{name}"}}"#);
        api.owner.post("repositories/connect", body)
    };
    assert_eq!(api.owner.delete(api.path()).status, 200);
    let second = connect("second");
    assert_eq!(second.status, 201, "{second:?}");
    let path = format!("repositories/connections/{}", second.text("id"));
    assert_eq!(api.owner.delete(path).status, 200);
    connect("third").is(429, "quota_reached");
}

#[test]
fn a_sign_in_is_not_begun_for_a_credential_that_nobody_may_have() {
    let api = with(|quotas| quotas.credentials = 1);
    // A user with one more than allowed could still renew it.
    let begin = || api.foreign.post("oauth/github/device", "{}");
    assert_eq!(begin().status, 201);
    credential(&api.connections, api.foreign.user);
    credential(&api.connections, api.foreign.user);
    let page = api.foreign.get("oauth/github/authorize?format=json");
    page.is(429, "quota_reached");
    begin().is(429, "quota_reached");
}

#[test]
fn a_user_has_so_many_connections_and_credentials() {
    let api = with(|quotas| (quotas.repositories, quotas.credentials) = (1, 1));
    for (path, body) in [
        ("repositories/connect", r#"{"repository_full_name":"o/r"}"#),
        ("credentials", r#"{"provider":"github","token":"ghp_x"}"#),
    ] {
        let refused = api.owner.post(path, body);
        refused.is(429, "quota_reached");
        assert_eq!(refused.header("retry-after"), None);
    }
}

#[test]
fn a_user_has_so_many_sinks_and_the_limit_is_a_setting() {
    let api = with(|quotas| quotas.sinks = 3);
    let body = r#"{"name":"chat","kind":"webhook","url":"https://127.0.0.1:9/x"}"#;
    // The stage has one.
    for _ in 0..2 {
        assert_eq!(api.owner.post("sinks", body).status, 201);
    }
    let refused = api.owner.post("sinks", body);
    refused.is(429, "quota_reached");
    assert!(refused.text("detail").contains('3'), "{refused:?}");
    assert_eq!(api.foreign.post("sinks", body).status, 201);
}
