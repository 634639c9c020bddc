//! Sinks and notifications.

use super::connections::futures_now;
use super::stage::{Stage, Ticking};
use crate::credentials::OneToken;
use crate::domain::id::{IncidentId, NotificationId, SinkId, UserId};
use crate::domain::net::allowed::Allowed;
use crate::domain::notification::{Notification, NotificationState};
use crate::domain::samples::{self, Seeded};
use crate::domain::sink::Sink;
use crate::domain::time::Timestamp;
use crate::notify::{self, Outbound, Sinks};
use crate::outbox::{self, Notifier, Tools};
use crate::store::memory::MemoryStore;
use crate::store::{Batch, Change, Store};
use std::sync::Arc;

/// An outbox that sends nothing by itself.
pub(super) fn notifier(
    store: &Arc<MemoryStore>,
    clock: &Arc<Ticking>,
    chance: &Arc<Seeded>,
) -> Notifier {
    let allowed = Allowed::new(vec!["127.0.0.1:9".parse().unwrap()]);
    let outbound = Outbound::new(notify::Settings::new(allowed)).unwrap();
    let tools = Tools {
        store: Arc::clone(store) as _,
        seal: Arc::new(OneToken),
        clock: Arc::clone(clock) as _,
        entropy: Arc::clone(chance) as _,
        deliver: Arc::new(Sinks::new(outbound)),
    };
    Notifier::new(tools, outbox::Settings::default())
}

/// A sink, and a notification that could not be sent there.
pub(super) fn notified(
    store: &MemoryStore,
    owner: UserId,
    incident: IncidentId,
) -> (SinkId, NotificationId) {
    let id = SinkId::from_u128(77);
    let sink = Sink {
        owner,
        name: "canary chat".into(),
        ..samples::sink(id)
    };
    let notification = Notification {
        owner,
        state: NotificationState::Failed {
            at: Timestamp(1),
            error: "canary".into(),
        },
        ..samples::notification(78, incident, id)
    };
    let changes = vec![
        Change::PutSink(Box::new(sink)),
        Change::PutNotification(Box::new(notification.clone())),
    ];
    futures_now(store.commit(Batch::of(changes))).unwrap();
    (id, notification.id)
}

const BODY: &str = r#"{"name":"chat","kind":"webhook","url":"https://127.0.0.1:9/key?x=canary"}"#;

#[test]
fn a_sink_is_added_changed_and_removed_and_its_address_is_never_shown() {
    let api = Stage::new();
    let added = api.owner.post("sinks", BODY);
    assert_eq!(added.status, 201, "{added:?}");
    let sink = added.json();
    assert_eq!(sink["host"], "127.0.0.1:9");
    assert_eq!(
        (&sink["resolved"], &sink["severity"]),
        (&true.into(), &"warning".into())
    );
    let secret = sink["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    let path = format!("sinks/{}", added.text("id"));
    let reply = api.owner.get(&path);
    assert!(
        !reply.body.contains("canary") && !reply.body.contains(secret),
        "{reply:?}"
    );
    assert!(reply.json().get("secret").is_none());
    let edit = r#"{"name":"pager","severity":"critical","resolved":false,"is_enabled":false}"#;
    let json = api.owner.patch(&path, edit).json();
    assert_eq!(
        (&json["name"], &json["state"]),
        (&"pager".into(), &"paused".into())
    );
    assert_eq!(
        (&json["resolved"], &json["severity"]),
        (&false.into(), &"critical".into())
    );
    assert_eq!(
        json["secret"],
        serde_json::Value::Null,
        "the key is the same"
    );
    assert_eq!(
        api.owner.show("sinks")["items"].as_array().unwrap().len(),
        2
    );
    let tested = api.owner.post(format!("{path}/test"), "{}");
    let json = tested.json();
    assert_eq!(json["accepted"], false, "nothing listens there");
    assert!(!tested.body.contains("canary"), "{tested:?}");
    assert_eq!(api.owner.delete(&path).status, 204);
    api.owner.get(&path).is(404, "not_found");
}

#[test]
fn what_will_not_do_for_a_sink_is_named_and_adds_none() {
    let api = Stage::new();
    let with = |name: &str, kind: &str, more: &str| {
        format!(r#"{{"name":"{name}","kind":"{kind}","url":"https://hooks.example/x"{more}}}"#)
    };
    for (body, field) in [
        (with("", "webhook", ""), "name"),
        (with("a\\u202eb", "webhook", ""), "name"),
        (with("chat", "fax", ""), "kind"),
        (with("chat", "webhook", r#","severity":"bad""#), "severity"),
        (with("chat", "webhook", r#","secret":"canary""#), "secret"),
        (r#"{"name":"chat","kind":"webhook"}"#.to_owned(), "url"),
        (
            with("chat", "webhook", "").replace("hooks.example", "169.254.169.254"),
            "url",
        ),
        (with("chat", "webhook", "").replace("https", "http"), "url"),
        (
            with("chat", "webhook", "").replace("https://", "https://canary:x@"),
            "url",
        ),
    ] {
        let reply = api.owner.post("sinks", &body);
        let code = match field {
            "url" | "secret" => "sink_unfit",
            _ => "invalid_field",
        };
        reply.is(422, code);
        let detail = reply.text("detail");
        assert!(
            detail.starts_with(&format!("{field}: ")),
            "{body}: {detail}"
        );
        assert!(!detail.contains("canary"), "{detail}");
    }
    assert_eq!(
        api.owner.show("sinks")["items"].as_array().unwrap().len(),
        1
    );
    let path = format!("sinks/{}", api.sink);
    let only_key = r#"{"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}"#;
    api.owner.patch(&path, only_key).is(422, "sink_unfit");
}

#[test]
fn notifications_are_listed_by_state_incident_and_sink_and_sent_again() {
    let api = Stage::new();
    let count = |path: &str| api.owner.show(path)["items"].as_array().unwrap().len();
    assert_eq!(count("notifications?state=failed"), 1);
    assert_eq!(count("notifications?state=sent"), 0);
    assert_eq!(
        count(&format!("notifications?incident_id={}", api.incident)),
        1
    );
    assert_eq!(count(&format!("notifications?sink_id={}", api.sink)), 1);
    let foreign = format!("notifications?sink_id={}", api.sink);
    api.foreign.get(&foreign).is(404, "not_found");
    let path = format!("notifications/{}", api.notification);
    let again = api.owner.post(format!("{path}/retry"), "{}").json();
    assert_eq!(
        (&again["state"], &again["tries"]),
        (&"waiting".into(), &0.into())
    );
    assert_eq!(count("notifications?state=waiting"), 1);
}
