//! Notifications that wait for their sink longer than is usual: an incident of its owner, for their
//! other sinks. A sink that is disabled has an incident already, and one that is paused needs none.

use super::room::Room;
use super::trouble::Trouble;
use crate::domain::id::{IncidentId, SinkId};
use crate::domain::incident::health::{self, HealthFailure, HealthKind};
use crate::domain::incident::{Incident, IncidentStatus, Resolution, Subject};
use crate::domain::notification::{Notification, Topic};
use crate::domain::sink::{Sink, SinkState};
use crate::domain::time::Timestamp;
use crate::store::{Batch, Change, CommitError, Conflict, Guard, ReadError};

/// The oldest notifications of a sink that are looked at.
const LOOKED_AT_MAX: usize = 100;

/// Whether one of these waits for its sink. What was not tried waits for something else, such as
/// the end of a delay or of quiet hours; and what is muted is not tried before the end of that.
async fn is_awaited(
    room: &Room,
    waiting: &[Notification],
    now: Timestamp,
) -> Result<bool, ReadError> {
    for it in waiting.iter().filter(|it| it.tries > 0) {
        let incident = match it.topic {
            Topic::Incident(id) => room.tools.store.incident(id).await?,
            Topic::Time { .. } => return Ok(true),
        };
        if incident.is_some_and(|it| it.muted_until(now).is_none()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The incident about a sink for which notifications wait, unless it is resolved.
pub(super) async fn unresolved(room: &Room, sink: SinkId) -> Result<Option<Incident>, ReadError> {
    let subject = Subject::Sink(sink);
    let mut all = room.tools.store.unresolved_incidents(subject).await?;
    all.retain(|it| it.subject == subject);
    Ok(HealthKind::NotificationsWaiting.find(all))
}

/// Looks at what waits for a sink: opens its incident, or ends it. Returns whether there is one.
pub(super) async fn look(room: &Room, id: SinkId) -> Result<bool, Trouble> {
    let store = &room.tools.store;
    let Some(sink) = store.sink(id).await? else {
        return Ok(false);
    };
    let known = unresolved(room, id).await?;
    let why = match sink.state {
        SinkState::Disabled { .. } => Some(Resolution::Replaced),
        SinkState::Paused => Some(Resolution::Disconnected),
        SinkState::Enabled => None,
    };
    let (now, longest) = (room.tools.now(), room.settings.longest_wait);
    let late = sink
        .failing_since
        .filter(|since| why.is_none() && now.since(*since) > longest);
    let late = match late {
        Some(since) => {
            let waiting = store.notifications_of_sink(id, LOOKED_AT_MAX).await?;
            let is_awaited = is_awaited(room, &waiting, now).await?;
            is_awaited.then_some(since)
        }
        None => None,
    };
    match (late, known) {
        (Some(_), Some(_)) => Ok(true),
        (Some(since), None) => open(room, sink, since).await,
        (None, Some(known)) => end(room, known, why.unwrap_or(Resolution::Recovered)).await,
        (None, None) => Ok(false),
    }
}

/// Opens the incident about a sink that has accepted nothing since then. The id follows from that:
/// one that a person has resolved stays so.
async fn open(room: &Room, sink: Sink, since: Timestamp) -> Result<bool, Trouble> {
    let (store, now) = (&room.tools.store, room.tools.now());
    let id = IncidentId::derived(since, sink.id.as_u128().rotate_left(1));
    let mut guards = Vec::new();
    let incident = match store.incident(id).await? {
        None => {
            let failure = HealthFailure::NotificationsWaiting(&sink, now.since(since));
            Incident {
                first_seen_at: since,
                ..health::report(failure, 1, Vec::new(), id, now)
            }
        }
        Some(known) if known.resolution == Some(Resolution::ByHand) => return Ok(false),
        Some(known) => {
            let mut again = known.clone();
            if again.status == IncidentStatus::Resolved {
                again.reopen(now);
            }
            guards.push(Guard::SameIncident(Box::new(known)));
            again
        }
    };
    let mut batch = Batch::of(vec![Change::PutIncident(Box::new(incident))]);
    batch.guards.push(Guard::SameSink(Box::new(sink)));
    batch.guards.extend(guards);
    commit(room, batch).await.map(|()| true)
}

async fn end(room: &Room, known: Incident, why: Resolution) -> Result<bool, Trouble> {
    let mut ended = known.clone();
    ended.resolve(why, room.tools.now());
    let batch = Batch::of(vec![Change::PutIncident(Box::new(ended))]);
    let batch = batch.guarded_by(Guard::SameIncident(Box::new(known)));
    // If it has changed meanwhile, the next look ends it.
    commit(room, batch).await.map(|()| true)
}

async fn commit(room: &Room, batch: Batch) -> Result<(), Trouble> {
    match room.tools.store.commit(batch).await {
        Ok(()) | Err(CommitError::Conflict(Conflict::Changed)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
