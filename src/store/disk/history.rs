//! History: runs, tracks, resolved incidents and replay guards go when they are old.
//!
//! A pass looks at a bounded number of records of each kind, oldest first, and remembers where it
//! stopped. What was changed meanwhile stays: the batch is refused, and a later pass looks again.

use super::retain::{Retention, UpkeepError};
use crate::domain::id::{DeliveryId, IncidentId, RunId};
use crate::domain::incident::track::Track;
use crate::domain::incident::{Incident, IncidentStatus};
use crate::domain::run::Run;
use crate::domain::time::Timestamp;
use crate::store::index::key::{Key, Kind};
use crate::store::index::{Index, Kv, Scan};
use crate::store::record::decode;
use crate::store::{Change, Guard, ReadError};

/// Most records of a kind that a pass looks at.
const LOOKED_AT_MAX: usize = 2_000;
/// Most records forgotten in one batch.
const BATCH_MAX: usize = 100;

/// Where the passes stopped, by kind of record.
#[derive(Debug, Default)]
pub(super) struct History {
    runs: Option<u128>,
    incidents: Option<u128>,
    guards: Option<u128>,
    track: Option<Vec<u8>>,
}

/// A record that may go, if it is still as it was.
type Old = (Option<Guard>, Change);

impl History {
    /// One pass. `commit` may refuse a batch because something in it has changed.
    pub(super) fn forget<K: Kv>(
        &mut self,
        index: &Index<K>,
        retention: &Retention,
        now: Timestamp,
        commit: impl Fn(Vec<Guard>, Vec<Change>) -> Result<(), UpkeepError>,
    ) -> Result<(), UpkeepError> {
        let cutoff = now.minus(retention.history_max_age);
        let guards_cutoff = now.minus(retention.guards_max_age);
        let runs = walk(index, Kind::Run, &mut self.runs, cutoff, |id| {
            old_run(index, id, cutoff)
        })?;
        let incidents = walk(index, Kind::Incident, &mut self.incidents, cutoff, |id| {
            old_incident(index, id, cutoff)
        })?;
        let guards = walk(
            index,
            Kind::DeliveryForgotten,
            &mut self.guards,
            guards_cutoff,
            |id| {
                let change = Change::ForgetGuards(DeliveryId::from_u128(id));
                Ok(Some((None, change)))
            },
        )?;
        let tracks = self.old_tracks(index, cutoff)?;
        let old: Vec<Old> = [runs, incidents, guards, tracks].concat();
        for chunk in old.chunks(BATCH_MAX) {
            let (guards, changes): (Vec<_>, Vec<_>) = chunk.iter().cloned().unzip();
            match commit(guards.into_iter().flatten().collect(), changes) {
                Ok(()) | Err(UpkeepError::Overtaken) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Tracks are in no order of time, so the passes go round all of them.
    fn old_tracks<K: Kv>(
        &mut self,
        index: &Index<K>,
        cutoff: Timestamp,
    ) -> Result<Vec<Old>, ReadError> {
        let prefix = Key::of(Kind::Track);
        let scan = Scan {
            prefix: prefix.bytes(),
            after: self.track.as_deref(),
            newest_first: false,
            limit: LOOKED_AT_MAX,
        };
        let found = index.kv.scan(scan)?;
        let is_end = found.len() < LOOKED_AT_MAX;
        self.track = found.last().filter(|_| !is_end).map(|(key, _)| key.clone());
        let mut old = Vec::new();
        for (_, value) in found {
            // Damage is found, and told, by whoever reads the track for its own sake.
            let Ok(track) = decode::<Track>(&value) else {
                continue;
            };
            let is_old = track.last_at().is_none_or(|at| at < cutoff);
            if is_old && (!track.is_failing() || is_orphan(index, &track)?) {
                let change = Change::ForgetTrack(track.key.clone());
                old.push((Some(Guard::SameTrack(Box::new(track))), change));
            }
        }
        Ok(old)
    }
}

/// Whether a track's connection is gone. Its incidents ended with it.
fn is_orphan<K: Kv>(index: &Index<K>, track: &Track) -> Result<bool, ReadError> {
    let connection = Key::of(Kind::Connection).id(track.key.connection.as_u128());
    Ok(index.kv.get(connection.bytes())?.is_none())
}

/// Looks at the records of a kind whose ids are older than `cutoff`, oldest first.
fn walk<K: Kv>(
    index: &Index<K>,
    kind: Kind,
    cursor: &mut Option<u128>,
    cutoff: Timestamp,
    judge: impl Fn(u128) -> Result<Option<Old>, ReadError>,
) -> Result<Vec<Old>, ReadError> {
    let ids = index.ids(&Key::of(kind), *cursor, false, LOOKED_AT_MAX)?;
    let mut old = Vec::new();
    for id in &ids {
        // An id begins with the time it was made at.
        if RunId::from_u128(*id).created_at() >= cutoff {
            *cursor = None;
            return Ok(old);
        }
        old.extend(judge(*id)?);
    }
    *cursor = ids.last().copied().filter(|_| ids.len() == LOOKED_AT_MAX);
    Ok(old)
}

/// A run that nothing was heard of for long, unless an incident that goes on is about it.
fn old_run<K: Kv>(index: &Index<K>, id: u128, cutoff: Timestamp) -> Result<Option<Old>, ReadError> {
    let run: Option<Run> = index.record(&Key::of(Kind::Run).id(id))?;
    let Some(run) = run.filter(|run| run.updated_at < cutoff) else {
        return Ok(None);
    };
    let unresolved = Key::of(Kind::IncidentUnresolved).id(run.connection.as_u128());
    for incident in index.ids(&unresolved, None, false, usize::MAX)? {
        let incident: Option<Incident> = index.record(&Key::of(Kind::Incident).id(incident))?;
        let about = incident.and_then(|incident| Some(incident.ci?.run));
        if about == Some(run.id) {
            return Ok(None);
        }
    }
    let change = Change::ForgetRun(run.id);
    Ok(Some((Some(Guard::SameRun(Box::new(run))), change)))
}

fn old_incident<K: Kv>(
    index: &Index<K>,
    id: u128,
    cutoff: Timestamp,
) -> Result<Option<Old>, ReadError> {
    let incident: Option<Incident> = index.record(&Key::of(Kind::Incident).id(id))?;
    let is_old = |incident: &Incident| {
        incident.status == IncidentStatus::Resolved
            && incident.last_seen_at < cutoff
            && incident.resolved_at.is_some_and(|at| at < cutoff)
    };
    Ok(incident.filter(is_old).map(|incident| {
        let change = Change::ForgetIncident(IncidentId::from_u128(id));
        (Some(Guard::SameIncident(Box::new(incident))), change)
    }))
}

#[cfg(test)]
pub(super) mod tests;
