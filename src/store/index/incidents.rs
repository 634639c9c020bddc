//! Incidents: which keys lead to them.

use super::counts::look_key;
use super::key::{Key, Kind};
use super::write::{gone, mark, replaced};
use super::{Index, Kv, Write, explanations, notifications, write};
use crate::domain::id::IncidentId;
use crate::domain::incident::{Incident, IncidentStatus, Subject};
use crate::store::{Batch, Change, Conflict, ReadError};

/// The keys that lead to an incident.
fn ways_to(incident: &Incident) -> Vec<Key> {
    let (id, status) = (incident.id.as_u128(), incident.status);
    let (owner, subject) = (incident.owner.as_u128(), incident.subject.as_u128());
    let of_subject = Key::of(Kind::IncidentBySubjectAndStatus).id(subject);
    let mut keys = vec![
        Key::of(Kind::IncidentByOwner).id(owner).id(id),
        Key::of(Kind::IncidentBySubject).id(subject).id(id),
        Key::of(Kind::IncidentByStatus)
            .id(owner)
            .word(status.as_str())
            .id(id),
        of_subject.word(status.as_str()).id(id),
    ];
    match status {
        IncidentStatus::Open | IncidentStatus::Acknowledged => {
            keys.push(look_key(status, incident.severity, incident.source).id(id));
        }
        IncidentStatus::Resolved => {}
    }
    keys
}

fn key_of(id: IncidentId) -> Key {
    Key::of(Kind::Incident).id(id.as_u128())
}

pub(super) fn put<K: Kv>(index: &Index<K>, incident: &Incident) -> Result<Vec<Write>, ReadError> {
    let old = index.incident(incident.id)?;
    let was = old.as_ref().map_or_else(Vec::new, ways_to);
    let record = write::put(key_of(incident.id), incident);
    let mut writes = replaced(&was, &ways_to(incident), record, mark);
    writes.push(notifications::of_incident(index, incident)?);
    writes.extend(explanations::of_incident(index, incident)?);
    Ok(writes)
}

pub(super) fn forget<K: Kv>(index: &Index<K>, id: IncidentId) -> Result<Vec<Write>, ReadError> {
    let Some(old) = index.incident(id)? else {
        return Ok(Vec::new());
    };
    let ways = ways_to(&old).into_iter().map(gone);
    let mut writes: Vec<Write> = ways.chain([gone(key_of(id))]).collect();
    writes.extend(notifications::forget_incident(index, id)?);
    writes.extend(explanations::forget(index, id)?);
    Ok(writes)
}

impl<K: Kv> Index<K> {
    /// The ids of the incidents about a connection or a credential that are not resolved, oldest
    /// first.
    pub(in crate::store) fn unresolved(&self, subject: u128) -> Result<Vec<u128>, ReadError> {
        let list = Key::of(Kind::IncidentBySubjectAndStatus).id(subject);
        let mut all = Vec::new();
        for status in [IncidentStatus::Open, IncidentStatus::Acknowledged] {
            let list = list.clone().word(status.as_str());
            all.extend(self.ids(&list, None, false, usize::MAX)?);
        }
        all.sort_unstable();
        Ok(all)
    }
}

/// Whether a batch leaves no incident about a subject unresolved.
pub(super) fn is_resolved<K: Kv>(
    index: &Index<K>,
    subject: Subject,
    batch: &Batch,
) -> Result<Option<Conflict>, ReadError> {
    let resolves = |id: &u128| {
        batch.changes.iter().any(|change| {
            matches!(change, Change::PutIncident(it)
                if it.id.as_u128() == *id && it.status == IncidentStatus::Resolved)
        })
    };
    let unresolved = index.unresolved(subject.as_u128())?;
    let is_left = !unresolved.iter().all(resolves);
    Ok(is_left.then_some(Conflict::Changed))
}

/// Where it is claimed that an incident about a subject is unresolved.
pub(super) fn unresolved_claim(subject: Subject) -> Key {
    Key::of(Kind::IncidentBySubjectAndStatus).id(subject.as_u128())
}
