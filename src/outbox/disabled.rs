//! The incident about a sink that is disabled: for its owner, and for their other sinks.
//!
//! It is opened with the state of the sink, in one batch, and ends with it. Its id follows from the
//! sink and the time at which it was disabled: so there is no second one, whatever happens.

use super::room::Room;
use super::trouble::Trouble;
use crate::domain::id::SinkId;
use crate::domain::incident::health::{self, HealthFailure};
use crate::domain::incident::{Resolution, Subject};
use crate::domain::sink::{Sink, SinkState};
use crate::store::{Batch, Change, CommitError, Conflict, Guard, ReadError};

/// The incident about a sink that is disabled.
pub(super) fn opened(sink: &Sink) -> Option<Change> {
    let SinkState::Disabled { at, reason } = sink.state else {
        return None;
    };
    let failure = HealthFailure::SinkDisabled(sink, reason);
    let incident = health::report(failure, 1, Vec::new(), sink.incident_id()?, at);
    Some(Change::PutIncident(Box::new(incident)))
}

/// Why the incidents about a sink end when it becomes this; `None` when they do not.
const fn ended_by(was: &Sink, is: &Sink) -> Option<Resolution> {
    match (was.state, is.state) {
        (SinkState::Disabled { .. }, SinkState::Enabled) => Some(Resolution::Recovered),
        (SinkState::Disabled { .. }, SinkState::Paused) => Some(Resolution::Disconnected),
        (SinkState::Disabled { .. }, SinkState::Disabled { .. })
        | (SinkState::Enabled | SinkState::Paused, _) => None,
    }
}

/// The batch with the end of the incidents about a sink that becomes this.
pub(super) async fn with_end(
    room: &Room,
    was: &Sink,
    is: &Sink,
    batch: Batch,
) -> Result<Batch, ReadError> {
    match ended_by(was, is) {
        Some(why) => resolved(room, was.id, why, batch).await,
        None => Ok(batch),
    }
}

/// The batch with the end of all incidents about a sink.
pub(super) async fn resolved(
    room: &Room,
    sink: SinkId,
    why: Resolution,
    mut batch: Batch,
) -> Result<Batch, ReadError> {
    let store = &room.tools.store;
    let subject = Subject::Sink(sink);
    let unresolved = store.unresolved_incidents(subject).await?;
    for incident in unresolved.into_iter().filter(|it| it.subject == subject) {
        let mut ended = incident.clone();
        ended.resolve(why, room.tools.now());
        batch.changes.push(Change::PutIncident(Box::new(ended)));
        // A user may do something with it meanwhile.
        batch = batch.guarded_by(Guard::SameIncident(Box::new(incident)));
    }
    Ok(batch)
}

/// Opens the incident about a sink that was disabled by a version that opened none.
pub(super) async fn catch_up(room: &Room, sink: &Sink) -> Result<(), Trouble> {
    let store = &room.tools.store;
    let Some((id, opened)) = sink.incident_id().zip(opened(sink)) else {
        return Ok(());
    };
    if store.incident(id).await?.is_some() {
        return Ok(());
    }
    let batch = Batch::of(vec![opened]);
    let guard = Guard::SameSink(Box::new(sink.clone()));
    match store.commit(batch.guarded_by(guard)).await {
        Ok(()) | Err(CommitError::Conflict(Conflict::Changed)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
