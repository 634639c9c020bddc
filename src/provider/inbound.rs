//! Inbound deliveries, which are not trusted before they are verified.

use crate::domain::delivery::Payload;
use crate::domain::event::Decoded;
use crate::domain::repo::{FullName, RepositoryId};
use crate::domain::secret::{HookSecret, Proof};
use crate::domain::time::Timestamp;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A request that claims to be a delivery, before anything about it is trusted.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'a> {
    /// Looks up a header by its lower-case name: `None` when it is absent, not text, or occurs more
    /// than once.
    pub headers: &'a dyn HeaderLookup,
    /// The body, byte for byte.
    pub body: &'a [u8],
    /// When it arrived.
    pub received_at: Timestamp,
}

/// Headers of a request, whatever the HTTP library.
pub trait HeaderLookup: std::fmt::Debug {
    /// The value of the header with this lower-case name; `None` when it is absent, not visible
    /// ASCII, or occurs more than once.
    fn get(&self, name: &str) -> Option<&str>;
}

/// The repository of a delivery without a hook key in its URL. Not trusted: it only selects the
/// secrets to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A repository by id.
    Repository(RepositoryId),
    /// A repository by name.
    Name(FullName),
}

/// A delivery whose signature was verified. Only [`Decode::verify`] makes one: the type is the
/// proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    // Set by implementations of [`Decode::describe`] only, after the signature was verified.
    pub(super) provider_delivery_id: String,
    pub(super) event: String,
    pub(super) is_ping: bool,
    pub(super) is_stale: bool,
    pub(super) headers: Vec<(String, String)>,
    pub(super) decoded: Option<Decoded>,
}

impl Verified {
    /// The provider's id of the delivery. Opaque; not covered by GitHub's signature.
    pub fn provider_delivery_id(&self) -> &str {
        &self.provider_delivery_id
    }

    /// The event of the body. The header that names it is not signed, and decides only where the
    /// body is ambiguous.
    pub fn event(&self) -> &str {
        &self.event
    }

    /// Whether it is the answer to a ping.
    pub const fn is_ping(&self) -> bool {
        self.is_ping
    }

    /// Whether its signature time differs too much from ours.
    pub const fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// The contents of the body, once: what [`Decode::decode`] makes of it. `None` where it cannot
    /// be read.
    pub fn take_decoded(&mut self) -> Option<Decoded> {
        self.decoded.take()
    }

    /// The allow-listed headers, names in lower case.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }
}

/// The data of a delivery as soon as its signature is verified: enough to recognise a duplicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    // Set by implementations of [`Decode::prove`] only, after the signature was verified.
    pub(super) secret: usize,
    pub(super) provider_delivery_id: String,
    pub(super) named: String,
    pub(super) is_stale: bool,
}

impl Proven {
    /// Which of the secrets verified it: its place among those given.
    pub const fn secret(&self) -> usize {
        self.secret
    }

    /// See [`Verified::provider_delivery_id`].
    pub fn provider_delivery_id(&self) -> &str {
        &self.provider_delivery_id
    }

    /// The event in the header, which is not signed.
    pub fn named_event(&self) -> &str {
        &self.named
    }

    /// See [`Verified::is_stale`].
    pub const fn is_stale(&self) -> bool {
        self.is_stale
    }
}

/// Why a request is not a valid delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A header that every delivery has is missing or malformed.
    #[error("the header {0} is missing or malformed")]
    BadHeader(&'static str),
    /// No signature, or one of none of the secrets.
    #[error("the signature is missing or wrong")]
    BadSignature,
}

/// Why a verified payload could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload cannot be read: {0}")]
pub struct DecodeError(pub String);

/// Reads a body before it is stored. `None` if that panics: the delivery is still stored, and its
/// connection's actor meets the same panic, where it is handled.
pub(super) fn guarded<T>(read: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_default()
}

/// Inbound: pure, no I/O. One per kind of provider.
pub trait Decode: Send + Sync + 'static {
    /// Verifies the raw body against each of `secrets`, in constant time, and names the delivery.
    ///
    /// Without secrets it does the same work against a random secret, so that the time does not
    /// reveal whether a repository is known.
    fn prove(
        &self,
        inbound: Inbound<'_>,
        secrets: &[HookSecret],
        proof: Proof,
    ) -> Result<Proven, VerifyError>;

    /// The other stored data of a proven delivery: the event of its body, and headers. The body is
    /// decoded for that.
    fn describe(&self, inbound: Inbound<'_>, proven: Proven) -> Verified;

    /// [`Decode::prove`], then [`Decode::describe`].
    fn verify(
        &self,
        inbound: Inbound<'_>,
        secrets: &[HookSecret],
        proof: Proof,
    ) -> Result<Verified, VerifyError> {
        let proven = self.prove(inbound, secrets, proof)?;
        Ok(self.describe(inbound, proven))
    }

    /// The repository that the request names, for deliveries without a hook key in the URL.
    fn claim(&self, inbound: Inbound<'_>) -> Option<Claim>;

    /// The meaning of a stored delivery with this event name. An unknown event is
    /// [`crate::domain::event::Event::Ignored`] and not an error; so is a body without the fields
    /// of its event. An error is a body that is not a JSON object.
    fn decode(&self, event: &str, payload: &Payload) -> Result<Decoded, DecodeError>;

    /// Whether an event of this name can have an effect: decides whether a delivery is answered
    /// `accepted` or `ignored`.
    fn is_known_event(&self, event: &str) -> bool;

    /// The events that a hook subscribes to when the user does not choose, by the provider's names.
    fn default_events(&self) -> &'static [&'static str];

    /// Whether a hook can subscribe to an event of this name.
    fn is_event_name(&self, name: &str) -> bool;
}
