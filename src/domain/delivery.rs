//! Deliveries: one HTTP POST of the provider each, as stored.

use super::id::{ConnectionId, DeliveryId, IncidentId, RunId, UserId};
use super::rotation::SecretNumber;
use super::time::Timestamp;

/// Longest provider delivery id that is stored; GitHub's are 36 bytes, ids are opaque.
pub const PROVIDER_DELIVERY_ID_BYTES_MAX: usize = 128;
/// Longest event name that is stored.
pub const EVENT_NAME_BYTES_MAX: usize = 100;

/// A delivery without its payload, which stays in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Our id.
    pub id: DeliveryId,
    /// The connection whose secret verified it.
    pub connection: ConnectionId,
    /// The connection's owner.
    pub owner: UserId,
    /// The provider's id. Opaque, and not covered by GitHub's signature.
    pub provider_delivery_id: String,
    /// The provider's event name, such as `workflow_run`.
    pub event: String,
    /// The payload's action, once processed and if it has one.
    pub action: Option<String>,
    /// When it arrived here.
    pub received_at: Timestamp,
    /// The digest by which a duplicate of the body is recognised.
    pub body_digest: BodyDigest,
    /// Size of the body in bytes, uncompressed.
    pub body_bytes: u32,
    /// How it was received.
    pub source: Source,
    /// The secret of the connection that verified it; `None` when it was read from the provider's
    /// log, or stored by an older version.
    pub signed_by: Option<SecretNumber>,
    /// Its state.
    pub state: DeliveryState,
    /// The number of started attempts to process it: a delivery that keeps failing becomes a dead
    /// letter.
    pub tries: u32,
}

/// A digest of a body. Equal bodies are recognised by equal digests of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyDigest {
    /// SHA-256: in deliveries that an older version stored.
    Sha256([u8; 32]),
    /// BLAKE3.
    Blake3([u8; 32]),
}

named! {
    /// How a delivery was received.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Source {
        /// The provider sent it, signed.
        Webhook = "webhook",
        /// Read from the provider's delivery log after it was missed. Its body is not the original
        /// bytes.
        Reconcile = "reconcile",
    }
}

/// What may change of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryProgress {
    /// The delivery.
    pub id: DeliveryId,
    /// The event: the name that came with it is not signed.
    pub event: String,
    /// The action of the event, once it was decoded.
    pub action: Option<String>,
    /// The state.
    pub state: DeliveryState,
    /// How often processing was begun and not ended.
    pub tries: u32,
}

impl From<Delivery> for DeliveryProgress {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            event: delivery.event,
            action: delivery.action,
            state: delivery.state,
            tries: delivery.tries,
        }
    }
}

impl Delivery {
    /// The delivery after this progress of it.
    #[must_use]
    pub fn after(self, progress: DeliveryProgress) -> Self {
        let DeliveryProgress {
            id: _,
            event,
            action,
            state,
            tries,
        } = progress;
        Self {
            event,
            action,
            state,
            tries,
            ..self
        }
    }
}

/// The state of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// Stored and acknowledged, not processed yet.
    Received,
    /// Processed, with this outcome.
    Processed {
        /// The time.
        at: Timestamp,
        /// The result.
        outcome: Outcome,
    },
}

named! {
    /// The result of processing a delivery.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Outcome {
        /// A ping was answered.
        Pong = "pong",
        /// A run was recorded or updated; with its incident, if any.
        Run {
            /// The run.
            run: RunId,
            /// The incident that was opened, counted up or resolved.
            incident: Option<IncidentId>,
        } = "run",
        /// Kept in the history, without effects.
        Recorded = "recorded",
        /// Not used.
        Ignored = "ignored",
        /// Arrived while the connection was paused or disconnected: kept, without effects.
        Paused = "paused",
        /// The payload is of another repository than the connection's: kept, without effects.
        ForeignRepository = "foreign_repository",
        /// CI that is also reported by other events: kept, without effects, so that nothing counts
        /// twice.
        Mirrored = "mirrored",
        /// Correctly signed, but at a time so far from ours that it may be a replay: kept, without
        /// effects.
        Stale = "stale",
        /// Could not be decoded, or kept failing: kept for analysis.
        DeadLetter {
            /// The reason, without payload content.
            reason: String,
        } = "dead_letter",
    }
}

/// The content from the provider: allow-listed headers and the body, byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// Names in lower case, in the order of the allow-list.
    pub headers: Vec<(String, String)>,
    /// The body as it was sent.
    pub body: bytes::Bytes,
}
