//! The states of an incident, from open to resolved.

use super::track::{Closed, Track};
use super::{Incident, IncidentStatus, Resolution};
use crate::domain::time::Timestamp;

/// The incident is resolved: it can no longer be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyResolved;

impl Incident {
    /// Acknowledges it. Returns whether it changed.
    pub fn acknowledge(&mut self, now: Timestamp) -> Result<bool, AlreadyResolved> {
        match self.status {
            IncidentStatus::Open => {
                self.status = IncidentStatus::Acknowledged;
                self.acknowledged_at = Some(now);
                Ok(true)
            }
            IncidentStatus::Acknowledged => Ok(false),
            IncidentStatus::Resolved => Err(AlreadyResolved),
        }
    }

    /// Resolves it. One that is resolved already keeps its first end. Returns whether it changed.
    pub fn resolve(&mut self, why: Resolution, at: Timestamp) -> bool {
        if self.status == IncidentStatus::Resolved {
            return false;
        }
        self.status = IncidentStatus::Resolved;
        self.resolved_at = Some(at);
        self.resolution = Some(why);
        true
    }

    /// A user resolves it: the current failures of its track do not open it again. Returns whether
    /// the track has changed.
    pub fn close_by_hand(&mut self, track: Option<&mut Track>, at: Timestamp) -> bool {
        let why = Resolution::ByHand;
        self.resolve(why, at) && track.is_some_and(|track| track.close(self.id, Closed { at, why }))
    }

    /// Opens it again, whatever had resolved it.
    pub fn reopen(&mut self) {
        self.status = IncidentStatus::Open;
        self.resolution = None;
        self.resolved_at = None;
    }
}

#[cfg(test)]
mod tests;
