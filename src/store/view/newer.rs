//! What is newer than the runs: a table in memory. Most keys of a delivery are written when it
//! comes and again when it is processed, and some only come and go. Here that costs only memory.

use super::block::{Item, Said};
use crate::store::index::{Scan, Write};
use crate::store::memory::range;
use std::collections::BTreeMap;

/// What an entry takes besides its key and its value, roughly.
const ENTRY_BYTES: usize = 96;

/// The table.
#[derive(Debug, Default)]
pub(super) struct Newer {
    entries: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    bytes: usize,
}

impl Newer {
    /// What it says of a key.
    pub(super) fn get(&self, key: &[u8]) -> Said<&Vec<u8>> {
        match self.entries.get(key) {
            None => Said::Nothing,
            Some(value) => Said::of(value.as_ref()),
        }
    }

    pub(super) fn put(&mut self, (key, value): Write) {
        let length = key.len();
        let bytes = |value: &Option<Vec<u8>>| length + value.as_ref().map_or(0, Vec::len);
        self.bytes += bytes(&value) + ENTRY_BYTES;
        if let Some(old) = self.entries.insert(key, value) {
            self.bytes -= bytes(&old) + ENTRY_BYTES;
        }
    }

    pub(super) fn forget(&mut self, key: &[u8]) {
        if let Some(old) = self.entries.remove(key) {
            self.bytes -= key.len() + old.map_or(0, |old| old.len()) + ENTRY_BYTES;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it says of no key that it is there.
    pub(super) fn is_vacant(&self) -> bool {
        self.entries.values().all(Option::is_none)
    }

    /// What it takes in memory, roughly.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The next entries of a range: some of them, and none only at its end.
    pub(super) fn some(&self, scan: Scan<'_>) -> Vec<Item> {
        let owned = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| (key.clone(), value.clone());
        let found = range(&self.entries, scan);
        found.take(scan.limit).map(owned).collect()
    }
}
