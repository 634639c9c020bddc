//! API tokens and users: made, listed, used, revoked, expired, removed.

use super::connections::futures_now;
use super::stage::{Person, Stage, settings};
use crate::api::Settings;
use crate::domain::id::{OwnerId, TokenId};
use crate::domain::lifecycle::{Desired, Phase};
use crate::domain::user::{LAST_USE_STEP, Removal, User};
use crate::store::{Batch, Change, CommitError, Conflict, Guard, Read, Store};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A token of somebody's that was made by the API.
fn made(api: &Stage, who: &Person, body: &Value) -> (String, Person) {
    let reply = api.call(Some(who), "POST /api/v2/tokens", Some(&body.to_string()));
    assert_eq!(reply.status, 201, "{reply:?}");
    let shown = reply.json();
    let token = shown["token"].as_str().unwrap().to_owned();
    let person = Person {
        user: who.user,
        token: crate::domain::secret::ApiToken::new(token).unwrap(),
    };
    (shown["id"].as_str().unwrap().to_owned(), person)
}

fn status(api: &Stage, who: &Person) -> u16 {
    api.call(Some(who), "GET /api/v2/whoami", None).status
}

#[test]
fn a_token_is_named_listed_and_revoked_at_once() {
    let api = Stage::new();
    let (id, second) = made(&api, &api.owner, &json!({"name": "ci on acme"}));
    assert_eq!(status(&api, &second), 200);
    let list = api
        .call(Some(&second), "GET /api/v2/tokens?limit=1", None)
        .json();
    let item = &list["items"][0];
    assert_eq!(
        (&item["id"], &item["name"]),
        (&json!(id), &json!("ci on acme"))
    );
    assert_eq!(
        (&item["user"], &item["is_current"]),
        (&json!("owner"), &json!(true))
    );
    assert_eq!(
        (&item["expires_at"], &item["is_expired"]),
        (&Value::Null, &json!(false))
    );
    let next = list["next_cursor"].as_str().unwrap();
    let line = format!("GET /api/v2/tokens?cursor={next}");
    let rest = api.call(Some(&second), &line, None).json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 1, "{rest}");
    assert_eq!(rest["items"][0]["is_current"], false);
    assert!(!list.to_string().contains("hhk_") && !rest.to_string().contains("hhk_"));
    let line = format!("DELETE /api/v2/tokens/{id}");
    assert_eq!(api.call(Some(&api.owner), &line, None).status, 204);
    api.call(Some(&second), "GET /api/v2/whoami", None)
        .is(401, "unauthenticated");
    api.call(Some(&api.owner), &line, None).is(404, "not_found");
    assert_eq!(status(&api, &api.owner), 200, "the other one goes on");
}

#[test]
fn an_admin_sees_and_revokes_the_tokens_of_others_and_nobody_else_does() {
    let api = Stage::new();
    let ids = |who: &Person, query: &str| -> Vec<String> {
        let list = api.call(Some(who), &format!("GET /api/v2/tokens{query}"), None);
        assert_eq!(list.status, 200, "{list:?}");
        let items = list.json()["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|t| t["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let own = ids(&api.owner, "");
    assert_eq!(own.len(), 1);
    assert_eq!(
        ids(&api.admin, ""),
        [""; 0],
        "the configured one is not stored"
    );
    assert_eq!(ids(&api.admin, "?user=owner"), own);
    assert_eq!(ids(&api.owner, "?user=owner"), own);
    assert_eq!(ids(&api.admin, "?user=*").len(), 2);
    for query in ["?user=owner", "?user=*"] {
        let line = format!("GET /api/v2/tokens{query}");
        api.call(Some(&api.foreign), &line, None)
            .is(403, "forbidden");
    }
    api.call(Some(&api.admin), "GET /api/v2/tokens?user=nobody", None)
        .is(404, "not_found");
    let line = format!("DELETE /api/v2/tokens/{}", own[0]);
    api.call(Some(&api.foreign), &line, None)
        .is(404, "not_found");
    assert_eq!(api.call(Some(&api.admin), &line, None).status, 204);
    assert_eq!(status(&api, &api.owner), 401);
}

#[test]
fn a_token_that_has_expired_is_refused_and_not_forgotten() {
    let api = Stage::new();
    let (id, short) = made(&api, &api.owner, &json!({"expires_in": "2h"}));
    assert_eq!(status(&api, &short), 200);
    api.clock.advance(Duration::from_hours(2));
    let refused = api.call(Some(&short), "GET /api/v2/whoami", None);
    refused.is(401, "unauthenticated");
    assert!(refused.body.contains("expired"), "{refused:?}");
    let line = format!("GET /api/v2/tokens/{id}");
    let shown = api.call(Some(&api.owner), &line, None).json();
    assert_eq!(shown["is_expired"], true);
    api.clock.put_back(Duration::from_hours(3));
    assert_eq!(
        status(&api, &short),
        200,
        "the clock was wrong, and is put right"
    );
}

#[test]
fn what_is_no_name_or_no_life_of_a_token_is_refused() {
    let api = Stage::new();
    for body in [
        json!({"name": ""}),
        json!({"name": "a\u{202e}b"}),
        json!({"name": " padded"}),
        json!({"name": "x".repeat(101)}),
        json!({"expires_in": ""}),
        json!({"expires_in": "soon"}),
        json!({"expires_in": "59s"}),
        json!({"expires_in": "11years"}),
        json!({"expires_in": "-1d"}),
    ] {
        let line = "POST /api/v2/tokens";
        let reply = api.call(Some(&api.owner), line, Some(&body.to_string()));
        reply.is(422, "invalid_field");
    }
    assert_eq!(
        api.store.tokens_of(api.owner.user).ready().unwrap().len(),
        1
    );
}

#[test]
fn the_last_use_is_written_down_now_and_then_and_not_for_every_request() {
    let api = Stage::new();
    let (id, second) = made(&api, &api.owner, &json!({}));
    let token = || {
        api.store
            .token(id.parse().unwrap())
            .ready()
            .unwrap()
            .unwrap()
    };
    assert_eq!(token().last_used_at, None);
    assert_eq!(status(&api, &second), 200);
    let first = token().last_used_at.unwrap();
    for _ in 0..100 {
        assert_eq!(status(&api, &second), 200);
    }
    assert_eq!(token().last_used_at, Some(first));
    api.clock.advance(LAST_USE_STEP);
    assert_eq!(status(&api, &second), 200);
    assert!(token().last_used_at.unwrap() > first);
    let line = "GET /api/v2/tokens";
    let shown = api.call(Some(&second), line, None).json();
    assert!(shown["items"][0]["last_used_at"].is_string(), "{shown}");
}

/// A use that is written down late does not bring a revoked token back.
#[test]
fn a_use_that_is_noted_after_the_token_was_revoked_changes_nothing() {
    let api = Stage::new();
    let id = api.store.tokens_of(api.owner.user).ready().unwrap()[0].id;
    let at = crate::domain::time::Timestamp(5);
    let commit = |change| futures_now(api.store.commit(Batch::of(vec![change]))).unwrap();
    commit(Change::DeleteToken(id));
    commit(Change::TokenUsed { id, at });
    assert_eq!(api.store.token(id).ready().unwrap(), None);
    assert_eq!(status(&api, &api.owner), 401);
}

#[test]
fn of_many_requests_none_that_begins_after_the_revocation_is_let_through() {
    let api = Stage::new();
    let (id, second) = made(&api, &api.owner, &json!({}));
    let is_revoked = AtomicBool::new(false);
    let line = format!("DELETE /api/v2/tokens/{id}");
    let seen = std::thread::scope(|scope| {
        let ask = || {
            let mut refused = 0;
            // As many as one address may try with a wrong token in a minute are not reached.
            while refused < 5 {
                let was_revoked = is_revoked.load(Ordering::SeqCst);
                let status = status(&api, &second);
                assert!(status == 401 || !was_revoked, "{status}");
                refused += u32::from(status == 401);
            }
            refused
        };
        let askers: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        assert_eq!(api.call(Some(&api.owner), &line, None).status, 204);
        is_revoked.store(true, Ordering::SeqCst);
        let all = askers.into_iter().map(|asker| asker.join().unwrap());
        all.sum::<u32>()
    });
    assert_eq!(seen, 20);
}

/// A body may take its time; the token is looked at again when it is there.
#[test]
fn a_request_whose_token_is_revoked_while_its_body_arrives_does_nothing() {
    let api = Stage::new();
    let (id, second) = made(&api, &api.owner, &json!({}));
    let body = br#"{"repository_full_name":"late/comer"}"#;
    let bearer = format!("Bearer {}", second.token.expose());
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    let line = "POST /api/v2/repositories/connect";
    let reply = super::wire::send_slowly(api.at, line, &headers, body, || {
        let line = format!("DELETE /api/v2/tokens/{id}");
        assert_eq!(api.call(Some(&api.owner), &line, None).status, 204);
    });
    assert_eq!(reply.status, 401, "{reply:?}");
    let list = "GET /api/v2/repositories/connections?repository=late/comer";
    let list = api.call(Some(&api.owner), list, None).json();
    assert_eq!(list["connections"], json!([]));
}

fn remove(api: &Stage, who: &Person, id: OwnerId, query: &str) -> super::wire::Reply {
    api.call(
        Some(who),
        &format!("DELETE /api/v2/users/{id}{query}"),
        None,
    )
}

#[test]
fn a_user_with_connections_is_removed_only_when_it_is_said_what_becomes_of_them() {
    let api = Stage::new();
    let id = api.owner.user;
    for query in ["", "?connections=refuse"] {
        let refused = remove(&api, &api.admin, id, query);
        refused.is(409, "user_in_use");
        assert!(
            refused.body.contains(" has 1 connection. Pass"),
            "{refused:?}"
        );
    }
    remove(&api, &api.admin, id, "?connections=keep").is(400, "bad_query");
    assert_eq!(status(&api, &api.owner), 200);
    assert_eq!(api.connections.leaving.lock().len(), 0);
    let query = "?connections=disconnect&delete_webhooks=false";
    let begun = remove(&api, &api.admin, id, query);
    assert_eq!(begun.status, 200, "{begun:?}");
    let begun = begun.json();
    assert_eq!(
        (&begun["is_removed"], &begun["connections_left"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(*api.connections.leaving.lock(), [id]);
    let stored = api.store.user(id).ready().unwrap().unwrap();
    let removal = stored.removal.unwrap();
    assert_eq!((removal.by, removal.delete_hooks), (api.admin.user, false));
    let refused = api.call(Some(&api.owner), "GET /api/v2/whoami", None);
    refused.is(401, "unauthenticated");
    let users = api.call(Some(&api.admin), "GET /api/v2/users", None).json();
    let shown = users["items"].as_array().unwrap();
    let shown = shown.iter().find(|u| u["name"] == "owner").unwrap();
    assert_eq!(shown["removal"]["delete_webhooks"], false);
    // Said again, it goes on, and no more is asked.
    assert_eq!(remove(&api, &api.admin, id, "").status, 200);
}

#[test]
fn a_hook_that_is_still_to_be_deleted_counts_too() {
    let api = Stage::new();
    let mut connection = api.connection.clone();
    connection.lifecycle.desired = Desired::Removed { delete_hook: true };
    connection.lifecycle.phase = Phase::Deleting { attempt: 3 };
    let put = |c| Batch::of(vec![Change::PutConnection(Box::new(c))]);
    futures_now(api.store.commit(put(connection.clone()))).unwrap();
    let id = api.owner.user;
    let refused = remove(&api, &api.admin, id, "");
    refused.is(409, "user_in_use");
    assert!(
        refused
            .body
            .contains(" has 1 webhook that still has to be deleted. Pass"),
        "{refused:?}"
    );
    connection.lifecycle.phase = Phase::Removed;
    futures_now(api.store.commit(put(connection))).unwrap();
    let begun = remove(&api, &api.admin, id, "").json();
    assert_eq!(begun["connections_left"], 0);
}

#[test]
fn the_built_in_admin_and_oneself_cannot_be_removed_and_others_are_not_asked() {
    let api = Stage::new();
    let itself = remove(&api, &api.admin, api.admin.user, "?connections=disconnect");
    itself.is(409, "user_protected");
    let line = "POST /api/v2/users";
    let body = r#"{"name":"boss","is_admin":true}"#;
    let boss = api.call(Some(&api.admin), line, Some(body)).json();
    let id: OwnerId = boss["id"].as_str().unwrap().parse().unwrap();
    let boss = Person {
        user: id,
        token: crate::domain::secret::ApiToken::new(boss["token"].as_str().unwrap().into())
            .unwrap(),
    };
    remove(&api, &boss, id, "").is(409, "user_protected");
    remove(&api, &boss, api.admin.user, "").is(409, "user_protected");
    remove(&api, &api.foreign, api.owner.user, "").is(403, "forbidden");
    assert_eq!(remove(&api, &api.admin, id, "").status, 200);
    assert_eq!(status(&api, &boss), 401);
    let nobody = OwnerId::from_u128(1);
    remove(&api, &api.admin, nobody, "").is(404, "not_found");
}

#[test]
fn nothing_new_becomes_theirs_who_are_being_removed() {
    let api = Stage::with(Settings {
        disconnect_wait: Duration::from_millis(1),
        ..settings()
    });
    let id = api.owner.user;
    assert_eq!(
        remove(&api, &api.admin, id, "?connections=disconnect").status,
        200
    );
    let body = r#"{"user":"owner"}"#;
    let line = "POST /api/v2/tokens";
    api.call(Some(&api.admin), line, Some(body))
        .is(409, "not_now");
    let device = format!("POST /api/v2/oauth/github/device/{}", api.device);
    api.call(Some(&api.owner), &device, None)
        .is(401, "unauthenticated");
    // Also not in the same group of commits as the removal.
    let gone = |owner| Guard::OwnerPresent(owner);
    let empty = Batch::of(Vec::new()).guarded_by(gone(id));
    let refused = futures_now(api.store.commit(empty));
    assert_eq!(refused, Err(CommitError::Conflict(Conflict::Owner(id))));
    let user = api.store.user(id).ready().unwrap().unwrap();
    assert!(matches!(
        user,
        User {
            removal: Some(Removal { .. }),
            ..
        }
    ));
    let left = Change::DeleteUser(id);
    futures_now(api.store.commit(Batch::of(vec![left]))).unwrap();
    assert_eq!(api.store.tokens_of(id).ready().unwrap(), []);
    assert_eq!(api.store.user_by_name("owner").ready().unwrap(), None);
    let everybody = api.store.all_tokens().ready().unwrap();
    assert!(
        everybody.iter().all(|token| token.user != id),
        "{everybody:?}"
    );
    assert_eq!(
        api.store.token(TokenId::from_u128(1)).ready().unwrap(),
        None
    );
}

#[test]
fn removing_the_last_credential_that_connections_need_says_so_first() {
    let api = Stage::new();
    let line = format!("DELETE /api/v2/credentials/{}", api.credential);
    let refused = api.call(Some(&api.owner), &line, None);
    refused.is(409, "credential_in_use");
    assert!(
        refused
            .body
            .contains("1 of your connections (canary/repository)"),
        "{refused:?}"
    );
    assert!(
        api.store
            .credential(api.credential)
            .ready()
            .unwrap()
            .is_some()
    );
    // Another one that fits: nothing is lost.
    let new = r#"{"provider":"github","token":"ghp_x"}"#;
    let other = api.call(Some(&api.owner), "POST /api/v2/credentials", Some(new));
    let other = other.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(api.call(Some(&api.owner), &line, None).status, 204);
    let line = format!("DELETE /api/v2/credentials/{other}");
    let refused = api.call(Some(&api.owner), &line, None);
    assert_eq!(refused.status, 204, "it was never used: {refused:?}");
}

#[test]
fn a_pending_deletion_needs_its_credential_and_force_removes_it_all_the_same() {
    let api = Stage::new();
    let mut connection = api.connection.clone();
    connection.lifecycle.desired = Desired::Removed { delete_hook: true };
    connection.lifecycle.phase = Phase::Deleting { attempt: 3 };
    let batch = Batch::of(vec![Change::PutConnection(Box::new(connection))]);
    futures_now(api.store.commit(batch)).unwrap();
    let line = format!("DELETE /api/v2/credentials/{}", api.credential);
    let refused = api.call(Some(&api.owner), &line, None);
    refused.is(409, "credential_in_use");
    assert!(
        refused.body.contains("still has to be deleted"),
        "{refused:?}"
    );
    let line = format!("{line}?force=true");
    assert_eq!(api.call(Some(&api.owner), &line, None).status, 204);
}

#[test]
fn connections_of_others_that_use_a_shared_credential_are_counted_and_not_named() {
    let api = Stage::new();
    let mut shared = api
        .store
        .credential(api.credential)
        .ready()
        .unwrap()
        .unwrap();
    shared.is_shared = true;
    let name = "secret/repository";
    let mut theirs =
        super::stage::connect(&api.connections, api.foreign.user, name, api.credential);
    theirs.credential_used = Some(crate::domain::connection::CredentialUse::Shared(
        api.credential,
    ));
    theirs.credential = None;
    let mut own = api.connection.clone();
    own.lifecycle.desired = Desired::Removed { delete_hook: false };
    let changes = vec![
        Change::PutCredential(shared),
        Change::PutConnection(Box::new(theirs)),
        Change::PutConnection(Box::new(own)),
    ];
    futures_now(api.store.commit(Batch::of(changes))).unwrap();
    let line = format!("DELETE /api/v2/credentials/{}", api.credential);
    let refused = api.call(Some(&api.owner), &line, None);
    refused.is(409, "credential_in_use");
    assert!(
        refused.body.contains("1 connection of another user"),
        "{refused:?}"
    );
    assert!(!refused.body.contains("secret/"), "{refused:?}");
}
