//! Deliveries in JSON.

use super::time;
use crate::domain::delivery::{self, DeliveryState, Outcome, Source};
use crate::domain::repo::FullName;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Deepest body that is shown as JSON within JSON: what clients can be trusted to parse.
const DEPTH_MAX: usize = 100;

/// A delivery, as lists show it.
#[derive(Clone, Debug, Serialize)]
pub struct DeliverySummary {
    /// Our id.
    pub id: String,
    /// The connection that it belongs to.
    pub connection_id: String,
    /// The connection's repository; null once the connection is forgotten.
    pub repository_full_name: Option<String>,
    /// The provider's id.
    pub provider_delivery_id: String,
    /// The provider's event name.
    pub event: String,
    /// The payload's action, once processed and when there is one.
    pub action: Option<String>,
    /// When it arrived.
    pub received_at: String,
    /// `webhook` or `reconcile`.
    pub source: &'static str,
    /// `received` or `processed`.
    pub state: &'static str,
    /// When it was processed.
    pub processed_at: Option<String>,
    /// One of [`Outcome::NAMES`].
    pub outcome: Option<&'static str>,
    /// Why it is a dead letter.
    pub reason: Option<String>,
    /// The run that it told of.
    pub run_id: Option<String>,
    /// The incident that it opened, counted up or resolved.
    pub incident_id: Option<String>,
    /// Size of the body in bytes.
    pub body_bytes: u32,
    /// SHA-256 of the body, in hexadecimal.
    pub body_sha256: String,
}

impl DeliverySummary {
    /// The shape of a delivery of a connection to this repository.
    pub fn of(delivery: &delivery::Delivery, repository: Option<&FullName>) -> Self {
        let mut dto = Self {
            id: delivery.id.to_string(),
            connection_id: delivery.connection.to_string(),
            repository_full_name: repository.map(ToString::to_string),
            provider_delivery_id: delivery.provider_delivery_id.clone(),
            event: delivery.event.clone(),
            action: delivery.action.clone(),
            received_at: time(delivery.received_at),
            source: match delivery.source {
                Source::Webhook => "webhook",
                Source::Reconcile => "reconcile",
            },
            state: "received",
            processed_at: None,
            outcome: None,
            reason: None,
            run_id: None,
            incident_id: None,
            body_bytes: delivery.body_bytes,
            body_sha256: hex::encode(delivery.body_digest),
        };
        match &delivery.state {
            DeliveryState::Received => {}
            DeliveryState::Processed { at, outcome } => {
                dto.state = "processed";
                dto.processed_at = Some(time(*at));
                dto.outcome = Some(outcome.as_str());
                match outcome {
                    Outcome::Run { run, incident } => {
                        dto.run_id = Some(run.to_string());
                        dto.incident_id = incident.map(|id| id.to_string());
                    }
                    Outcome::DeadLetter { reason } => dto.reason = Some(reason.clone()),
                    Outcome::Pong
                    | Outcome::Recorded
                    | Outcome::Ignored
                    | Outcome::Paused
                    | Outcome::ForeignRepository
                    | Outcome::Mirrored
                    | Outcome::Stale => {}
                }
            }
        }
        dto
    }
}

/// A delivery with all that is kept of it.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryDetail {
    /// What lists show.
    #[serde(flatten)]
    pub summary: DeliverySummary,
    /// The headers and the body; null when retention took them.
    #[serde(flatten)]
    pub payload: Payload,
}

/// What the provider sent.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Payload {
    /// The headers that are kept; null when retention took them.
    pub headers: Option<BTreeMap<String, String>>,
    /// The body, when it is JSON; as it was sent, digit for digit.
    pub payload: Option<Box<RawValue>>,
    /// The body in base64, when it is not JSON or nested too deeply.
    pub payload_base64: Option<String>,
}

impl From<delivery::Payload> for Payload {
    fn from(payload: delivery::Payload) -> Self {
        let body = &payload.body;
        let text = std::str::from_utf8(body)
            .ok()
            .filter(|text| depth(text) <= DEPTH_MAX);
        let json = text.and_then(|text| RawValue::from_string(text.to_owned()).ok());
        let encoded = json.is_none().then(|| STANDARD.encode(body));
        Self {
            headers: Some(payload.headers.into_iter().collect()),
            payload: json,
            payload_base64: encoded,
        }
    }
}

/// How deeply a JSON text nests.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: &'static [u8]) -> serde_json::Value {
        let payload = delivery::Payload {
            headers: Vec::new(),
            body: body.into(),
        };
        serde_json::to_value(Payload::from(payload)).unwrap()
    }

    #[test]
    fn json_is_shown_as_it_is_and_the_rest_in_base64() {
        let json = Payload::from(delivery::Payload {
            headers: Vec::new(),
            body: (&br#"{"id": 123456789012345678901234567890 }"#[..]).into(),
        });
        let text = serde_json::to_string(&json).unwrap();
        assert!(
            text.contains(r#"{"id": 123456789012345678901234567890 }"#),
            "{text}"
        );
        assert_eq!(
            shown(b"payload=%7B%7D")["payload_base64"],
            "cGF5bG9hZD0lN0IlN0Q="
        );
        assert!(shown(b"\xFF\xFE")["payload"].is_null());
    }

    #[test]
    fn what_would_break_a_parser_is_not_passed_on_as_json() {
        let deep = "[".repeat(DEPTH_MAX + 1) + &"]".repeat(DEPTH_MAX + 1);
        let payload = delivery::Payload {
            headers: Vec::new(),
            body: deep.into(),
        };
        assert!(Payload::from(payload).payload.is_none());
        assert_eq!(depth(r#"{"a":"[[[[\"[[","b":[1]}"#), 2);
    }
}
