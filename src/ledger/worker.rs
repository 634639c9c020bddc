//! The worker: what is due, and when.

use super::reconcile::reconcile;
use super::room::Room;
use super::schedule::{Next, Schedule, Turn};
use super::trouble::Trouble;
use crate::credentials::Ended;
use crate::domain::backoff::{jittered, scale};
use crate::domain::connection::Connection;
use crate::domain::id::ConnectionId;
use crate::domain::ledger::{AskedBy, GapCause, Outage};
use crate::domain::outage::release_over;
use crate::domain::time::Timestamp;
use crate::store::{Batch, Change};
use crate::telemetry::metric;
use futures_util::FutureExt;
use metrics::counter;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How often the store is asked for requests.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Requests that are read at a time.
const ASKED_MAX: usize = 64;
/// How often it is recorded that the daemon runs.
const BEAT_EVERY: Duration = Duration::from_secs(30);
/// A connection whose deliveries are refused is reconciled once that has ceased for so long.
const CALM: Duration = Duration::from_secs(5);
/// With more connections than this, their first reconciles are spread over a longer time: what does
/// not fit the budgets fails, and each failure is a write.
const AT_ONCE_MAX: usize = 1000;
/// A provider that did not answer for so long may not have delivered either.
const OUTAGE_MIN: Duration = Duration::from_mins(1);

/// The worker.
pub(super) struct Worker {
    room: Arc<Room>,
    schedule: Schedule,
    running: JoinSet<(Turn, Next)>,
    ends: Receiver<Arc<Ended>>,
    looked_at: Option<Instant>,
    /// Where the next look at requests continues, after a full page of them.
    asked_after: Option<ConnectionId>,
    beat_at: Option<Instant>,
    /// Since when the store accepts nothing.
    trouble_since: Option<Timestamp>,
}

impl Worker {
    pub(super) fn new(room: Arc<Room>, connections: Vec<ConnectionId>) -> Self {
        let mut schedule = Schedule::default();
        let now = Instant::now();
        let mut spread = room.settings.startup_spread;
        if connections.len() > AT_ONCE_MAX {
            spread = spread.max(release_over(connections.len()));
        }
        for id in connections {
            schedule.add(id, now + scale(spread, room.ports.chance()));
        }
        let ends = room.pool.outages().ends();
        Self {
            room,
            schedule,
            running: JoinSet::new(),
            ends,
            looked_at: None,
            asked_after: None,
            beat_at: None,
            trouble_since: None,
        }
    }

    /// Works, forever.
    pub(super) async fn work(mut self) {
        loop {
            let now = Instant::now();
            if self.looked_at.is_none_or(|at| now - at >= LOOK_EVERY) {
                self.looked_at = Some(now);
                self.look_at_store().await;
                self.look_at_requests(now).await;
                self.look_at_refused();
            }
            self.look_at_ends();
            while let Some(turn) = self.schedule.next(now) {
                let room = Arc::clone(&self.room);
                self.running.spawn(carry_out(room, turn));
            }
            let room = Arc::clone(&self.room);
            tokio::select! {
                biased;
                Some(ended) = self.running.join_next() => {
                    if let Ok((turn, next)) = ended {
                        let usual = self.room.settings.every;
                        self.schedule.end(&turn, next, Instant::now(), usual);
                    }
                }
                () = room.news.notified() => self.looked_at = None,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Has the connections of providers that answer again reconciled, and only those; others that
    /// wait for an end are looked at. A provider
    /// that did not answer for long may not have delivered either.
    fn look_at_ends(&mut self) {
        loop {
            match self.ends.try_recv() {
                Ok(ended) => {
                    let is_long = ended.at.since(ended.since) >= OUTAGE_MIN;
                    let (ids, now) = (&ended.connections, Instant::now());
                    let span = release_over(ids.len());
                    self.schedule.unpark(ids, is_long, now, span);
                }
                Err(TryRecvError::Lagged(_)) => self.schedule.all_due(),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    /// Records that the daemon runs, and the time in which the store accepted nothing.
    async fn look_at_store(&mut self) {
        let (now, store) = (self.room.ports.now(), &self.room.ports.store);
        if store.status().trouble.is_some() {
            self.trouble_since.get_or_insert(now);
            return;
        }
        let is_due = self.beat_at.is_none_or(|at| at.elapsed() >= BEAT_EVERY);
        let ended = self.trouble_since.take();
        if !is_due && ended.is_none() {
            return;
        }
        self.beat_at = Some(Instant::now());
        if let Some(from) = ended {
            let cause = GapCause::Refused;
            let outage = Outage {
                cause,
                from,
                to: now,
            };
            self.room.uptime.lock().add(outage);
            self.schedule.all_due();
        }
        beat(&self.room).await;
    }

    async fn look_at_requests(&mut self, now: Instant) {
        let (store, after) = (&self.room.ports.store, self.asked_after.take());
        let asked = store.reconciles_asked(after, ASKED_MAX).await;
        let asked = asked.unwrap_or_default();
        // Those that cannot be answered now must not hide the others.
        self.asked_after = asked.get(ASKED_MAX - 1).map(|last| last.connection);
        for asked in asked {
            self.schedule.add(asked.connection, now);
            match asked.by {
                AskedBy::User => self.schedule.ask(asked.connection, now),
                AskedBy::Hook => self.schedule.soon(asked.connection, now),
            }
        }
    }

    fn look_at_refused(&mut self) {
        let now = self.room.ports.now();
        let (refused, more) = self.room.refused.lock().take(now, CALM);
        for (id, outage) in refused {
            self.schedule.refuse(id, outage);
        }
        if let Some(outage) = more {
            self.room.uptime.lock().add(outage);
            self.schedule.all_due();
        }
    }
}

/// Records that the daemon runs. If that cannot be stored, a later one does it.
pub(super) async fn beat(room: &Room) {
    let uptime = {
        let mut uptime = room.uptime.lock();
        uptime.alive(room.ports.now());
        uptime.clone()
    };
    let beat = Batch::of(vec![Change::PutUptime(uptime)]);
    if let Err(error) = room.ports.store.commit(beat).await {
        tracing::debug!(%error, "a sign of life is not stored");
    }
}

async fn carry_out(room: Arc<Room>, turn: Turn) -> (Turn, Next) {
    let turning = AssertUnwindSafe(try_turn(&room, &turn)).catch_unwind();
    let next = turning.await.unwrap_or_else(|_| {
        counter!(metric::PANICS).increment(1);
        tracing::error!(connection.id = %turn.id, "a reconcile panicked");
        Next::Again(room.settings.retry.cap)
    });
    (turn, next)
}

async fn try_turn(room: &Arc<Room>, turn: &Turn) -> Next {
    let connection = match room.ports.store.connection(turn.id).await {
        Ok(Some(connection)) if !connection.is_removed() => connection,
        Ok(Some(_) | None) => return Next::Never,
        Err(_) => return Next::Again(room.settings.retry.initial),
    };
    // A suspended or paused connection, too: this only reads (ADR 27).
    let instance = connection.instance.clone();
    let outages = room.pool.outages();
    if outages.of(&instance).await.is_some() {
        return Next::Parked;
    }
    if !turn.reason.is_awaited && is_waited_for(room, &connection).await {
        return Next::Full;
    }
    match reconcile(room, connection, turn.reason.clone()).await {
        Ok(wait) => Next::After(wait),
        Err(Trouble::Gone) => Next::Never,
        Err(_) if outages.lasts(&instance) => Next::Parked,
        Err(trouble) => {
            let id = turn.id;
            tracing::debug!(connection.id = %id, error = %trouble, "a reconcile failed");
            next_try(room, turn.id, &trouble).await
        }
    }
}

/// Whether as many reconciles as may wait for the limits of the credential that it would use.
async fn is_waited_for(room: &Room, connection: &Connection) -> bool {
    let candidates = room.pool.candidates_of(connection).await;
    let best = candidates.ok().and_then(|all| all.first().copied());
    best.is_some_and(|best| room.waiting.is_full(best.id()))
}

/// When a connection whose reconcile failed is tried again.
async fn next_try(room: &Room, id: ConnectionId, trouble: &Trouble) -> Next {
    let chance = room.ports.chance();
    let Some(after) = trouble.passes() else {
        return Next::After(jittered(room.settings.every, chance));
    };
    let ledger = room.ports.store.ledger(id).await.ok().flatten();
    let failures = ledger.map_or(1, |ledger| ledger.failures);
    let wait = room.settings.retry.wait(failures, chance);
    Next::Again(after.max(wait))
}
