//! API tokens and users: made, listed, used, revoked, expired, removed.

use super::connections::{futures_now, got};
use super::stage::{Person, Stage, connect, settings};
use super::wire::{Reply, send_slowly};
use crate::api::Settings;
use crate::domain::connection::CredentialUse;
use crate::domain::id::{OwnerId, TokenId};
use crate::domain::lifecycle::{Desired, Phase};
use crate::domain::time::Timestamp;
use crate::domain::user::LAST_USE_STEP;
use crate::store::{Batch, Change, CommitError, Conflict, Guard, Read, Store};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A token of a user that was created by the API.
fn made(api: &Stage, who: &Person, body: &Value) -> (String, Person) {
    let reply = who.post("tokens", body);
    assert_eq!(reply.status, 201, "{reply:?}");
    let person = Person::new(api.at, who.user, &reply.text("token"));
    (reply.text("id"), person)
}

fn status(who: &Person) -> u16 {
    who.get("whoami").status
}

#[track_caller]
fn is_why(reply: &Reply, words: &str) {
    assert!(reply.body.contains(words), "{reply:?}");
}

#[test]
fn a_token_is_named_listed_and_revoked_at_once() {
    let api = Stage::new();
    let (id, second) = made(&api, &api.owner, &json!({"name": "ci on acme"}));
    assert_eq!(status(&second), 200);
    let list = second.show("tokens?limit=1");
    for (field, value) in [
        ("id", json!(id)),
        ("name", json!("ci on acme")),
        ("user", json!("owner")),
        ("is_current", json!(true)),
        ("expires_at", Value::Null),
        ("is_expired", json!(false)),
    ] {
        assert_eq!(list["items"][0][field], value, "{field}");
    }
    let next = list["next_cursor"].as_str().unwrap();
    let rest = second.show(format!("tokens?cursor={next}"));
    assert_eq!(rest["items"].as_array().unwrap().len(), 1, "{rest}");
    assert_eq!(rest["items"][0]["is_current"], false);
    assert!(!list.to_string().contains("hhk_") && !rest.to_string().contains("hhk_"));
    let path = format!("tokens/{id}");
    assert_eq!(api.owner.delete(&path).status, 204);
    second.get("whoami").is(401, "unauthenticated");
    api.owner.delete(&path).is(404, "not_found");
    assert_eq!(status(&api.owner), 200, "the other one continues to work");
}

#[test]
fn an_admin_sees_and_revokes_the_tokens_of_others_and_nobody_else_does() {
    let api = Stage::new();
    let ids = |who: &Person, query: &str| -> Vec<Value> {
        let list = who.show(format!("tokens{query}"));
        let items = list["items"].as_array().unwrap().iter();
        items.map(|token| token["id"].clone()).collect()
    };
    let own = ids(&api.owner, "");
    assert_eq!(own.len(), 1);
    let none: [Value; 0] = [];
    assert_eq!(
        ids(&api.admin, ""),
        none,
        "the configured one is not stored"
    );
    assert_eq!(ids(&api.admin, "?user=owner"), own);
    assert_eq!(ids(&api.owner, "?user=owner"), own);
    assert_eq!(ids(&api.admin, "?user=*").len(), 2);
    api.foreign.get("tokens?user=owner").is(403, "forbidden");
    api.foreign.get("tokens?user=*").is(403, "forbidden");
    api.admin.get("tokens?user=nobody").is(404, "not_found");
    let path = format!("tokens/{}", own[0].as_str().unwrap());
    api.foreign.delete(&path).is(404, "not_found");
    assert_eq!(api.admin.delete(&path).status, 204);
    assert_eq!(status(&api.owner), 401);
}

#[test]
fn a_token_that_has_expired_is_refused_and_not_forgotten() {
    let api = Stage::new();
    let (id, short) = made(&api, &api.owner, &json!({"expires_in": "2h"}));
    assert_eq!(status(&short), 200);
    api.clock.advance(Duration::from_hours(2));
    let refused = short.get("whoami");
    refused.is(401, "unauthenticated");
    is_why(&refused, "expired");
    let shown = api.owner.show(format!("tokens/{id}"));
    assert_eq!(shown["is_expired"], true);
    api.clock.put_back(Duration::from_hours(3));
    assert_eq!(status(&short), 200, "the clock was wrong, and is corrected");
}

#[test]
fn the_last_use_is_written_down_now_and_then_and_not_for_every_request() {
    let api = Stage::new();
    let (id, second) = made(&api, &api.owner, &json!({}));
    let last_use = || got(api.store.token(id.parse().unwrap())).last_used_at;
    assert_eq!(last_use(), None);
    assert_eq!(status(&second), 200);
    let first = last_use().unwrap();
    for _ in 0..100 {
        assert_eq!(status(&second), 200);
    }
    assert_eq!(last_use(), Some(first));
    api.clock.advance(LAST_USE_STEP);
    assert_eq!(status(&second), 200);
    assert!(last_use().unwrap() > first);
    let shown = second.show("tokens");
    assert!(shown["items"][0]["last_used_at"].is_string(), "{shown}");
}

/// A use that is written down late does not bring a revoked token back.
#[test]
fn a_use_that_is_noted_after_the_token_was_revoked_changes_nothing() {
    let api = Stage::new();
    let id = api.store.tokens_of(api.owner.user).ready().unwrap()[0].id;
    let at = Timestamp(5);
    api.commit(vec![Change::DeleteToken(id)]);
    api.commit(vec![Change::TokenUsed { id, at }]);
    assert_eq!(api.store.token(id).ready().unwrap(), None);
    assert_eq!(status(&api.owner), 401);
}

#[test]
fn of_many_requests_none_that_begins_after_the_revocation_is_let_through() {
    let api = Stage::new();
    let (id, second) = made(&api, &api.owner, &json!({}));
    let is_revoked = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let ask = || {
            let mut refused = 0;
            // As many as one address may try with a wrong token in a minute are not reached.
            while refused < 5 {
                let was_revoked = is_revoked.load(Ordering::SeqCst);
                let status = status(&second);
                assert!(status == 401 || !was_revoked, "{status}");
                refused += u32::from(status == 401);
            }
            refused
        };
        let askers: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        assert_eq!(api.owner.delete(format!("tokens/{id}")).status, 204);
        is_revoked.store(true, Ordering::SeqCst);
        let all = askers.into_iter().map(|asker| asker.join().unwrap());
        all.sum::<u32>()
    });
    assert_eq!(seen, 20);
}

/// A body may take its time; the token is looked up again when it has arrived.
#[test]
fn a_request_whose_token_is_revoked_while_its_body_arrives_does_nothing() {
    let api = Stage::new();
    let (id, second) = made(&api, &api.owner, &json!({}));
    let body = br#"{"repository_full_name":"late/comer"}"#;
    let bearer = second.bearer();
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    let line = "POST /api/v2/repositories/connect";
    let reply = send_slowly(api.at, line, &headers, body, || {
        assert_eq!(api.owner.delete(format!("tokens/{id}")).status, 204);
    });
    assert_eq!(reply.status, 401, "{reply:?}");
    let path = "repositories/connections?repository=late/comer";
    assert_eq!(api.owner.show(path)["connections"], json!([]));
}

fn remove(who: &Person, id: OwnerId, query: &str) -> Reply {
    who.delete(format!("users/{id}{query}"))
}

#[test]
fn a_user_with_connections_is_removed_only_when_it_is_said_what_becomes_of_them() {
    let api = Stage::new();
    let id = api.owner.user;
    for query in ["", "?connections=refuse"] {
        let refused = remove(&api.admin, id, query);
        refused.is(409, "user_in_use");
        is_why(&refused, " has 1 connection. Pass");
    }
    remove(&api.admin, id, "?connections=keep").is(400, "bad_query");
    assert_eq!(status(&api.owner), 200);
    assert_eq!(api.connections.leaving.lock().len(), 0);
    let query = "?connections=disconnect&delete_webhooks=false";
    let begun = remove(&api.admin, id, query);
    assert_eq!(begun.status, 200, "{begun:?}");
    assert_eq!(begun.json()["is_removed"], false);
    assert_eq!(begun.json()["connections_left"], 1);
    assert_eq!(*api.connections.leaving.lock(), [id]);
    let removal = got(api.store.user(id)).removal.unwrap();
    assert_eq!((removal.by, removal.delete_hooks), (api.admin.user, false));
    api.owner.get("whoami").is(401, "unauthenticated");
    let users = api.admin.show("users");
    let mut users = users["items"].as_array().unwrap().iter();
    let shown = users.find(|user| user["name"] == "owner").unwrap();
    assert_eq!(shown["removal"]["delete_webhooks"], false);
    // Requested again, it continues, and no more is asked.
    assert_eq!(remove(&api.admin, id, "").status, 200);
}

/// The stage's connection, in this phase of being disconnected with its hook.
fn leaving(api: &Stage, phase: Phase) -> Change {
    let mut connection = api.connection.clone();
    connection.lifecycle.desired = Desired::Removed { delete_hook: true };
    connection.lifecycle.phase = phase;
    Change::PutConnection(Box::new(connection))
}

#[test]
fn a_hook_that_is_still_to_be_deleted_counts_too() {
    let api = Stage::new();
    api.commit(vec![leaving(&api, Phase::Deleting { attempt: 3 })]);
    let refused = remove(&api.admin, api.owner.user, "");
    refused.is(409, "user_in_use");
    is_why(&refused, " has 1 webhook waiting for deletion. Pass");
    let path = format!("credentials/{}", api.credential);
    let refused = api.owner.delete(&path);
    refused.is(409, "credential_in_use");
    is_why(&refused, "1 webhook waiting for deletion");
    let forced = api.owner.delete(format!("{path}?force=true"));
    assert_eq!(forced.status, 204);
    api.commit(vec![leaving(&api, Phase::Removed)]);
    let begun = remove(&api.admin, api.owner.user, "").json();
    assert_eq!(begun["connections_left"], 0);
}

#[test]
fn the_built_in_admin_and_oneself_cannot_be_removed_and_others_are_not_asked() {
    let api = Stage::new();
    let itself = remove(&api.admin, api.admin.user, "?connections=disconnect");
    itself.is(409, "user_protected");
    let boss = api
        .admin
        .post("users", r#"{"name":"boss","is_admin":true}"#);
    let id: OwnerId = boss.text("id").parse().unwrap();
    let boss = Person::new(api.at, id, &boss.text("token"));
    remove(&boss, id, "").is(409, "user_protected");
    remove(&boss, api.admin.user, "").is(409, "user_protected");
    remove(&api.foreign, api.owner.user, "").is(403, "forbidden");
    assert_eq!(remove(&api.admin, id, "").status, 200);
    assert_eq!(status(&boss), 401);
    let nobody = OwnerId::from_u128(1);
    remove(&api.admin, nobody, "").is(404, "not_found");
}

#[test]
fn nothing_new_becomes_theirs_who_are_being_removed() {
    let api = Stage::with(Settings {
        disconnect_wait: Duration::from_millis(1),
        ..settings()
    });
    let id = api.owner.user;
    let begun = remove(&api.admin, id, "?connections=disconnect");
    assert_eq!(begun.status, 200);
    let token = api.admin.post("tokens", r#"{"user":"owner"}"#);
    token.is(409, "not_now");
    let device = format!("oauth/github/device/{}", api.device);
    api.owner.post(device, "").is(401, "unauthenticated");
    // Also not in the same group of commits as the removal.
    let empty = Batch::of(Vec::new()).guarded_by(Guard::OwnerPresent(id));
    let refused = futures_now(api.store.commit(empty));
    assert_eq!(refused, Err(CommitError::Conflict(Conflict::Owner(id))));
    assert!(got(api.store.user(id)).removal.is_some());
    api.commit(vec![Change::DeleteUser(id)]);
    assert_eq!(api.store.tokens_of(id).ready().unwrap(), []);
    assert_eq!(api.store.user_by_name("owner").ready().unwrap(), None);
    let all = api.store.all_tokens().ready().unwrap();
    assert!(all.iter().all(|token| token.user != id), "{all:?}");
    let none = api.store.token(TokenId::from_u128(1)).ready();
    assert_eq!(none.unwrap(), None);
}

#[test]
fn removing_the_last_credential_that_connections_need_says_so_first() {
    let api = Stage::new();
    let path = format!("credentials/{}", api.credential);
    let refused = api.owner.delete(&path);
    refused.is(409, "credential_in_use");
    is_why(&refused, "1 of your connections (canary/repository)");
    got(api.store.credential(api.credential));
    // Another one that fits: nothing is lost.
    let new = r#"{"provider":"github","token":"ghp_x"}"#;
    let other = api.owner.post("credentials", new).text("id");
    assert_eq!(api.owner.delete(&path).status, 204);
    let refused = api.owner.delete(format!("credentials/{other}"));
    assert_eq!(refused.status, 204, "it was never used: {refused:?}");
}

#[test]
fn connections_of_others_that_use_a_shared_credential_are_counted_and_not_named() {
    let api = Stage::new();
    let (id, user) = (api.credential, api.foreign.user);
    let mut shared = got(api.store.credential(id));
    shared.is_shared = true;
    let mut theirs = connect(&api.connections, user, "secret/repository", id);
    theirs.credential_used = Some(CredentialUse::Shared(id));
    theirs.credential = None;
    let mut own = api.connection.clone();
    own.lifecycle.desired = Desired::Removed { delete_hook: false };
    api.commit(vec![
        Change::PutCredential(shared),
        Change::PutConnection(Box::new(theirs)),
        Change::PutConnection(Box::new(own)),
    ]);
    let refused = api.owner.delete(format!("credentials/{id}"));
    refused.is(409, "credential_in_use");
    is_why(&refused, "1 connection of another user");
    assert!(!refused.body.contains("secret/"), "{refused:?}");
}
