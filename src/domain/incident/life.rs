//! How an incident goes from open to resolved.

use super::track::{Closed, Track};
use super::{Incident, IncidentStatus, Resolution};
use crate::domain::time::Timestamp;

/// The incident is resolved: it can no longer be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyResolved;

impl Incident {
    /// Somebody knows. Tells whether that is news.
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

    /// Ends it. One that ended already keeps its first end. Tells whether it ended now.
    pub fn resolve(&mut self, why: Resolution, at: Timestamp) -> bool {
        if self.status == IncidentStatus::Resolved {
            return false;
        }
        self.status = IncidentStatus::Resolved;
        self.resolved_at = Some(at);
        self.resolution = Some(why);
        true
    }

    /// Somebody says that it is over: failures that stand in its track so far do not open it
    /// again. Tells whether the track has changed.
    pub fn close_by_hand(&mut self, track: Option<&mut Track>, at: Timestamp) -> bool {
        let why = Resolution::ByHand;
        self.resolve(why, at) && track.is_some_and(|track| track.close(self.id, Closed { at, why }))
    }

    /// It goes on, whatever had ended it.
    pub fn reopen(&mut self) {
        self.status = IncidentStatus::Open;
        self.resolution = None;
        self.resolved_at = None;
    }
}

#[cfg(test)]
mod tests;
