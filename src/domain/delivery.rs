//! Deliveries: one HTTP POST of the provider each, as it is kept.

use super::id::{ConnectionId, DeliveryId, IncidentId, RunId, UserId};
use super::time::Timestamp;

/// Longest provider delivery id that is kept; GitHub's are 36 bytes, ids are opaque.
pub const PROVIDER_DELIVERY_ID_BYTES_MAX: usize = 128;
/// Longest event name that is kept.
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
    /// The provider's id of it. Opaque, and not covered by GitHub's signature.
    pub provider_delivery_id: String,
    /// The provider's event name, such as `workflow_run`.
    pub event: String,
    /// The payload's action, once it was processed and when there is one.
    pub action: Option<String>,
    /// When it arrived here.
    pub received_at: Timestamp,
    /// By what the body as it was sent is recognised when it comes again.
    pub body_digest: BodyDigest,
    /// Size of the body in bytes, uncompressed.
    pub body_bytes: u32,
    /// How it came to us.
    pub source: Source,
    /// What became of it.
    pub state: DeliveryState,
    /// How often processing was begun: a delivery that keeps failing ends as a dead letter.
    pub tries: u32,
}

/// A digest of a body. Equal bodies are recognised by equal digests of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyDigest {
    /// SHA-256: what deliveries have that an older version stored.
    Sha256([u8; 32]),
    /// BLAKE3.
    Blake3([u8; 32]),
}

/// How a delivery came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The provider sent it, signed.
    Webhook,
    /// Read from the provider's delivery log after it was missed. Its body is not the original
    /// bytes.
    Reconcile,
}

impl Source {
    /// Every source there is.
    pub const ALL: [Self; 2] = [Self::Webhook, Self::Reconcile];

    /// The name used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Reconcile => "reconcile",
        }
    }
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// Stored and acknowledged, not processed yet.
    Received,
    /// Processed, with this outcome.
    Processed {
        /// When.
        at: Timestamp,
        /// With what result.
        outcome: Outcome,
    },
}

/// The result of processing a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A ping was answered.
    Pong,
    /// A run was recorded or updated; with the incident that it touched, if any.
    Run {
        /// The run.
        run: RunId,
        /// The incident that was opened, counted up or resolved.
        incident: Option<IncidentId>,
    },
    /// Kept in the history; nothing follows from it.
    Recorded,
    /// Means nothing to us.
    Ignored,
    /// Arrived while the connection was paused or disconnected: kept, without effects.
    Paused,
    /// The payload speaks of another repository than the connection's: kept, without effects.
    ForeignRepository,
    /// Tells of CI that is followed through other events: kept, without effects, so that nothing
    /// counts twice.
    Mirrored,
    /// Rightly signed, but at a time so far from ours that it may be an old one sent again: kept,
    /// without effects.
    Stale,
    /// Could not be decoded, or kept failing: kept for people to look at.
    DeadLetter {
        /// Why, in words without payload content.
        reason: String,
    },
}

impl Outcome {
    /// The names of all outcomes.
    pub const NAMES: [&str; 9] = [
        "pong",
        "run",
        "recorded",
        "ignored",
        "paused",
        "foreign_repository",
        "mirrored",
        "stale",
        "dead_letter",
    ];

    /// The name used in JSON and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pong => "pong",
            Self::Run { .. } => "run",
            Self::Recorded => "recorded",
            Self::Ignored => "ignored",
            Self::Paused => "paused",
            Self::ForeignRepository => "foreign_repository",
            Self::Mirrored => "mirrored",
            Self::Stale => "stale",
            Self::DeadLetter { .. } => "dead_letter",
        }
    }
}

/// What the provider sent: allow-listed headers and the body, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Names in lower case, in the order of the allow-list.
    pub headers: Vec<(String, String)>,
    /// The body as it was sent.
    pub body: bytes::Bytes,
}
