//! What people do with an incident: they assign it, mute it, write notes. And the log of what its
//! other fields do not show, which is part of [`super::timeline`].
//!
//! The log is committed with the incident that it belongs to: no change is without its entry, and
//! no entry without its change.

use super::resolution::Resolution;
use super::severity::Severity;
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use std::time::Duration;

/// Most notes of an incident.
pub const NOTES_MAX: usize = 20;
/// Longest note, in characters.
pub const NOTE_CHARS_MAX: usize = 1000;
/// Most entries of the log. Beyond, the oldest that is no note makes room.
pub const LOG_MAX: usize = 100;
/// Longest time for which an incident is muted.
pub const MUTE_MAX: Duration = Duration::from_hours(24 * 30);

/// What people do with an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Care {
    /// The user who works on it.
    pub assignee: Option<UserId>,
    /// Until then no notification of it is sent.
    pub muted_until: Option<Timestamp>,
    /// What was done, and what the other fields no longer show. In order of entry.
    pub log: Vec<Logged>,
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The time, by our clock; for an end, its own time.
    pub at: Timestamp,
    /// The user who did it; `None` when no user did.
    pub by: Option<UserId>,
    /// What was done.
    pub what: Deed,
}

/// What was done with an incident, or happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It was acknowledged.
    Acknowledged,
    /// It was assigned to this user.
    Assigned(UserId),
    /// Its assignment was removed.
    Unassigned,
    /// It was muted until then.
    Muted(Timestamp),
    /// Its mute was ended.
    Unmuted,
    /// A note was added.
    Noted(String),
    /// It was resolved: by a user, or in a way that it did not stay.
    Resolved(Resolution),
    /// It was opened again.
    Reopened,
    /// A late report has changed how or when it was resolved: this is how it had been.
    Corrected(Resolution),
    /// It became more severe, from this severity.
    Worsened(Severity),
}

/// What a user does with an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Acknowledge it.
    Acknowledge,
    /// Resolve it.
    Resolve,
    /// Something else.
    Tend(Tending),
}

/// What a user does with an incident, beside acknowledging and resolving it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tending {
    /// Assign it to this user, or to none.
    Assign(Option<UserId>),
    /// Mute it until then.
    Mute(Timestamp),
    /// End its mute.
    Unmute,
    /// Add a note, which is cleaned and not too long.
    Note(String),
}

impl Tending {
    /// The name used in JSON and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Assign(_) => "assign",
            Self::Mute(_) => "mute",
            Self::Unmute => "unmute",
            Self::Note(_) => "note",
        }
    }
}

/// Why something is not done with an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unacted {
    /// It is resolved.
    Resolved,
    /// It has [`NOTES_MAX`] notes.
    NotesFull,
}

impl Care {
    /// How many notes there are.
    pub fn notes(&self) -> usize {
        let is_note = |entry: &&Logged| matches!(entry.what, Deed::Noted(_));
        self.log.iter().filter(is_note).count()
    }

    pub(super) fn add(&mut self, at: Timestamp, by: Option<UserId>, what: Deed) {
        self.log.push(Logged { at, by, what });
        let is_other = |entry: &Logged| !matches!(entry.what, Deed::Noted(_));
        if self.log.len() > LOG_MAX
            && let Some(oldest) = self.log.iter().position(is_other)
        {
            self.log.remove(oldest);
        }
    }
}
