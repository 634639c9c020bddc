//! What the planner and all senders share.

use super::Settings;
use super::paces::Paces;
use super::tools::Tools;
use crate::domain::id::{OwnerId, SinkId};
use crate::domain::rulebook::decide::Rules;
use crate::domain::time::Timestamp;
use crate::store::ReadError;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use tokio::sync::{Notify, Semaphore};

/// Owners whose rules are kept ready.
const RULES_KEPT_MAX: usize = 200;

/// Calls for one owner at the same time of sinks that work, and as many of those that do not.
const OF_ONE_MAX: usize = 8;

/// Heartbeats that may be missed before a sink that forgets by itself forgets an incident.
const EXPIRY_BEATS: u32 = 4;

/// Where the calls of a sink wait for their turn: a call that is not answered takes its turn until
/// its time is over, so sinks that work do not wait behind such.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Line {
    /// The last call went well, or there was none.
    Works,
    /// It has failed.
    Fails,
}

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
    calls: Mutex<HashMap<(OwnerId, Line), Weak<Semaphore>>>,
    /// The rules of owners, with their versions, ready to be applied.
    rules: Mutex<HashMap<OwnerId, (u64, Arc<Rules>)>>,
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
            rules: Mutex::default(),
        }
    }

    /// The rules of an owner.
    pub(super) async fn rules_of(&self, owner: OwnerId) -> Result<Arc<Rules>, ReadError> {
        let Some(book) = self.tools.store.rulebook(owner).await? else {
            return Ok(Arc::default());
        };
        let mut all = self.rules.lock();
        if let Some((version, rules)) = all.get(&owner)
            && *version == book.version
        {
            return Ok(Arc::clone(rules));
        }
        let rules = Arc::new(Rules::new(&book));
        if all.len() >= RULES_KEPT_MAX {
            all.clear();
        }
        all.insert(owner, (book.version, Arc::clone(&rules)));
        Ok(rules)
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

    /// The calls that an owner may have made at the same time, of sinks that do so.
    pub(super) fn calls_of(&self, owner: OwnerId, line: Line) -> Arc<Semaphore> {
        let mut all = self.calls.lock();
        if let Some(of_owner) = all.get(&(owner, line)).and_then(Weak::upgrade) {
            return of_owner;
        }
        all.retain(|_, of_one| of_one.strong_count() > 0);
        let of_owner = Arc::new(Semaphore::new(OF_ONE_MAX));
        all.insert((owner, line), Arc::downgrade(&of_owner));
        of_owner
    }
}
