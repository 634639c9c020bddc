//! Digests: planned when their hour has come, and sent like other notifications. See ADR 40.

use super::call::{Call, call, judged, store_answer};
use super::health::Health;
use super::outcome::{begun, count, dropped, judge};
use super::room::Room;
use super::trouble::Trouble;
use crate::domain::id::{NotificationId, SinkId};
use crate::domain::notification::{
    DropReason, Notification, NotificationKind, NotificationState, Topic,
};
use crate::domain::sink::Sink;
use crate::domain::sink::digest::{Digest, Due};
use crate::domain::time::Timestamp;
use crate::notify::DigestMessage;
use crate::store::{Batch, Change, CommitError, Conflict, Guard, report};

/// What a look at a sink came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// It has no digest.
    None,
    /// Nothing is to be done now.
    Later,
    /// A notification waits for it.
    Planned,
}

/// Plans the digest of a sink if its hour has come.
pub(super) async fn plan(room: &Room, id: SinkId) -> Result<Looked, Trouble> {
    let store = &room.tools.store;
    let Some(sink) = store.sink(id).await? else {
        return Ok(Looked::None);
    };
    let Some(digest) = sink.digest.clone() else {
        return Ok(Looked::None);
    };
    let owner = store.user(sink.owner).await?;
    if !sink.is_enabled() || !owner.is_some_and(|user| user.is_present()) {
        return Ok(Looked::Later);
    }
    let now = room.tools.now();
    let (since, until) = match digest.due(now) {
        Due::NotYet => return Ok(Looked::Later),
        Due::Restart => {
            let digest = Digest {
                covered_until: now,
                ..digest
            };
            return store_digest(room, sink, digest, None).await;
        }
        Due::Covering { since, until } => (since, until),
    };
    // The next one covers the time, too.
    for kept in &digest.kept {
        let kept = store.notification(*kept).await?;
        if kept.is_some_and(|it| it.due_at().is_some()) {
            return Ok(Looked::Later);
        }
    }
    let planned = planned(room, &sink, Topic::Time { since, until }, now);
    let digest = digest.covered(until, planned.id);
    store_digest(room, sink, digest, Some(planned)).await
}

fn planned(room: &Room, sink: &Sink, topic: Topic, now: Timestamp) -> Notification {
    let id = room.tools.clock.now_for_id();
    Notification {
        id: NotificationId::generate(id, &*room.tools.entropy),
        owner: sink.owner,
        topic,
        sink: sink.id,
        kind: NotificationKind::Digest,
        planned_at: now,
        tries: 0,
        state: NotificationState::Waiting {
            due_at: now,
            is_unsure: false,
            tried_at: None,
            error: None,
        },
    }
}

/// Stores what was reported together with the notification: there is one, whatever happens.
async fn store_digest(
    room: &Room,
    sink: Sink,
    digest: Digest,
    planned: Option<Notification>,
) -> Result<Looked, Trouble> {
    let after = Sink {
        digest: Some(digest),
        ..sink.clone()
    };
    let looked = planned.as_ref().map_or(Looked::Later, |_| Looked::Planned);
    let put = planned.map(|it| Change::PutNotification(Box::new(it)));
    let changes = std::iter::once(Change::PutSink(Box::new(after))).chain(put);
    let batch = Batch::of(changes.collect());
    let guard = Guard::SameSink(Box::new(sink));
    match room.tools.store.commit(batch.guarded_by(guard)).await {
        Ok(()) => Ok(looked),
        // Its task or a user has changed it meanwhile: it is looked at again.
        Err(CommitError::Conflict(Conflict::Changed)) => Ok(Looked::Later),
        Err(error) => Err(error.into()),
    }
}

/// Sends a digest that is due, or drops it.
pub(super) async fn consider(
    room: &Room,
    sink: &Sink,
    it: &Notification,
    health: &mut Health,
) -> Result<(), Trouble> {
    let store = &room.tools.store;
    let owner = store.user(sink.owner).await?;
    if !owner.is_some_and(|user| user.is_present()) {
        return put(room, dropped(room, it, DropReason::NoAccess)).await;
    }
    let (Topic::Time { since, until }, Some(digest)) = (it.topic, &sink.digest) else {
        return put(room, dropped(room, it, DropReason::NotWanted)).await;
    };
    let (report, is_partial) = report(&**store, sink.owner, since, until).await?;
    if report.is_empty() && !digest.schedule.sends_empty && !it.is_unsure() {
        return put(room, dropped(room, it, DropReason::NothingToSay)).await;
    }
    let begun = begun(room, it);
    put(room, Change::PutNotification(Box::new(begun.clone()))).await?;
    let message = DigestMessage {
        id: it.id,
        at: room.tools.now(),
        report,
        is_partial,
        time_zone: digest.schedule.time_zone.clone(),
    };
    let receipt = call(room, sink, health, Call::Digest(&message)).await;
    let receipt = judged(receipt, health, room.tools.now());
    let outcome = judge(room, &begun, it.is_unsure(), &receipt);
    count(sink, &begun, &receipt, &outcome);
    // A user may have switched the digest off meanwhile, which deletes its notifications.
    let is_there = store.notification(it.id).await?.is_some();
    let change = Change::PutNotification(Box::new(outcome.notification));
    let changes = is_there.then_some(change).into_iter().collect();
    store_answer(room, sink, &receipt, changes).await
}

async fn put(room: &Room, change: Change) -> Result<(), Trouble> {
    let stored = room.tools.store.commit(Batch::of(vec![change])).await;
    stored.map_err(Trouble::Commit)
}
