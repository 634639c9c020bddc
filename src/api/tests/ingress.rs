//! Deliveries of known and unknown senders.

use super::connections::got;
use super::stage::{Stage, connect};
use super::wire::{Reply, answered};
use crate::domain::delivery::DeliveryState;
use crate::domain::id::UserId;
use crate::domain::rotation::SecretNumber;
use crate::domain::secret::Sealed;
use crate::domain::time::Timestamp;
use crate::provider::signature::github_sign;
use crate::store::{Change, Read};
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::sync::atomic::Ordering;

const BODY: &[u8] = br#"{"repository":{"id":4711,"full_name":"canary/repository"}}"#;
const KEYLESS: &str = "/api/v2/webhooks/github";

#[test]
fn what_is_signed_is_stored_byte_for_byte_and_the_actor_is_notified() {
    let (api, before) = (Stage::new(), answered("accepted"));
    let large = format!(r#"{{"filler":"{}"}}"#, "x".repeat(3 * 1024 * 1024));
    // A large one is hashed on another thread.
    for (n, body) in [BODY, large.as_bytes()].into_iter().enumerate() {
        let reply = api.deliver(&format!("d{n}"), "workflow_run", body);
        assert_eq!(reply.outcome(), (202, "accepted".into()));
        let id = reply.delivery_id();
        let delivery = got(api.store.delivery(id));
        assert_eq!(delivery.state, DeliveryState::Received);
        let (event, owner) = (delivery.event.as_str(), delivery.owner);
        assert_eq!((event, owner), ("workflow_run", api.owner.user));
        let payload = got(api.store.payload(id));
        assert!(payload.body == body);
        let mut names = payload.headers.iter().map(|(name, _)| name);
        assert!(names.all(|name| name != "x-hub-signature-256"));
        assert_eq!(api.connections.delivered.load(Ordering::SeqCst), n + 1);
    }
    assert!(answered("accepted") >= before + 2);
}

#[test]
fn the_answer_says_what_becomes_of_it() {
    let api = Stage::new();
    let mut ids = Vec::new();
    for (id, event, body, expected) in [
        ("d1", "push", BODY, (202, "accepted")),
        ("d1", "push", BODY, (200, "duplicate")),
        // Ids are not signed: a replayed body under a fresh id is a duplicate, too.
        ("d2", "push", BODY, (200, "duplicate")),
        ("d3", "ping", b"{\"a\":1}", (200, "pong")),
        ("d4", "star", b"{\"a\":2}", (200, "ignored")),
    ] {
        let reply = api.deliver(id, event, body);
        let (status, outcome) = reply.outcome();
        assert_eq!((status, outcome.as_str()), expected, "{id} {event}");
        ids.push(reply.delivery_id());
    }
    assert!(ids[1] == ids[0] && ids[2] == ids[0]);
    assert_eq!(api.stored(), 1 + 3, "the seeded one and three new ones");
    assert_eq!(api.connections.delivered.load(Ordering::SeqCst), 3);
    let heard = api.connections.heard.load(Ordering::SeqCst);
    assert_eq!(heard, 2, "duplicates count as heard");
}

/// During a rotation a delivery is stored with the secret that verified it.
#[test]
fn it_is_stored_which_of_the_accepted_secrets_signed_a_delivery() {
    let api = Stage::new();
    let signed_by = |reply: &Reply| got(api.store.delivery(reply.delivery_id())).signed_by;
    let deliver = |id: &str, key: &str, body: &[u8]| {
        let path = format!("/api/v2/webhooks/github/{}", api.connection.hook_key);
        let signature = signed_with(key.as_bytes(), body);
        let headers = [("X-Hub-Signature-256", signature.as_str())];
        api.deliver_to(&path, id, "push", &headers, body)
    };
    let first = api.deliver("d0", "push", b"{\"n\":0}");
    assert_eq!(signed_by(&first), Some(SecretNumber(1)));
    let (older, old) = ("a".repeat(64), "b".repeat(64));
    let mut rotated = got(api.store.connection(api.connection.id));
    for secret in [&older, &old] {
        let sealed = Sealed(secret.as_bytes().to_vec());
        rotated.rotation.begin(sealed, None, Timestamp(1));
    }
    api.commit(vec![Change::PutConnection(Box::new(rotated.clone()))]);
    for (n, (key, number)) in [(&old, 2), (&older, 1), (&old, 2)].into_iter().enumerate() {
        let reply = deliver(&format!("o{n}"), key, format!("{{\"o\":{n}}}").as_bytes());
        assert_eq!(reply.status, 202);
        assert_eq!(signed_by(&reply), Some(SecretNumber(number)));
    }
    let new = api.deliver("d1", "push", b"{\"n\":1}");
    assert_eq!(signed_by(&new), Some(SecretNumber(3)));
    // One that is dropped is refused at once.
    rotated.rotation.old.truncate(1);
    api.commit(vec![Change::PutConnection(Box::new(rotated))]);
    assert_eq!(deliver("o7", &older, b"{\"o\":7}").status, 401);
    assert_eq!(deliver("o8", &old, b"{\"o\":8}").status, 202);
}

#[test]
fn concurrent_duplicates_are_one_delivery() {
    let api = Stage::new();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let send = || api.deliver("same", "push", BODY).status;
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
        let joined = threads.into_iter().map(|thread| thread.join().unwrap());
        joined.collect()
    });
    let count = |status| statuses.iter().filter(|s| **s == status).count();
    assert_eq!((count(202), count(200), api.stored()), (1, 7, 2));
}

/// The value of `X-Hub-Signature-256` under a key of any length.
fn signed_with(key: &[u8], body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(body);
    format!("sha256={}", HEXLOWER.encode(&mac.finalize().into_bytes()))
}

/// A delivery that is signed with a key that no connection has.
fn forged(api: &Stage, path: &str, body: &[u8]) -> Reply {
    let signature = signed_with(b"whatever", body);
    let headers = [("X-Hub-Signature-256", signature.as_str())];
    let reply = api.deliver_to(path, "d", "push", &headers, body);
    reply.is(401, "bad_signature");
    reply
}

#[test]
fn nothing_but_the_connections_own_sha256_signature_is_accepted() {
    let api = Stage::new();
    let other = api.also_connected();
    let path = format!("{KEYLESS}/{}", api.connection.hook_key);
    let good = api.signed(BODY);
    let others = github_sign(&api.connections.secret_of(other.id), BODY);
    let empty = signed_with(b"", BODY);
    let digits = "sha1=7d38cdd689735b008b3c702edd92eea23791c5f6";
    let (sha1, sha256) = (("X-Hub-Signature", digits), "X-Hub-Signature-256");
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
        answers.push(reply);
    }
    assert_eq!(api.connections.rejected.load(Ordering::SeqCst), table.len());
    // An unknown hook, rubbish for a key, an unknown repository: the same answer to the letter.
    for path in ["/00000000000000000000000000000000", "/rubbish", ""] {
        answers.push(forged(&api, &format!("{KEYLESS}{path}"), BODY));
    }
    answers.push(forged(&api, KEYLESS, br#"{"repository":{"id":1}}"#));
    let mut answers = answers.into_iter().map(Reply::without_date);
    let first = answers.next().unwrap();
    assert!(answers.all(|answer| answer == first), "{first:?}");
    assert_eq!(api.stored(), 1, "only the seeded one");
    // A bad signature takes no delivery's id away.
    assert_eq!(api.deliver("d", "push", BODY).status, 202);
}

#[test]
fn without_a_hook_key_the_secret_decides_whose_delivery_it_is() {
    let api = Stage::new();
    let other = api.also_connected();
    for connection in [&api.connection, &other] {
        let signature = github_sign(&api.connections.secret_of(connection.id), BODY);
        let headers = [("X-Hub-Signature-256", signature.as_str())];
        let reply = api.deliver_to(KEYLESS, "k", "push", &headers, BODY);
        let found = got(api.store.delivery(reply.delivery_id()));
        let expected = (connection.id, connection.owner);
        assert_eq!((found.connection, found.owner), expected);
    }
    let rejected = api.connections.rejected.load(Ordering::SeqCst);
    assert_eq!(rejected, 0, "guesses raise no doubts about a hook");
}

#[test]
fn a_disconnected_or_paused_connection_still_answers_what_is_authentic() {
    let api = Stage::new();
    let paused = api.owner.patch(api.path(), r#"{"is_enabled":false}"#);
    assert_eq!(paused.status, 200);
    assert_eq!(api.deliver("d1", "push", BODY).status, 202);
    assert_eq!(api.owner.delete(api.path()).status, 200);
    assert_eq!(api.deliver("d2", "push", b"{\"a\":2}").status, 202);
}

#[test]
fn a_refusal_costs_the_same_however_many_connections_there_are() {
    let api = Stage::new();
    let known = format!("{KEYLESS}/{}", api.connection.hook_key);
    let unknown = format!("{KEYLESS}/{}", "0".repeat(32));
    let nowhere = br#"{"repository":{"id":1}}"#;
    let cost = |path: &str, body: &[u8]| {
        forged(&api, path, body);
        api.decoder.tried()
    };
    let mut costs = vec![cost(KEYLESS, nowhere), cost(KEYLESS, BODY)];
    for n in 0..20 {
        let user = UserId::from_u128(n);
        connect(&api.connections, user, "canary/repository", api.credential);
        costs.push(cost(KEYLESS, BODY));
    }
    assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
    assert_eq!(cost(&known, BODY), cost(&unknown, BODY));
    // A hook of many keeps its turn: what is signed with the first one's secret is accepted.
    let signature = api.signed(BODY);
    let headers = [("X-Hub-Signature-256", signature.as_str())];
    let reply = api.deliver_to(KEYLESS, "d", "push", &headers, BODY);
    assert_eq!(reply.status, 202, "{reply:?}");
}
