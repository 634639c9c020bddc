//! The worker: plans what is new, and keeps a task for each sink with something to send.

use super::announce::announce;
use super::digest::{self, Looked};
use super::disabled;
use super::late;
use super::room::Room;
use super::sender::send_all;
use super::trouble::Trouble;
use crate::domain::id::SinkId;
use crate::store::ReadError;
use crate::telemetry::may_log;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How often the store is asked for news that nothing has reported.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often sinks with a digest are looked at.
const DIGESTS_EVERY: Duration = Duration::from_mins(1);

/// How often it is looked for notifications that wait for long.
const LATE_EVERY: Duration = Duration::from_mins(1);

/// The worker.
pub(super) struct Worker {
    room: Arc<Room>,
    incidents: watch::Receiver<u64>,
    senders: JoinSet<SinkId>,
    wakes: HashMap<SinkId, Arc<Notify>>,
    /// The sinks with a digest, and when they are looked at next.
    digests: BTreeSet<SinkId>,
    digests_at: Instant,
    /// The sinks with an incident about what waits for them, and when all are looked at next.
    late: BTreeSet<SinkId>,
    late_at: Instant,
    /// Whether the sinks for which something waits since the last start have tasks.
    has_begun: bool,
}

impl Worker {
    pub(super) fn new(room: Arc<Room>) -> Self {
        let incidents = room.tools.store.incident_news();
        Self {
            room,
            incidents,
            senders: JoinSet::new(),
            wakes: HashMap::new(),
            digests: BTreeSet::new(),
            digests_at: Instant::now(),
            late: BTreeSet::new(),
            late_at: Instant::now(),
            has_begun: false,
        }
    }

    /// Works, forever.
    pub(super) async fn work(mut self) {
        loop {
            let (looked, digests) = (self.look().await, self.look_at_digests().await);
            let late = self.look_at_late().await;
            if let Err(error) = looked.and(digests).and(late)
                && may_log("outbox")
            {
                tracing::warn!(%error, "notifications are delayed");
            }
            let room = Arc::clone(&self.room);
            tokio::select! {
                biased;
                Some(Ok(sink)) = self.senders.join_next() => self.has_ended(sink).await,
                () = room.news.notified() => {}
                changed = self.incidents.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn look(&mut self) -> Result<(), Trouble> {
        let changed = std::mem::take(&mut *self.room.changed.lock());
        for sink in changed {
            self.wake(sink);
            self.digests.insert(sink);
            self.digests_at = Instant::now();
        }
        if !self.has_begun {
            for sink in self.room.tools.store.sinks_with_notifications().await? {
                self.wake(sink);
            }
            for sink in self.room.tools.store.sinks_showing_open().await? {
                // Trouble with one is for its own task to report.
                if self.has_work(sink).await.unwrap_or(true) {
                    self.wake(sink);
                }
            }
            for user in self.room.tools.store.users().await? {
                let sinks = self.room.tools.store.sinks_of(user.id).await?;
                for sink in sinks {
                    disabled::catch_up(&self.room, &sink).await?;
                    if late::unresolved(&self.room, sink.id).await?.is_some() {
                        self.late.insert(sink.id);
                    }
                    if sink.digest.is_some() {
                        self.digests.insert(sink.id);
                    }
                }
            }
            self.has_begun = true;
        }
        let (mut after, mut trouble) = (None, None);
        loop {
            let round = announce(&self.room, after).await?;
            for sink in round.reached {
                self.wake(sink);
            }
            trouble = round.trouble.or(trouble);
            after = round.last;
            if after.is_none() {
                return trouble.map_or(Ok(()), Err);
            }
        }
    }

    /// Plans the digests whose hour has come.
    async fn look_at_digests(&mut self) -> Result<(), Trouble> {
        if self.digests_at > Instant::now() {
            return Ok(());
        }
        let mut trouble = None;
        for id in self.digests.clone() {
            match digest::plan(&self.room, id).await {
                Ok(Looked::None) => {
                    self.digests.remove(&id);
                }
                Ok(Looked::Later) => {}
                Ok(Looked::Planned) => self.wake(id),
                // Others are planned in any case.
                Err(error) => trouble = Some(error),
            }
        }
        self.digests_at = Instant::now() + DIGESTS_EVERY;
        trouble.map_or(Ok(()), Err)
    }

    /// Looks for notifications that wait for long, and at what is known of them.
    async fn look_at_late(&mut self) -> Result<(), Trouble> {
        if self.late_at > Instant::now() || !self.has_begun {
            return Ok(());
        }
        let waiting = self.room.tools.store.sinks_with_notifications().await?;
        let all: BTreeSet<SinkId> = waiting.into_iter().chain(self.late.clone()).collect();
        let mut trouble = None;
        for id in all {
            match late::look(&self.room, id).await {
                Ok(true) => {
                    self.late.insert(id);
                }
                Ok(false) => {
                    self.late.remove(&id);
                }
                Err(error) => trouble = Some(error),
            }
        }
        self.late_at = Instant::now() + LATE_EVERY;
        trouble.map_or(Ok(()), Err)
    }

    /// Sees to it that a sink's task looks at what waits.
    fn wake(&mut self, sink: SinkId) {
        if let Some(wake) = self.wakes.get(&sink) {
            wake.notify_one();
            return;
        }
        let wake = Arc::new(Notify::new());
        self.wakes.insert(sink, Arc::clone(&wake));
        let sending = send_all(Arc::clone(&self.room), sink, wake);
        self.senders.spawn(sending);
    }

    /// A task has ended. Something may have come since it looked.
    async fn has_ended(&mut self, sink: SinkId) {
        self.wakes.remove(&sink);
        match self.has_work(sink).await {
            Ok(true) => self.wake(sink),
            Ok(false) => {}
            Err(_) => self.has_begun = false,
        }
    }

    async fn has_work(&self, id: SinkId) -> Result<bool, ReadError> {
        let store = &self.room.tools.store;
        let waits = !store.notifications_due(id, 1).await?.is_empty();
        let Some(sink) = store.sink(id).await? else {
            return Ok(waits);
        };
        let forgets = sink.kind.forgets();
        let lasts = forgets && !store.incidents_shown_open(id, None, 1).await?.is_empty();
        Ok(sink.is_enabled() && (waits || lasts))
    }
}
