//! Deliveries in JSON.

use super::time;
use crate::domain::delivery::{self, DeliveryState, Outcome, Source};
use crate::domain::repo::FullName;
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

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
            body_sha256: HEXLOWER.encode(&delivery.body_digest),
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
