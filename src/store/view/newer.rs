//! What is newer than the backing: a table in memory, which is written out a little at a time.
//!
//! Most keys of a delivery are written when it comes and again when it is processed, and some only
//! come and go. Here that costs nothing but memory, of which there is a bound. The hand that
//! writes out goes over the keys in their order, round and round, so that neighbours in the
//! backing are written together, and passes over what was written just now.

use crate::store::ReadError;
use crate::store::index::{Entries, Scan, Write};
use crate::store::memory::range;
use std::collections::btree_map::Range;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

/// With more than this in it, in bytes, it is written out.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// What an entry takes besides its key and its value, roughly.
const ENTRY_BYTES: usize = 96;
/// With so much written since, something is no longer new.
const GENERATION_BYTES: usize = BYTES_MAX / 4;
/// Entries that are written out at a time.
const CHUNK: usize = 256;
/// Entries that the hand passes over at most to find as many.
const LOOKED_AT_MAX: usize = 16 * CHUNK;
/// Entries of the backing that are read at a time beside the table's.
const BASE_ENTRIES_MAX: usize = 1000;

/// A value, or that there is none, and when it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    value: Option<Vec<u8>>,
    generation: u64,
}

fn owned((key, entry): (&Vec<u8>, &Entry)) -> Write {
    (key.clone(), entry.value.clone())
}

fn bytes_of(key: &[u8], value: Option<&Vec<u8>>) -> usize {
    key.len() + value.map_or(0, Vec::len) + ENTRY_BYTES
}

/// What the table says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// Ask the backing.
    Nothing,
    /// There is no such key.
    Gone,
    Value(&'a Vec<u8>),
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Newer {
    entries: BTreeMap<Vec<u8>, Entry>,
    bytes: usize,
    generation: u64,
    /// Bytes written in this generation.
    written: usize,
    /// The last key that was written out.
    hand: Vec<u8>,
}

impl Newer {
    /// What it says of a key.
    pub(super) fn get(&self, key: &[u8]) -> Said<'_> {
        match self.entries.get(key) {
            None => Said::Nothing,
            Some(entry) => entry.value.as_ref().map_or(Said::Gone, Said::Value),
        }
    }

    pub(super) fn put(&mut self, (key, value): Write) {
        let bytes = bytes_of(&key, value.as_ref());
        self.written += bytes;
        if self.written > GENERATION_BYTES {
            (self.generation, self.written) = (self.generation + 1, 0);
        }
        let generation = self.generation;
        self.bytes += bytes;
        let length = key.len();
        if let Some(old) = self.entries.insert(key, Entry { value, generation }) {
            self.bytes -= length + old.value.map_or(0, |old| old.len()) + ENTRY_BYTES;
        }
    }

    /// Whether it says of no key that it is there.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.values().all(|entry| entry.value.is_none())
    }

    /// Whether something has to be written out.
    pub(super) const fn is_full(&self) -> bool {
        self.bytes > BYTES_MAX
    }

    /// The next entries to be written out, of those that are not new.
    pub(super) fn due(&mut self) -> Vec<Write> {
        let ahead = self.range_after(Some(&self.hand));
        let behind = self.entries.range::<Vec<u8>, _>(..=&self.hand);
        let turn = ahead.chain(behind).take(LOOKED_AT_MAX);
        let due = turn.filter(|(_, entry)| entry.generation < self.generation);
        let mut chunk: Vec<Write> = due.take(CHUNK).map(owned).collect();
        if chunk.is_empty() {
            chunk = self.after(None);
        }
        if let Some((last, _)) = chunk.last() {
            self.hand.clone_from(last);
        }
        chunk
    }

    /// The next entries after this key, new ones too.
    pub(super) fn after(&self, key: Option<&[u8]>) -> Vec<Write> {
        self.range_after(key).take(CHUNK).map(owned).collect()
    }

    fn range_after(&self, key: Option<&[u8]>) -> Range<'_, Vec<u8>, Entry> {
        let after = key.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries.range::<[u8], _>((after, Bound::Unbounded))
    }

    /// These are in the backing by now. What was written since stays.
    pub(super) fn forget(&mut self, chunk: &[Write]) {
        for (key, value) in chunk {
            if self
                .entries
                .get(key)
                .is_some_and(|entry| entry.value == *value)
            {
                self.entries.remove(key);
                self.bytes -= bytes_of(key, value.as_ref());
            }
        }
    }

    /// A range of the backing with what is newer.
    pub(super) fn merged(
        &self,
        scan: Scan<'_>,
        base: impl Fn(Scan<'_>) -> Result<Entries, ReadError>,
    ) -> Result<Entries, ReadError> {
        let mut newer = range(&self.entries, scan).peekable();
        if newer.peek().is_none() {
            return base(scan);
        }
        let mut found = Entries::new();
        let mut base = Base {
            read: base,
            scan,
            after: scan.after.map(<[u8]>::to_vec),
            ahead: VecDeque::new(),
            is_over: false,
        };
        while found.len() < scan.limit {
            base.fill(scan.limit - found.len())?;
            let is_first = match (newer.peek(), base.ahead.front()) {
                (None, None) => break,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some((key, _)), Some((other, _))) => {
                    if *key == other {
                        base.ahead.pop_front();
                        continue;
                    }
                    (*key < other) != scan.newest_first
                }
            };
            if !is_first {
                found.extend(base.ahead.pop_front());
            } else if let Some((key, entry)) = newer.next()
                && let Some(value) = &entry.value
            {
                found.push((key.clone(), value.clone()));
            }
        }
        Ok(found)
    }
}

/// What the backing holds of a range, some at a time.
struct Base<'a, F> {
    read: F,
    scan: Scan<'a>,
    after: Option<Vec<u8>>,
    ahead: VecDeque<(Vec<u8>, Vec<u8>)>,
    is_over: bool,
}

impl<F: Fn(Scan<'_>) -> Result<Entries, ReadError>> Base<'_, F> {
    fn fill(&mut self, wanted: usize) -> Result<(), ReadError> {
        if self.is_over || !self.ahead.is_empty() {
            return Ok(());
        }
        let limit = wanted.clamp(1, BASE_ENTRIES_MAX);
        let found = (self.read)(Scan {
            after: self.after.as_deref(),
            limit,
            ..self.scan
        })?;
        self.is_over = found.len() < limit;
        self.after = found
            .last()
            .map(|(key, _)| key.clone())
            .or(self.after.take());
        self.ahead.extend(found);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::index::Kv;
    use crate::store::memory::MemoryKv;
    use proptest::prelude::*;

    fn scan(prefix: &[u8], limit: usize, newest_first: bool) -> Scan<'_> {
        Scan {
            prefix,
            after: None,
            newest_first,
            limit,
        }
    }

    proptest! {
        #[test]
        fn a_table_before_a_backing_reads_as_one_space(
            writes in prop::collection::vec(
                (prop::collection::vec(0_u8..4, 1..4), prop::option::of(any::<u8>())), 0..120),
            flushed in prop::collection::vec(any::<bool>(), 120),
            limit in 0_usize..20,
            newest_first in any::<bool>(),
            after in prop::option::of(prop::collection::vec(0_u8..4, 0..3)),
        ) {
            let mut newer = Newer::default();
            let (base, plain) = (MemoryKv::default(), MemoryKv::default());
            for ((key, value), is_flushed) in writes.into_iter().zip(flushed) {
                let write = (key, value.map(|value| vec![value]));
                plain.apply(vec![write.clone()]).unwrap();
                newer.put(write);
                if is_flushed {
                    let chunk: Vec<Write> = newer.due().into_iter().take(3).collect();
                    base.apply(chunk.clone()).unwrap();
                    newer.forget(&chunk);
                }
            }
            for prefix in [&[][..], &[1], &[2, 3]] {
                let after = after.as_ref().map(|after| [prefix, after].concat());
                let scan = Scan { after: after.as_deref(), ..scan(prefix, limit, newest_first) };
                let found = newer.merged(scan, |scan| base.scan(scan)).unwrap();
                prop_assert_eq!(found, plain.scan(scan).unwrap());
            }
            while !newer.entries.is_empty() {
                let chunk = newer.after(None);
                base.apply(chunk.clone()).unwrap();
                newer.forget(&chunk);
            }
            prop_assert_eq!(newer.bytes, 0);
            let all = scan(&[], usize::MAX, false);
            prop_assert_eq!(base.scan(all).unwrap(), plain.scan(all).unwrap());
        }
    }

    #[test]
    fn it_is_bounded_and_what_was_written_just_now_stays_longest() {
        let mut newer = Newer::default();
        let mut number = 0_u32;
        let mut out = 0;
        while out < 100_000 {
            newer.put((number.to_be_bytes().to_vec(), Some(vec![0; 50])));
            number += 1;
            while newer.is_full() {
                let chunk = newer.due();
                assert!(chunk.len() <= CHUNK && !chunk.is_empty());
                for (key, _) in &chunk {
                    let age = number - u32::from_be_bytes(key[..].try_into().unwrap());
                    assert!(age > 1000, "{age}");
                }
                out += chunk.len();
                newer.forget(&chunk);
            }
            assert!(newer.bytes <= BYTES_MAX);
        }
    }

    #[test]
    fn what_is_written_while_it_is_written_out_stays() {
        let mut newer = Newer::default();
        newer.put((b"a".to_vec(), Some(vec![1])));
        newer.put((b"b".to_vec(), Some(vec![1])));
        let chunk = newer.after(None);
        newer.put((b"a".to_vec(), Some(vec![2])));
        newer.forget(&chunk);
        assert_eq!(newer.get(b"a"), Said::Value(&vec![2]));
        assert_eq!(newer.get(b"b"), Said::Nothing);
    }
}
