//! The records that a fold has in hand: read once, written once, and only when they changed.

use crate::domain::id::{ConnectionId, IncidentId, RunId};
use crate::domain::incident::track::{Track, TrackKey};
use crate::domain::incident::{Incident, IncidentStatus, Subject};
use crate::domain::run::{Family, Run, RunEvent};
use crate::store::{Change, ReadError, Store};
use std::collections::BTreeMap;

/// A record, and whether it has to be written.
pub(super) struct Held<T> {
    pub(super) record: T,
    pub(super) is_changed: bool,
}

impl<T> Held<T> {
    const fn as_stored(record: T) -> Self {
        Self {
            record,
            is_changed: false,
        }
    }

    const fn changed(record: T) -> Self {
        Self {
            record,
            is_changed: true,
        }
    }

    fn into_change(self) -> Option<Box<T>> {
        self.is_changed.then(|| Box::new(self.record))
    }
}

/// Runs, tracks and incidents of one connection.
pub(super) struct Hand<'a> {
    store: &'a dyn Store,
    connection: ConnectionId,
    runs: BTreeMap<RunId, Held<Run>>,
    run_ids: BTreeMap<(Family, u64), RunId>,
    tracks: BTreeMap<TrackKey, Held<Track>>,
    incidents: BTreeMap<IncidentId, Held<Incident>>,
}

impl<'a> Hand<'a> {
    pub(super) fn new(store: &'a dyn Store, connection: ConnectionId) -> Self {
        Self {
            store,
            connection,
            runs: BTreeMap::new(),
            run_ids: BTreeMap::new(),
            tracks: BTreeMap::new(),
            incidents: BTreeMap::new(),
        }
    }

    /// The run that an event tells of, when it is known.
    pub(super) fn run_told_of(
        &mut self,
        event: &RunEvent,
    ) -> Result<Option<&mut Held<Run>>, ReadError> {
        let (family, id) = (event.family, event.provider_run_id);
        if !self.run_ids.contains_key(&(family, id)) {
            let stored = self.store.run_by_provider_id(self.connection, family, id)?;
            if let Some(run) = stored {
                self.hold_run(Held::as_stored(run));
            }
        }
        let id = self.run_ids.get(&(family, id));
        Ok(id.and_then(|id| self.runs.get_mut(id)))
    }

    fn hold_run(&mut self, held: Held<Run>) {
        let run = &held.record;
        self.run_ids
            .insert((run.family, run.provider_run_id), run.id);
        self.runs.insert(run.id, held);
    }

    pub(super) fn put_run(&mut self, run: Run) {
        self.hold_run(Held::changed(run));
    }

    pub(super) fn run(&mut self, id: RunId) -> Result<Option<&Run>, ReadError> {
        if !self.runs.contains_key(&id)
            && let Some(run) = self.store.run(id)?
        {
            self.hold_run(Held::as_stored(run));
        }
        Ok(self.runs.get(&id).map(|held| &held.record))
    }

    /// The track of this key, new when there is none.
    pub(super) fn track(&mut self, key: &TrackKey) -> Result<&mut Held<Track>, ReadError> {
        if !self.tracks.contains_key(key) {
            let stored = self.store.track(key)?;
            let track = stored.unwrap_or_else(|| Track::new(key.clone()));
            self.tracks.insert(key.clone(), Held::as_stored(track));
        }
        let held = self.tracks.get_mut(key);
        Ok(held.expect("it was put there a moment ago"))
    }

    pub(super) fn incident(&mut self, id: IncidentId) -> Result<Option<Incident>, ReadError> {
        if !self.incidents.contains_key(&id)
            && let Some(incident) = self.store.incident(id)?
        {
            self.incidents.insert(id, Held::as_stored(incident));
        }
        Ok(self.incidents.get(&id).map(|held| held.record.clone()))
    }

    pub(super) fn put_incident(&mut self, incident: Incident) {
        self.incidents.insert(incident.id, Held::changed(incident));
    }

    /// The unresolved incidents about CI that another family than this one told of, each with its
    /// track.
    pub(super) fn open_of_others(
        &mut self,
        family: Family,
    ) -> Result<Vec<(Incident, TrackKey)>, ReadError> {
        for incident in self
            .store
            .unresolved_incidents(Subject::Connection(self.connection))?
        {
            let id = incident.id;
            self.incidents
                .entry(id)
                .or_insert_with(|| Held::as_stored(incident));
        }
        let open = self.incidents.values().map(|held| &held.record);
        let open = open.filter(|incident| incident.status != IncidentStatus::Resolved);
        let of_others = open.filter_map(|incident| {
            let ci = incident.ci.as_ref().filter(|ci| ci.family != family)?;
            Some((incident.clone(), ci.track.clone()))
        });
        Ok(of_others.collect())
    }

    /// What has to be written.
    pub(super) fn into_changes(self) -> Vec<Change> {
        let runs = self.runs.into_values().filter_map(Held::into_change);
        let tracks = self.tracks.into_values().filter_map(Held::into_change);
        let incidents = self.incidents.into_values().filter_map(Held::into_change);
        runs.map(Change::PutRun)
            .chain(tracks.map(Change::PutTrack))
            .chain(incidents.map(Change::PutIncident))
            .collect()
    }
}
