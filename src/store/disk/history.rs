//! History: runs, tracks, notes of places, resolved incidents, ended commands and operations, and
//! replay guards go when they are old.
//!
//! So does what hangs on nothing: what is left of connections that are not there any more.
//!
//! A pass looks at a bounded number of records of each kind, oldest first, and remembers where it
//! stopped. What was changed meanwhile stays: the batch is refused, and a later pass looks again.

use super::options::Retention;
use crate::domain::command::{ASKED_MAX, Command, CommandState};
use crate::domain::delivery::{Delivery, DeliveryState, Outcome};
use crate::domain::error_code::ErrorCode;
use crate::domain::id::{CommandId, ConnectionId, DeliveryId, IncidentId, OperationId, RunId};
use crate::domain::incident::track::Track;
use crate::domain::incident::{Incident, IncidentStatus, Subject};
use crate::domain::lane::place::Note;
use crate::domain::ledger::OVERLAP;
use crate::domain::operation::Operation;
use crate::domain::run::Run;
use crate::domain::time::Timestamp;
use crate::store::index::key::{Key, Kind};
use crate::store::index::{Entries, Index, Kv, Scan, track_key};
use crate::store::journal::JournalError;
use crate::store::record::decode;
use crate::store::{Change, Guard, ReadError};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

/// Most records of a kind that a pass looks at.
const LOOKED_AT_MAX: usize = 2_000;
/// Most records forgotten in one batch.
const BATCH_MAX: usize = 100;

/// Why a pass of the upkeep ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpkeepError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the store does not accept changes")]
    Commit,
    #[error("a record was changed meanwhile")]
    Overtaken,
}

/// Where the passes stopped, by kind of record.
#[derive(Debug, Default)]
pub(super) struct History {
    runs: Option<u128>,
    incidents: Option<u128>,
    guards: Option<u128>,
    commands: Option<u128>,
    operations: Option<u128>,
    track: Option<Vec<u8>>,
    note: Option<Vec<u8>>,
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
        let commands = walk(index, Kind::Command, &mut self.commands, cutoff, |id| {
            old_command(index, id, cutoff)
        })?;
        let operations = walk(index, Kind::Operation, &mut self.operations, cutoff, |id| {
            old_operation(index, id, cutoff)
        })?;
        let floors = Floors::new(index, retention, now);
        let guards = walk(
            index,
            Kind::DeliveryForgotten,
            &mut self.guards,
            guards_cutoff,
            |id| floors.old_guards(id),
        )?;
        let tracks = self.old_tracks(index, cutoff)?;
        let notes = self.old_notes(index, cutoff)?;
        let orphans = orphans(index, now)?;
        let unheard = unheard(index, now)?;
        let old = [
            runs, incidents, guards, commands, operations, tracks, notes, orphans, unheard,
        ]
        .concat();
        for chunk in old.chunks(BATCH_MAX) {
            let (guards, changes): (Vec<_>, Vec<_>) = chunk.iter().cloned().unzip();
            match commit(guards.into_iter().flatten().collect(), changes) {
                Ok(()) | Err(UpkeepError::Overtaken) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Tracks without news for long, unless an incident is open there.
    fn old_tracks<K: Kv>(
        &mut self,
        index: &Index<K>,
        cutoff: Timestamp,
    ) -> Result<Vec<Old>, ReadError> {
        let found = round(index, Kind::Track, &mut self.track)?;
        let mut old = Vec::new();
        for (_, value) in found {
            // Damage is found, and reported, when the track is read for its own sake.
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

    /// Notes without additions for long, unless a failure is open at their place.
    fn old_notes<K: Kv>(
        &mut self,
        index: &Index<K>,
        cutoff: Timestamp,
    ) -> Result<Vec<Old>, ReadError> {
        let found = round(index, Kind::Note, &mut self.note)?;
        let mut old = Vec::new();
        for (_, value) in found {
            let Ok(note) = decode::<Note>(&value) else {
                continue;
            };
            if note.touched_at < cutoff && !has_failing_track(index, &note)? {
                let change = Change::ForgetNote(note.key.clone());
                old.push((Some(Guard::SameNote(Box::new(note))), change));
            }
        }
        Ok(old)
    }
}

/// Whether one of a place's tracks is kept because an incident is open there.
fn has_failing_track<K: Kv>(index: &Index<K>, note: &Note) -> Result<bool, ReadError> {
    for key in &note.tracks {
        let track: Option<Track> = index.record(&track_key(key))?;
        if let Some(track) = track
            && track.is_failing()
            && !is_orphan(index, &track)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The next entries of a kind that is in no order of time: the passes go round all of them.
fn round<K: Kv>(
    index: &Index<K>,
    kind: Kind,
    cursor: &mut Option<Vec<u8>>,
) -> Result<Entries, ReadError> {
    let prefix = Key::of(kind);
    let scan = Scan {
        prefix: prefix.bytes(),
        after: cursor.as_deref(),
        newest_first: false,
        limit: LOOKED_AT_MAX,
    };
    let found = index.kv.scan(scan)?;
    let is_end = found.len() < LOOKED_AT_MAX;
    *cursor = found.last().filter(|_| !is_end).map(|(key, _)| key.clone());
    Ok(found)
}

/// Whether a track's connection is gone. Its incidents ended with it.
fn is_orphan<K: Kv>(index: &Index<K>, track: &Track) -> Result<bool, ReadError> {
    Ok(!index.has_connection(track.key.connection)?)
}

/// Deliveries that are pending for connections that are gone: no actor processes them. They are
/// ended as those are that wait when a connection ends, and go as all history does.
fn orphans<K: Kv>(index: &Index<K>, now: Timestamp) -> Result<Vec<Old>, ReadError> {
    let mut ended = Vec::new();
    for connection in index.connections_with_pending()? {
        if index.has_connection(connection)? {
            continue;
        }
        let prefix = Key::of(Kind::DeliveryPending).id(connection.as_u128());
        let room = LOOKED_AT_MAX - ended.len();
        for id in index.ids(&prefix, None, false, room)? {
            let found = index.delivery_at(DeliveryId::from_u128(id))?;
            let Some((_, delivery)) = found else { continue };
            let outcome = Outcome::Paused;
            let change = Change::progress(Delivery {
                state: DeliveryState::Processed { at: now, outcome },
                ..delivery.clone()
            });
            ended.push((Some(Guard::SameDelivery(Box::new(delivery))), change));
        }
        if ended.len() == LOOKED_AT_MAX {
            break;
        }
    }
    Ok(ended)
}

/// Commands that are pending for connections that are gone: no actor carries them out.
fn unheard<K: Kv>(index: &Index<K>, now: Timestamp) -> Result<Vec<Old>, ReadError> {
    let mut ended = Vec::new();
    for connection in index.connections_with_commands()? {
        if index.has_connection(connection)? {
            continue;
        }
        for command in index.commands_asked(connection, ASKED_MAX)? {
            let (at, code) = (now, ErrorCode::NotFound);
            let change = Change::PutCommand(Box::new(Command {
                state: CommandState::Failed { at, code },
                ..command.clone()
            }));
            ended.push((Some(Guard::SameCommand(Box::new(command))), change));
        }
        if ended.len() >= LOOKED_AT_MAX {
            break;
        }
    }
    Ok(ended)
}

/// A command that ended long ago.
fn old_command<K: Kv>(
    index: &Index<K>,
    id: u128,
    cutoff: Timestamp,
) -> Result<Option<Old>, ReadError> {
    let command = index.command(CommandId::from_u128(id))?;
    let is_old = |command: &Command| command.state.ended_at().is_some_and(|at| at < cutoff);
    Ok(command.filter(is_old).map(|command| {
        let change = Change::ForgetCommand(command.id);
        (Some(Guard::SameCommand(Box::new(command))), change)
    }))
}

/// An operation that ended long ago.
fn old_operation<K: Kv>(
    index: &Index<K>,
    id: u128,
    cutoff: Timestamp,
) -> Result<Option<Old>, ReadError> {
    let operation = index.operation(OperationId::from_u128(id))?;
    let is_old = |operation: &Operation| {
        operation.is_over() && operation.ended_at().is_some_and(|at| at < cutoff)
    };
    Ok(operation.filter(is_old).map(|operation| {
        let change = Change::ForgetOperation(operation.id);
        (Some(Guard::SameOperation(Box::new(operation))), change)
    }))
}

/// Longer than any provider keeps its log: GitLab keeps it for 7 days.
const LOGGED_MAX: Duration = Duration::from_hours(8 * 24);

/// How many more replay guards may go, by count; looked up when the first is old enough.
struct Floors<'a, K> {
    index: &'a Index<K>,
    retention: &'a Retention,
    now: Timestamp,
    in_all: OnceCell<Cell<usize>>,
    of_connection: RefCell<HashMap<u128, usize>>,
    /// What was sent until then is in no part of the provider's log that is read again.
    compared_to: RefCell<HashMap<ConnectionId, Option<Timestamp>>>,
}

impl<'a, K: Kv> Floors<'a, K> {
    fn new(index: &'a Index<K>, retention: &'a Retention, now: Timestamp) -> Self {
        Self {
            index,
            retention,
            now,
            in_all: OnceCell::new(),
            of_connection: RefCell::default(),
            compared_to: RefCell::default(),
        }
    }

    /// How many keys begin so beyond a floor, as far as a pass may take them.
    fn beyond(&self, floor: usize, prefix: &Key) -> Result<usize, ReadError> {
        let most = floor.saturating_add(LOOKED_AT_MAX);
        Ok(self
            .index
            .ids(prefix, None, false, most)?
            .len()
            .saturating_sub(floor))
    }

    /// Whether a delivery may still be found in the provider's log by the next reconcile of its
    /// connection, to which it would be missing without its guards.
    fn is_read_again(&self, id: DeliveryId, of: ConnectionId) -> Result<bool, ReadError> {
        let made_at = id.created_at();
        if made_at < self.now.minus(LOGGED_MAX) {
            return Ok(false);
        }
        let compared_to = match self.compared_to.borrow_mut().entry(of) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => {
                let ledger = self.index.ledger(of)?;
                *unknown.insert(ledger.and_then(|ledger| ledger.compared_to))
            }
        };
        // An attempt may be logged so long after it was received.
        Ok(compared_to.is_none_or(|at| made_at >= at.minus(OVERLAP)))
    }

    /// The guards of a forgotten delivery that are old, unless a floor keeps them. Those of a
    /// connection that is gone guard nothing.
    fn old_guards(&self, id: u128) -> Result<Option<Old>, ReadError> {
        let id = DeliveryId::from_u128(id);
        let change = (None, Change::ForgetGuards(id));
        let Some(connection) = self.index.guarded_connection(id)? else {
            return Ok(Some(change));
        };
        if !self.index.has_connection(connection)? {
            return Ok(Some(change));
        }
        let in_all = if let Some(in_all) = self.in_all.get() {
            in_all
        } else {
            let forgotten = Key::of(Kind::DeliveryForgotten);
            let beyond = self.beyond(self.retention.guards_in_all, &forgotten)?;
            self.in_all.get_or_init(|| Cell::new(beyond))
        };
        let mut of_connection = self.of_connection.borrow_mut();
        let own = match of_connection.entry(connection.as_u128()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let guards = Key::of(Kind::DeliveryByProviderId).id(connection.as_u128());
                let floor = self.retention.guards_per_connection;
                unknown.insert(self.beyond(floor, &guards)?)
            }
        };
        if in_all.get() == 0 || *own == 0 || self.is_read_again(id, connection)? {
            return Ok(None);
        }
        in_all.set(in_all.get() - 1);
        *own -= 1;
        Ok(Some(change))
    }
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

/// A run without news for long, unless an open incident is about it.
fn old_run<K: Kv>(index: &Index<K>, id: u128, cutoff: Timestamp) -> Result<Option<Old>, ReadError> {
    let run: Option<Run> = index.record(&Key::of(Kind::Run).id(id))?;
    let Some(run) = run.filter(|run| run.updated_at < cutoff) else {
        return Ok(None);
    };
    for incident in index.unresolved(run.connection.as_u128())? {
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
    let Some(incident) = incident.filter(|incident| incident.last_seen_at < cutoff) else {
        return Ok(None);
    };
    let is_over = incident.status == IncidentStatus::Resolved
        && incident.resolved_at.is_some_and(|at| at < cutoff);
    let hangs_on_nothing = match incident.subject {
        Subject::Connection(id) => !index.has_connection(id)?,
        Subject::Credential(id) => {
            let key = Key::of(Kind::Credential).id(id.as_u128());
            index.kv.get(key.bytes())?.is_none()
        }
        Subject::Provider(_) | Subject::Server => false,
        Subject::Sink(id) => index.sink(id)?.is_none(),
    };
    let goes = is_over || hangs_on_nothing;
    Ok(goes.then(|| {
        let change = Change::ForgetIncident(IncidentId::from_u128(id));
        (Some(Guard::SameIncident(Box::new(incident))), change)
    }))
}

#[cfg(test)]
pub(super) mod tests;
