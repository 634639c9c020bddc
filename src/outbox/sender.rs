//! The task of one sink: sends what is due, one message at a time.

use super::digest;
use super::health::Health;
use super::heartbeat::Heartbeat;
use super::outcome::{self, Try};
use super::room::Room;
use super::trouble::Trouble;
use super::waiting::postponed;
use crate::domain::id::{IncidentId, SinkId};
use crate::domain::incident::{Incident, IncidentStatus};
use crate::domain::notification::choose::{Choice, choose};
use crate::domain::notification::{
    DropReason, Notification, NotificationKind, NotificationState, Shown, Thread, retry,
};
use crate::domain::rulebook::REMIND_MAX;
use crate::domain::rulebook::decide::{Decision, Rules};
use crate::domain::sink::Sink;
use crate::domain::time::Timestamp;
use crate::store::{Batch, Change, CommitError, Conflict, Guard};
use crate::telemetry::may_log;
use futures_util::FutureExt;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Notifications that are read at a time: mostly the first of them is sent, and then all are read
/// again.
const READ_FIRST: usize = 8;
/// The same, if none of these can be sent.
const READ_MAX: usize = 100;
/// Longest wait without a look: the clock may be set.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// The shortest.
const WAIT_MIN: Duration = Duration::from_millis(10);
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
    let (mut health, mut heartbeat) = (Health::default(), Heartbeat::new());
    loop {
        let wait = match step(room, sink, &mut health, &mut heartbeat).await {
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
            () = tokio::time::sleep(wait.clamp(WAIT_MIN, LOOK_EVERY)) => {}
        }
    }
}

async fn step(
    room: &Room,
    id: SinkId,
    health: &mut Health,
    heartbeat: &mut Heartbeat,
) -> Result<Step, Trouble> {
    let store = &room.tools.store;
    let Some(sink) = store.sink(id).await? else {
        let waiting = store.notifications_due(id, READ_MAX).await?;
        if waiting.is_empty() {
            return Ok(Step::Done);
        }
        drop_all(room, &waiting, DropReason::SinkRemoved).await?;
        return Ok(Step::Again);
    };
    if !sink.is_enabled() {
        return Ok(Step::Done);
    }
    let next_beat = heartbeat.wait().filter(|_| sink.kind.forgets());
    if next_beat.is_none() && store.notifications_due(id, 1).await?.is_empty() {
        return Ok(Step::Done);
    }
    // A sink that is down is looked at with each incident: that must not read what waits.
    let pause = pause(room, &sink, health);
    if !pause.is_zero() {
        return Ok(Step::Wait(pause));
    }
    let first = Waiting::read(room, id, READ_FIRST, health).await?;
    if !first.ready.is_empty()
        && let step @ (Step::Again | Step::Done) =
            work_off(room, &sink, &first, health, heartbeat).await?
    {
        return Ok(step);
    }
    let all = Waiting::read(room, id, READ_MAX, health).await?;
    work_off(room, &sink, &all, health, heartbeat).await
}

/// Notifications that wait for a sink.
struct Waiting {
    /// Those that may be sent now, in the order in which they are considered.
    ready: Vec<Notification>,
    /// When the next of the others is due.
    next_at: Option<Timestamp>,
}

impl Waiting {
    /// The first of them, at most so many by each order.
    async fn read(
        room: &Room,
        sink: SinkId,
        most: usize,
        health: &Health,
    ) -> Result<Self, Trouble> {
        let due = room.tools.store.notifications_due(sink, most).await?;
        let next = due.iter().find(|it| !is_ready(room, it, health));
        let next_at = next.and_then(Notification::due_at);
        let mut ready = oldest(room, sink, most, health).await?;
        ready.extend(due);
        ready.retain(|it| is_ready(room, it, health));
        Ok(Self { ready, next_at })
    }
}

/// Sends the first of these that can be sent, or a heartbeat.
async fn work_off(
    room: &Room,
    sink: &Sink,
    waiting: &Waiting,
    health: &mut Health,
    heartbeat: &mut Heartbeat,
) -> Result<Step, Trouble> {
    let (heads, beats) = (&waiting.ready, sink.kind.forgets());
    if beats && heartbeat.is_due(!heads.is_empty()) && heartbeat.beat(room, sink, health).await? {
        return Ok(Step::Again);
    }
    let mut waits = match consider_all(room, sink, heads, health).await? {
        ControlFlow::Break(done) => {
            if let Some((incident, shown)) = done.filter(|_| beats) {
                heartbeat.learn(room, incident, shown);
            }
            return Ok(Step::Again);
        }
        ControlFlow::Continue(wait) => Vec::from_iter(wait),
    };
    // Nothing could be sent: so no heartbeat waits for it.
    if beats && heartbeat.is_due(false) && heartbeat.beat(room, sink, health).await? {
        return Ok(Step::Again);
    }
    let now = room.tools.now();
    waits.extend(waiting.next_at.map(|at| at.since(now)));
    waits.extend(heartbeat.wait().filter(|_| beats));
    // Without any, the next look finds whether there is anything to do.
    Ok(Step::Wait(waits.into_iter().min().unwrap_or_default()))
}

/// Considers digests and incidents until something was done about one: the incident, and what the
/// sink shows then, if a call has changed it. Else how long none of them can be sent.
async fn consider_all(
    room: &Room,
    sink: &Sink,
    heads: &[Notification],
    health: &mut Health,
) -> Result<ControlFlow<Option<(IncidentId, Option<Shown>)>, Option<Duration>>, Trouble> {
    let (mut considered, mut waits) = (BTreeSet::new(), Vec::new());
    for head in heads {
        let Some(incident) = head.incident() else {
            digest::consider(room, sink, head, health).await?;
            return Ok(ControlFlow::Break(None));
        };
        // Others need not wait for an incident that waits itself.
        if considered.insert(incident) {
            waits.push(match consider(room, sink, head, incident, health).await? {
                Considered::Done(shown) => {
                    return Ok(ControlFlow::Break(Some((incident, shown))));
                }
                Considered::Unplanned => PAUSE,
                Considered::Quiet => LOOK_EVERY,
                Considered::Later(at) => at.since(room.tools.now()),
            });
        }
    }
    Ok(ControlFlow::Continue(waits.into_iter().min()))
}

/// What looking at an incident came to.
enum Considered {
    /// Something was done; and what the sink shows then, if a call has changed it.
    Done(Option<Shown>),
    /// Its news is not planned yet.
    Unplanned,
    /// It waits for the end of quiet hours.
    Quiet,
    /// Another notification about it comes first, and is not due before.
    Later(Timestamp),
}

/// How long a sink is not called.
fn pause(room: &Room, sink: &Sink, health: &Health) -> Duration {
    let now = room.tools.now();
    // No sink can ask for more than this.
    let is_real = |wait: &Duration| *wait <= retry::WAIT_MAX + CLOCK_ERROR_MIN;
    let wait = sink.hold_until.map(|at| at.since(now)).filter(is_real);
    let pause = health.pause().max(wait.unwrap_or_default());
    pause.max(room.paces.wait(sink))
}

/// The oldest notifications, when a sink works again after it was down: those that were tried
/// meanwhile are due late.
async fn oldest(
    room: &Room,
    sink: SinkId,
    most: usize,
    health: &Health,
) -> Result<Vec<Notification>, Trouble> {
    if !health.has_recovered() {
        return Ok(Vec::new());
    }
    let store = &room.tools.store;
    Ok(store.notifications_of_sink(sink, most).await?)
}

/// Whether a wait was begun, or ends, in a future that only a wrong clock has seen.
fn is_of_wrong_clock(
    room: &Room,
    kind: NotificationKind,
    begun_at: Timestamp,
    due_at: Timestamp,
) -> bool {
    let now = room.tools.now();
    let longest = match kind {
        NotificationKind::Reminded => REMIND_MAX,
        NotificationKind::Opened
        | NotificationKind::Reopened
        | NotificationKind::Flapping
        | NotificationKind::Worse
        | NotificationKind::Resolved
        | NotificationKind::Digest => retry::WAIT_MAX.max(room.settings.delay),
    };
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
                || is_of_wrong_clock(room, it.kind, tried_at.unwrap_or(it.planned_at), due_at)
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

/// Until when the incident waits because of quiet hours.
fn quiet_until(
    room: &Room,
    rules: &Rules,
    decision: &Decision,
    incident: &Incident,
) -> Option<Timestamp> {
    let quiet = rules.quiet().filter(|_| decision.keeps_quiet())?;
    quiet.until(incident.severity, room.tools.now())
}

/// Puts those of the notifications that are due before off until then. Returns whether any was.
async fn put_off(
    room: &Room,
    all: [&Notification; 2],
    until: Timestamp,
) -> Result<Considered, Trouble> {
    let [head, next] = all;
    let others = (head.id != next.id).then_some(head);
    let sooner = |it: &&Notification| it.due_at().is_some_and(|due_at| due_at < until);
    let all = others.into_iter().chain([next]).filter(sooner);
    let changes: Vec<Change> = all.map(|it| postponed(it, until)).collect();
    if changes.is_empty() {
        return Ok(Considered::Quiet);
    }
    let stored = room.tools.store.commit(Batch::of(changes)).await;
    stored.map_err(Trouble::Commit)?;
    Ok(Considered::Done(None))
}

/// What a choice changes without a call.
fn changes_of(
    room: &Room,
    choice: &Choice,
    waiting: &[Notification],
    thread: &Thread,
) -> Vec<Change> {
    let drops = choice.dropped.iter().filter_map(|(id, why)| {
        let it = waiting.iter().find(|it| it.id == *id)?;
        Some(outcome::dropped(room, it, *why))
    });
    let shown = choice.shown.map(|shown| {
        let thread = thread.clone();
        Change::PutThread(Box::new(Thread { shown, ..thread }))
    });
    drops.chain(shown).collect()
}

/// Has what waits about a muted incident wait until the mute ends: that which is due before. An
/// incident that has changed meanwhile may not be muted any more.
async fn hold(
    room: &Room,
    incident: &Incident,
    waiting: &[Notification],
    until: Timestamp,
) -> Result<Considered, Trouble> {
    let now = room.tools.now();
    let due_at = retry::held(until, now);
    let due = waiting
        .iter()
        .filter(|it| it.due_at().is_some_and(|at| at <= now));
    let held: Vec<Change> = due.map(|it| postponed(it, due_at)).collect();
    if held.is_empty() {
        return Ok(Considered::Later(due_at));
    }
    let guard = Guard::SameIncident(Box::new(incident.clone()));
    let batch = Batch::of(held).guarded_by(guard);
    match room.tools.store.commit(batch).await {
        Ok(()) | Err(CommitError::Conflict(Conflict::Changed)) => Ok(Considered::Done(None)),
        Err(error) => Err(error.into()),
    }
}

/// Carries out a choice by which nothing is sent now: others about this incident wait for the one
/// that is to be sent first.
async fn wait_behind(
    room: &Room,
    head: &Notification,
    first: Option<Timestamp>,
    choice: &Choice,
    mut changes: Vec<Change>,
) -> Result<Considered, Trouble> {
    if let Some(due_at) = first
        && choice.dropped.iter().all(|(id, _)| *id != head.id)
    {
        // One that is sent because the sink works again is due later: putting it off changes
        // nothing.
        if head.due_at().is_some_and(|own| own < due_at) {
            changes.push(postponed(head, due_at));
        } else if changes.is_empty() {
            return Ok(Considered::Later(due_at));
        }
    }
    let stored = room.tools.store.commit(Batch::of(changes)).await;
    stored.map_err(Trouble::Commit)?;
    Ok(Considered::Done(None))
}

/// Decides what the sink is sent about an incident, of which `head` may be sent now, and sends it.
async fn consider(
    room: &Room,
    sink: &Sink,
    head: &Notification,
    about: IncidentId,
    health: &mut Health,
) -> Result<Considered, Trouble> {
    let store = &room.tools.store;
    let waiting = store.notifications_waiting(about, sink.id).await?;
    let owner = store.user(sink.owner).await?;
    if !owner.is_some_and(|user| user.is_present()) {
        drop_all(room, &waiting, DropReason::NoAccess).await?;
        return Ok(Considered::Done(None));
    }
    let incident = store.incident(about).await?;
    let thread = store.thread(about, sink.id).await?;
    let thread = thread.unwrap_or(Thread::new(about, sink.id));
    let announced = store.announced(about).await?;
    let rules = room.rules_of(sink.owner).await?;
    let look = incident.as_ref().map(Incident::look);
    let decision = look.map_or_else(Decision::default, |look| rules.decide(&look, |_| true));
    let is_open = |it: &Incident| it.status == IncidentStatus::Open;
    let remind = decision.remind_every();
    let choice = choose(
        incident.as_ref(),
        announced.as_ref(),
        thread.shown,
        sink.wants,
        remind.is_some() && incident.as_ref().is_some_and(is_open),
        &waiting,
        room.tools.now(),
    );
    if choice == Choice::default() {
        return Ok(Considered::Unplanned);
    }
    if let Some((incident, until)) = incident.as_ref().zip(choice.muted_until) {
        return hold(room, incident, &waiting, until).await;
    }
    let changes = changes_of(room, &choice, &waiting, &thread);
    let find = |(id, due_at)| Some((waiting.iter().find(|it| it.id == id)?, due_at));
    let next = choice.next.and_then(find);
    let is_now = |it, due_at| due_at <= room.tools.now() || is_ready(room, it, health);
    if let Some((next, _)) = next.filter(|(it, due_at)| is_now(it, *due_at))
        && let Some(incident) = incident
    {
        if let Some(until) = quiet_until(room, &rules, &decision, &incident) {
            return put_off(room, [head, next], until).await;
        }
        let this = Try {
            sink,
            incident,
            episode: announced.map_or(1, |announced| announced.episode),
            thread,
            notification: next,
            remind,
        };
        let shown = outcome::send(room, this, changes, health).await?;
        return Ok(Considered::Done(shown));
    }
    let first = next.map(|(_, due_at)| due_at);
    wait_behind(room, head, first, &choice, changes).await
}
