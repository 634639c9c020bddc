//! The interface of sinks: a message in, what became of it out.

use super::words::Words;
use crate::domain::explanation::Explained;
use crate::domain::id::{Entropy, NotificationId};
use crate::domain::incident::Incident;
use crate::domain::notification::NotificationKind;
use crate::domain::report::Report;
use crate::domain::sink::{DisableReason, SinkKind};
use crate::domain::time::Timestamp;
use futures_util::future::BoxFuture;
use std::time::Duration;
use zeroize::Zeroizing;

/// The address and the keys of a sink, decrypted. Cannot be printed.
pub struct Target {
    /// The kind of the sink.
    pub kind: SinkKind,
    /// What its kind has stored: see the file of each kind.
    pub plain: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// A message about an incident, before its sink gives it a form. All texts in it may come from
/// strangers, and are escaped by the sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The notification: the same on each try.
    pub id: NotificationId,
    /// What it is about.
    pub kind: NotificationKind,
    /// The incident as it is now.
    pub incident: Incident,
    /// What the provider says about its last failed run, once that was read.
    pub explained: Option<Explained>,
    /// The number of the episode of that incident, from 1.
    pub episode: u32,
    /// When this try is made.
    pub at: Timestamp,
    /// When a sink that forgets by itself may forget the incident, unless it is sent again.
    pub expires_at: Timestamp,
    /// The message at the sink that shows the incident already, as [`Receipt::Accepted`] named it.
    pub shown_as: Option<String>,
    /// What the templates of the sink say.
    pub words: Words,
}

/// A digest, before its sink gives it a form. The names in it may come from strangers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestMessage {
    /// The notification: the same on each try.
    pub id: NotificationId,
    /// When this try is made.
    pub at: Timestamp,
    /// What happened.
    pub report: Report,
    /// Whether there was more than a report looks at.
    pub is_partial: bool,
    /// The zone in which its times are shown.
    pub time_zone: String,
}

/// An incident that a sink shows and would forget by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lasting {
    /// The incident as it is now.
    pub incident: Incident,
    /// What the provider says about its last failed run, once that was read.
    pub explained: Option<Explained>,
    /// Whether the sink was notified of its end.
    pub is_resolved: bool,
    /// The message at the sink that shows it, as [`Receipt::Accepted`] named it.
    pub shown_as: Option<String>,
    /// What the templates of the sink say.
    pub words: Words,
}

impl Lasting {
    /// What it is sent as.
    pub const fn kind(&self) -> NotificationKind {
        if self.is_resolved {
            NotificationKind::Resolved
        } else {
            NotificationKind::Opened
        }
    }
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The sink has accepted it.
    Accepted {
        /// What changes or ends the message later: its id there, or how it looked.
        message: Option<String>,
    },
    /// The sink has accepted it, but not for all of its recipients.
    Partly {
        /// See [`Self::Accepted`].
        message: Option<String>,
        /// For whom not, and why, for people.
        why: String,
    },
    /// The sink refuses this message permanently. It may accept others.
    Rejected {
        /// Why, for people: see [`Receipt`] about texts.
        why: String,
    },
    /// The sink refuses everything, until a person changes something.
    Disabled {
        /// The kind of refusal.
        reason: DisableReason,
        /// Why, for people.
        why: String,
    },
    /// The sink refuses everything as if that were permanent. A receiver that is being deployed
    /// answers so, too: only if it continues, a person has to change something.
    Refused {
        /// The kind of refusal.
        reason: DisableReason,
        /// Why, for people.
        why: String,
    },
    /// The sink has not accepted it now. It has certainly not seen it, or treats it the same if it
    /// is sent again.
    Later {
        /// It asked for this wait.
        after: Option<Duration>,
        /// Why, for people.
        why: String,
    },
    /// It may have seen it: the answer is lost.
    Unsure {
        /// Why, for people.
        why: String,
    },
}

/// What a user enters for a new sink, or for another address of one. Holds secrets.
#[derive(Clone, Default)]
pub struct Wish {
    /// The address.
    pub url: Option<String>,
    /// The key that signs, or with which we sign in.
    pub secret: Option<String>,
}

impl std::fmt::Debug for Wish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wish(redacted)")
    }
}

/// What a wish comes to.
pub struct Prepared {
    /// The host that will be called, with its port if it is not the usual one.
    pub host: String,
    /// What is stored, encrypted.
    pub plain: Zeroizing<Vec<u8>>,
    /// A key that was generated, to be shown once.
    pub generated: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// Why a wish cannot be met: the field, and what is wrong with it. Contains no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Unfit {
    /// The name of the field.
    pub field: &'static str,
    /// What is wrong.
    pub why: String,
}

/// Sends messages to sinks of all kinds. Texts in a [`Receipt`] never contain an address or a key,
/// and at most 256 bytes of the sink's answer, cleaned.
pub trait Deliver: Send + Sync + 'static {
    /// Checks what a user enters, as far as that is possible without a call.
    fn prepare(
        &self,
        kind: SinkKind,
        wish: &Wish,
        entropy: &dyn Entropy,
    ) -> Result<Prepared, Unfit>;

    /// Sends a message, in bounded time.
    fn deliver<'a>(&'a self, target: &'a Target, message: &'a Message) -> BoxFuture<'a, Receipt>;

    /// Sends a digest, in bounded time, to a sink of a kind that takes one.
    fn digest<'a>(
        &'a self,
        target: &'a Target,
        digest: &'a DigestMessage,
    ) -> BoxFuture<'a, Receipt>;

    /// Sends incidents again to a sink of a kind that forgets them, in one call and in bounded
    /// time: those that last, until `expires_at`, and those that were resolved lately.
    fn repeat<'a>(
        &'a self,
        target: &'a Target,
        all: &'a [Lasting],
        expires_at: Timestamp,
    ) -> BoxFuture<'a, Receipt>;
}
