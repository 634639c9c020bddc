//! A store in memory that fails or stops where a test wants it to, as a full disk or a crash
//! would.

use super::index::{Index, Indexed, Kv, credential_key};
use super::memory::{MemoryKv, MemoryPayloads, MemoryStore};
use super::{Batch, Change, CommitError, Committing, Conflict, Lease, Reading, Store, StoreStatus};
use crate::domain::id::{ConnectionId, CredentialId};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// What happens to a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not committed, and never answered: the process died before.
    StopBefore,
    /// It is committed, and never answered: the process died after.
    StopAfter,
    /// It is refused for want of space.
    Refuse,
    /// It is refused because another process holds the connection's lease.
    Fence,
    /// It is committed, and that is said when others had their turn.
    Slow,
    /// It is committed, and that is said a second later.
    SaidLate,
}

/// Which changes count.
type Matches = Box<dyn Fn(&Change) -> bool + Send>;

/// A fault, and after how many batches that match it strikes, until it is removed.
struct Plan {
    after: usize,
    fault: Fault,
    matches: Matches,
}

/// The store.
#[derive(Default)]
pub struct FaultyStore {
    memory: MemoryStore,
    plan: Mutex<Option<Plan>>,
    /// What another writer commits just before the next batch that matches.
    overtaking: Mutex<Option<(Matches, Change)>>,
    commits: AtomicUsize,
    strikes: AtomicUsize,
    has_trouble: AtomicBool,
}

impl FaultyStore {
    /// From now on every batch with a change that `matches` has this fault, once `after` of them
    /// went well.
    pub fn breaks(
        &self,
        after: usize,
        fault: Fault,
        matches: impl Fn(&Change) -> bool + Send + 'static,
    ) {
        let matches = Box::new(matches);
        *self.plan.lock() = Some(Plan {
            after,
            fault,
            matches,
        });
    }

    /// Another writer commits this just before the next batch with a change that `matches`.
    pub fn overtakes(&self, by: Change, matches: impl Fn(&Change) -> bool + Send + 'static) {
        *self.overtaking.lock() = Some((Box::new(matches), by));
    }

    /// The store has trouble with its disk, or no longer.
    pub fn has_trouble(&self, has: bool) {
        self.has_trouble.store(has, Ordering::SeqCst);
    }

    /// Another writer commits this now, whatever breaks.
    pub fn writes(&self, change: Change) {
        drop(self.memory.commit(Batch::of(vec![change])));
    }

    /// Most entries that one read has brought in, since this was last asked.
    pub fn most_read(&self) -> usize {
        self.memory.index().kv.1.swap(0, Ordering::SeqCst)
    }

    /// The batches that were submitted.
    pub fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }

    fn overtake(&self, batch: &Batch) {
        let mut overtaking = self.overtaking.lock();
        let strikes = |(matches, _): &mut (Matches, Change)| batch.changes.iter().any(matches);
        if let Some((_, change)) = overtaking.take_if(strikes) {
            drop(self.memory.commit(Batch::of(vec![change])));
        }
    }

    /// The record of a credential cannot be read any more; returns what it was, for
    /// [`FaultyStore::restores`].
    pub fn damages(&self, id: CredentialId) -> Option<Vec<u8>> {
        let was = self.memory.index().kv.get(credential_key(id).bytes());
        self.restores(id, Some(vec![0xFF; 9]));
        was.expect("memory can be read")
    }

    /// It is this again.
    pub fn restores(&self, id: CredentialId, was: Option<Vec<u8>>) {
        let write = (credential_key(id).into_bytes(), was);
        let written = self.memory.index().kv.apply(vec![write]);
        written.expect("memory can be written");
    }

    /// All is well again.
    pub fn mend(&self) {
        *self.plan.lock() = None;
    }

    /// Whether a fault is planned, or has struck and is not undone.
    pub fn is_broken(&self) -> bool {
        self.plan.lock().is_some()
    }

    /// How often a fault has struck.
    pub fn strikes(&self) -> usize {
        self.strikes.load(Ordering::SeqCst)
    }

    /// The fault that strikes this batch.
    fn fault(&self, batch: &Batch) -> Option<Fault> {
        let mut plan = self.plan.lock();
        let plan = plan.as_mut()?;
        if !batch.changes.iter().any(|change| (plan.matches)(change)) {
            return None;
        }
        if plan.after > 0 {
            plan.after -= 1;
            return None;
        }
        self.strikes.fetch_add(1, Ordering::SeqCst);
        Some(plan.fault)
    }
}

impl Indexed for FaultyStore {
    type Kv = MemoryKv;

    fn index(&self) -> &Index<MemoryKv> {
        self.memory.index()
    }

    type Payloads = MemoryPayloads;

    fn payloads(&self) -> MemoryPayloads {
        self.memory.payloads()
    }

    fn store_status(&self) -> StoreStatus {
        let has_trouble = self.has_trouble.load(Ordering::SeqCst);
        StoreStatus {
            trouble: has_trouble.then(|| "no space".to_owned()),
            ..self.memory.store_status()
        }
    }
}

impl Store for FaultyStore {
    fn lease(&self, connection: ConnectionId) -> Reading<'_, Option<Lease>> {
        self.memory.lease(connection)
    }

    fn commit(&self, batch: Batch) -> Committing {
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.overtake(&batch);
        match self.fault(&batch) {
            None => self.memory.commit(batch),
            Some(Fault::StopBefore) => Box::pin(std::future::pending()),
            Some(Fault::StopAfter) => {
                drop(self.memory.commit(batch));
                Box::pin(std::future::pending())
            }
            Some(Fault::Refuse) => Box::pin(std::future::ready(Err(CommitError::DiskFull))),
            Some(Fault::Fence) => {
                let conflict = Conflict::Lease(ConnectionId::from_u128(0));
                Box::pin(std::future::ready(Err(CommitError::Conflict(conflict))))
            }
            Some(Fault::SaidLate) => {
                let committing = self.memory.commit(batch);
                Box::pin(async {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    committing.await
                })
            }
            Some(Fault::Slow) => {
                let committing = self.memory.commit(batch);
                Box::pin(async {
                    tokio::task::yield_now().await;
                    committing.await
                })
            }
        }
    }
}
