//! What people do with an incident: they assign it, mute it, write notes. And the log of what its
//! other fields do not show, which is part of [`super::timeline`].
//!
//! The log is committed with the incident that it belongs to: no change is without its entry, and
//! no entry without its change.

use super::{Incident, IncidentStatus, Resolution, Severity};
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

    fn add(&mut self, at: Timestamp, by: Option<UserId>, what: Deed) {
        self.log.push(Logged { at, by, what });
        let is_other = |entry: &Logged| !matches!(entry.what, Deed::Noted(_));
        if self.log.len() > LOG_MAX
            && let Some(oldest) = self.log.iter().position(is_other)
        {
            self.log.remove(oldest);
        }
    }
}

impl Incident {
    /// Adds to the log.
    pub(super) fn log(&mut self, at: Timestamp, by: Option<UserId>, what: Deed) {
        self.care.add(at, by, what);
    }

    /// Until when no notification of it is sent; `None` when it is not muted.
    pub fn muted_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.care.muted_until.filter(|until| *until > now)
    }

    /// Does what a user wants, for an incident without a track. Returns whether it changed.
    pub fn act(&mut self, act: &Act, by: UserId, now: Timestamp) -> Result<bool, Unacted> {
        match act {
            Act::Acknowledge => self.acknowledge(by, now),
            Act::Resolve => Ok(self.resolve_by_hand(by, now)),
            Act::Tend(act) => self.tend(act, by, now),
        }
    }

    /// Does what a user wants. Returns whether it changed.
    pub fn tend(&mut self, act: &Tending, by: UserId, now: Timestamp) -> Result<bool, Unacted> {
        let deed = match act {
            Tending::Assign(to) if *to == self.care.assignee => return Ok(false),
            Tending::Assign(to) => {
                self.care.assignee = *to;
                to.map_or(Deed::Unassigned, Deed::Assigned)
            }
            Tending::Mute(_) if self.status == IncidentStatus::Resolved => {
                return Err(Unacted::Resolved);
            }
            Tending::Mute(until) if *until <= now || Some(*until) == self.care.muted_until => {
                return Ok(false);
            }
            Tending::Mute(until) => {
                self.care.muted_until = Some(*until);
                Deed::Muted(*until)
            }
            Tending::Unmute if self.muted_until(now).is_none() => return Ok(false),
            Tending::Unmute => {
                self.care.muted_until = None;
                Deed::Unmuted
            }
            Tending::Note(_) if self.care.notes() >= NOTES_MAX => return Err(Unacted::NotesFull),
            Tending::Note(text) => Deed::Noted(text.clone()),
        };
        self.log(now, Some(by), deed);
        Ok(true)
    }

    /// It is at least this severe from now on.
    pub fn worsen(&mut self, severity: Severity, now: Timestamp) {
        if severity > self.severity {
            self.log(now, None, Deed::Worsened(self.severity));
            self.severity = severity;
        }
    }
}

#[cfg(test)]
mod tests;
