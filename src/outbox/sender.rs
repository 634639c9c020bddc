//! The task of one sink: sends what is due, one message at a time.

use super::health::Health;
use super::outcome::{self, Try};
use super::room::Room;
use super::trouble::Trouble;
use crate::domain::id::SinkId;
use crate::domain::notification::choose::{Choice, choose};
use crate::domain::notification::{DropReason, Notification, NotificationState, Thread};
use crate::domain::sink::Sink;
use crate::domain::time::Timestamp;
use crate::store::{Batch, Change};
use crate::telemetry::may_log;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Notifications that are read at a time.
const READ_MAX: usize = 100;
/// Longest wait without a look: the clock may be set.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// The pause after trouble with the store.
const PAUSE: Duration = Duration::from_secs(1);

/// What a step of a sender came to.
enum Step {
    /// There may be more to do now.
    Again,
    /// Nothing is to be done before.
    Wait(Duration),
    /// Nothing waits, or nothing may be sent.
    Done,
}

/// Sends what waits for a sink, until nothing does.
pub(super) async fn send_all(room: Arc<Room>, sink: SinkId, wake: Arc<Notify>) -> SinkId {
    let mut health = Health::default();
    loop {
        let wait = match step(&room, sink, &mut health).await {
            Ok(Step::Again) => continue,
            Ok(Step::Done) => return sink,
            Ok(Step::Wait(wait)) => wait,
            Err(error) => {
                if may_log("outbox") {
                    tracing::warn!(sink.id = %sink, %error, "sending is delayed");
                }
                PAUSE
            }
        };
        tokio::select! {
            biased;
            () = wake.notified() => {}
            () = tokio::time::sleep(wait.min(LOOK_EVERY)) => {}
        }
    }
}

async fn step(room: &Room, id: SinkId, health: &mut Health) -> Result<Step, Trouble> {
    let store = &room.tools.store;
    let waiting = store.notifications_due(id, READ_MAX).await?;
    let Some(first) = waiting.first() else {
        return Ok(Step::Done);
    };
    let now = room.tools.now();
    let Some(sink) = store.sink(id).await? else {
        drop_all(room, &waiting, DropReason::SinkRemoved).await?;
        return Ok(Step::Again);
    };
    if !sink.is_enabled() {
        return Ok(Step::Done);
    }
    let wait = sink.hold_until.map_or(Duration::ZERO, |at| at.since(now));
    let pause = health.pause().max(wait);
    if !pause.is_zero() {
        return Ok(Step::Wait(pause));
    }
    let head = match next(room, id, health).await? {
        Some(head) => Some(head),
        None => waiting.iter().find(|it| is_ready(it, now, health)).cloned(),
    };
    if let Some(head) = head {
        return consider(room, &sink, &head, health).await;
    }
    let due_at = first.due_at().unwrap_or(now);
    Ok(Step::Wait(due_at.since(now)))
}

/// The oldest notification that may be sent, when a sink works again after it was down: those that
/// were tried meanwhile are due late.
async fn next(room: &Room, sink: SinkId, health: &Health) -> Result<Option<Notification>, Trouble> {
    if !health.has_recovered() {
        return Ok(None);
    }
    let now = room.tools.now();
    let store = &room.tools.store;
    let oldest = store.notifications_of_sink(sink, READ_MAX).await?;
    Ok(oldest.into_iter().find(|it| is_ready(it, now, health)))
}

/// Whether a notification may be sent now.
fn is_ready(it: &Notification, now: Timestamp, health: &Health) -> bool {
    match it.state {
        NotificationState::Waiting {
            due_at, tried_at, ..
        } => due_at <= now || health.releases(tried_at),
        NotificationState::Sent { .. }
        | NotificationState::Dropped { .. }
        | NotificationState::Failed { .. } => false,
    }
}

async fn drop_all(room: &Room, all: &[Notification], why: DropReason) -> Result<(), Trouble> {
    let drops = all.iter().map(|it| outcome::dropped(room, it, why));
    room.tools
        .store
        .commit(Batch::of(drops.collect()))
        .await
        .map_err(Trouble::Commit)
}

/// Decides what the sink is sent about the incident of `head`, which may be sent now, and sends it.
async fn consider(
    room: &Room,
    sink: &Sink,
    head: &Notification,
    health: &mut Health,
) -> Result<Step, Trouble> {
    let store = &room.tools.store;
    let waiting = store.notifications_waiting(head.incident, sink.id).await?;
    let owner = store.user(sink.owner).await?;
    if !owner.is_some_and(|user| user.is_present()) {
        drop_all(room, &waiting, DropReason::NoAccess).await?;
        return Ok(Step::Again);
    }
    let incident = store.incident(head.incident).await?;
    let thread = store.thread(head.incident, sink.id).await?;
    let thread = thread.unwrap_or(Thread::new(head.incident, sink.id));
    let announced = store.announced(head.incident).await?;
    let choice = choose(
        incident.as_ref(),
        announced.as_ref(),
        thread.shown,
        sink.wants,
        &waiting,
    );
    if choice == Choice::default() {
        return Ok(Step::Wait(PAUSE));
    }
    let find = |id| waiting.iter().find(|it| it.id == id);
    let dropped = choice.dropped.iter();
    let mut changes: Vec<Change> = dropped
        .filter_map(|(id, why)| Some(outcome::dropped(room, find(*id)?, *why)))
        .collect();
    if let Some(shown) = choice.shown {
        let thread = Thread {
            shown,
            ..thread.clone()
        };
        changes.push(Change::PutThread(Box::new(thread)));
    }
    let next = choice
        .next
        .and_then(|(id, due_at)| Some((find(id)?, due_at)));
    if let Some((next, _)) = next.filter(|(it, _)| is_ready(it, room.tools.now(), health))
        && let Some(incident) = incident
    {
        let this = Try {
            sink,
            incident,
            episode: announced.map_or(1, |announced| announced.episode),
            thread,
            notification: next,
        };
        outcome::send(room, this, changes, health).await?;
        return Ok(Step::Again);
    }
    // Others about this incident wait for this one.
    if let Some((_, due_at)) = next
        && choice.dropped.iter().all(|(id, _)| *id != head.id)
    {
        changes.push(outcome::postponed(head, due_at));
    }
    let batch = Batch::of(changes);
    store.commit(batch).await.map_err(Trouble::Commit)?;
    Ok(Step::Again)
}
