//! A store in memory that outlives the processes that use it, for simulations of crashes.

use super::index::{Index, Indexed};
use super::memory::{MemoryKv, MemoryPayloads, MemoryStore};
use super::{Batch, Committing, Lease, Reading, Store, StoreStatus};
use crate::domain::id::ConnectionId;
use parking_lot::Mutex;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// When a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Lives,
    /// At a batch: this many are committed before.
    DiesAt {
        left: u64,
        /// Whether that batch is committed, too, and never answered.
        commits_it: bool,
    },
    Dead,
}

/// The store as one process sees it. When the process dies, no batch of it is committed any more,
/// and none is answered; what was committed is there for the next process.
pub struct MortalStore {
    memory: Arc<MemoryStore>,
    fate: Mutex<Fate>,
    commits: AtomicU64,
}

impl MortalStore {
    /// The store for a new process.
    pub fn new(memory: Arc<MemoryStore>) -> Self {
        Self {
            memory,
            fate: Mutex::new(Fate::Lives),
            commits: AtomicU64::new(0),
        }
    }

    /// The process dies at a batch, after `left` others. `commits_it` says whether that one is
    /// still committed; in any case it is not answered.
    pub fn dies_at(&self, left: u64, commits_it: bool) {
        let mut fate = self.fate.lock();
        if *fate != Fate::Dead {
            *fate = Fate::DiesAt { left, commits_it };
        }
    }

    /// The process dies now.
    pub fn die(&self) {
        *self.fate.lock() = Fate::Dead;
    }

    /// Whether the process is dead.
    pub fn is_dead(&self) -> bool {
        *self.fate.lock() == Fate::Dead
    }

    /// Batches that were committed.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Whether a batch is committed, and whether that is answered.
    fn judge(&self) -> (bool, bool) {
        let mut fate = self.fate.lock();
        match &mut *fate {
            Fate::Lives => (true, true),
            Fate::Dead => (false, false),
            Fate::DiesAt { left, .. } if *left > 0 => {
                *left -= 1;
                (true, true)
            }
            Fate::DiesAt { commits_it, .. } => {
                let is_committed = *commits_it;
                *fate = Fate::Dead;
                drop(fate);
                (is_committed, false)
            }
        }
    }
}

impl std::fmt::Debug for MortalStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MortalStore({:?})", *self.fate.lock())
    }
}

impl Indexed for MortalStore {
    type Kv = MemoryKv;

    fn index(&self) -> &Index<MemoryKv> {
        self.memory.index()
    }

    type Payloads = MemoryPayloads;

    fn payloads(&self) -> MemoryPayloads {
        self.memory.payloads()
    }

    fn store_status(&self) -> StoreStatus {
        self.memory.store_status()
    }
}

impl Store for MortalStore {
    fn commit(&self, batch: Batch) -> Committing {
        let (is_committed, is_answered) = self.judge();
        if !is_committed {
            return Box::pin(pending());
        }
        self.commits.fetch_add(1, Ordering::Relaxed);
        let committing = self.memory.commit(batch);
        if is_answered {
            committing
        } else {
            Box::pin(pending())
        }
    }

    fn lease(&self, connection: ConnectionId) -> Reading<'_, Option<Lease>> {
        self.memory.lease(connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::UserId;
    use crate::domain::samples;
    use crate::store::{Change, Read};
    use futures_util::FutureExt;

    fn put(store: &MortalStore, n: u128) -> bool {
        let user = samples::user(UserId::from_u128(n), "ann");
        let committing = store.commit(Batch::of(vec![Change::PutUser(user)]));
        committing.now_or_never().is_some_and(|done| done.is_ok())
    }

    fn has(store: &MortalStore, n: u128) -> bool {
        let found = store.user(UserId::from_u128(n)).ready();
        found.unwrap().is_some()
    }

    #[test]
    fn what_was_committed_outlives_the_process_and_nothing_else() {
        for commits_it in [false, true] {
            let memory = Arc::new(MemoryStore::new());
            let first = MortalStore::new(Arc::clone(&memory));
            first.dies_at(1, commits_it);
            assert!(put(&first, 1) && !first.is_dead());
            assert!(!put(&first, 2) && first.is_dead() && !put(&first, 3));
            assert_eq!(first.commits(), 1 + u64::from(commits_it));
            let second = MortalStore::new(memory);
            assert!(has(&second, 1) && !has(&second, 3));
            assert_eq!(has(&second, 2), commits_it);
            assert!(put(&second, 3));
        }
    }
}
