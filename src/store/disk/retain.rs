//! Retention: snapshots are taken, and segments that nobody needs are deleted.

use super::committer::Shared;
use super::history::History;
use super::{Options, journal_dir, payload_at, snapshot_dir};
use crate::domain::delivery::{Delivery, DeliveryState};
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;
use crate::store::index::Index;
use crate::store::journal::{JournalError, list_segments, segment_path, sync_dir};
use crate::store::snapshot;
use crate::store::view::View;
use crate::store::{After, Batch, Change, CommitError, Guard, Of, ReadError};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What history is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Deliveries older than this may go.
    pub max_age: Duration,
    /// The journal may not grow beyond this, as far as what must be kept allows.
    pub max_bytes: u64,
    /// Each connection keeps at least this many of its newest deliveries.
    pub floor_per_connection: usize,
    /// Runs and resolved incidents that nothing was heard of for so long go.
    pub history_max_age: Duration,
    /// For so long, at least, a delivery is recognised when it is sent again. Providers send again
    /// what is a few days old, at most.
    pub guards_max_age: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            max_age: Duration::from_hours(720),
            max_bytes: 10 << 30,
            floor_per_connection: 20,
            history_max_age: Duration::from_hours(180 * 24),
            guards_max_age: Duration::from_hours(90 * 24),
        }
    }
}

/// Most deliveries forgotten or carried in one batch.
const BATCH_MAX: usize = 100;
/// A journal that has grown at all gets a snapshot this often, so that age can be acted on.
const SNAPSHOT_EVERY: Duration = Duration::from_hours(1);
/// Snapshots kept: the newest, and one before it should the newest be damaged.
const SNAPSHOTS_KEPT: usize = 2;

/// The thread that keeps the store in bounds.
pub(super) struct Keeper {
    dir: PathBuf,
    options: Options,
    shared: Arc<Shared>,
    index: Arc<Index<View>>,
    bytes_at_snapshot: u64,
    snapshot_at: Timestamp,
    /// See [`Keeper::unlink_segments`].
    stays_bytes: u64,
    history: History,
}

/// Why a pass of the upkeep ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpkeepError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the store does not accept changes")]
    Commit,
    #[error("a record was changed meanwhile")]
    Overtaken,
}

impl Keeper {
    pub(super) fn new(
        dir: &Path,
        options: &Options,
        shared: Arc<Shared>,
        index: Arc<Index<View>>,
    ) -> Self {
        Self {
            dir: dir.to_owned(),
            options: options.clone(),
            shared,
            index,
            bytes_at_snapshot: 0,
            snapshot_at: now(),
            stays_bytes: 0,
            history: History::default(),
        }
    }

    pub(super) fn run(mut self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(self.options.upkeep_interval) == Err(RecvTimeoutError::Timeout) {
            if self.shared.trouble().is_some() {
                continue;
            }
            if let Err(error) = self.keep(now()) {
                tracing::warn!(%error, "the upkeep of the store failed; it will be tried again");
            }
        }
    }

    fn keep(&mut self, now: Timestamp) -> Result<(), UpkeepError> {
        let bytes = self.shared.journal_bytes.load(Ordering::Relaxed);
        let is_due = bytes.abs_diff(self.bytes_at_snapshot) >= self.options.snapshot_bytes
            || bytes > self.options.retention.max_bytes.max(self.stays_bytes)
            // Small stores age, too.
            || (bytes != self.bytes_at_snapshot && now.since(self.snapshot_at) >= SNAPSHOT_EVERY);
        if is_due {
            snapshot::write(
                &snapshot_dir(&self.dir),
                self.shared.applied(),
                &self.index.kv,
            )?;
            self.bytes_at_snapshot = bytes;
            self.snapshot_at = now;
        }
        self.unlink_segments(now)?;
        let mut history = std::mem::take(&mut self.history);
        let forgotten = history.forget(
            &self.index,
            &self.options.retention,
            now,
            |guards, changes| self.commit(guards, changes),
        );
        self.history = history;
        forgotten
    }

    /// Deletes the oldest segments while they are out of bounds. What must be kept of them is
    /// written forward first; what the index says of the rest is forgotten.
    fn unlink_segments(&mut self, now: Timestamp) -> Result<(), UpkeepError> {
        let snapshots = snapshot::list(&snapshot_dir(&self.dir))?;
        // The oldest snapshot that is kept must be able to start from what is left.
        let kept = &snapshots[snapshots.len().saturating_sub(SNAPSHOTS_KEPT)..];
        let Some((covered, _)) = kept
            .first()
            .filter(|_| kept.len() == SNAPSHOTS_KEPT)
            .or(kept.last())
        else {
            return Ok(());
        };
        let retention = self.options.retention.clone();
        let cutoff = now.minus(retention.max_age);
        for id in list_segments(&journal_dir(&self.dir))? {
            if id >= covered.segment {
                break;
            }
            // An orderly end does not wait for a long pass.
            if self.shared.is_closing() {
                return Ok(());
            }
            let bytes = self.shared.journal_bytes.load(Ordering::Relaxed);
            let over = bytes > retention.max_bytes.max(self.stays_bytes);
            if !over && self.newest_in(id)?.is_some_and(|newest| newest >= cutoff) {
                break;
            }
            self.unlink(id)?;
        }
        // What must stay is more than may stay: do not write it forward again and again, but only
        // when the journal has grown by a quarter.
        let bytes = self.shared.journal_bytes.load(Ordering::Relaxed);
        self.stays_bytes = if bytes > retention.max_bytes {
            bytes.saturating_add(bytes / 4)
        } else {
            0
        };
        for (_, path) in &snapshots[..snapshots.len().saturating_sub(SNAPSHOTS_KEPT)] {
            std::fs::remove_file(path).map_err(JournalError::io("deleting a snapshot"))?;
        }
        Ok(())
    }

    fn newest_in(&self, segment: u64) -> Result<Option<Timestamp>, ReadError> {
        let Some(newest) = self.index.deliveries_in(segment)?.last().copied() else {
            return Ok(None);
        };
        Ok(self
            .index
            .delivery_at(newest)?
            .map(|(_, delivery)| delivery.received_at))
    }

    fn unlink(&self, segment: u64) -> Result<(), UpkeepError> {
        let mut floors = HashMap::new();
        let (mut guards, mut changes) = (Vec::new(), Vec::new());
        for id in self.index.deliveries_in(segment)? {
            let Some((place, delivery)) = self.index.delivery_at(id)? else {
                continue;
            };
            if place.segment != segment {
                continue;
            }
            // Whoever processes it meanwhile wins: then this batch is refused, and tried again.
            guards.push(Guard::SameDelivery(Box::new(delivery.clone())));
            let change = if self.must_stay(&delivery, &mut floors)? {
                match payload_at(&journal_dir(&self.dir), place) {
                    Ok(Some(payload)) => Change::InsertDelivery(Box::new(delivery), payload),
                    Ok(None) | Err(ReadError::Damaged { .. }) => Change::ForgetDelivery(id),
                    Err(error @ ReadError::Unavailable(_)) => return Err(error.into()),
                }
            } else {
                Change::ForgetDelivery(id)
            };
            changes.push(change);
            if changes.len() >= BATCH_MAX {
                self.commit(std::mem::take(&mut guards), std::mem::take(&mut changes))?;
            }
        }
        self.commit(guards, changes)?;
        let path = segment_path(&journal_dir(&self.dir), segment);
        let bytes = std::fs::metadata(&path).map_or(0, |meta| meta.len());
        std::fs::remove_file(&path).map_err(JournalError::io("deleting a segment"))?;
        sync_dir(&journal_dir(&self.dir)).map_err(JournalError::io("syncing the journal"))?;
        self.shared.forget_segment(bytes);
        tracing::info!(segment, bytes, "segment deleted by retention");
        Ok(())
    }

    fn must_stay(
        &self,
        delivery: &Delivery,
        floors: &mut HashMap<u128, DeliveryId>,
    ) -> Result<bool, ReadError> {
        if delivery.state == DeliveryState::Received {
            return Ok(true);
        }
        let connection = delivery.connection.as_u128();
        let floor = if let Some(floor) = floors.get(&connection) {
            *floor
        } else {
            let limit = self.options.retention.floor_per_connection;
            let of = Of::Connection(delivery.connection);
            let page = self.index.delivery_page(of, After { last: None, limit })?;
            let oldest = page.items.last().map_or(delivery.id, |oldest| oldest.id);
            floors.insert(connection, oldest);
            oldest
        };
        Ok(self.options.retention.floor_per_connection > 0 && delivery.id >= floor)
    }

    fn commit(&self, guards: Vec<Guard>, changes: Vec<Change>) -> Result<(), UpkeepError> {
        if changes.is_empty() {
            return Ok(());
        }
        let batch = Batch {
            guards,
            ..Batch::of(changes)
        };
        match self.shared.submit(batch).blocking_recv() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(CommitError::Conflict(_))) => Err(UpkeepError::Overtaken),
            Ok(Err(_)) | Err(_) => Err(UpkeepError::Commit),
        }
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
