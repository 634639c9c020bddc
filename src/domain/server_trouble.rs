//! Trouble of the server itself, which its operators can end, and the incidents about it.
//!
//! The operators are the administrators. Each has an incident of their own, as each owner has about
//! an outage of a provider: they acknowledge and resolve it independently.

use super::id::{IncidentId, OwnerId};
use super::incident::Incident;
use super::incident::health::{self, HealthFailure};
use super::time::Timestamp;
use super::trouble::{Measured, TroubleKind};

/// Trouble. The last of each kind is stored, also when it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerTrouble {
    /// Its kind.
    pub kind: TroubleKind,
    /// When it was noticed.
    pub since: Timestamp,
    /// When it had ended.
    pub ended_at: Option<Timestamp>,
}

impl ServerTrouble {
    /// One that has just been noticed.
    pub const fn begun(kind: TroubleKind, now: Timestamp) -> Self {
        Self {
            kind,
            since: now,
            ended_at: None,
        }
    }

    /// Whether it lasts.
    pub const fn lasts(&self) -> bool {
        self.ended_at.is_none()
    }

    /// The id of the incident of an operator: the same however often it is made, so that a restart
    /// opens no second one.
    pub fn incident_id(&self, operator: OwnerId) -> IncidentId {
        let kind = self.kind as u128;
        IncidentId::derived(self.since, operator.as_u128().rotate_left(64) ^ kind)
    }

    /// The incident of an operator, when there is none yet.
    pub fn incident(&self, operator: OwnerId, measured: Measured) -> Incident {
        let failure = HealthFailure::ServerTrouble(operator, measured);
        let id = self.incident_id(operator);
        health::report(failure, 1, Vec::new(), id, self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operator_has_one_incident_of_each_trouble() {
        let at = Timestamp(1_700_000_000_000);
        let [one, two] = [1, 2].map(OwnerId::from_u128);
        let [disk, wait] = TroubleKind::ALL.map(|kind| ServerTrouble::begun(kind, at));
        let mut ids = vec![
            disk.incident_id(one),
            disk.incident_id(two),
            wait.incident_id(one),
            ServerTrouble::begun(disk.kind, Timestamp(at.0 + 1)).incident_id(one),
        ];
        assert_eq!(ids[0], disk.incident_id(one));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 4);
        assert_eq!(ids[0].created_at(), at);
    }
}
