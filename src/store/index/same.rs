//! Whether records are stored exactly as their writer knows them.

use super::apply::{note_key, track_key};
use super::key::{Key, Kind};
use super::notifications::{notification_key, sink_key};
use super::{Index, Kv};
use crate::domain::id::{IncidentId, RunId};
use crate::store::record::Record;
use crate::store::{Conflict, Guard, ReadError};

pub(super) fn run_record_key(id: RunId) -> Key {
    Key::of(Kind::Run).id(id.as_u128())
}

pub(super) fn incident_key(id: IncidentId) -> Key {
    Key::of(Kind::Incident).id(id.as_u128())
}

/// Whether a record is stored exactly so.
pub(super) fn is_same<K: Kv, R: Record + PartialEq>(
    index: &Index<K>,
    key: &Key,
    expected: &R,
) -> Result<Option<Conflict>, ReadError> {
    let found = index.record::<R>(key)?;
    Ok((found.as_ref() != Some(expected)).then_some(Conflict::Changed))
}

/// Whether a record is stored exactly as a guard has it.
pub(super) fn is_unchanged<K: Kv>(
    index: &Index<K>,
    guard: &Guard,
) -> Result<Option<Conflict>, ReadError> {
    match guard {
        Guard::SameRun(run) => is_same(index, &run_record_key(run.id), &**run),
        Guard::SameTrack(track) => is_same(index, &track_key(&track.key), &**track),
        Guard::SameNote(note) => is_same(index, &note_key(&note.key), &**note),
        Guard::SameIncident(incident) => is_same(index, &incident_key(incident.id), &**incident),
        Guard::SameSink(sink) => is_same(index, &sink_key(sink.id), &**sink),
        Guard::SameNotification(it) => is_same(index, &notification_key(it.id), &**it),
        Guard::RulesAt { owner, version } => {
            let stored = index.rulebook(*owner)?.map_or(0, |book| book.version);
            Ok((stored != *version).then_some(Conflict::Changed))
        }
        Guard::NewDelivery { .. }
        | Guard::NewConnection { .. }
        | Guard::NewAdoption(_)
        | Guard::ConnectionExists(_)
        | Guard::SameDelivery(_)
        | Guard::OwnerPresent(_)
        | Guard::Resolved(_)
        | Guard::SameCredential(_)
        | Guard::SameCommand(_)
        | Guard::NewCommand(_)
        | Guard::SameOperation(_)
        | Guard::NewOperation(_)
        | Guard::NewSink { .. }
        | Guard::Lease(_)
        | Guard::NewUser { .. } => Ok(None),
    }
}
