//! Who asks for too much is told so, and when to come again.

use super::stage::{Person, Stage, credential, settings};
use super::wire::{Reply, counted, send};
use crate::api::{Quotas, Settings};

fn with(quotas: Quotas) -> Stage {
    Stage::with(Settings {
        quotas,
        ..settings()
    })
}

fn is_told_to_wait(reply: &Reply, most: u64) {
    reply.is(429, "too_many_requests");
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=most).contains(&wait), "{wait}");
}

fn whoami(api: &Stage, person: &Person) -> Reply {
    api.call(Some(person), "GET /api/v2/whoami", None)
}

#[test]
fn requests_in_a_minute_are_counted_by_user() {
    let api = with(Quotas {
        requests_per_minute: 5,
        ..Quotas::default()
    });
    let refused = (0..9)
        .map(|_| whoami(&api, &api.owner))
        .find(|r| r.status == 429);
    is_told_to_wait(&refused.expect("nine are too many"), 61);
    assert_eq!(whoami(&api, &api.foreign).status, 200);
    for _ in 0..5 {
        whoami(&api, &api.admin);
    }
    is_told_to_wait(&whoami(&api, &api.admin), 61);
}

#[test]
fn wrong_tokens_are_counted_by_address_and_right_ones_always_work() {
    let api = with(Quotas {
        wrong_tokens_per_minute: 3,
        ..Quotas::default()
    });
    let guess = |from: &str| {
        let headers = [
            ("Authorization", "Bearer hhk_wrong"),
            ("X-Forwarded-For", from),
        ];
        send(api.at, "GET /api/v2/whoami", &headers, None)
    };
    for _ in 0..3 {
        guess("192.0.2.1").is(401, "unauthenticated");
    }
    is_told_to_wait(&guess("192.0.2.1"), 61);
    guess("192.0.2.2").is(401, "unauthenticated");
    assert_eq!(whoami(&api, &api.owner).status, 200);
    let bearer = format!("Bearer {}", api.owner.token.expose());
    let headers = [
        ("Authorization", bearer.as_str()),
        ("X-Forwarded-For", "192.0.2.1"),
    ];
    assert_eq!(
        send(api.at, "GET /api/v2/whoami", &headers, None).status,
        200
    );
}

#[test]
fn tokens_are_not_made_without_end() {
    let api = with(Quotas {
        tokens_per_hour: 4,
        ..Quotas::default()
    });
    let make = || api.call(Some(&api.owner), "POST /api/v2/tokens", Some("{}"));
    for _ in 0..4 {
        assert_eq!(make().status, 201);
    }
    is_told_to_wait(&make(), 3601);
}

#[test]
fn a_user_has_so_many_tokens_and_the_daemon_so_many_users() {
    let api = with(Quotas {
        tokens: 3,
        users: 4,
        ..Quotas::default()
    });
    let make = |who: &Person, body: &str| api.call(Some(who), "POST /api/v2/tokens", Some(body));
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
    assert!(counted("tokens_per_user") >= before + 2);
    assert_eq!(make(&api.foreign, "{}").status, 201, "another user");
    let id = first.json()["id"].as_str().unwrap().to_owned();
    let line = format!("DELETE /api/v2/tokens/{id}");
    assert_eq!(api.call(Some(&api.owner), &line, None).status, 204);
    assert_eq!(make(&api.owner, "{}").status, 201);
    let add = |name: &str| {
        let body = format!(r#"{{"name":"{name}"}}"#);
        api.call(Some(&api.admin), "POST /api/v2/users", Some(&body))
    };
    assert_eq!(add("fourth").status, 201);
    add("fifth").is(429, "quota_reached");
}

#[test]
fn what_was_removed_counts_for_as_long_as_it_is_kept() {
    let api = with(Quotas {
        repositories: 1,
        ..Quotas::default()
    });
    let path = format!("/api/v2/repositories/connections/{}", api.connection.id);
    let remove = format!("DELETE {path}");
    assert_eq!(api.call(Some(&api.owner), &remove, None).status, 200);
    let connect = |name: &str| {
        let body = format!(r#"{{"repository_full_name":"octo/{name}"}}"#);
        let line = "POST /api/v2/repositories/connect";
        api.call(Some(&api.owner), line, Some(&body))
    };
    let second = connect("second");
    assert_eq!(second.status, 201, "{second:?}");
    let id = second.json()["id"].as_str().unwrap().to_owned();
    let remove = format!("DELETE /api/v2/repositories/connections/{id}");
    assert_eq!(api.call(Some(&api.owner), &remove, None).status, 200);
    let refused = connect("third");
    refused.is(429, "quota_reached");
}

#[test]
fn a_sign_in_is_not_begun_for_a_credential_that_nobody_may_have() {
    let api = with(Quotas {
        credentials: 1,
        ..Quotas::default()
    });
    // Whoever has one more than may be could still renew it.
    let line = "POST /api/v2/oauth/github/device";
    assert_eq!(api.call(Some(&api.foreign), line, Some("{}")).status, 201);
    credential(&api.connections, api.foreign.user);
    credential(&api.connections, api.foreign.user);
    let line = "GET /api/v2/oauth/github/authorize?format=json";
    api.call(Some(&api.foreign), line, None)
        .is(429, "quota_reached");
    let line = "POST /api/v2/oauth/github/device";
    api.call(Some(&api.foreign), line, Some("{}"))
        .is(429, "quota_reached");
}

#[test]
fn a_user_has_so_many_connections_and_credentials() {
    let api = with(Quotas {
        repositories: 1,
        credentials: 1,
        ..Quotas::default()
    });
    let body = r#"{"repository_full_name":"octo/more"}"#;
    let line = "POST /api/v2/repositories/connect";
    let refused = api.call(Some(&api.owner), line, Some(body));
    refused.is(429, "quota_reached");
    assert_eq!(refused.header("retry-after"), None);
    let body = r#"{"provider":"github","token":"ghp_x"}"#;
    let refused = api.call(Some(&api.owner), "POST /api/v2/credentials", Some(body));
    refused.is(429, "quota_reached");
}
