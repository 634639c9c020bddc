//! An Alertmanager with a clock, and the alerts that are active by it.
//!
//! What it does is known from
//! <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>, and how two reports
//! of an alert become one from `Merge` in
//! <https://github.com/prometheus/alertmanager/blob/main/types/types.go> and `Put` in
//! <https://github.com/prometheus/alertmanager/blob/main/provider/mem/mem.go>.

use super::life::{bear, life, sample};
use super::*;
use crate::domain::time::Timestamp;
use crate::notify::{Lasting, Words};
use serde_json::json;
use std::collections::BTreeMap;

const PREFIX: &str = "/prom/am";

/// Times are texts of one length, so they are compared as texts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Alert {
    starts_at: String,
    ends_at: String,
    annotations: Value,
}

#[derive(Default)]
struct State {
    /// By their labels.
    alerts: BTreeMap<String, Alert>,
    now: String,
    refusals: Vec<Says>,
    drops: Vec<Says>,
}

type Fake = Arc<Mutex<State>>;

fn text(at: Timestamp) -> String {
    json!(at).as_str().unwrap().to_owned()
}

/// Why an alert is refused.
fn fault(alert: &Value) -> Option<&'static str> {
    let name_of = |name: &String| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        name.chars().all(is_part) && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    let labels = alert["labels"].as_object();
    let has_any = labels.is_some_and(|all| all.values().any(|it| it != ""));
    let are_names = labels.is_some_and(|all| all.keys().all(name_of));
    let are_texts = |all: &Value| {
        let mut all = all.as_object().into_iter().flat_map(|all| all.values());
        all.all(Value::is_string)
    };
    let is_time = |name: &str| alert[name].as_str().is_some_and(|text| text.len() == 24);
    let url = alert["generatorURL"]
        .as_str()
        .unwrap_or("https://h.example");
    [
        (!has_any, "at least one label pair required"),
        (
            !are_names || !are_texts(&alert["labels"]),
            "invalid label set",
        ),
        (!are_texts(&alert["annotations"]), "invalid annotations"),
        (!is_time("startsAt") || !is_time("endsAt"), "a time"),
        (
            alert["startsAt"].as_str() > alert["endsAt"].as_str(),
            "start time must be before end time",
        ),
        (
            url::Url::parse(url).is_err(),
            "generatorURL must be of type uri",
        ),
    ]
    .iter()
    .find_map(|(is_so, why)| is_so.then_some(*why))
}

impl Alert {
    fn is_resolved(&self, now: &str) -> bool {
        self.ends_at.as_str() <= now
    }

    /// This one after an older report of the same.
    fn merged(self, old: &Self, now: &str) -> Self {
        let inside = |at: &String| *at > old.starts_at && *at < old.ends_at;
        if !inside(&self.starts_at) && !inside(&self.ends_at) {
            return self;
        }
        // An end that was said rules, if it is the later one. Else only another end does.
        let is_end = !self.is_resolved(now) || old.is_resolved(now);
        let keeps_end = is_end && old.ends_at > self.ends_at;
        Self {
            starts_at: self.starts_at.min(old.starts_at.clone()),
            ends_at: if keeps_end {
                old.ends_at.clone()
            } else {
                self.ends_at
            },
            annotations: self.annotations,
        }
    }
}

impl State {
    fn answer(&mut self, asked: &Asked<'_>) -> Says {
        if format!("/{}", asked.path.join("/")) != format!("{PREFIX}/api/v2/alerts") {
            return (404, String::new(), Value::from("404 page not found"));
        }
        if let Some(refusal) = self.refusals.pop() {
            return refusal;
        }
        let Some(posted) = asked.body.as_array() else {
            return (
                400,
                String::new(),
                json!({ "code": 400, "message": "parsing alerts" }),
            );
        };
        let mut faults = Vec::new();
        for alert in posted {
            if let Some(why) = fault(alert) {
                faults.push(why);
                continue;
            }
            let of = |name: &str| alert[name].as_str().unwrap().to_owned();
            let new = Alert {
                starts_at: of("startsAt"),
                ends_at: of("endsAt"),
                annotations: alert["annotations"].clone(),
            };
            let labels = alert["labels"].to_string();
            let new = match self.alerts.get(&labels) {
                Some(old) => new.merged(old, &self.now),
                None => new,
            };
            self.alerts.insert(labels, new);
        }
        // Those that are valid are taken all the same.
        if let Some(why) = faults.first() {
            return (400, String::new(), Value::from(format!("\"{why}\"")));
        }
        self.drops
            .pop()
            .unwrap_or((200, String::new(), Value::from("")))
    }

    /// The labels of what is active.
    fn active(&self) -> Vec<Value> {
        let all = self
            .alerts
            .iter()
            .filter(|(_, it)| !it.is_resolved(&self.now));
        all.map(|(labels, _)| serde_json::from_str(labels).unwrap())
            .collect()
    }
}

async fn serve() -> (Fake, Server, At) {
    let fake = Fake::default();
    fake.lock().now = text(message().at);
    let server = serving_state(&fake, State::answer).await;
    let at = At::open(&server, SinkKind::Alertmanager, PREFIX);
    (fake, server, at)
}

fn severities(fake: &Fake) -> Vec<String> {
    let active = fake.lock().active();
    let of = |labels: &Value| labels["severity"].as_str().unwrap().to_owned();
    active.iter().map(of).collect()
}

/// The incident of a message, as it is sent again at a time.
async fn beat(fake: &Fake, sink: &At, of: &Message, shown_as: &str, at: Timestamp) {
    let lasting = Lasting {
        incident: of.incident.clone(),
        explained: of.explained.clone(),
        is_resolved: of.kind == NotificationKind::Resolved,
        shown_as: Some(shown_as.to_owned()),
        words: Words::default(),
    };
    fake.lock().now = text(at);
    let until = at.plus(Duration::from_mins(4));
    let receipt = sink.sinks.repeat(&sink.target, &[lasting], until).await;
    assert!(matches!(receipt, Receipt::Accepted { .. }), "{receipt:?}");
}

/// A minute passes five times between the messages: an open incident is sent again each time.
#[tokio::test]
async fn an_incident_is_active_exactly_while_it_is_open() {
    let (fake, _server, sink) = serve().await;
    let mut shown_as = None;
    for message in life() {
        let message = Message {
            shown_as,
            ..message
        };
        fake.lock().now = text(message.at);
        let alert = sink.accepted(&message).await;
        let is_open = message.kind != NotificationKind::Resolved;
        let severity = is_open.then(|| message.incident.severity.as_str());
        let expected = Vec::from_iter(severity);
        assert_eq!(severities(&fake), expected, "{:?}", message.kind);
        for minute in 1..=5 {
            let at = message.at.plus(Duration::from_mins(minute));
            beat(&fake, &sink, &message, &alert, at).await;
            assert_eq!(severities(&fake), expected, "{:?}", message.kind);
        }
        shown_as = Some(alert);
    }
    // Two episodes with two severities are two alerts.
    assert_eq!(fake.lock().alerts.len(), 2);
    let at = message().at.plus(Duration::from_hours(2));
    let sample = Message {
        at,
        expires_at: at.plus(Duration::from_mins(4)),
        ..sample()
    };
    fake.lock().now = text(at);
    sink.accepted(&sample).await;
    let active = fake.lock().active();
    assert!(
        matches!(&active[..], [one] if one["alertname"] == "HookherdWebhookFailed"),
        "{active:?}"
    );
}

#[tokio::test]
async fn what_is_not_sent_again_ends_by_itself_and_no_sooner() {
    let (fake, _server, sink) = serve().await;
    sink.accepted(&message()).await;
    let until = message().expires_at;
    for (at, expected) in [(until.minus(Duration::from_millis(1)), 1), (until, 0)] {
        fake.lock().now = text(at);
        assert_eq!(severities(&fake).len(), expected, "{at:?}");
    }
}

/// A clock that is behind has not come to an end yet that was just said.
#[tokio::test]
async fn an_end_counts_also_if_the_clock_there_is_behind_by_seconds() {
    let (fake, _server, sink) = serve().await;
    let alert = sink.accepted(&message()).await;
    let end = Message {
        at: message().at.plus(Duration::from_mins(2)),
        ..next(6, &resolved(), &alert)
    };
    fake.lock().now = text(end.at.minus(Duration::from_secs(4)));
    sink.accepted(&end).await;
    assert_eq!(severities(&fake), [] as [&str; 0]);
}

#[tokio::test]
async fn hostile_and_long_texts_are_valid_alerts() {
    let (fake, _server, sink) = serve().await;
    let (digests, incidents) = bear(&sink, usize::MAX).await;
    let state = fake.lock();
    assert_eq!((digests, state.alerts.len()), (0, incidents));
    assert_eq!(state.active(), [] as [Value; 0]);
    let whole = json!({
        "labels": { "a": "b" }, "startsAt": "2023-11-14T22:13:20.000Z",
        "endsAt": "2023-11-14T22:13:21.000Z", "annotations": {},
    });
    assert_eq!(fault(&whole), None);
    for (part, bad) in [
        ("labels", json!({ "a-b": "c" })),
        ("labels", json!({})),
        ("endsAt", json!("2023-11-14T22:13:19.000Z")),
    ] {
        let mut alert = whole.clone();
        alert[part] = bad;
        assert!(fault(&alert).is_some(), "{alert}");
    }
}

#[tokio::test]
async fn what_is_repeated_after_a_lost_answer_is_the_same_alert() {
    let (fake, _server, sink) = serve().await;
    fake.lock().drops = vec![NO_ANSWER];
    assert_eq!(name(&sink.sent(&message()).await), "unsure");
    let alert = sink.accepted(&message()).await;
    let end = next(6, &resolved(), &alert);
    fake.lock().drops = vec![NO_ANSWER];
    assert_eq!(name(&sink.sent(&end).await), "unsure");
    sink.accepted(&end).await;
    assert_eq!(severities(&fake), [] as [&str; 0]);
    assert_eq!(fake.lock().alerts.len(), 1);
}

#[tokio::test]
async fn refusals_pass_or_stay() {
    let (fake, server, sink) = serve().await;
    for (says, expected) in [
        (
            (
                400,
                String::new(),
                Value::from("\"start time must be before end time\""),
            ),
            "rejected",
        ),
        (
            (422, String::new(), json!({ "code": 601, "message": "x" })),
            "rejected",
        ),
        ((500, String::new(), Value::from("\"x\"")), "later: None"),
        (
            (503, "retry-after: 6\r\n".to_owned(), Value::Null),
            "later: Some(6s)",
        ),
        ((401, String::new(), Value::Null), "refused: refused"),
    ] {
        fake.lock().refusals = vec![says.clone()];
        assert_eq!(name(&sink.sent(&message()).await), expected, "{says:?}");
    }
    let elsewhere = At::open(&server, SinkKind::Alertmanager, "/other");
    assert_eq!(
        name(&elsewhere.sent(&message()).await),
        "refused: not_found"
    );
}
