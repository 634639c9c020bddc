//! The records that a fold works on: read once, written once, and only when they changed.

use crate::domain::connection::Connection;
use crate::domain::id::{ConnectionId, IncidentId, RunId};
use crate::domain::incident::track::{Track, TrackKey};
use crate::domain::incident::{Incident, Subject};
use crate::domain::lane::Place;
use crate::domain::lane::place::{Note, NoteKey};
use crate::domain::rulebook::opening::Opens;
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
pub(super) struct Records<'a> {
    store: &'a dyn Store,
    connection: ConnectionId,
    runs: BTreeMap<RunId, Held<Run>>,
    run_ids: BTreeMap<(Family, u64), RunId>,
    tracks: BTreeMap<TrackKey, Held<Track>>,
    notes: BTreeMap<NoteKey, Held<Note>>,
    incidents: BTreeMap<IncidentId, Held<Incident>>,
    /// The rule of the owner about this connection, if there is one, once it was looked for.
    opens: Option<Vec<Opens>>,
}

impl<'a> Records<'a> {
    pub(super) fn new(store: &'a dyn Store, connection: ConnectionId) -> Self {
        Self {
            store,
            connection,
            runs: BTreeMap::new(),
            run_ids: BTreeMap::new(),
            tracks: BTreeMap::new(),
            notes: BTreeMap::new(),
            incidents: BTreeMap::new(),
            opens: None,
        }
    }

    /// The rule of the owner about which ends of this connection's runs open incidents.
    pub(super) async fn opens(
        &mut self,
        connection: &Connection,
    ) -> Result<Option<&Opens>, ReadError> {
        if self.opens.is_none() {
            let book = self.store.rulebook(connection.owner).await?;
            let rule = book.as_ref().and_then(|book| {
                let (_, rule) = book.opening_of(connection.id, &connection.full_name)?;
                Some(Opens::new(rule))
            });
            self.opens = Some(rule.into_iter().collect());
        }
        Ok(self.opens.iter().flatten().next())
    }

    /// The run of an event, when it is known.
    pub(super) async fn reported_run(
        &mut self,
        event: &RunEvent,
    ) -> Result<Option<&mut Held<Run>>, ReadError> {
        self.run_by(event.family, event.provider_run_id).await
    }

    /// The run with this id of the provider's; a check suite's id leads to the run that it
    /// mirrors.
    pub(super) async fn run_by(
        &mut self,
        family: Family,
        id: u64,
    ) -> Result<Option<&mut Held<Run>>, ReadError> {
        if !self.run_ids.contains_key(&(family, id)) {
            let stored = self
                .store
                .run_by_provider_id(self.connection, family, id)
                .await?;
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
        if let Some(suite) = &run.suite {
            self.run_ids.insert((Family::Checks, suite.id), run.id);
        }
        self.runs.insert(run.id, held);
    }

    pub(super) fn put_run(&mut self, run: Run) {
        self.hold_run(Held::changed(run));
    }

    pub(super) async fn run(&mut self, id: RunId) -> Result<Option<&Run>, ReadError> {
        if !self.runs.contains_key(&id)
            && let Some(run) = self.store.run(id).await?
        {
            self.hold_run(Held::as_stored(run));
        }
        Ok(self.runs.get(&id).map(|held| &held.record))
    }

    /// The track of this key, new when there is none.
    pub(super) async fn track(&mut self, key: &TrackKey) -> Result<&mut Held<Track>, ReadError> {
        if !self.tracks.contains_key(key) {
            let stored = self.store.track(key).await?;
            let track = stored.unwrap_or_else(|| Track::new(key.clone()));
            self.tracks.insert(key.clone(), Held::as_stored(track));
        }
        let held = self.tracks.get_mut(key);
        Ok(held.expect("it was put there a moment ago"))
    }

    pub(super) async fn incident(&mut self, id: IncidentId) -> Result<Option<Incident>, ReadError> {
        if !self.incidents.contains_key(&id)
            && let Some(incident) = self.store.incident(id).await?
        {
            self.incidents.insert(id, Held::as_stored(incident));
        }
        Ok(self.incidents.get(&id).map(|held| held.record.clone()))
    }

    pub(super) fn put_incident(&mut self, incident: Incident) {
        self.incidents.insert(incident.id, Held::changed(incident));
    }

    /// The note of this key, new when there is none.
    pub(super) async fn note(&mut self, key: &NoteKey) -> Result<&mut Held<Note>, ReadError> {
        if !self.notes.contains_key(key) {
            let stored = self.store.note(key).await?;
            let note = stored.unwrap_or_else(|| Note::new(key.clone()));
            self.notes.insert(key.clone(), Held::as_stored(note));
        }
        let held = self.notes.get_mut(key);
        Ok(held.expect("it was put there a moment ago"))
    }

    /// The tracks of unresolved incidents whose lanes are of this place.
    pub(super) async fn open_tracks(&self, place: &Place) -> Result<Vec<TrackKey>, ReadError> {
        let unresolved = self
            .store
            .unresolved_incidents(Subject::Connection(self.connection))
            .await?;
        let tracks = unresolved.into_iter().filter_map(|incident| {
            let track = incident.ci?.track;
            let places = Place::of_lane(track.family, &track.lane);
            places.contains(place).then_some(track)
        });
        Ok(tracks.collect())
    }

    /// The runs and incidents that changed.
    pub(super) fn touched(self) -> (Vec<Run>, Vec<Incident>) {
        let runs = self.runs.into_values().filter_map(Held::into_change);
        let incidents = self.incidents.into_values().filter_map(Held::into_change);
        (
            runs.map(|run| *run).collect(),
            incidents.map(|incident| *incident).collect(),
        )
    }

    /// What has to be written.
    pub(super) fn into_changes(self) -> Vec<Change> {
        let runs = self.runs.into_values().filter_map(Held::into_change);
        let tracks = self.tracks.into_values().filter_map(Held::into_change);
        let notes = self.notes.into_values().filter_map(Held::into_change);
        let incidents = self.incidents.into_values().filter_map(Held::into_change);
        runs.map(Change::PutRun)
            .chain(tracks.map(Change::PutTrack))
            .chain(notes.map(Change::PutNote))
            .chain(incidents.map(Change::PutIncident))
            .collect()
    }
}
