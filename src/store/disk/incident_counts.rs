//! What a change does to the number of incidents, counted when it is committed.

use crate::domain::incident::{Incident, IncidentStatus};
use crate::store::Change;
use crate::store::index::key::{Key, Kind};
use crate::store::index::{Index, Kv};
use crate::telemetry::metric;
use metrics::counter;

/// What a change does to the number of incidents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct IncidentCounts {
    /// One was opened.
    opened: bool,
    /// One was resolved. Both, when its failure and its end were processed together.
    resolved: bool,
}

impl IncidentCounts {
    /// What a change that is about to be applied does.
    pub(super) fn of<K: Kv>(index: &Index<K>, change: &Change) -> Self {
        let Change::PutIncident(incident) = change else {
            return Self::default();
        };
        let key = Key::of(Kind::Incident).id(incident.id.as_u128());
        // What cannot be read is not counted: applying the change will say so.
        let Ok(before) = index.record::<Incident>(&key) else {
            return Self::default();
        };
        let before = before.map(|incident| incident.status);
        let was_over = before == Some(IncidentStatus::Resolved);
        let is_over = incident.status == IncidentStatus::Resolved;
        Self {
            opened: before.is_none() || (was_over && !is_over),
            resolved: is_over && !was_over,
        }
    }

    /// Counts it, once the change is durable. Most changes count nothing, and look up no metric.
    pub(super) fn count(self) {
        if self.opened {
            counter!(metric::OPENED).increment(1);
        }
        if self.resolved {
            counter!(metric::RESOLVED).increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::RunId;
    use crate::domain::time::Timestamp;
    use crate::store::disk::history::tests::incident;
    use crate::store::index::{Indexed, Place};
    use crate::store::memory::MemoryStore;

    const NOTHING: (bool, bool) = (false, false);

    fn with(status: IncidentStatus) -> Change {
        let at = (status == IncidentStatus::Resolved).then_some(Timestamp(1));
        let incident = incident(1, RunId::from_u128(1), at);
        Change::PutIncident(Box::new(Incident { status, ..incident }))
    }

    #[test]
    fn each_incident_is_counted_once_when_it_opens_and_once_when_it_ends() {
        use IncidentStatus::{Acknowledged, Open, Resolved};
        for (history, counts) in [
            (
                vec![Open, Open, Acknowledged, Resolved, Resolved],
                vec![(true, false), NOTHING, NOTHING, (false, true), NOTHING],
            ),
            (
                vec![Resolved, Open, Resolved],
                vec![(true, true), (true, false), (false, true)],
            ),
        ] {
            let store = MemoryStore::new();
            for (status, count) in history.into_iter().zip(counts) {
                let change = with(status);
                let found = IncidentCounts::of(store.index(), &change);
                assert_eq!((found.opened, found.resolved), count, "{status:?}");
                let place = Place {
                    segment: 0,
                    offset: 0,
                    change: 0,
                };
                store.index().apply(&change, place).unwrap();
            }
        }
    }
}
