//! The committer: one thread that takes what is queued, writes it with one sync, and answers.
//!
//! A group goes through four steps in this order: guards are checked, the group is appended and
//! synced, the index takes it in, the submitters are answered. When a write or a sync fails, the
//! whole group is refused and the segment is never written again: what the failed sync covered is
//! unknown, and asking again would prove nothing. The committer then *heals*: it reads back and
//! verifies the segment up to the last success, begins a new segment whose header says that the
//! old one ends there, and only then accepts again. Until then everything is refused at once.
//!
//! When the disk is full, a ballast file is given up, so that our own work (processing,
//! retention, deletions) can continue while deliveries are refused, until there is space again.

use super::answer::tell;
use super::ballast::{Ballast, free_bytes};
use super::identity::Known;
use super::incident_counts::IncidentCounts;
use super::queue::Submission;
use super::report::OpenError;
use super::shared::{Shared, Trouble};
use crate::store::index::{Claims, Index, Place};
use crate::store::journal::{Disk, Header, Position, Segment, push_frame, scan_segment};
use crate::store::view::View;
use crate::store::{Batch, Change, CommitError, Priority};
use crate::telemetry::metric;
use metrics::{counter, histogram};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A full disk is not tried again with less than this free.
const HEAL_BYTES_MIN: u64 = 64 * 1024;

/// How long a group waits for more; see [`Queue::may_gather`].
///
/// [`Queue::may_gather`]: super::queue::Queue::may_gather
const GATHER: Duration = Duration::from_millis(2);

/// Memory that is kept for the next group.
const BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// How the committer behaves; see [`super::Options`].
pub(super) struct Limits {
    pub(super) segment_bytes: u64,
    pub(super) heal_interval: Duration,
}

/// The committer's own state.
pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) index: Arc<Index<View>>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) ballast: Ballast,
    pub(super) limits: Limits,
    /// Where the log ends: everything before is durable.
    pub(super) end: Position,
    /// The newest segment that was there at the opening, which looked through it: what is harmed
    /// in it was reported, and is no reason to refuse everything.
    pub(super) newest_at_opening: u64,
    /// Which store it is; written again with each segment that is begun.
    pub(super) identity: Arc<Known>,
    /// The number of the next segment, at least.
    pub(super) next_segment: u64,
    /// The segment being written; `None` while there is trouble.
    pub(super) segment: Option<Segment>,
    /// Memory for the bytes of a group: new memory has to be cleared by the kernel.
    pub(super) buffer: Vec<u8>,
    pub(super) tried_at: Option<Instant>,
    /// Whether the view could not be written and must be rebuilt.
    pub(super) is_view_broken: bool,
    /// Rebuilds the view from snapshot and journal up to a position.
    pub(super) remake_view: Box<dyn Fn(Position) -> Result<(), OpenError> + Send>,
}

impl Committer {
    /// Begins the first segment of this run. The store opens on a full disk, too.
    pub(super) fn begin(&mut self) {
        self.heal();
        *self.shared.applied.lock() = self.end;
    }

    /// Works until the store is closed and the queue is empty. Returns where the log ends.
    pub(super) fn run(mut self) -> Position {
        while let Some(group) = self.next_group() {
            if self.index.kv.has_failed() && !self.is_view_broken {
                self.repair_view();
            }
            if self.segment.is_none() && self.is_time_to_heal() {
                self.heal();
            }
            self.ballast.watch(self.segment.is_some());
            let is_short = self.ballast.is_released();
            self.shared.is_short.store(is_short, Ordering::Relaxed);
            if !group.is_empty() {
                self.commit(group);
            }
        }
        self.end
    }

    /// The next group; empty when it is time to look after trouble; `None` at the end.
    fn next_group(&self) -> Option<Vec<Submission>> {
        let mut queue = self.shared.queue.lock();
        while queue.len() == 0 {
            if queue.is_closed() {
                return None;
            }
            let interval = self.limits.heal_interval;
            let timeout = self.shared.wake.wait_for(&mut queue, interval);
            if timeout.timed_out() && queue.len() == 0 && !queue.is_closed() {
                return Some(Vec::new());
            }
        }
        if queue.may_gather() {
            queue.is_gathering = true;
            self.shared.wake.wait_for(&mut queue, GATHER);
            queue.is_gathering = false;
        }
        Some(queue.next_group())
    }

    fn commit(&mut self, group: Vec<Submission>) {
        let begun = Instant::now();
        if self
            .segment
            .as_ref()
            .is_some_and(|s| s.end >= self.limits.segment_bytes)
        {
            self.roll();
        }
        let segment = self.segment.as_ref().filter(|_| !self.shared.is_usurped());
        let Some(segment) = segment else {
            let error = self
                .shared
                .trouble()
                .map_or(CommitError::Failed, Trouble::error);
            return refuse(group, &error);
        };
        let (id, start) = (segment.id, segment.end);
        let mut claims = Claims::default();
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.clear();
        let (mut admitted, mut refused) = (Vec::new(), Vec::new());
        for submission in group {
            match self.admit(&submission.batch, &claims) {
                Err(error) => refused.push((submission, error)),
                Ok(()) if submission.batch.changes.is_empty() => admitted.push((0, submission)),
                Ok(()) => {
                    claims.lay(&submission.batch);
                    let offset = start + bytes.len() as u64;
                    push_frame(&mut bytes, id, offset, &submission.payload);
                    admitted.push((offset, submission));
                }
            }
        }
        let appended = if bytes.is_empty() {
            Ok(())
        } else {
            self.append(&bytes)
        };
        if bytes.capacity() <= BUFFER_BYTES_MAX {
            self.buffer = bytes;
        }
        if let Err(error) = appended {
            let trouble = self.fall(&error);
            let all = admitted.into_iter().map(|(_, s)| s);
            return refuse(
                all.chain(refused.into_iter().map(|(s, _)| s)),
                &trouble.error(),
            );
        }
        histogram!(metric::COMMIT).record(begun.elapsed());
        histogram!(metric::GROUP).record(metric::float(admitted.len() as u64));
        let mut given = Vec::with_capacity(admitted.len() + refused.len());
        for (offset, submission) in admitted {
            let result = self.apply(id, offset, &submission.batch.changes);
            given.push(submission.answer.give(result));
        }
        *self.shared.applied.lock() = self.end;
        let refused = refused.into_iter();
        given.extend(refused.map(|(submission, error)| submission.answer.give(Err(error))));
        tell(given);
    }

    fn admit(&self, batch: &Batch, claims: &Claims) -> Result<(), CommitError> {
        if batch.priority == Priority::Ingress && self.ballast.is_released() {
            return Err(CommitError::DiskFull);
        }
        let found = self.index.check(batch, claims);
        match found.map_err(|_| CommitError::Failed)? {
            Some(conflict) => Err(CommitError::Conflict(conflict)),
            None => Ok(()),
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let segment = self.segment.as_mut().expect("the caller has just looked");
        segment.append(&*self.disk, bytes)?;
        self.end = Position {
            segment: segment.id,
            offset: segment.end,
        };
        self.shared
            .journal_bytes
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// The batch is durable whatever happens here. A view that cannot be written is rebuilt
    /// from the journal, with the whole group in it.
    fn apply(&mut self, segment: u64, offset: u64, changes: &[Change]) -> Result<(), CommitError> {
        for (change, number) in changes.iter().zip(0..) {
            let place = Place {
                segment,
                offset,
                change: number,
            };
            if self.is_view_broken {
                return Err(CommitError::Failed);
            }
            let counts = IncidentCounts::of(&self.index, change);
            if let Err(error) = self.index.apply(change, place) {
                tracing::error!(%error, "the view cannot be written");
                let is_repaired = self.repair_view();
                return is_repaired.then_some(()).ok_or(CommitError::Failed);
            }
            counts.count();
        }
        Ok(())
    }

    /// The view failed (sled does not recover from a full disk by itself): rebuilds it. When
    /// that fails, too, nothing is accepted until it succeeds.
    fn repair_view(&mut self) -> bool {
        self.is_view_broken = true;
        if self.rebuild_view() {
            return true;
        }
        self.segment = None;
        self.tried_at = Some(Instant::now());
        *self.shared.trouble.lock() = Some(Trouble::Failed);
        false
    }

    fn roll(&mut self) {
        if let Err(error) = self.begin_segment() {
            self.fall(&error);
        }
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        let follows = self.end.segment.checked_add(1);
        let follows = follows.filter(|id| *id < u64::MAX);
        let follows = follows.ok_or_else(|| io::Error::other("no segment number is left"))?;
        let header = if self.next_segment > follows {
            // What was between was accepted as lost.
            let (id, previous_end) = (self.next_segment, 0);
            Header { id, previous_end }
        } else {
            let (id, previous_end) = (follows, self.end.offset);
            Header { id, previous_end }
        };
        let segment = Segment::create(&*self.disk, &self.dir, header)?;
        let told = self.identity.change(|identity| {
            identity.segment = segment.id;
            // Of a new store, the first.
            identity.first = identity.first.max(1);
        });
        if let Err(error) = told {
            tracing::warn!(%error, "the identity of the store cannot be written");
        }
        self.end = Position {
            segment: segment.id,
            offset: segment.end,
        };
        self.shared
            .journal_bytes
            .fetch_add(segment.end, Ordering::Relaxed);
        self.segment = Some(segment);
        self.shared.segments.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Something failed: accept nothing until healed.
    fn fall(&mut self, error: &io::Error) -> Trouble {
        let trouble = Trouble::of(error);
        tracing::error!(%error, ?trouble, "the journal cannot be written; nothing is acknowledged");
        counter!(metric::COMMIT_FAILURES).increment(1);
        self.segment = None;
        self.tried_at = Some(Instant::now());
        *self.shared.trouble.lock() = Some(trouble);
        if trouble == Trouble::DiskFull && self.ballast.release() {
            self.heal();
        }
        trouble
    }

    fn is_time_to_heal(&self) -> bool {
        self.tried_at
            .is_none_or(|at| at.elapsed() >= self.limits.heal_interval)
    }

    fn heal(&mut self) {
        self.tried_at = Some(Instant::now());
        if self.is_view_broken && !self.rebuild_view() {
            return;
        }
        let is_full = self.shared.trouble() == Some(Trouble::DiskFull);
        if is_full && free_bytes(&self.dir).is_some_and(|free| free < HEAL_BYTES_MIN) {
            return;
        }
        match self.verify_and_begin() {
            Ok(()) => {
                if self.shared.trouble.lock().take().is_some() {
                    tracing::warn!("the journal was verified and is written again");
                }
            }
            Err(error) => {
                tracing::error!(%error, "the journal cannot be written yet");
                *self.shared.trouble.lock() = Some(Trouble::of(&error));
            }
        }
    }

    /// Rebuilds the view in place. Reads are refused meanwhile.
    fn rebuild_view(&mut self) -> bool {
        match (self.remake_view)(self.end) {
            Ok(()) => {
                tracing::warn!("the view was rebuilt");
                self.is_view_broken = false;
                *self.shared.applied.lock() = self.end;
                true
            }
            Err(error) => {
                tracing::error!(%error, "the view cannot be rebuilt yet");
                false
            }
        }
    }

    fn verify_and_begin(&mut self) -> io::Result<()> {
        let Position { segment, offset } = self.end;
        if segment > self.newest_at_opening {
            let found = scan_segment(&self.dir, segment, 0, Some(offset), |_, _| {});
            let found = found.map_err(io::Error::other)?;
            if found.end != offset || !found.damage.is_empty() {
                return Err(io::Error::other(
                    "the last segment does not read back as written",
                ));
            }
        }
        self.begin_segment()
    }
}

fn refuse(group: impl IntoIterator<Item = Submission>, error: &CommitError) {
    let group = group.into_iter();
    tell(group.map(|submission| submission.answer.give(Err(error.clone()))));
}
