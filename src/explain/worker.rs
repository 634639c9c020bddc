//! The worker: what is due, and how much at a time.

use super::once::{Trouble, explain_once};
use super::room::Room;
use crate::domain::explanation::WAIT_MAX;
use crate::domain::id::IncidentId;
use crate::domain::repo::InstanceId;
use crate::telemetry::{may_log, metric};
use futures_util::FutureExt;
use metrics::counter;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Explanations at the same time, and those of one installation.
pub(super) const AT_ONCE_MAX: usize = 8;
pub(super) const OF_ONE_MAX: usize = 3;
/// Entries of the list that are read at a time, and in one look.
const PAGE: usize = 100;
const LOOKED_AT_MAX: usize = 1000;
/// How often the list is read when nothing reports news.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long an incident rests for which nothing could be stored.
const REST: Duration = Duration::from_secs(10);
/// What is due so much later than any wait is of a time at which the clock was wrong.
const CLOCK_ERROR_MIN: Duration = Duration::from_mins(1);

/// The worker.
pub(super) struct Worker {
    room: Arc<Room>,
    incidents: watch::Receiver<u64>,
    running: JoinSet<(IncidentId, bool)>,
    /// The installations of those that run.
    busy: HashMap<IncidentId, InstanceId>,
    /// Until when these are not tried again.
    resting: HashMap<IncidentId, Instant>,
}

impl Worker {
    pub(super) fn new(room: Arc<Room>) -> Self {
        let incidents = room.ports.store.incident_news();
        Self {
            room,
            incidents,
            running: JoinSet::new(),
            busy: HashMap::new(),
            resting: HashMap::new(),
        }
    }

    /// Works, forever.
    pub(super) async fn work(mut self) {
        loop {
            let wait = match self.look().await {
                Ok(wait) => wait.min(LOOK_EVERY),
                Err(error) => {
                    if may_log("explain") {
                        tracing::warn!(%error, "explanations are delayed");
                    }
                    LOOK_EVERY
                }
            };
            tokio::select! {
                biased;
                Some(Ok((id, has_stored))) = self.running.join_next() => {
                    self.busy.remove(&id);
                    if !has_stored {
                        self.resting.insert(id, Instant::now() + REST);
                    }
                }
                changed = self.incidents.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Starts what is due, as far as there is room. Returns when the next one is due.
    async fn look(&mut self) -> Result<Duration, Trouble> {
        let now = Instant::now();
        self.resting.retain(|_, until| *until > now);
        let store = Arc::clone(&self.room.ports.store);
        let mut after = None;
        for _ in 0..LOOKED_AT_MAX / PAGE {
            if self.busy.len() >= AT_ONCE_MAX {
                return Ok(LOOK_EVERY);
            }
            let page = store.incidents_unexplained(after, PAGE).await?;
            for (due_at, id) in &page {
                let wait = due_at.since(self.room.ports.now());
                if !wait.is_zero() && wait <= WAIT_MAX + CLOCK_ERROR_MIN {
                    return Ok(wait);
                }
                self.begin(*id).await?;
            }
            after = page.last().copied().filter(|_| page.len() == PAGE);
            if after.is_none() {
                break;
            }
        }
        Ok(LOOK_EVERY)
    }

    /// Starts to explain an incident, if it is not under way and there is room.
    async fn begin(&mut self, id: IncidentId) -> Result<(), Trouble> {
        let is_here = self.busy.contains_key(&id) || self.resting.contains_key(&id);
        if is_here || self.busy.len() >= AT_ONCE_MAX {
            return Ok(());
        }
        let store = &self.room.ports.store;
        let incident = store.incident(id).await?;
        let connection = incident.and_then(|incident| incident.subject.connection());
        let connection = match connection {
            Some(connection) => store.connection(connection).await?,
            None => None,
        };
        let Some(connection) = connection else {
            self.resting.insert(id, Instant::now() + REST);
            return Ok(());
        };
        let instance = connection.instance.id();
        let of_one = self.busy.values().filter(|of| **of == instance).count();
        if of_one < OF_ONE_MAX {
            self.busy.insert(id, instance);
            self.running.spawn(explain(Arc::clone(&self.room), id));
        }
        Ok(())
    }
}

/// Explains an incident. Returns whether anything was stored.
async fn explain(room: Arc<Room>, id: IncidentId) -> (IncidentId, bool) {
    let explaining = AssertUnwindSafe(explain_once(&room, id)).catch_unwind();
    let has_stored = match explaining.await {
        Ok(Ok(has_stored)) => has_stored,
        Ok(Err(error)) => {
            if may_log("explain") {
                tracing::warn!(incident.id = %id, %error, "an explanation is delayed");
            }
            false
        }
        Err(_) => {
            counter!(metric::PANICS).increment(1);
            tracing::error!(incident.id = %id, "an explanation panicked");
            false
        }
    };
    (id, has_stored)
}
