//! The table in memory and the runs behind it, as one ordered space; and the work that makes runs.
//!
//! A table that is full is frozen and becomes a run, and runs of a size are merged. Each is done a
//! step at a time, for each write so many entries: no caller ever waits for all of it.

use super::backing::Backing;
use super::block::{Item, Said};
use super::merge::{Source, merged};
use super::newer::Newer;
use super::run::{Builder, Run};
use crate::store::ReadError;
use crate::store::index::{Scan, Write};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// With more bytes than this in it, a table becomes a run; and while the view is filled, when fewer
/// runs are worth the memory.
const TABLE_BYTES_MAX: usize = 8 * 1024 * 1024;
const FILLING_BYTES_MAX: usize = 8 * TABLE_BYTES_MAX;
/// Entries that are merged in a step, and blocks that are deleted in one.
pub(super) const STEP: usize = 256;
const DELETED_AT_A_TIME: usize = 32;
/// Fewer runs than these are not merged.
const MERGED_MIN: usize = 4;
/// A run takes part in a merge if it is no larger than so many times all newer ones.
const LARGER_MAX: usize = 2;
/// Bytes of values that were read from runs, kept to be read again; and of one of them.
const CACHE_BYTES: usize = 1024 * 1024;
const CACHED_BYTES_MAX: usize = 4 * 1024;

/// Values that were read from runs.
#[derive(Debug, Default)]
struct Cache {
    values: HashMap<Vec<u8>, Vec<u8>>,
    bytes: usize,
}

impl Cache {
    fn keep(&mut self, key: &[u8], value: &[u8]) {
        let bytes = key.len() + value.len();
        if bytes > CACHED_BYTES_MAX {
            return;
        }
        if self.bytes + bytes > CACHE_BYTES {
            *self = Self::default();
        }
        if self.values.insert(key.to_vec(), value.to_vec()).is_none() {
            self.bytes += bytes;
        }
    }

    fn forget(&mut self, key: &[u8]) {
        if let Some(value) = self.values.remove(key) {
            self.bytes -= key.len() + value.len();
        }
    }
}

/// The space.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) backing: Backing,
    newer: Newer,
    /// A table that becomes a run.
    frozen: Option<Arc<Newer>>,
    /// The newest first.
    pub(super) runs: Vec<Arc<Run>>,
    /// Asked after the tables: what it has, no table has.
    cache: Mutex<Cache>,
    next_run: u64,
    /// Whether the view is being filled: tables are larger, and no runs are merged.
    pub(super) is_filling: bool,
}

fn table_source(table: &Newer) -> Source<'_> {
    Box::new(|scan| Ok(table.some(scan)))
}

impl Tree {
    pub(super) fn new(backing: Backing, runs: Vec<Run>) -> Self {
        Self {
            backing,
            newer: Newer::default(),
            frozen: None,
            next_run: runs.iter().map(|run| run.id + 1).max().unwrap_or_default(),
            runs: runs.into_iter().map(Arc::new).collect(),
            cache: Mutex::default(),
            is_filling: false,
        }
    }

    /// Whether it holds nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.frozen.is_none() && self.newer.is_vacant()
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        for table in std::iter::once(&self.newer).chain(self.frozen.as_deref()) {
            match table.get(key) {
                Said::Nothing => {}
                Said::Gone => return Ok(None),
                Said::Value(value) => return Ok(Some(value.clone())),
            }
        }
        if let Some(value) = self.cache.lock().values.get(key) {
            return Ok(Some(value.clone()));
        }
        for run in &self.runs {
            match run.get(&self.backing, key)? {
                Said::Nothing => {}
                Said::Gone => return Ok(None),
                Said::Value(value) => {
                    self.cache.lock().keep(key, &value);
                    return Ok(Some(value));
                }
            }
        }
        Ok(None)
    }

    pub(super) fn scan(&self, scan: Scan<'_>) -> Result<Vec<Item>, ReadError> {
        let tables = std::iter::once(&self.newer).chain(self.frozen.as_deref());
        let runs = self.runs.iter().map(|run| self.run_source(run));
        let sources = tables.map(table_source).chain(runs);
        merged(sources.collect(), scan, false)
    }

    fn run_source<'a>(&'a self, run: &'a Run) -> Source<'a> {
        Box::new(|scan| run.some(&self.backing, scan))
    }

    pub(super) fn put(&mut self, writes: Vec<Write>) {
        let cache = self.cache.get_mut();
        for (key, value) in writes {
            cache.forget(&key);
            // What stands nowhere else leaves no trace: queues would leave long ones.
            let frozen = self.frozen.as_ref();
            let may_be_older = value.is_none()
                && (frozen.is_some_and(|frozen| frozen.get(&key) != Said::Nothing)
                    || self.runs.iter().any(|run| run.may_have(&key)));
            if value.is_some() || may_be_older {
                self.newer.put((key, value));
            } else {
                self.newer.forget(&key);
            }
        }
        self.freeze(false);
    }

    const fn is_full(&self) -> bool {
        let max = if self.is_filling {
            FILLING_BYTES_MAX
        } else {
            TABLE_BYTES_MAX
        };
        self.newer.bytes() > max
    }

    /// Freezes the table if it is full, or has to be, unless one is frozen already.
    pub(super) fn freeze(&mut self, has_to: bool) {
        let is_due = self.is_full() || (has_to && self.newer.len() > 0);
        if is_due && self.frozen.is_none() {
            self.frozen = Some(Arc::new(std::mem::take(&mut self.newer)));
        }
    }

    /// Whether writes come faster than runs are made.
    pub(super) const fn is_behind(&self) -> bool {
        self.frozen.is_some() && self.is_full()
    }

    /// Whether all is in runs.
    pub(super) fn is_written_out(&self) -> bool {
        self.frozen.is_none() && self.newer.len() == 0
    }

    fn number(&mut self) -> u64 {
        self.next_run += 1;
        self.next_run - 1
    }

    /// The runs that are to be merged: the newest ones, up to one that is much larger.
    fn mergeable(&self) -> &[Arc<Run>] {
        let mut sum = 0;
        let fits = self.runs.iter().take_while(|run| {
            let fits = sum == 0 || run.entries <= LARGER_MAX * sum;
            sum += run.entries;
            fits
        });
        let count = fits.count();
        if self.is_filling || count < MERGED_MIN {
            &[]
        } else {
            &self.runs[..count]
        }
    }
}

/// A run that is being made.
#[derive(Debug)]
struct Job {
    builder: Builder,
    /// The last key that is in it.
    after: Option<Vec<u8>>,
    /// The runs that it is made of; without any, the frozen table.
    of: Vec<Arc<Run>>,
    /// Whether there may be older values of what is gone.
    keeps_gone: bool,
}

/// What is being done.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Entries that may be merged for what was written.
    pub(super) credit: usize,
    freezing: Option<Job>,
    merging: Option<Job>,
    /// Runs that are not read any more, and how many of their blocks there are still.
    garbage: Vec<(u64, usize)>,
}

impl Work {
    /// Begins what is due. Returns whether there is anything to do.
    pub(super) fn begin(&mut self, tree: &mut Tree) -> bool {
        if self.freezing.is_none()
            && let Some(frozen) = &tree.frozen
        {
            let (entries, keeps_gone) = (frozen.len(), !tree.runs.is_empty());
            self.freezing = Some(Job {
                builder: Builder::new(tree.number(), entries),
                after: None,
                of: Vec::new(),
                keeps_gone,
            });
        }
        let mergeable = tree.mergeable();
        if self.merging.is_none() && !mergeable.is_empty() {
            let of = mergeable.to_vec();
            let entries = of.iter().map(|run| run.entries).sum();
            self.merging = Some(Job {
                builder: Builder::new(tree.number(), entries),
                after: None,
                keeps_gone: of.len() < tree.runs.len(),
                of,
            });
        }
        self.freezing.is_some() || self.merging.is_some() || !self.garbage.is_empty()
    }

    fn job(&mut self) -> Option<&mut Job> {
        self.freezing.as_mut().or(self.merging.as_mut())
    }

    /// Merges a step. Returns whether the job that it belongs to is done but for writing.
    pub(super) fn merge(&mut self, tree: &Tree) -> Result<bool, ReadError> {
        let Some(job) = self.job() else {
            return Ok(false);
        };
        let frozen = tree.frozen.iter().filter(|_| job.of.is_empty());
        let frozen = frozen.map(|frozen| table_source(frozen));
        let runs = job.of.iter().map(|run| tree.run_source(run));
        let scan = Scan {
            prefix: &[],
            after: job.after.as_deref(),
            newest_first: false,
            limit: STEP,
        };
        let items = merged(frozen.chain(runs).collect(), scan, job.keeps_gone)?;
        for (key, value) in &items {
            job.builder.push(key, value.as_ref());
        }
        let is_done = items.len() < STEP;
        job.after = items.into_iter().next_back().map(|(key, _)| key);
        if is_done {
            job.builder.end();
        }
        Ok(is_done)
    }

    /// Writes what was merged; what is done takes the place of what it was made of. Deletes some of
    /// what is not read any more.
    pub(super) fn write(&mut self, tree: &mut Tree, is_done: bool) -> Result<(), ReadError> {
        if let Some(job) = self.job() {
            job.builder.write(&tree.backing)?;
        } else if let Some((id, left)) = self.garbage.last_mut() {
            for _ in 0..DELETED_AT_A_TIME.min(*left) {
                *left -= 1;
                Run::delete_block(*id, *left, &tree.backing)?;
            }
            if *left == 0 {
                self.garbage.pop();
            }
        }
        if !is_done {
            return Ok(());
        }
        let job = self.freezing.take().or_else(|| self.merging.take());
        let Some(Job { builder, of, .. }) = job else {
            return Ok(());
        };
        let run = builder.finish();
        let run = (run.entries > 0).then(|| Arc::new(run));
        let at = match of.first() {
            None => {
                tree.frozen = None;
                0
            }
            Some(first) => {
                let at = tree.runs.iter().position(|run| run.id == first.id);
                at.expect("runs go away by merging only, and there is one merge at a time")
            }
        };
        tree.runs.splice(at..at + of.len(), run);
        self.garbage
            .extend(of.iter().map(|run| (run.id, run.blocks())));
        Ok(())
    }

    /// Gives up a merge that is not done.
    pub(super) fn give_up(&mut self) {
        let merging = self.merging.take();
        self.garbage
            .extend(merging.map(|job| job.builder.given_up()));
    }

    pub(super) fn has_garbage(&self) -> bool {
        !self.garbage.is_empty()
    }
}
