//! An "Events API v2" integration of `PagerDuty`, and its alerts.
//!
//! What it does is known from its reference:
//! <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/> and
//! <https://github.com/PagerDuty/api-schema/blob/main/reference/events-v2/openapiv3.json>.

use super::life::{LIFE, bear, life, live, sample};
use super::*;
use serde_json::json;

const KEY: &str = "R0canary1DF4TMCE4NNI4C3E1ANNG5DQ";

#[derive(Clone, Debug, PartialEq, Eq)]
struct Alert {
    key: String,
    /// The payloads of what triggered it.
    log: Vec<Value>,
    is_resolved: bool,
}

#[derive(Default)]
struct State {
    /// Oldest first.
    alerts: Vec<Alert>,
    refusals: Vec<Says>,
    drops: Vec<Says>,
}

type Fake = Arc<Mutex<State>>;

fn invalid(errors: &[String]) -> Says {
    let words = "Event object is invalid";
    let body = json!({ "status": "invalid event", "message": words, "errors": errors });
    (400, String::new(), body)
}

/// What is wrong with the payload of a trigger.
fn faults(event: &Value) -> Vec<String> {
    let payload = &event["payload"];
    let length = |name: &str| {
        payload[name]
            .as_str()
            .map_or(0, |text| text.chars().count())
    };
    let mut faults = Vec::new();
    let mut ensure = |is_so: bool, what: &str| {
        if !is_so {
            faults.push(format!("'payload.{what}' is invalid"));
        }
    };
    ensure((1..=1_024).contains(&length("summary")), "summary");
    ensure(length("source") > 0, "source");
    let severities = ["critical", "error", "warning", "info"];
    ensure(
        severities.iter().any(|it| payload["severity"] == *it),
        "severity",
    );
    let is_time = |text: &str| text.len() == 24 && text.ends_with('Z');
    ensure(
        payload["timestamp"].as_str().is_some_and(is_time),
        "timestamp",
    );
    ensure(payload["custom_details"].is_object(), "custom_details");
    let mut links = event["links"].as_array().into_iter().flatten();
    let is_link = |link: &Value| {
        link["href"]
            .as_str()
            .is_some_and(|it| it.starts_with("https://"))
    };
    ensure(links.all(is_link), "links");
    ensure(event["client"].is_string(), "client");
    faults
}

impl State {
    fn answer(&mut self, asked: &Asked<'_>) -> Says {
        if (asked.method, &asked.path[..]) != ("POST", &["v2", "enqueue"]) {
            return (404, String::new(), Value::from("not found"));
        }
        if let Some(refusal) = self.refusals.pop() {
            return refusal;
        }
        let event = &asked.body;
        if event.to_string().len() > 512_000 {
            return (413, String::new(), Value::from("Request Entity Too Large"));
        }
        let routing = event["routing_key"].as_str().unwrap_or_default();
        if routing != KEY {
            let words = "Length of 'routing_key' is incorrect (should be 32 characters)";
            let words = if routing.len() == 32 {
                "Invalid routing key"
            } else {
                words
            };
            return invalid(&[words.to_owned()]);
        }
        let key = event["dedup_key"].as_str().unwrap_or_default().to_owned();
        if key.is_empty() || key.len() > 255 {
            return invalid(&["'dedup_key' is invalid".to_owned()]);
        }
        let mut open = self
            .alerts
            .iter_mut()
            .filter(|it| it.key == key && !it.is_resolved);
        match event["event_action"].as_str() {
            Some("trigger") => {
                let faults = faults(event);
                if !faults.is_empty() {
                    return invalid(&faults);
                }
                let payload = event["payload"].clone();
                match open.next() {
                    Some(alert) => alert.log.push(payload),
                    None => self.alerts.push(Alert {
                        key: key.clone(),
                        log: vec![payload],
                        is_resolved: false,
                    }),
                }
            }
            // Also of an alert that is not open.
            Some("resolve") => open.for_each(|alert| alert.is_resolved = true),
            Some("acknowledge") => {}
            _ => return invalid(&["'event_action' is invalid".to_owned()]),
        }
        let body = json!({ "status": "success", "message": "Event processed", "dedup_key": key });
        self.drops.pop().unwrap_or((202, String::new(), body))
    }
}

async fn serve() -> (Fake, Server, At) {
    let fake = Fake::default();
    let server = serving_state(&fake, State::answer).await;
    let at = At::new(&server, SinkKind::Pagerduty, "", KEY);
    (fake, server, at)
}

#[tokio::test]
async fn each_episode_of_an_incident_is_one_alert_that_ends_with_it() {
    let (fake, _server, sink) = serve().await;
    live(&sink, life()).await;
    let alerts = fake.lock().alerts.clone();
    let of = |alert: &Alert| (alert.log.len(), alert.is_resolved);
    let found: Vec<_> = alerts.iter().map(of).collect();
    assert_eq!(found, [(3, true), (2, true)]);
    assert_eq!(found[0].0 + found[1].0 + 2, LIFE.len());
    assert_eq!(alerts[0].key, alerts[1].key);
    let severities: Vec<_> = alerts[0].log.iter().map(|it| &it["severity"]).collect();
    assert_eq!(severities, ["error", "error", "critical"]);
    let first = &alerts[0].log[0];
    assert_eq!(first["summary"], "octo/app: CI failed: build on main");
    assert_eq!(
        (&first["source"], &first["component"]),
        (&json!("octo/app"), &json!("build"))
    );
    sink.sent(&sample()).await;
    let alerts = fake.lock().alerts.clone();
    assert_eq!((alerts.len(), of(&alerts[2])), (3, (1, false)));
    assert_ne!(alerts[2].key, alerts[0].key);
}

#[tokio::test]
async fn hostile_and_long_texts_are_valid_events() {
    let (fake, _server, sink) = serve().await;
    let (digests, incidents) = bear(&sink, usize::MAX).await;
    assert_eq!(digests, 0);
    let state = fake.lock();
    assert_eq!(state.alerts.len(), incidents);
    assert!(
        state
            .alerts
            .iter()
            .all(|it| it.is_resolved && it.log.len() == 1)
    );
}

/// Whatever arrives twice, and an end that comes before anything else, changes nothing.
#[tokio::test]
async fn a_lost_answer_makes_no_second_alert() {
    let (fake, _server, sink) = serve().await;
    for message in [message(), resolved()] {
        fake.lock().drops = vec![NO_ANSWER];
        assert_eq!(name(&sink.sent(&message).await), "unsure");
        assert_eq!(name(&sink.sent(&message).await), "accepted");
    }
    let alerts = fake.lock().alerts.clone();
    assert!(
        matches!(&alerts[..], [one] if one.is_resolved),
        "{alerts:?}"
    );
    assert_eq!(name(&sink.sent(&resolved()).await), "accepted");
    assert_eq!(fake.lock().alerts, alerts);
}

#[tokio::test]
async fn refusals_pass_or_stay_and_the_key_is_not_shown() {
    let (fake, server, sink) = serve().await;
    let throttled = json!({ "status": "throttle exceeded", "errors": ["Enhance Your Calm."] });
    for (says, expected) in [
        ((429, String::new(), throttled.clone()), "later: None"),
        (
            (429, "retry-after: 9\r\n".to_owned(), throttled),
            "later: Some(9s)",
        ),
        ((500, String::new(), Value::Null), "later: None"),
        (
            invalid(&["'payload.severity' is invalid".to_owned()]),
            "rejected",
        ),
        ((413, String::new(), Value::Null), "rejected"),
    ] {
        fake.lock().refusals = vec![says.clone()];
        assert_eq!(name(&sink.sent(&message()).await), expected, "{says:?}");
    }
    let other = "R0canary000000000000000000000000";
    let other = At::new(&server, SinkKind::Pagerduty, "", other);
    let receipt = other.sent(&message()).await;
    assert_eq!(name(&receipt), "refused: refused");
    assert!(!format!("{receipt:?}").contains("canary"), "{receipt:?}");
}
