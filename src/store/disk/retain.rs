//! Retention: snapshots are taken, and segments that are not needed are deleted.

use super::clock::TrustedClock;
use super::environment::Environment;
use super::history::{History, UpkeepError};
use super::identity::Known;
use super::layout::{journal_dir, snapshot_dir};
use super::lock::Lock;
use super::options::Options;
use super::report::OpenError;
use super::shared::Shared;
use crate::domain::delivery::{Delivery, DeliveryState};
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;
use crate::store::files;
use crate::store::index::{Index, Kv, Scan};
use crate::store::journal::{JournalError, Position, list_segments, segment_path, sync_dir};
use crate::store::snapshot;
use crate::store::view::View;
use crate::store::{After, Batch, Change, CommitError, Guard, Of, ReadError};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Most deliveries forgotten or carried in one batch.
const BATCH_MAX: usize = 100;
/// A journal that has grown at all gets a snapshot this often, so that age can be acted on.
const SNAPSHOT_EVERY: Duration = Duration::from_hours(1);
/// Pause between two steps of reading the whole view, of which each takes a few milliseconds; and
/// the steps after which it is read without a pause.
const PACE: Duration = Duration::from_millis(200);
const PACED_STEPS: u32 = 1500;
/// Snapshots kept: the newest, and one before it should the newest be damaged.
const SNAPSHOTS_KEPT: usize = 2;

/// The thread that keeps the store in bounds.
pub(super) struct Upkeep {
    dir: PathBuf,
    options: Options,
    shared: Arc<Shared>,
    index: Arc<Index<View>>,
    lock: Arc<Lock>,
    identity: Arc<Known>,
    clock: TrustedClock,
    /// Whether the view was not read as a whole yet since the start.
    is_unread: bool,
    bytes_at_snapshot: u64,
    snapshot_at: Instant,
    /// Where the journal ended when the last snapshot was taken since the start.
    snapshot_of: Position,
    /// See [`Upkeep::unlink_segments`].
    stays_bytes: u64,
    history: History,
}

impl Upkeep {
    pub(super) fn new(
        dir: &Path,
        options: &Options,
        shared: &Arc<Shared>,
        index: &Arc<Index<View>>,
        lock: &Arc<Lock>,
        identity: &Arc<Known>,
    ) -> Result<Self, OpenError> {
        let Environment { clock, floor, .. } = options.environment.clone();
        let clock = TrustedClock::resume(dir, clock, floor, index.newest_delivery_at()?);
        let first = index.kv.scan(Scan {
            prefix: &[],
            after: None,
            newest_first: false,
            limit: 1,
        })?;
        let bytes = shared.journal_bytes.load(Ordering::Relaxed);
        Ok(Self {
            dir: dir.to_owned(),
            options: options.clone(),
            shared: Arc::clone(shared),
            index: Arc::clone(index),
            lock: Arc::clone(lock),
            identity: Arc::clone(identity),
            clock,
            is_unread: !first.is_empty(),
            bytes_at_snapshot: bytes.saturating_sub(bytes_since_snapshot(dir)?),
            snapshot_at: Instant::now(),
            snapshot_of: Position::default(),
            stays_bytes: 0,
            history: History::default(),
        })
    }

    pub(super) fn run(mut self, stopped: &Receiver<()>) {
        // A daemon that is restarted again and again needs upkeep, too.
        let mut wait = self.options.upkeep_interval / 10;
        while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            wait = self.options.upkeep_interval;
            self.shared.set_usurped(!self.lock.keep());
            let now = self.clock.look();
            if self.shared.trouble().is_some() || self.shared.is_usurped() {
                continue;
            }
            if let Err(error) = self.keep(now) {
                tracing::warn!(%error, "store maintenance failed; it will be retried");
            }
        }
        self.clock.write();
    }

    fn keep(&mut self, now: Timestamp) -> Result<(), UpkeepError> {
        let is_due = self.is_snapshot_due() || self.is_snapshot_harmed()?;
        if !is_due && self.is_unread {
            // What an orderly end left was trusted for its bytes: now for what sled makes of them.
            self.read_all()?;
        }
        let is_due = is_due || self.is_snapshot_due();
        if is_due {
            let bytes = self.shared.journal_bytes.load(Ordering::Relaxed);
            let at = self.shared.applied();
            snapshot::write(&snapshot_dir(&self.dir), at, &self.index.kv)?;
            self.bytes_at_snapshot = bytes;
            (self.snapshot_at, self.snapshot_of) = (Instant::now(), at);
        }
        if is_due || self.is_unread {
            self.index.check_counts()?;
        }
        self.is_unread = false;
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

    fn is_snapshot_due(&self) -> bool {
        let bytes = self.shared.journal_bytes.load(Ordering::Relaxed);
        let is_over = bytes > self.options.retention.max_bytes.max(self.stays_bytes);
        bytes.abs_diff(self.bytes_at_snapshot) >= self.options.snapshot_bytes
            // Without news a second one would be the same.
            || (is_over && self.shared.applied() != self.snapshot_of)
            // Small stores age, too.
            || (bytes != self.bytes_at_snapshot && self.snapshot_at.elapsed() >= SNAPSHOT_EVERY)
    }

    /// Reads the whole view: an error when it is not what was written. Nothing waits for this, and
    /// all else does for the processor: a step at a time, unless that took very long. A snapshot
    /// that is due ends it, and reads all of it.
    fn read_all(&self) -> Result<(), ReadError> {
        let mut steps = 0;
        let read = self.index.kv.walk(&mut |_| {
            if self.shared.is_closing() || self.is_snapshot_due() {
                return Err(ReadError::Unavailable("the rest is not read".to_owned()));
            }
            if (1..PACED_STEPS).contains(&steps) {
                std::thread::park_timeout(PACE);
                self.shared.set_usurped(!self.lock.keep());
            }
            steps += 1;
            Ok(())
        });
        // Who closes the store does not wait for the rest.
        if self.shared.is_closing() || self.is_snapshot_due() {
            return Ok(());
        }
        read.map(drop)
    }

    /// Whether a snapshot that the last start found is harmed. Asked once a start: every later one
    /// was read back when it was written.
    fn is_snapshot_harmed(&self) -> Result<bool, JournalError> {
        if !self.is_unread {
            return Ok(false);
        }
        let all = snapshot::list(&snapshot_dir(&self.dir))?;
        let whole = whole_of(&all)?;
        Ok(whole.len() < all.len())
    }

    /// Deletes the oldest segments while they are out of bounds. What must be kept of them is
    /// written forward first; what the index says of the rest is forgotten.
    fn unlink_segments(&mut self, now: Timestamp) -> Result<(), UpkeepError> {
        let snapshots = snapshot::list(&snapshot_dir(&self.dir))?;
        if snapshots.len() < SNAPSHOTS_KEPT {
            return Ok(());
        }
        let retention = self.options.retention.clone();
        let cutoff = now.minus(retention.max_age);
        self.forget_what_is_gone(cutoff)?;
        let (mut covered, mut is_held, mut has_carried) = (None, false, false);
        for id in list_segments(&journal_dir(&self.dir))?.ids {
            // An orderly end does not wait for a long pass.
            if self.shared.is_closing() || id >= snapshots[snapshots.len() - 1].0.segment {
                break;
            }
            let bytes = self.shared.journal_bytes.load(Ordering::Relaxed);
            let over = bytes > retention.max_bytes.max(self.stays_bytes);
            if !over && self.newest_in(id)?.is_some_and(|newest| newest >= cutoff) {
                break;
            }
            // Read back before anything is taken that only they could replace.
            if covered.is_none() {
                covered = Some(self.covered(&snapshots)?);
            }
            is_held = covered.flatten().is_none_or(|covered| id >= covered);
            if is_held {
                break;
            }
            has_carried |= self.unlink(id)?;
        }
        // What must stay is more than may stay: do not write it forward again and again, but only
        // when the journal has grown by a quarter. What only the older snapshot holds is free with
        // the next one.
        let bytes = self.shared.journal_bytes.load(Ordering::Relaxed);
        let is_free_soon = is_held && !has_carried;
        self.stays_bytes = if bytes > retention.max_bytes && !is_free_soon {
            bytes.saturating_add(bytes / 4)
        } else {
            0
        };
        if snapshots.len() > SNAPSHOTS_KEPT {
            tidy_snapshots(&snapshots)?;
        }
        Ok(())
    }

    /// Segments before this one are not needed by the snapshots that are kept: the newest whole
    /// one, and the one before it should the newest be harmed.
    fn covered(&self, snapshots: &[(Position, PathBuf)]) -> Result<Option<u64>, JournalError> {
        let whole = whole_of(snapshots)?;
        let is_enough = whole.len() >= SNAPSHOTS_KEPT;
        if whole.len() < snapshots.len() {
            let harmed = snapshots.len() - whole.len();
            tracing::error!(harmed, "snapshots are damaged; new ones will replace them");
            self.shared.damaged.fetch_add(1, Ordering::Relaxed);
            tidy_snapshots(snapshots)?;
        }
        let older = whole.len().checked_sub(SNAPSHOTS_KEPT);
        Ok(older
            .filter(|_| is_enough)
            .map(|older| whole[older].0.segment))
    }

    /// Forgets the old deliveries whose payloads lie in segments that something else deleted.
    fn forget_what_is_gone(&self, cutoff: Timestamp) -> Result<(), UpkeepError> {
        let segments = list_segments(&journal_dir(&self.dir))?.ids;
        let Some(first) = segments.first() else {
            return Ok(());
        };
        while let Some(gone) = self.index.segment_before(*first)? {
            if self.newest_in(gone)?.is_some_and(|newest| newest >= cutoff) {
                break;
            }
            self.forget_segment(gone)?;
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

    /// Forgets what the index says of the deliveries in a segment, and writes forward what must be
    /// kept of them. Returns whether there was any.
    fn forget_segment(&self, segment: u64) -> Result<bool, UpkeepError> {
        let (mut floors, mut has_carried) = (HashMap::new(), false);
        let (mut guards, mut changes) = (Vec::new(), Vec::new());
        for id in self.index.deliveries_in(segment)? {
            let Some((place, delivery)) = self.index.delivery_at(id)? else {
                continue;
            };
            if place.segment != segment {
                continue;
            }
            // If it is processed meanwhile, this batch is refused, and tried again.
            guards.push(Guard::SameDelivery(Box::new(delivery.clone())));
            let change = if self.must_stay(&delivery, &mut floors)? {
                match self.shared.opened.payload(&journal_dir(&self.dir), place) {
                    Ok(Some(payload)) => {
                        has_carried = true;
                        Change::InsertDelivery(Box::new(delivery), payload)
                    }
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
        Ok(has_carried)
    }

    /// Deletes a segment. Returns whether something of it was written forward.
    fn unlink(&self, segment: u64) -> Result<bool, UpkeepError> {
        let has_carried = self.forget_segment(segment)?;
        // First that it is not needed: should the segment stay after all, it does no harm.
        let told = self
            .identity
            .change(|identity| identity.first = segment + 1);
        told.map_err(JournalError::io("writing the identity"))?;
        let path = segment_path(&journal_dir(&self.dir), segment);
        let bytes = std::fs::symlink_metadata(&path).map_or(0, |meta| meta.len());
        files::unlink(&path).map_err(JournalError::io("deleting a segment"))?;
        sync_dir(&journal_dir(&self.dir)).map_err(JournalError::io("syncing the journal"))?;
        self.shared.forget_segment(segment, bytes);
        tracing::info!(segment, bytes, "segment deleted by retention");
        Ok(has_carried)
    }

    fn must_stay(
        &self,
        delivery: &Delivery,
        floors: &mut HashMap<u128, DeliveryId>,
    ) -> Result<bool, ReadError> {
        // What hangs on nothing is carried no further.
        if !self.index.has_connection(delivery.connection)? {
            return Ok(false);
        }
        if delivery.state == DeliveryState::Received {
            return Ok(true);
        }
        let connection = delivery.connection.as_u128();
        let floor = if let Some(floor) = floors.get(&connection) {
            *floor
        } else {
            let limit = self.options.retention.floor_per_connection;
            let of = Of::Connection(delivery.connection);
            let page = self.index.deliveries(of, After::first(limit))?;
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
        match self.shared.submit(batch).wait() {
            Ok(()) => Ok(()),
            Err(CommitError::Conflict(_)) => Err(UpkeepError::Overtaken),
            Err(_) => Err(UpkeepError::Commit),
        }
    }
}

/// Deletes all snapshots but the newest whole ones.
fn tidy_snapshots(snapshots: &[(Position, PathBuf)]) -> Result<(), JournalError> {
    let whole = whole_of(snapshots)?;
    if whole.len() < SNAPSHOTS_KEPT {
        return Ok(());
    }
    let kept = &whole[whole.len() - SNAPSHOTS_KEPT..];
    for one in snapshots.iter().filter(|one| !kept.contains(one)) {
        files::unlink(&one.1).map_err(JournalError::io("deleting a snapshot"))?;
    }
    Ok(())
}

/// How much was appended to the journal since the newest snapshot.
pub(super) fn bytes_since_snapshot(dir: &Path) -> Result<u64, JournalError> {
    let newest = snapshot::list(&snapshot_dir(dir))?.pop();
    let from = newest.map(|(position, _)| position).unwrap_or_default();
    let journal = journal_dir(dir);
    let mut bytes = 0;
    for id in list_segments(&journal)?.ids {
        let size = match std::fs::metadata(segment_path(&journal, id)) {
            Ok(found) if id >= from.segment => found.len(),
            // What cannot be read was reported when the store was opened.
            Ok(_) | Err(_) => 0,
        };
        bytes += size;
    }
    Ok(bytes.saturating_sub(from.offset))
}

/// Those of the snapshots that are whole, read back from the disk.
fn whole_of(snapshots: &[(Position, PathBuf)]) -> Result<Vec<(Position, PathBuf)>, JournalError> {
    let mut whole = Vec::new();
    for (position, path) in snapshots {
        if snapshot::is_whole(path, *position)? {
            whole.push((*position, path.clone()));
        }
    }
    Ok(whole)
}
