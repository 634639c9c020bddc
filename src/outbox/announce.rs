//! Planning: from incidents that stand otherwise than they were last announced to notifications.

use super::room::Room;
use super::trouble::Trouble;
use super::waiting::{planned, postponed};
use crate::domain::id::{IncidentId, SinkId};
use crate::domain::incident::Incident;
use crate::domain::notification::plan::{Plan, plan, wait_of_end};
use crate::domain::notification::{Announced, NotificationKind, Thread, retry};
use crate::domain::rulebook::decide::Decision;
use crate::store::{Batch, Change, CommitError, Conflict, Guard};
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::time::Duration;

/// Incidents that are planned for at a time: their batches are one group in the journal.
pub(super) const PAGE: usize = 100;

/// What planning for some incidents came to.
pub(super) struct Round {
    /// The sinks that got notifications, also if others could not be planned.
    pub(super) reached: BTreeSet<SinkId>,
    /// Trouble with one of them.
    pub(super) trouble: Option<Trouble>,
    /// The last of them, if more may follow.
    pub(super) last: Option<IncidentId>,
}

/// Plans for some incidents after this one: what cannot be planned keeps no others from it.
pub(super) async fn announce(room: &Room, after: Option<IncidentId>) -> Result<Round, Trouble> {
    let store = &room.tools.store;
    let ids = store.incidents_unannounced(after, PAGE).await?;
    let last = ids.last().copied().filter(|_| ids.len() == PAGE);
    let planned = join_all(ids.into_iter().map(|id| announce_one(room, id))).await;
    let (mut reached, mut trouble) = (BTreeSet::new(), None);
    for one in planned {
        match one {
            Ok(sinks) => reached.extend(sinks),
            Err(error) => trouble = Some(error),
        }
    }
    Ok(Round {
        reached,
        trouble,
        last,
    })
}

async fn announce_one(room: &Room, id: IncidentId) -> Result<Vec<SinkId>, Trouble> {
    let store = &room.tools.store;
    let Some(incident) = store.incident(id).await? else {
        return Ok(Vec::new());
    };
    let announced = store.announced(id).await?;
    if !Announced::is_due(&incident, announced.as_ref()) {
        return Ok(Vec::new());
    }
    let sinks = store.sinks_of(incident.owner).await?;
    let threads = store.threads(id).await?;
    let rules = room.rules_of(incident.owner).await?;
    let is_present = |id| sinks.iter().any(|sink| sink.id == id);
    let decision = rules.decide(&incident.look(), is_present);
    let decided = decided(&incident, &decision);
    let planned = plan(&decided, announced.as_ref(), &sinks, &threads, &decision);
    let mut reached: Vec<SinkId> = planned.notify.iter().map(|(sink, _)| *sink).collect();
    let waits = Waits {
        opening: decision
            .delay
            .as_ref()
            .map_or(room.settings.delay, |it| it.value),
        reminder: decision.remind_every().unwrap_or_default(),
        end: wait_of_end(&incident, &planned.announced),
    };
    let mut batch = Batch::of(changes(room, &incident, planned, &threads, &waits));
    if decided != incident {
        let change = Change::PutIncident(Box::new(decided));
        batch.changes.insert(0, change);
    }
    if announced.is_some_and(|announced| moves_what_waits(&announced, &incident)) {
        for thread in &threads {
            release(room, &incident, thread, &waits, &mut batch).await?;
            reached.push(thread.sink);
        }
    }
    let guard = Guard::SameIncident(Box::new(incident));
    match store.commit(batch.guarded_by(guard)).await {
        Ok(()) => Ok(reached),
        // It has changed meanwhile, and is still on the list.
        Err(CommitError::Conflict(Conflict::Changed)) => {
            room.news.notify_one();
            Ok(Vec::new())
        }
        Err(error) => Err(error.into()),
    }
}

/// How long notifications of an incident wait.
struct Waits {
    opening: Duration,
    reminder: Duration,
    end: Duration,
}

impl Waits {
    const fn of(&self, kind: NotificationKind) -> Duration {
        match kind {
            NotificationKind::Opened | NotificationKind::Reopened => self.opening,
            NotificationKind::Reminded => self.reminder,
            NotificationKind::Resolved => self.end,
            NotificationKind::Flapping | NotificationKind::Worse | NotificationKind::Digest => {
                Duration::ZERO
            }
        }
    }
}

/// Whether what waits about an incident is due at another time now: it was muted or flaps, or that
/// has ended.
fn moves_what_waits(announced: &Announced, incident: &Incident) -> bool {
    let was = announced.standing;
    was.muted_until != incident.care.muted_until || was.is_flapping != incident.is_flapping
}

/// What waits about an incident at a sink is due when it would be if it were planned now, and its
/// sender looks at it then.
async fn release(
    room: &Room,
    incident: &Incident,
    thread: &Thread,
    waits: &Waits,
    batch: &mut Batch,
) -> Result<(), Trouble> {
    let now = room.tools.now();
    let store = &room.tools.store;
    let held = store.notifications_waiting(incident.id, thread.sink);
    for it in held.await? {
        let wait = match it.tries {
            0 => waits.of(it.kind),
            _ => Duration::ZERO,
        };
        let due_at = match incident.muted_until(now) {
            Some(until) => retry::held(until, now),
            None => now.max(it.planned_at.plus(wait)),
        };
        batch.changes.push(postponed(&it, due_at));
        // Its sender may have changed it meanwhile.
        batch.guards.push(Guard::SameNotification(Box::new(it)));
    }
    Ok(())
}

/// The incident with the severity that the rules decide. One that is resolved stays as it is.
fn decided(incident: &Incident, decision: &Decision) -> Incident {
    let severity = decision.severity.as_ref().map(|it| it.value);
    let severity = severity.filter(|_| !incident.standing().is_resolved);
    Incident {
        severity: severity.unwrap_or(incident.severity),
        ..incident.clone()
    }
}

fn changes(
    room: &Room,
    incident: &Incident,
    plan: Plan,
    threads: &[Thread],
    waits: &Waits,
) -> Vec<Change> {
    let mut changes = vec![Change::PutAnnounced(Box::new(plan.announced))];
    for (sink, kind) in plan.notify {
        let due_at = room.tools.now().plus(waits.of(kind));
        if threads.iter().all(|thread| thread.sink != sink) {
            let thread = Thread::new(incident.id, sink);
            changes.push(Change::PutThread(Box::new(thread)));
        }
        changes.push(planned(room, incident, sink, kind, due_at));
    }
    changes
}
