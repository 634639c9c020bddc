//! What identifies a track.

use crate::domain::id::ConnectionId;
use crate::domain::lane::Lane;
use crate::domain::run::{Family, RunFacts};

/// One workflow in one lane of one connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackKey {
    /// The connection.
    pub connection: ConnectionId,
    /// The family of its runs.
    pub family: Family,
    /// See [`RunFacts::workflow_key`].
    pub workflow: String,
    /// The lane.
    pub lane: Lane,
}

impl TrackKey {
    /// The track of the runs with these facts.
    pub fn of(connection: ConnectionId, family: Family, facts: &RunFacts) -> Self {
        Self {
            connection,
            family,
            workflow: facts.workflow_key.clone(),
            lane: facts.lane.clone(),
        }
    }
}
