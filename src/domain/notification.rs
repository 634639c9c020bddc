//! Notifications: what a sink is to be sent about an incident.
//!
//! The incidents themselves are the source: the store lists each whose [`Standing`] differs from
//! the one for which notifications were last planned ([`Announced`]), by any writer. So no
//! writer of incidents can forget to notify. [`plan`] adds [`Notification`]s for each sink, and
//! [`choose`] decides what a sink is sent next, from what it shows ([`Thread`]) and what the
//! incident is by then. See ADR 34.

pub mod choose;
pub mod plan;
pub mod retry;
#[cfg(test)]
mod tests;

use super::id::{IncidentId, NotificationId, OwnerId, SinkId};
use super::incident::{Incident, IncidentStatus, Severity};
use super::time::Timestamp;

named! {
    /// What a notification is about.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum NotificationKind {
        /// An incident was opened.
        Opened = "opened",
        /// A resolved incident was opened again.
        Reopened = "reopened",
        /// It fails and passes in turn. Until that ends, or it has passed for a day, no more is
        /// sent of it.
        Flapping = "flapping",
        /// It has become more severe.
        Worse = "worse",
        /// It was resolved.
        Resolved = "resolved",
        /// It is still open, and no user has acknowledged it.
        Reminded = "reminded",
        /// A report of a time, and about no incident in particular.
        Digest = "digest",
    }
}

impl NotificationKind {
    /// Whether it shows an incident that is not resolved to a sink that shows none.
    pub const fn opens(self) -> bool {
        match self {
            Self::Opened | Self::Reopened | Self::Flapping => true,
            Self::Worse | Self::Resolved | Self::Reminded | Self::Digest => false,
        }
    }
}

named! {
    /// Why a notification was not sent, because it was not needed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum DropReason {
        /// A newer one said more.
        Superseded = "superseded",
        /// The incident was resolved before the sink was notified of it.
        ResolvedBefore = "resolved_before",
        /// The sink is not notified of this.
        NotWanted = "not_wanted",
        /// The sink was removed.
        SinkRemoved = "sink_removed",
        /// The incident is not stored any more.
        IncidentGone = "incident_gone",
        /// The owner may not see the incident any more.
        NoAccess = "no_access",
        /// A digest in whose time nothing has happened.
        NothingToSay = "nothing_to_say",
    }
}

named! {
    /// The state of a notification.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum NotificationState {
        /// It is to be sent, when it is due.
        Waiting {
            /// When it is due, next.
            due_at: Timestamp,
            /// Whether a call may have reached the sink: its answer is not known.
            is_unsure: bool,
            /// When it was last tried.
            tried_at: Option<Timestamp>,
            /// Why the last try failed, for people.
            error: Option<String>,
        } = "waiting",
        /// The sink has accepted it.
        Sent {
            /// When.
            at: Timestamp,
        } = "sent",
        /// It was not needed.
        Dropped {
            /// When.
            at: Timestamp,
            /// Why.
            why: DropReason,
        } = "dropped",
        /// It could not be sent, and is not tried again unless a user requests it.
        Failed {
            /// When.
            at: Timestamp,
            /// Why, for people.
            error: String,
        } = "failed",
    }
}

/// What a notification is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// An incident.
    Incident(IncidentId),
    /// What happened in a time.
    Time {
        /// Its beginning.
        since: Timestamp,
        /// Its end.
        until: Timestamp,
    },
}

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Our id: the same on each try.
    pub id: NotificationId,
    /// The owner of the sink and of the incident.
    pub owner: OwnerId,
    /// What it is about.
    pub topic: Topic,
    /// The sink.
    pub sink: SinkId,
    /// What it is about.
    pub kind: NotificationKind,
    /// When it was planned.
    pub planned_at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
    /// Its state.
    pub state: NotificationState,
}

impl Notification {
    /// The incident, if it is about one.
    pub const fn incident(&self) -> Option<IncidentId> {
        match self.topic {
            Topic::Incident(id) => Some(id),
            Topic::Time { .. } => None,
        }
    }

    /// When it is due; `None` when it does not wait.
    pub const fn due_at(&self) -> Option<Timestamp> {
        match self.state {
            NotificationState::Waiting { due_at, .. } => Some(due_at),
            NotificationState::Sent { .. }
            | NotificationState::Dropped { .. }
            | NotificationState::Failed { .. } => None,
        }
    }

    /// Whether a call for it may have reached the sink, and its answer is not known.
    pub const fn is_unsure(&self) -> bool {
        matches!(
            self.state,
            NotificationState::Waiting {
                is_unsure: true,
                ..
            }
        )
    }
}

named! {
    /// What a sink shows of an incident.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Shown {
        /// Nothing.
        Nothing = "nothing",
        /// That it is not resolved.
        Open = "open",
        /// That it is resolved.
        Resolved = "resolved",
    }
}

/// What a sink shows of an incident, and how the message there is found again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// The incident.
    pub incident: IncidentId,
    /// The sink.
    pub sink: SinkId,
    /// What it shows, as far as its answers say.
    pub shown: Shown,
    /// With which severity; `None` when an older version has notified it.
    pub severity: Option<Severity>,
    /// What changes or ends the message at the sink: its id there, or what an alert looked like.
    pub message: Option<String>,
    /// The address of the sink (`Sink::address`) where that message is.
    pub address: u32,
}

impl Thread {
    /// Of a sink that was not notified of this incident yet.
    pub const fn new(incident: IncidentId, sink: SinkId) -> Self {
        Self {
            incident,
            sink,
            shown: Shown::Nothing,
            severity: None,
            message: None,
            address: 0,
        }
    }

    /// The message's id at this address of the sink.
    pub fn message_at(&self, address: u32) -> Option<&str> {
        self.message.as_deref().filter(|_| self.address == address)
    }
}

/// What of an incident sinks are notified of, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it is resolved.
    pub is_resolved: bool,
    /// Whether it flaps.
    pub is_flapping: bool,
    /// How severe it is.
    pub severity: Severity,
    /// Until when it is muted: of no account for what is announced, but for when it is sent.
    pub muted_until: Option<Timestamp>,
}

impl Incident {
    /// What of it sinks are notified of.
    pub fn standing(&self) -> Standing {
        Standing {
            is_resolved: self.status == IncidentStatus::Resolved,
            is_flapping: self.is_flapping,
            severity: self.severity,
            muted_until: self.care.muted_until,
        }
    }
}

/// The standing of an incident for which notifications were last planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The incident.
    pub incident: IncidentId,
    /// Its standing then.
    pub standing: Standing,
    /// How often it was opened: 1 since the first time.
    pub episode: u32,
    /// Whether sinks were to be notified that it flaps, since it does.
    pub has_flapped: bool,
}

impl Announced {
    /// Whether notifications are to be planned for an incident: it stands otherwise than when that
    /// was last done. For one that is resolved and was never announced there is nothing to do.
    pub fn is_due(incident: &Incident, announced: Option<&Self>) -> bool {
        let standing = incident.standing();
        match announced {
            Some(announced) => announced.standing != standing,
            None => !standing.is_resolved,
        }
    }
}
