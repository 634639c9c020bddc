//! Notifications that wait for their sink longer than is usual: an incident of its owner, for their
//! other sinks. A sink that is disabled has an incident already, and one that is paused needs none.

use super::room::Room;
use super::trouble::Trouble;
use crate::domain::id::{IncidentId, SinkId};
use crate::domain::incident::health::{self, HealthFailure, HealthKind};
use crate::domain::incident::{Incident, IncidentStatus, Resolution, Subject};
use crate::domain::notification::{Notification, NotificationState};
use crate::domain::sink::{Sink, SinkState};
use crate::domain::time::Timestamp;
use crate::store::{Batch, Change, CommitError, Conflict, Guard, ReadError};
use std::time::Duration;

/// The oldest notifications of a sink that are looked at.
const LOOKED_AT_MAX: usize = 100;
/// What was tried less often may have waited for something else, such as the end of a mute.
const TRIES_MIN: u32 = 3;

/// Whether a notification waits for its sink for longer than this.
fn is_late(it: &Notification, now: Timestamp, longest: Duration) -> bool {
    match it.state {
        NotificationState::Waiting { due_at, .. } => {
            let has_failed = it.tries >= TRIES_MIN && now.since(it.planned_at) > longest;
            has_failed || now.since(due_at) > longest
        }
        NotificationState::Sent { .. }
        | NotificationState::Dropped { .. }
        | NotificationState::Failed { .. } => false,
    }
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
    let waiting = store.notifications_of_sink(id, LOOKED_AT_MAX).await?;
    let late = waiting.iter().find(|it| is_late(it, now, longest));
    match (late.filter(|_| why.is_none()), known) {
        (Some(_), Some(_)) => Ok(true),
        (Some(late), None) => open(room, sink, late.planned_at).await,
        (None, Some(known)) => end(room, known, why.unwrap_or(Resolution::Recovered)).await,
        (None, None) => Ok(false),
    }
}

/// Opens the incident about what waits since then. The id follows from that: one that a person has
/// resolved stays so.
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
