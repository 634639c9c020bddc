//! Deliveries in JSON.

use super::Command;
use crate::api::schema::{DeliveryStatus, OutcomeName};
use crate::domain::delivery::{self, BodyDigest, DeliveryState, Outcome, Source};
use crate::domain::id::{ConnectionId, DeliveryId, IncidentId, RunId};
use crate::domain::repo::FullName;
use crate::domain::time::Timestamp;
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A delivery, without its payload.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeliverySummary {
    /// Id of the delivery.
    pub id: DeliveryId,
    /// Connection that it belongs to.
    pub connection_id: ConnectionId,
    /// Repository of the connection. Null when the connection no longer exists.
    pub repository_full_name: Option<FullName>,
    /// The provider's id of the delivery.
    pub provider_delivery_id: String,
    /// The provider's name of the event.
    #[schema(example = "workflow_run")]
    pub event: String,
    /// Action that the payload names, once processed.
    #[schema(example = "completed")]
    pub action: Option<String>,
    /// When it arrived.
    pub received_at: Timestamp,
    /// How it reached Hookherd.
    pub source: Source,
    /// Whether it has been processed.
    pub state: DeliveryStatus,
    /// When it was processed.
    pub processed_at: Option<Timestamp>,
    /// Result of the processing.
    pub outcome: Option<OutcomeName>,
    /// Why processing failed (outcome `dead_letter`).
    pub reason: Option<String>,
    /// Run that it reported.
    pub run_id: Option<RunId>,
    /// Incident that it opened, repeated or resolved.
    pub incident_id: Option<IncidentId>,
    /// Size of the body in bytes.
    pub body_bytes: u32,
    /// Digest of the body: `blake3:` or `sha256:`, then hexadecimal digits.
    pub body_digest: String,
}

impl DeliverySummary {
    /// The shape of a delivery of a connection to this repository.
    pub fn of(delivery: &delivery::Delivery, repository: Option<&FullName>) -> Self {
        let mut dto = Self {
            id: delivery.id,
            connection_id: delivery.connection,
            repository_full_name: repository.cloned(),
            provider_delivery_id: delivery.provider_delivery_id.clone(),
            event: delivery.event.clone(),
            action: delivery.action.clone(),
            received_at: delivery.received_at,
            source: delivery.source,
            state: DeliveryStatus::RECEIVED,
            processed_at: None,
            outcome: None,
            reason: None,
            run_id: None,
            incident_id: None,
            body_bytes: delivery.body_bytes,
            body_digest: match delivery.body_digest {
                BodyDigest::Sha256(digest) => format!("sha256:{}", HEXLOWER.encode(&digest)),
                BodyDigest::Blake3(digest) => format!("blake3:{}", HEXLOWER.encode(&digest)),
            },
        };
        match &delivery.state {
            DeliveryState::Received => {}
            DeliveryState::Processed { at, outcome } => {
                dto.state = DeliveryStatus::PROCESSED;
                dto.processed_at = Some(*at);
                dto.outcome = Some(outcome.into());
                match outcome {
                    Outcome::Run { run, incident } => {
                        dto.run_id = Some(*run);
                        dto.incident_id = *incident;
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

/// A delivery with its headers and its payload.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeliveryDetail {
    /// The delivery.
    #[serde(flatten)]
    pub summary: DeliverySummary,
    /// What the provider sent.
    #[serde(flatten)]
    pub payload: Payload,
}

/// What the provider sent.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[schema(as = DeliveryPayload)]
pub struct Payload {
    /// Stored headers. Null after the payload expired.
    pub headers: Option<BTreeMap<String, String>>,
    /// The body if it is JSON, digit for digit as sent.
    #[schema(value_type = serde_json::Value)]
    pub payload: Option<Box<RawValue>>,
    /// The body in base64 if it is not JSON, or nested more than 100 deep.
    pub payload_base64: Option<String>,
}

/// The result of asking for a delivery to be processed again.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Accepted {
    /// Always `accepted`.
    pub status: &'static str,
    /// Delivery that will be processed again.
    pub delivery_id: DeliveryId,
    /// The request.
    pub command: Command,
}

/// The answer to a provider's delivery.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IngressAnswer {
    /// `accepted`, `duplicate`, `ignored`, `stale` or `pong`.
    #[schema(example = "accepted")]
    pub status: &'static str,
    /// Id of the stored delivery; of the first one for a duplicate.
    pub delivery_id: DeliveryId,
}
