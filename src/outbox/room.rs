//! What the planner and all senders share.

use super::Settings;
use super::paces::Paces;
use super::tools::Tools;
use crate::domain::id::{OwnerId, SinkId};
use crate::domain::time::Timestamp;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use tokio::sync::{Notify, Semaphore};

/// Calls for one owner at the same time.
const OF_ONE_MAX: usize = 8;

/// Heartbeats that may be missed before a sink that forgets by itself forgets an incident.
const EXPIRY_BEATS: u32 = 4;

/// What the planner and all senders share.
pub(super) struct Room {
    pub(super) tools: Tools,
    pub(super) settings: Settings,
    /// Sinks that a user has changed, or whose notifications were changed by one.
    pub(super) changed: Mutex<BTreeSet<SinkId>>,
    /// There is news for the worker.
    pub(super) news: Notify,
    /// How fast each sink is called.
    pub(super) paces: Paces,
    calls: Mutex<HashMap<OwnerId, Weak<Semaphore>>>,
}

impl Room {
    pub(super) fn new(tools: Tools, settings: Settings) -> Self {
        Self {
            tools,
            settings,
            changed: Mutex::default(),
            news: Notify::new(),
            paces: Paces::default(),
            calls: Mutex::default(),
        }
    }

    /// A user has changed a sink, or one of its notifications.
    pub(super) fn has_changed(&self, sink: SinkId) {
        self.changed.lock().insert(sink);
        self.news.notify_one();
    }

    /// When a sink that forgets by itself forgets what it is sent now, unless it is sent again.
    pub(super) fn expiry(&self, now: Timestamp) -> Timestamp {
        now.plus(self.settings.heartbeat * EXPIRY_BEATS)
    }

    /// The calls that an owner may have made at the same time.
    pub(super) fn calls_of(&self, owner: OwnerId) -> Arc<Semaphore> {
        let mut all = self.calls.lock();
        if let Some(of_owner) = all.get(&owner).and_then(Weak::upgrade) {
            return of_owner;
        }
        all.retain(|_, of_one| of_one.strong_count() > 0);
        let of_owner = Arc::new(Semaphore::new(OF_ONE_MAX));
        all.insert(owner, Arc::downgrade(&of_owner));
        of_owner
    }
}
