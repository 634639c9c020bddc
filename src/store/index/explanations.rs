//! Explanations of incidents, and which incidents are to be explained: which keys they write, and
//! how they are read.

use super::key::{Key, Kind, last_id};
use super::write::{gone, mark, put as put_record};
use super::{Index, Kv, Scan, Write};
use crate::domain::explanation::{Explanation, due};
use crate::domain::id::{ConnectionId, IncidentId};
use crate::domain::incident::Incident;
use crate::domain::notification::Announced;
use crate::domain::time::Timestamp;
use crate::store::ReadError;

fn record_key(incident: IncidentId) -> Key {
    Key::of(Kind::Explanation).id(incident.as_u128())
}

fn listed_key(due_at: Timestamp, incident: IncidentId) -> Key {
    let by_time = Key::of(Kind::IncidentUnexplained);
    let by_time = by_time.number(u64::try_from(due_at.0).unwrap_or(0));
    by_time.id(incident.as_u128())
}

/// The times under which an incident with this explanation may be listed.
fn times(known: Option<&Explanation>) -> Vec<Timestamp> {
    let due_at = known.and_then(Explanation::due_at);
    [Timestamp(0)].into_iter().chain(due_at).collect()
}

/// Lists an incident under this time, or under none, and no longer under those others.
fn listed(incident: IncidentId, was: &[Timestamp], is: Option<Timestamp>) -> Vec<Write> {
    let stale = was.iter().filter(|at| Some(**at) != is);
    let stale = stale.map(|at| gone(listed_key(*at, incident)));
    stale
        .chain(is.map(|at| mark(listed_key(at, incident))))
        .collect()
}

pub(super) fn put<K: Kv>(index: &Index<K>, it: &Explanation) -> Result<Vec<Write>, ReadError> {
    let (incident, announced) = (index.incident(it.incident)?, index.announced(it.incident)?);
    let was = times(index.explanation(it.incident)?.as_ref());
    let is = incident.and_then(|incident| due(&incident, announced.as_ref(), Some(it)));
    let mut writes = listed(it.incident, &was, is);
    writes.push(put_record(record_key(it.incident), it));
    Ok(writes)
}

/// What an incident that is put does to the list.
pub(super) fn of_incident<K: Kv>(
    index: &Index<K>,
    incident: &Incident,
) -> Result<Vec<Write>, ReadError> {
    if incident.ci.is_none() {
        return Ok(Vec::new());
    }
    let known = index.explanation(incident.id)?;
    let announced = index.announced(incident.id)?;
    let is = due(incident, announced.as_ref(), known.as_ref());
    Ok(listed(incident.id, &times(known.as_ref()), is))
}

/// What was announced of an incident: it may be in another episode.
pub(super) fn of_announced<K: Kv>(
    index: &Index<K>,
    incident: &Incident,
    announced: &Announced,
) -> Result<Vec<Write>, ReadError> {
    let known = index.explanation(incident.id)?;
    let is = due(incident, Some(announced), known.as_ref());
    Ok(listed(incident.id, &times(known.as_ref()), is))
}

pub(super) fn forget<K: Kv>(index: &Index<K>, id: IncidentId) -> Result<Vec<Write>, ReadError> {
    let was = times(index.explanation(id)?.as_ref());
    let mut writes = listed(id, &was, None);
    writes.push(gone(record_key(id)));
    Ok(writes)
}

/// Without the explanations of a connection's incidents.
pub(super) fn forget_of<K: Kv>(
    index: &Index<K>,
    connection: ConnectionId,
) -> Result<Vec<Write>, ReadError> {
    let list = Key::of(Kind::IncidentBySubject).id(connection.as_u128());
    let mut writes = Vec::new();
    for id in index.ids(&list, None, false, usize::MAX)? {
        writes.extend(forget(index, IncidentId::from_u128(id))?);
    }
    Ok(writes)
}

impl<K: Kv> Index<K> {
    pub(super) fn explanation(
        &self,
        incident: IncidentId,
    ) -> Result<Option<Explanation>, ReadError> {
        self.record(&record_key(incident))
    }

    pub(super) fn incidents_unexplained(
        &self,
        after: Option<(Timestamp, IncidentId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, IncidentId)>, ReadError> {
        let after = after.map(|(at, id)| listed_key(at, id));
        let found = self.kv.scan(Scan {
            prefix: Key::of(Kind::IncidentUnexplained).bytes(),
            after: after.as_ref().map(Key::bytes),
            newest_first: false,
            limit,
        })?;
        let read = |(key, _): &(Vec<u8>, Vec<u8>)| {
            let at = key.get(1..9)?.try_into().ok().map(u64::from_be_bytes)?;
            let at = Timestamp(i64::try_from(at).unwrap_or(i64::MAX));
            Some((at, IncidentId::from_u128(last_id(key)?)))
        };
        Ok(found.iter().filter_map(read).collect())
    }
}
