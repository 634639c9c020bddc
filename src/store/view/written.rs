//! How the view is written and read: the table in memory before sled.

use super::backing::{Backing, HARMED};
use super::newer::Said;
use super::{Counted, DOUBT_EVERY, View, WALK_ENTRIES, Walk};
use crate::store::ReadError;
use crate::store::index::{Entries, Kv, Scan, Take, Write};
use crate::store::tally::Tally;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Instant;

impl View {
    /// Writes entries of the table to sled, without readers. Not as a batch: each makes sled close
    /// its log buffer twice, which costs more than all else together, and crash atomicity is
    /// of no use to a view that is rebuilt after a crash.
    fn write(&self, chunk: &[Write]) -> Result<(), ReadError> {
        self.alone(|backing| {
            let write_all = || {
                let mut chunk = chunk.iter();
                chunk.try_for_each(|(key, value)| self.write_one(backing, key, value.as_ref()))
            };
            // Out of space it may panic instead of returning an error.
            let written = catch_unwind(AssertUnwindSafe(write_all));
            written.unwrap_or_else(|_| Err(ReadError::Unavailable("sled panicked".to_owned())))?;
            self.newer.write().forget(chunk);
            Ok(())
        })
    }

    fn write_one(
        &self,
        backing: &Backing,
        key: &[u8],
        value: Option<&Vec<u8>>,
    ) -> Result<(), ReadError> {
        #[cfg(test)]
        self.strike()?;
        let known = backing.put(key, value)?;
        if known.as_ref() == value {
            return Ok(());
        }
        let mut change = Tally::default();
        if let Some(known) = &known {
            change.remove(key, known);
        }
        if let Some(value) = value {
            change.add(key, value);
        }
        let mut counted = self.counted.lock();
        counted.tally = counted.tally.plus(change);
        if let Some(walk) = &mut counted.walk
            && walk.has_passed(key)
        {
            walk.change = walk.change.plus(change);
        }
        Ok(())
    }

    /// Writes everything to sled that is in the table now.
    pub(super) fn write_out(&self) -> Result<(), ReadError> {
        let mut passed = None::<Vec<u8>>;
        loop {
            let chunk = self.newer.read().after(passed.as_deref());
            let Some((last, _)) = chunk.last() else {
                return Ok(());
            };
            passed = Some(last.clone());
            self.write(&chunk)?;
        }
    }

    /// The next entries of a read of all; `None` when the view was rebuilt meanwhile.
    fn walk_on(
        &self,
        after: Option<&[u8]>,
        found: &mut Tally,
    ) -> Result<Option<Entries>, ReadError> {
        self.with(|backing| {
            let entries = backing.scan(Scan {
                prefix: &[],
                after,
                newest_first: false,
                limit: WALK_ENTRIES,
            })?;
            let mut counted = self.counted.lock();
            let Counted { tally, walk } = &mut *counted;
            let Some(walk) = walk else { return Ok(None) };
            *found = found.plus(Tally::of(&entries));
            walk.passed = entries.last().map(|(key, _)| key.clone());
            // There is no writer beside it: this holds at one moment.
            if entries.is_empty() && found.plus(walk.change) != *tally {
                tracing::error!("the view does not hold what was written to it");
                return Err(HARMED);
            }
            Ok(Some(entries))
        })
    }
}

impl Kv for View {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.with(|backing| match self.newer.read().get(key) {
            Said::Value(value) => Ok(Some(value.clone())),
            Said::Gone => Ok(None),
            Said::Nothing => backing.get(key),
        })
    }

    fn scan(&self, scan: Scan<'_>) -> Result<Entries, ReadError> {
        self.with(|backing| {
            let newer = self.newer.read();
            newer.merged(scan, |scan| backing.scan(scan))
        })
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), ReadError> {
        self.with(|_| {
            let mut newer = self.newer.write();
            for write in writes {
                newer.put(write);
            }
            Ok(())
        })?;
        while self.newer.read().is_full() {
            let chunk = self.newer.write().due();
            self.write(&chunk)?;
        }
        Ok(())
    }

    /// Everything, while writes continue; an error when it is not what was written.
    fn walk(&self, take: Take<'_>) -> Result<Tally, ReadError> {
        let _alone = self.walking.lock();
        self.write_out()?;
        let walk = Walk {
            passed: Some(Vec::new()),
            change: Tally::default(),
        };
        self.counted.lock().walk = Some(walk);
        let (mut found, mut after) = (Tally::default(), None::<Vec<u8>>);
        loop {
            let entries = self.walk_on(after.as_deref(), &mut found)?;
            let remade = || ReadError::Unavailable("the view was rebuilt meanwhile".to_owned());
            let entries = entries.ok_or_else(remade)?;
            let Some((last, _)) = entries.last() else {
                self.counted.lock().walk = None;
                return Ok(found);
            };
            after = Some(last.clone());
            take(entries)?;
        }
    }

    /// After a write that failed in the background, sled may give back rubbish permanently.
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
