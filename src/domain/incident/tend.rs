//! What people do with an incident, and its log.

use super::care::{Act, Deed, NOTES_MAX, Tending, Unacted};
use super::{Incident, IncidentStatus, Severity};
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;

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
