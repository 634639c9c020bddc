//! The store on disk: journal, view, snapshots and retention put together.

mod answer;
mod ballast;
mod batch;
mod clock;
mod committer;
mod compress;
mod environment;
mod fill;
mod history;
mod identity;
mod incident_counts;
mod layout;
mod lock;
mod log;
mod open;
mod opened;
mod options;
mod queue;
mod report;
mod retain;
mod shared;
mod stream;

pub(in crate::store) use clock::written_time;
pub use environment::Environment;
pub(in crate::store) use identity::{Identity, IdentityRead};
pub(in crate::store) use layout::{journal_dir, snapshot_dir, view_dir};
pub(in crate::store) use lock::Lock;
pub(in crate::store) use log::Log;
pub(in crate::store) use open::harmed_snapshots;
pub use options::{Options, Retention};
pub use report::{OpenError, OpenReport};

pub(in crate::store) use batch::{Bodies, decode_canary, decode_changes};

use super::index::{Index, Indexed, Look, Payloads, Place};

use super::view::View;
use super::{Batch, Committing, Lease, ReadError, Reading, Store, StoreStatus, StoredBody};
use crate::domain::delivery::Payload;
use crate::domain::id::{ConnectionId, DeliveryId};
use crate::domain::time::Timestamp;
use parking_lot::Mutex;
use shared::{Shared, Trouble};

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// What is wrong while only our own work may use what space is left.
const SHORT: &str = "the disk is almost full: deliveries are refused";

/// What is wrong while another process works on the same directory.
const USURPED: &str = "another process has locked the data directory";

/// Walks at a time: as many threads as may be busy with what can wait.
const WALKS_MAX: usize = 4;

/// A store on disk. One process at a time.
pub struct DiskStore {
    shared: Arc<Shared>,
    index: Arc<Index<View>>,
    dir: PathBuf,
    threads: Mutex<Option<Threads>>,
    /// Walks that may be under way.
    walks: Arc<Semaphore>,
    // Held for as long as the store is open.
    _lock: Arc<Lock>,
}

struct Threads {
    committer: JoinHandle<super::journal::Position>,
    upkeep: JoinHandle<()>,
    stop_upkeep: std::sync::mpsc::Sender<()>,
}

impl std::fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskStore")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl DiskStore {
    /// Ends orderly: what is queued is committed, and the view is left in a state that the next
    /// start can trust. Calling it again does nothing. A store that is dropped without it is as
    /// safe, only slower to start.
    pub fn close(&self) {
        let threads = self.threads.lock().take();
        let Some(threads) = threads else { return };
        self.shared.begin_close();
        drop(threads.stop_upkeep);
        if threads.upkeep.join().is_err() {
            tracing::error!("store maintenance panicked");
        }
        self.shared.close();
        match threads.committer.join() {
            Ok(end) if self.shared.trouble().is_none() => {
                if let Err(error) = self.index.kv.close(end) {
                    tracing::warn!(%error, "the next start will rebuild the view");
                }
            }
            Ok(_) => {}
            Err(_) => tracing::error!("the committer panicked"),
        }
    }

    /// When the newest id was made that any record of the store has; ids from now on are later.
    pub fn newest_id_at(&self) -> Result<Option<Timestamp>, ReadError> {
        self.index.newest_id_at()
    }

    /// A digest of all records, to compare stores with.
    pub fn digest(&self) -> Result<[u8; 32], ReadError> {
        super::index::digest(&self.index.kv)
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// Payloads in the journal.
pub(in crate::store) struct Stored {
    shared: Arc<Shared>,
    journal: PathBuf,
}

impl Payloads for Stored {
    fn payload_at(&self, _: DeliveryId, place: Place) -> Result<Option<Payload>, ReadError> {
        self.shared.opened.payload(&self.journal, place)
    }

    fn body_at(&self, _: DeliveryId, place: Place) -> Result<Option<StoredBody>, ReadError> {
        let file = self.shared.opened.get(&self.journal, place.segment)?;
        file.map(|file| stream::body_at(&file, place)).transpose()
    }
}

impl Indexed for DiskStore {
    type Kv = View;

    fn index(&self) -> &Index<View> {
        &self.index
    }

    type Payloads = Stored;

    fn payloads(&self) -> Stored {
        let (shared, journal) = (Arc::clone(&self.shared), journal_dir(&self.dir));
        Stored { shared, journal }
    }

    /// Few at a time, in the order in which they came; each is done on a thread that may block, and
    /// where there is no runtime, at once.
    fn walk<T: Send + 'static>(&self, look: Look<View, T>) -> Reading<'_, T> {
        if Handle::try_current().is_err() {
            return look(&self.index).into();
        }
        let (index, turns) = (Arc::clone(&self.index), Arc::clone(&self.walks));
        Reading::later(async move {
            let turn = turns.acquire_owned().await;
            // Given up by its asker, it still has its turn until it is done.
            let walk = spawn_blocking(move || (look(&index), turn).0);
            let gone = |_| ReadError::Unavailable("the server is shutting down".to_owned());
            walk.await.map_err(gone)?
        })
    }

    fn store_status(&self) -> StoreStatus {
        StoreStatus {
            trouble: match self.shared.trouble() {
                Some(Trouble::DiskFull) => Some("the disk is full".to_owned()),
                Some(Trouble::Failed) => Some("the journal cannot be written".to_owned()),
                None if self.shared.is_usurped() => Some(USURPED.to_owned()),
                None => self.shared.is_short().then(|| SHORT.to_owned()),
            },
            journal_bytes: self.shared.journal_bytes.load(Ordering::Relaxed),
            segments: self.shared.segments.load(Ordering::Relaxed),
            view_bytes: self.index.kv.bytes(),
            damaged: self.shared.damaged.load(Ordering::Relaxed) + self.index.kv.harmed(),
            queued: self.shared.queued() as u64,
        }
    }
}

impl Store for DiskStore {
    fn commit(&self, batch: Batch) -> Committing {
        Box::pin(self.shared.submit(batch))
    }

    fn lease(&self, connection: ConnectionId) -> Reading<'_, Option<Lease>> {
        Ok(Some(Lease::own(connection))).into()
    }
}

#[cfg(test)]
pub(in crate::store) mod tests;
