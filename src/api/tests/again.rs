//! One body, sent under one name and then under another: the name of the event is not signed.

use super::connections::got;
use super::stage::Stage;
use crate::domain::delivery::{Delivery, DeliveryState, Outcome};
use crate::domain::event::Event;
use crate::domain::id::DeliveryId;
use crate::domain::samples::{self, Same};
use crate::provider::Decode;
use crate::provider::github::GithubDecode;
use crate::store::{Change, Read};
use proptest::prelude::*;

/// Real names, each with a body that it fits, and whether anything follows from it.
const BODIES: [(&str, &str); 9] = [
    (
        "workflow_run",
        r#"{"action":"completed","workflow_run":{"id":1,"workflow_id":2,"run_number":3,
            "status":"completed","conclusion":"failure","head_branch":"main"}}"#,
    ),
    (
        "ping",
        r#"{"zen":"Keep it logically awesome.","hook_id":7,"hook":{}}"#,
    ),
    (
        "push",
        r#"{"ref":"refs/heads/main","before":"0","after":"1"}"#,
    ),
    (
        "pull_request",
        r#"{"action":"opened","number":7,"pull_request":{}}"#,
    ),
    (
        "status",
        r#"{"sha":"a","state":"failure","context":"ci/x","id":1,"branches":[]}"#,
    ),
    ("meta", r#"{"action":"deleted","hook_id":7,"hook":{}}"#),
    // Their marks do not tell these two from others.
    (
        "repository",
        r#"{"action":"renamed","repository":{"id":1}}"#,
    ),
    (
        "star",
        r#"{"action":"created","starred_at":"2026-01-01T00:00:00Z"}"#,
    ),
    (
        "check_run",
        r#"{"action":"completed","check_run":{"id":1,"name":"x"}}"#,
    ),
];
/// Names that somebody may send any of them under.
const NAMES: &str = "ping workflow_run star push repository meta watch status check_run \
    check_suite made_up pull_request";

/// What an actor would make of a stored delivery.
fn meaning(api: &Stage, delivery: &Delivery) -> Event {
    let payload = got(api.store.payload(delivery.id));
    let decoder = GithubDecode::new(&Same(7));
    decoder.decode(&delivery.event, &payload).unwrap().event
}

/// Plays the actor: what is received is processed, and what it means happens. Whether anything did.
fn process(api: &Stage, id: DeliveryId) -> Option<Event> {
    let delivery = got(api.store.delivery(id));
    if delivery.state != DeliveryState::Received {
        return None;
    }
    let event = meaning(api, &delivery);
    let outcome = match &event {
        Event::Ignored => Outcome::Ignored,
        Event::Pong { .. } => Outcome::Pong,
        Event::Run(_) | Event::Recorded | Event::Ended(_) | Event::LookNow => Outcome::Recorded,
    };
    let state = DeliveryState::Processed {
        at: delivery.received_at,
        outcome,
    };
    let change = Change::progress(Delivery { state, ..delivery });
    api.commit(vec![change]);
    (event != Event::Ignored).then_some(event)
}

fn story(api: &Stage, round: usize, body: usize, names: &[&str]) -> (Vec<Event>, Event) {
    let (real, text) = BODIES[body];
    // No two rounds share a body.
    let text = text.replacen('{', &format!("{{\"round\":{round},"), 1);
    let mut happened = Vec::new();
    for (n, name) in names.iter().copied().chain([real]).enumerate() {
        let reply = api.deliver(&format!("{round}-{n}"), name, text.as_bytes());
        assert!(reply.status < 300, "{reply:?}");
        happened.extend(process(api, reply.delivery_id()));
    }
    let payload = samples::payload(text);
    let meant = GithubDecode::new(&Same(7)).decode(real, &payload);
    (happened, meant.unwrap().event)
}

#[test]
fn a_body_sent_first_as_a_ping_does_not_make_the_real_delivery_a_duplicate() {
    let api = Stage::new();
    let (happened, meant) = story(&api, 0, 0, &["ping"]);
    assert!(matches!(meant, Event::Run(_)));
    assert_eq!(happened, [meant]);
}

#[test]
fn whatever_names_come_first_what_the_body_means_happens_once() {
    let api = Stage::new();
    let rounds = std::sync::atomic::AtomicUsize::new(0);
    let all: Vec<&str> = NAMES.split(' ').collect();
    let names = proptest::collection::vec(proptest::sample::select(all), 0..4);
    proptest!(crate::histories::of(300), |(body in 0..BODIES.len(), names in names)| {
        let round = rounds.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let (happened, meant) = story(&api, round, body, &names);
        let expected = if meant == Event::Ignored { vec![] } else { vec![meant] };
        prop_assert_eq!(happened, expected);
    });
}

#[test]
fn what_is_told_again_under_a_name_that_means_nothing_stays_a_duplicate() {
    let api = Stage::new();
    let text = BODIES[0].1.as_bytes();
    let first = api.deliver("a", "workflow_run", text);
    process(&api, first.delivery_id());
    for name in ["star", "ping", "workflow_run"] {
        let again = api.deliver("b", name, text);
        assert_eq!(again.json()["status"], "duplicate", "{name}");
        assert_eq!(process(&api, again.delivery_id()), None);
    }
}
