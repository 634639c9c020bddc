//! What the submitters, the reads and the committer share: the queue, and what is wrong.

use super::answer::{Answer, answer};
use super::batch::encode_changes;
use super::opened::Opened;
use super::queue::{Queue, Submission};
use crate::domain::delivery::Payload;
use crate::store::journal::Position;
use crate::store::{Batch, Change, CommitError};
use parking_lot::{Condvar, Mutex};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Why nothing is accepted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No space.
    DiskFull,
    /// A write or a sync failed.
    Failed,
}

impl Trouble {
    pub(super) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Failed,
        }
    }

    pub(super) fn error(self) -> CommitError {
        match self {
            Self::DiskFull => CommitError::DiskFull,
            Self::Failed => CommitError::Failed,
        }
    }
}

/// What the submitters, the reads and the committer share.
pub(super) struct Shared {
    pub(super) queue: Mutex<Queue>,
    pub(super) wake: Condvar,
    pub(super) trouble: Mutex<Option<Trouble>>,
    pub(super) applied: Mutex<Position>,
    /// Bytes in all segments.
    pub(super) journal_bytes: AtomicU64,
    /// Segments.
    pub(super) segments: AtomicU64,
    /// Harmed places found.
    pub(super) damaged: AtomicU64,
    /// Segments that payloads are read from.
    pub(super) opened: Opened,
    is_closing: AtomicBool,
    /// Whether the ballast is given up, so that deliveries are refused and our own work continues.
    pub(super) is_short: AtomicBool,
    /// Whether another process has locked the data directory, so that nothing is accepted.
    is_usurped: AtomicBool,
}

impl Shared {
    pub(super) fn new(applied: Position) -> Self {
        Self {
            queue: Mutex::default(),
            wake: Condvar::new(),
            trouble: Mutex::new(None),
            applied: Mutex::new(applied),
            journal_bytes: AtomicU64::new(0),
            segments: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            opened: Opened::default(),
            is_closing: AtomicBool::new(false),
            is_short: AtomicBool::new(false),
            is_usurped: AtomicBool::new(false),
        }
    }

    /// Queues a batch. The answer comes when its group is durable and applied.
    pub(super) fn submit(&self, mut batch: Batch) -> Answer {
        let (answerer, answer) = answer();
        let payload = encode_changes(&batch.changes);
        // The body is in these bytes now, and nothing else asks for it.
        for change in &mut batch.changes {
            if let Change::InsertDelivery(_, payload) = change {
                *payload = Payload::default();
            }
        }
        let mut queue = self.queue.lock();
        queue.push(Submission {
            batch,
            payload,
            answer: answerer,
        });
        let is_due = queue.is_due();
        drop(queue);
        if is_due {
            self.wake.notify_one();
        }
        answer
    }

    /// A segment of this size is gone. What a failed write left in it was never counted.
    pub(super) fn forget_segment(&self, segment: u64, bytes: u64) {
        self.opened.close(segment);
        let less = |journal: u64| Some(journal.saturating_sub(bytes));
        let order = Ordering::Relaxed;
        // It always changes: there is no condition.
        let _ = self.journal_bytes.fetch_update(order, order, less);
        self.segments.fetch_sub(1, order);
    }

    pub(super) fn close(&self) {
        self.queue.lock().close();
        self.wake.notify_all();
    }

    /// Whether the store is being closed: long work is left for the next time.
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }

    /// Says that the store is being closed.
    pub(super) fn begin_close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }

    /// Whether space is so short that deliveries are refused.
    pub(super) fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Relaxed)
    }

    /// Whether another process has locked the data directory.
    pub(super) fn is_usurped(&self) -> bool {
        self.is_usurped.load(Ordering::Relaxed)
    }

    /// Says whether another process has locked the data directory.
    pub(super) fn set_usurped(&self, is_so: bool) {
        self.is_usurped.store(is_so, Ordering::Relaxed);
    }

    pub(super) fn queued(&self) -> usize {
        self.queue.lock().len()
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        *self.trouble.lock()
    }

    /// Everything before this position is in the index.
    pub(super) fn applied(&self) -> Position {
        *self.applied.lock()
    }
}
