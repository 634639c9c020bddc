//! The task of one sink: sends what is due, one message at a time.

use super::health::Health;
use super::outcome::{self, Try};
use super::room::Room;
use super::trouble::Trouble;
use crate::domain::id::SinkId;
use crate::domain::incident::Incident;
use crate::domain::notification::choose::{Choice, choose};
use crate::domain::notification::{DropReason, Notification, NotificationState, Thread, retry};
use crate::domain::sink::Sink;
use crate::domain::time::Timestamp;
use crate::store::{Batch, Change, CommitError, Conflict, Guard};
use crate::telemetry::may_log;
use futures_util::FutureExt;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Notifications that are read at a time.
const READ_MAX: usize = 100;
/// Longest wait without a look: the clock may be set.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// The pause after trouble with the store.
const PAUSE: Duration = Duration::from_secs(1);
/// What is due so much later than any wait, or was tried so long after now, is of a time at which
/// the clock was wrong.
const CLOCK_ERROR_MIN: Duration = Duration::from_mins(1);

/// What a step of a sender came to.
enum Step {
    /// There may be more to do now.
    Again,
    /// Nothing is to be done before.
    Wait(Duration),
    /// Nothing waits, or nothing may be sent.
    Done,
}

/// Sends what waits for a sink, until nothing does. Returns the sink, also after a panic, and then
/// not at once.
pub(super) async fn send_all(room: Arc<Room>, sink: SinkId, wake: Arc<Notify>) -> SinkId {
    let sending = AssertUnwindSafe(work(&room, sink, &wake));
    if sending.catch_unwind().await.is_err() {
        tracing::error!(sink.id = %sink, "sending has panicked; it begins again in a minute");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    sink
}

async fn work(room: &Room, sink: SinkId, wake: &Notify) {
    let mut health = Health::default();
    loop {
        let wait = match step(room, sink, &mut health).await {
            Ok(Step::Again) => continue,
            Ok(Step::Done) => return,
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
    // No sink can ask for more than this.
    let is_real = |wait: &Duration| *wait <= retry::WAIT_MAX + CLOCK_ERROR_MIN;
    let wait = sink.hold_until.map(|at| at.since(now)).filter(is_real);
    let pause = health.pause().max(wait.unwrap_or_default());
    if !pause.is_zero() {
        return Ok(Step::Wait(pause));
    }
    let mut heads = oldest(room, id, health).await?;
    heads.extend(waiting.iter().cloned());
    heads.retain(|it| is_ready(room, it, health));
    // The news of an incident may not be planned yet: the others need not wait for that.
    let mut unplanned = BTreeSet::new();
    for head in &heads {
        if !unplanned.contains(&head.incident) {
            if let Some(step) = consider(room, &sink, head, health).await? {
                return Ok(step);
            }
            unplanned.insert(head.incident);
        }
    }
    let due_at = first.due_at().unwrap_or(now);
    let is_unplanned = !heads.is_empty();
    Ok(Step::Wait(if is_unplanned {
        PAUSE
    } else {
        due_at.since(now)
    }))
}

/// The oldest notifications, when a sink works again after it was down: those that were tried
/// meanwhile are due late.
async fn oldest(room: &Room, sink: SinkId, health: &Health) -> Result<Vec<Notification>, Trouble> {
    if !health.has_recovered() {
        return Ok(Vec::new());
    }
    let store = &room.tools.store;
    Ok(store.notifications_of_sink(sink, READ_MAX).await?)
}

/// Whether a wait was begun, or ends, in a future that only a wrong clock has seen.
fn is_of_wrong_clock(room: &Room, begun_at: Timestamp, due_at: Timestamp) -> bool {
    let now = room.tools.now();
    let longest = retry::WAIT_MAX.max(room.settings.delay);
    begun_at.since(now) > CLOCK_ERROR_MIN || due_at.since(now) > longest + CLOCK_ERROR_MIN
}

/// Whether a notification may be sent now.
fn is_ready(room: &Room, it: &Notification, health: &Health) -> bool {
    let now = room.tools.now();
    match it.state {
        NotificationState::Waiting {
            due_at, tried_at, ..
        } => {
            due_at <= now
                || health.releases(tried_at, now)
                || is_of_wrong_clock(room, tried_at.unwrap_or(it.planned_at), due_at)
        }
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

/// Has what waits about a muted incident wait until the mute ends. An incident that has changed
/// meanwhile may not be muted any more.
async fn hold(
    room: &Room,
    incident: &Incident,
    waiting: &[Notification],
    until: Timestamp,
) -> Result<Step, Trouble> {
    let due_at = retry::held(until, room.tools.now());
    let held = waiting.iter().map(|it| outcome::postponed(it, due_at));
    let guard = Guard::SameIncident(Box::new(incident.clone()));
    let batch = Batch::of(held.collect()).guarded_by(guard);
    match room.tools.store.commit(batch).await {
        Ok(()) | Err(CommitError::Conflict(Conflict::Changed)) => Ok(Step::Again),
        Err(error) => Err(error.into()),
    }
}

/// Decides what the sink is sent about the incident of `head`, which may be sent now, and sends it.
/// `None` when nothing can be decided yet.
async fn consider(
    room: &Room,
    sink: &Sink,
    head: &Notification,
    health: &mut Health,
) -> Result<Option<Step>, Trouble> {
    let store = &room.tools.store;
    let waiting = store.notifications_waiting(head.incident, sink.id).await?;
    let owner = store.user(sink.owner).await?;
    if !owner.is_some_and(|user| user.is_present()) {
        drop_all(room, &waiting, DropReason::NoAccess).await?;
        return Ok(Some(Step::Again));
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
        room.tools.now(),
    );
    if choice == Choice::default() {
        return Ok(None);
    }
    if let Some((incident, until)) = incident.as_ref().zip(choice.muted_until) {
        return hold(room, incident, &waiting, until).await.map(Some);
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
    if let Some((next, _)) = next.filter(|(it, _)| is_ready(room, it, health))
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
        return Ok(Some(Step::Again));
    }
    // Others about this incident wait for this one.
    if let Some((_, due_at)) = next
        && choice.dropped.iter().all(|(id, _)| *id != head.id)
    {
        changes.push(outcome::postponed(head, due_at));
    }
    let batch = Batch::of(changes);
    store.commit(batch).await.map_err(Trouble::Commit)?;
    Ok(Some(Step::Again))
}
