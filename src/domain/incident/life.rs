//! The states of an incident, from open to resolved.

use super::care::{Deed, Unacted};
use super::track::{Closed, Track};
use super::{Incident, IncidentStatus, Resolution};
use crate::domain::id::UserId;
use crate::domain::time::Timestamp;

impl Incident {
    /// Acknowledges it for a user. Returns whether it changed.
    pub fn acknowledge(&mut self, by: UserId, now: Timestamp) -> Result<bool, Unacted> {
        match self.status {
            IncidentStatus::Open => {
                self.status = IncidentStatus::Acknowledged;
                self.acknowledged_at = Some(now);
                self.log(now, Some(by), Deed::Acknowledged);
                Ok(true)
            }
            IncidentStatus::Acknowledged => Ok(false),
            IncidentStatus::Resolved => Err(Unacted::Resolved),
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
        self.is_flapping &= matches!(why, Resolution::Passed(_));
        true
    }

    /// A user resolves it. Returns whether it changed.
    pub fn resolve_by_hand(&mut self, by: UserId, at: Timestamp) -> bool {
        let is_news = self.resolve(Resolution::ByHand, at);
        if is_news {
            self.log(at, Some(by), Deed::Resolved(Resolution::ByHand));
        }
        is_news
    }

    /// A user resolves it: the current failures of its track do not open it again. Returns whether
    /// the track has changed.
    pub fn close_by_hand(&mut self, track: Option<&mut Track>, by: UserId, at: Timestamp) -> bool {
        let why = Resolution::ByHand;
        self.resolve_by_hand(by, at)
            && track.is_some_and(|track| track.close(self.id, Closed { at, why }))
    }

    /// Its failures all belong to an earlier incident now.
    pub fn join(&mut self, now: Timestamp) {
        if let Some(known) = self.resolution {
            self.log(now, None, Deed::Corrected(known));
        }
        self.status = IncidentStatus::Resolved;
        self.resolved_at.get_or_insert(now);
        self.resolution = Some(Resolution::Joined);
        self.is_flaky = false;
        self.is_flapping = false;
    }

    /// Opens it again, whatever had resolved it.
    pub fn reopen(&mut self, now: Timestamp) {
        if let Some((at, how)) = self.resolved_at.zip(self.resolution)
            && how != Resolution::ByHand
        {
            self.log(at, None, Deed::Resolved(how));
        }
        self.log(now, None, Deed::Reopened);
        self.status = IncidentStatus::Open;
        self.resolution = None;
        self.resolved_at = None;
        self.is_flaky = false;
    }
}

#[cfg(test)]
mod tests;
