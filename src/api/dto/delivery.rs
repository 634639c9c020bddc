//! Deliveries in JSON.

use super::Command;
use crate::actor::Preview;
use crate::api::schema::{DeliveryStatus, OutcomeName, RunStatusName};
use crate::domain::delivery::{self, BodyDigest, Delivery, DeliveryState, Outcome, Source};
use crate::domain::id::{ConnectionId, DeliveryId, IncidentId, RunId};
use crate::domain::incident::{self, IncidentStatus};
use crate::domain::repo::FullName;
use crate::domain::run::{self, Conclusion};
use crate::domain::time::Timestamp;
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use utoipa::ToSchema;

shapes! {
    /// A delivery, without its payload.
    DeliverySummary(delivery: &delivery::Delivery, repository: Option<&FullName>) {
        /// Id of the delivery.
        id: DeliveryId = delivery.id,
        /// Connection that it belongs to.
        connection_id: ConnectionId = delivery.connection,
        /// Repository of the connection. Null when the connection no longer exists.
        repository_full_name: Option<FullName> = repository.cloned(),
        /// The provider's id of the delivery.
        provider_delivery_id: String = delivery.provider_delivery_id.clone(),
        /// The provider's name of the event.
        #[schema(example = "workflow_run")]
        event: String = delivery.event.clone(),
        /// Action that the payload names, once processed.
        #[schema(example = "completed")]
        action: Option<String> = delivery.action.clone(),
        /// When it arrived.
        received_at: Timestamp = delivery.received_at,
        /// How it reached Hookherd.
        source: Source = delivery.source,
        /// Whether it has been processed.
        state: DeliveryStatus = match processed(delivery) {
            Some(_) => DeliveryStatus::PROCESSED,
            None => DeliveryStatus::RECEIVED,
        },
        /// When it was processed.
        processed_at: Option<Timestamp> = processed(delivery).map(|(at, _)| at),
        /// How often processing was begun, as far as that was counted: after a failure it is.
        attempts: u32 = delivery.tries.max(processed(delivery).is_some().into()),
        /// Result of the processing.
        outcome: Option<OutcomeName> = processed(delivery).map(|(_, outcome)| outcome.into()),
        /// Why processing failed (outcome `dead_letter`).
        reason: Option<String> = match processed(delivery) {
            Some((_, Outcome::DeadLetter { reason })) => Some(reason.clone()),
            Some(_) | None => None,
        },
        /// Run that it reported.
        run_id: Option<RunId> = reported(delivery).map(|(run, _)| run),
        /// Incident that it opened, repeated or resolved.
        incident_id: Option<IncidentId> = reported(delivery).and_then(|(_, incident)| incident),
        /// Size of the body in bytes.
        body_bytes: u32 = delivery.body_bytes,
        /// Digest of the body: `blake3:` or `sha256:`, then hexadecimal digits.
        body_digest: String = match delivery.body_digest {
            BodyDigest::Sha256(digest) => format!("sha256:{}", HEXLOWER.encode(&digest)),
            BodyDigest::Blake3(digest) => format!("blake3:{}", HEXLOWER.encode(&digest)),
        },
    }
}

fn processed(delivery: &Delivery) -> Option<(Timestamp, &Outcome)> {
    match &delivery.state {
        DeliveryState::Received => None,
        DeliveryState::Processed { at, outcome } => Some((*at, outcome)),
    }
}

fn reported(delivery: &Delivery) -> Option<(RunId, Option<IncidentId>)> {
    if let Some((_, Outcome::Run { run, incident })) = processed(delivery) {
        Some((*run, *incident))
    } else {
        None
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

shapes! {
    /// A run as processing a delivery would leave it.
    RunPreview(before: Option<&run::Run>, after: &run::Run) {
        /// Id of the run. Null when it would be new.
        id: Option<RunId> = before.map(|run| run.id),
        /// Name of the workflow.
        workflow_name: String = after.facts.workflow_name.clone(),
        /// Number of the run within its workflow.
        run_number: u64 = after.position.number,
        /// State of the run now. Null when it would be new.
        status_before: Option<RunStatusName> = before.map(|run| (&run.status).into()),
        /// State of the run then.
        status: RunStatusName = (&after.status).into(),
        /// Conclusion of the run then.
        conclusion: Option<Conclusion> = after.status.conclusion(),
    }

    /// An incident as processing a delivery would leave it.
    IncidentPreview(before: Option<&incident::Incident>, after: &incident::Incident) {
        /// Id of the incident. Null when it would be new.
        id: Option<IncidentId> = before.map(|incident| incident.id),
        /// One line for people.
        title: String = after.title.clone(),
        /// State of the incident now. Null when it would be new.
        status_before: Option<IncidentStatus> = before.map(|incident| incident.status),
        /// State of the incident then.
        status: IncidentStatus = after.status,
        /// How often the failure will have occurred.
        occurrences: u32 = after.occurrences,
    }

    /// What processing a delivery again would do.
    ReplayPreview(id: DeliveryId, preview: &Preview) {
        /// Delivery that would be processed again.
        delivery_id: DeliveryId = id,
        /// Result of the processing.
        outcome: OutcomeName = (&preview.outcome).into(),
        /// Why processing would fail (outcome `dead_letter`).
        reason: Option<String> = match &preview.outcome {
            Outcome::DeadLetter { reason } => Some(reason.clone()),
            Outcome::Pong
            | Outcome::Run { .. }
            | Outcome::Recorded
            | Outcome::Ignored
            | Outcome::Paused
            | Outcome::ForeignRepository
            | Outcome::Mirrored
            | Outcome::Stale => None,
        },
        /// Runs that would be added or changed.
        runs: Vec<RunPreview> = {
            let runs = preview.runs.iter();
            runs.map(|(before, after)| RunPreview::of(before.as_ref(), after)).collect()
        },
        /// Incidents that would be opened or changed.
        incidents: Vec<IncidentPreview> = {
            let incidents = preview.incidents.iter();
            incidents.map(|(before, after)| IncidentPreview::of(before.as_ref(), after)).collect()
        },
    }
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
