//! Deliveries at the door.

use super::stage::{Stage, connect};
use super::wire::{Reply, answered};
use crate::domain::delivery::DeliveryState;
use crate::domain::id::{DeliveryId, UserId};
use crate::provider::signature::github_sign;
use crate::store::{After, Of, Read};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::sync::atomic::Ordering;

const BODY: &[u8] = br#"{"repository":{"id":4711,"full_name":"canary/repository"}}"#;

fn stored(api: &Stage) -> usize {
    let all = After {
        last: None,
        limit: 1000,
    };
    api.store
        .deliveries(Of::Connection(api.connection.id), all)
        .ready()
        .unwrap()
        .items
        .len()
}

fn status_of(reply: &Reply) -> (u16, String) {
    (
        reply.status,
        reply.json()["status"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    )
}

#[test]
fn what_is_signed_is_stored_byte_for_byte_and_the_actor_is_told() {
    let (api, before) = (Stage::new(), answered("accepted"));
    let reply = api.deliver("d1", "workflow_run", BODY);
    assert_eq!(status_of(&reply), (202, "accepted".into()));
    let id: DeliveryId = reply.json()["delivery_id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let delivery = api.store.delivery(id).ready().unwrap().unwrap();
    assert_eq!(delivery.state, DeliveryState::Received);
    assert_eq!(
        (delivery.event.as_str(), delivery.owner),
        ("workflow_run", api.owner.user)
    );
    let payload = api.store.payload(id).ready().unwrap().unwrap();
    assert_eq!(&payload.body[..], BODY);
    assert!(
        payload
            .headers
            .iter()
            .all(|(name, _)| name != "x-hub-signature-256")
    );
    assert_eq!(api.connections.delivered.load(Ordering::SeqCst), 1);
    assert!(answered("accepted") > before);
}

#[test]
fn the_answer_says_what_becomes_of_it() {
    let api = Stage::new();
    let first = api.deliver("d1", "push", BODY);
    assert_eq!(status_of(&first), (202, "accepted".into()));
    let again = api.deliver("d1", "push", BODY);
    assert_eq!(status_of(&again), (200, "duplicate".into()));
    assert_eq!(again.json()["delivery_id"], first.json()["delivery_id"]);
    // Ids are not signed: a replayed body under a fresh id is a duplicate, too.
    assert_eq!(
        status_of(&api.deliver("d2", "push", BODY)),
        (200, "duplicate".into())
    );
    assert_eq!(
        status_of(&api.deliver("d3", "ping", b"{\"a\":1}")),
        (200, "pong".into())
    );
    assert_eq!(
        status_of(&api.deliver("d4", "star", b"{\"a\":2}")),
        (200, "ignored".into())
    );
    assert_eq!(stored(&api), 1 + 3, "the seeded one and three new ones");
    assert_eq!(api.connections.delivered.load(Ordering::SeqCst), 3);
    assert_eq!(
        api.connections.heard.load(Ordering::SeqCst),
        2,
        "duplicates count as heard"
    );
}

#[test]
fn concurrent_duplicates_are_one_delivery() {
    let api = Stage::new();
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let send = || api.deliver("same", "push", BODY);
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let accepted = replies.iter().filter(|reply| reply.status == 202).count();
    let duplicates = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!((accepted, duplicates, stored(&api)), (1, 7, 2));
}

/// The value of `X-Hub-Signature-256` under a key of any length.
fn signed_with(key: &[u8], body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(body);
    format!("sha256={}", HEXLOWER.encode(&mac.finalize().into_bytes()))
}

#[test]
fn nothing_but_the_connections_own_sha256_signature_is_accepted() {
    let api = Stage::new();
    let other = connect(
        &api.connections,
        api.foreign.user,
        "canary/repository",
        api.credential,
    );
    let path = format!("/api/v2/webhooks/github/{}", api.connection.hook_key);
    let good = github_sign(&api.connections.secret_of(api.connection.id), BODY);
    let others = github_sign(&api.connections.secret_of(other.id), BODY);
    let empty = signed_with(b"", BODY);
    let sha1 = (
        "X-Hub-Signature",
        "sha1=7d38cdd689735b008b3c702edd92eea23791c5f6",
    );
    let sha256 = "X-Hub-Signature-256";
    let upper = good.replace("sha256", "SHA256");
    let table: Vec<Vec<(&str, &str)>> = vec![
        vec![],
        vec![sha1],
        vec![sha1, (sha256, "sha256=00")],
        vec![sha1, (sha256, &others)],
        vec![(sha256, &empty)],
        vec![(sha256, &others)],
        vec![(sha256, &upper)],
        vec![(sha256, "")],
        vec![(sha256, "sha256=")],
        vec![(sha256, &good), (sha256, &good)],
        vec![(sha256, &good), (sha256, &others)],
    ];
    let mut answers = Vec::new();
    for headers in &table {
        let reply = api.deliver_to(&path, "d", "push", headers, BODY);
        reply.is(401, "bad_signature");
        answers.push(reply.without_date());
    }
    assert_eq!(api.connections.rejected.load(Ordering::SeqCst), table.len());
    // An unknown hook, rubbish for a key, an unknown repository: the same answer to the letter.
    let unknown = "/api/v2/webhooks/github/".to_owned() + &"0".repeat(32);
    let rubbish = "/api/v2/webhooks/github/rubbish".to_owned();
    let keyless = "/api/v2/webhooks/github".to_owned();
    for path in [unknown, rubbish, keyless] {
        let signature = signed_with(b"whatever", BODY);
        let reply = api.deliver_to(&path, "d", "push", &[(sha256, &signature)], BODY);
        answers.push(reply.without_date());
    }
    let nowhere = br#"{"repository":{"id":1}}"#;
    let signature = signed_with(b"whatever", nowhere);
    let keyless = "/api/v2/webhooks/github";
    let reply = api.deliver_to(keyless, "d", "push", &[(sha256, &signature)], nowhere);
    answers.push(reply.without_date());
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:#?}"
    );
    assert_eq!(stored(&api), 1, "only the seeded one");
    // A bad signature takes no delivery's id away.
    assert_eq!(api.deliver("d", "push", BODY).status, 202);
}

#[test]
fn without_a_hook_key_the_secret_decides_whose_delivery_it_is() {
    let api = Stage::new();
    let other = connect(
        &api.connections,
        api.foreign.user,
        "canary/repository",
        api.credential,
    );
    for connection in [&api.connection, &other] {
        let signature = github_sign(&api.connections.secret_of(connection.id), BODY);
        let headers = [("X-Hub-Signature-256", signature.as_str())];
        let reply = api.deliver_to("/api/v2/webhooks/github", "k", "push", &headers, BODY);
        let id: DeliveryId = reply.json()["delivery_id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let delivery = api.store.delivery(id).ready().unwrap().unwrap();
        assert_eq!(
            (delivery.connection, delivery.owner),
            (connection.id, connection.owner)
        );
    }
    assert_eq!(
        api.connections.rejected.load(Ordering::SeqCst),
        0,
        "guesses make nobody doubt a hook"
    );
}

#[test]
fn a_disconnected_or_paused_connection_still_answers_what_is_authentic() {
    let api = Stage::new();
    let path = format!("/api/v2/repositories/connections/{}", api.connection.id);
    let pause = Some(r#"{"is_enabled":false}"#);
    assert_eq!(
        api.call(Some(&api.owner), &format!("PATCH {path}"), pause)
            .status,
        200
    );
    assert_eq!(api.deliver("d1", "push", BODY).status, 202);
    assert_eq!(
        api.call(Some(&api.owner), &format!("DELETE {path}"), None)
            .status,
        200
    );
    assert_eq!(api.deliver("d2", "push", b"{\"a\":2}").status, 202);
}

#[test]
fn a_large_delivery_is_hashed_elsewhere_and_stored_whole() {
    let api = Stage::new();
    let body = format!(r#"{{"filler":"{}"}}"#, "x".repeat(3 * 1024 * 1024));
    let reply = api.deliver("large", "push", body.as_bytes());
    assert_eq!(reply.status, 202, "{reply:?}");
    let id: DeliveryId = reply.json()["delivery_id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(
        api.store.payload(id).ready().unwrap().unwrap().body,
        body.as_bytes()
    );
}

#[test]
fn a_refusal_costs_the_same_however_many_connections_there_are() {
    let api = Stage::new();
    let keyless = "/api/v2/webhooks/github";
    let known = format!("{keyless}/{}", api.connection.hook_key);
    let unknown = format!("{keyless}/{}", "0".repeat(32));
    let nowhere = br#"{"repository":{"id":1}}"#;
    let refuse = |path: &str, body: &[u8]| {
        let signature = signed_with(b"whatever", body);
        let headers = [("X-Hub-Signature-256", signature.as_str())];
        let reply = api.deliver_to(path, "d", "push", &headers, body);
        reply.is(401, "bad_signature");
        api.decoder.tried()
    };
    let mut costs = vec![refuse(keyless, nowhere), refuse(keyless, BODY)];
    for n in 0..20 {
        let user = UserId::from_u128(n);
        connect(&api.connections, user, "canary/repository", api.credential);
        costs.push(refuse(keyless, BODY));
    }
    assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
    assert_eq!(refuse(&known, BODY), refuse(&unknown, BODY));
    // A hook of many keeps its turn: what is signed with the first one's secret is accepted.
    let signature = github_sign(&api.connections.secret_of(api.connection.id), BODY);
    let headers = [("X-Hub-Signature-256", signature.as_str())];
    let reply = api.deliver_to(keyless, "d", "push", &headers, BODY);
    assert_eq!(reply.status, 202, "{reply:?}");
}
