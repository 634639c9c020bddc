//! How the view is written and read.

use super::tree::{STEP, Tree, Work};
use super::{DOUBT_EVERY, View};
use crate::store::ReadError;
use crate::store::index::{Entries, Kv, Scan, Write};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Entries that are merged for each that is written. Each is merged once into its first run, and
/// again a few times into larger ones.
const MERGED_FOR_EACH: usize = 8;

impl View {
    /// Works for as long as there is credit, and longer if the table cannot take more.
    fn work(&self, work: &mut Work, credit: usize) -> Result<(), ReadError> {
        work.credit += credit;
        while work.credit >= STEP || self.with(|tree| Ok(tree.is_behind()))? {
            work.credit = work.credit.saturating_sub(STEP);
            if !self.step(work)? {
                work.credit = 0;
                break;
            }
        }
        Ok(())
    }

    /// A step of work; `false` when there is nothing to do. Blocks are written without readers.
    pub(super) fn step(&self, work: &mut Work) -> Result<bool, ReadError> {
        if !self.alone(|tree| Ok(work.begin(tree)))? {
            return Ok(false);
        }
        let is_done = self.with(|tree| work.merge(tree))?;
        self.alone(|tree| {
            #[cfg(test)]
            self.strike()?;
            work.write(tree, is_done)
        })?;
        Ok(true)
    }

    /// Makes runs of all that is in memory.
    pub(super) fn write_out(&self, work: &mut Work) -> Result<(), ReadError> {
        let is_over = |tree: &mut Tree| {
            tree.freeze(true);
            Ok(tree.is_written_out())
        };
        while !self.alone(is_over)? {
            self.step(work)?;
        }
        Ok(())
    }
}

impl Kv for View {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.with(|tree| tree.get(key))
    }

    fn scan(&self, scan: Scan<'_>) -> Result<Entries, ReadError> {
        let found = self.with(|tree| tree.scan(scan))?;
        let there = found.into_iter();
        Ok(there
            .filter_map(|(key, value)| Some((key, value?)))
            .collect())
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), ReadError> {
        let credit = writes.len() * MERGED_FOR_EACH;
        self.alone(|tree| {
            tree.put(writes);
            Ok(())
        })?;
        self.work(&mut self.work.lock(), credit)
    }

    /// After a write that failed in the background, sled may return wrong values permanently.
    fn doubt(&self) -> bool {
        let mut doubted_at = self.doubted_at.lock();
        if doubted_at.is_some_and(|at| at.elapsed() < DOUBT_EVERY) {
            return self.has_failed();
        }
        *doubted_at = Some(Instant::now());
        tracing::error!("a value in the view is damaged");
        self.harmed.fetch_add(1, Ordering::Relaxed);
        self.has_failed.store(true, Ordering::Release);
        true
    }
}
