//! Where the entries are: in sled, each value with a checksum behind it, or in memory.

use crate::store::ReadError;
use crate::store::index::{Entries, Kv, Scan};
use crate::store::memory::{MemoryKv, end_of};
use std::ops::Bound;

/// Bytes of the checksum behind each value.
const CHECK_BYTES: usize = 4;

/// Where the entries are.
#[derive(Debug)]
pub(super) enum Backing {
    Disk(sled::Db),
    Memory(MemoryKv),
}

/// It gave back something else than it was given. Not shown to readers: it is rebuilt.
pub(super) const HARMED: ReadError = ReadError::Damaged { kind: "view" };

pub(super) fn unavailable(error: &sled::Error) -> ReadError {
    ReadError::Unavailable(error.to_string())
}

/// A value as sled is given it: with a checksum of key and value behind it.
fn sealed(key: &[u8], value: &[u8]) -> Vec<u8> {
    [value, &check(key, value)].concat()
}

fn check(key: &[u8], value: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(value);
    hasher.finalize().to_le_bytes()
}

/// The value that sled gave back for a key, when it is the one that it was given.
fn unsealed(key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, ReadError> {
    match bytes.split_last_chunk::<CHECK_BYTES>() {
        Some((value, sum)) if check(key, value) == *sum => Ok(value.to_vec()),
        Some(_) | None => Err(HARMED),
    }
}

impl Backing {
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match self {
            Self::Disk(db) => {
                let value = db.get(key).map_err(|error| unavailable(&error))?;
                value.map(|value| unsealed(key, &value)).transpose()
            }
            Self::Memory(kv) => kv.get(key),
        }
    }

    pub(super) fn scan(&self, scan: Scan<'_>) -> Result<Entries, ReadError> {
        match self {
            Self::Disk(db) => scan_sled(db, scan),
            Self::Memory(kv) => kv.scan(scan),
        }
    }

    /// Writes a value, or deletes it; returns what was there.
    pub(super) fn put(
        &self,
        key: &[u8],
        value: Option<&Vec<u8>>,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let db = match self {
            Self::Disk(db) => db,
            Self::Memory(kv) => {
                let known = kv.get(key)?;
                kv.apply(vec![(key.to_vec(), value.cloned())])?;
                return Ok(known);
            }
        };
        let known = match value {
            Some(value) => db.insert(key, sealed(key, value)),
            None => db.remove(key),
        };
        let known = known.map_err(|error| unavailable(&error))?;
        known.map(|known| unsealed(key, &known)).transpose()
    }
}

fn scan_sled(db: &sled::Db, scan: Scan<'_>) -> Result<Entries, ReadError> {
    let owned = |entry: sled::Result<(sled::IVec, sled::IVec)>| {
        let (key, value) = entry.map_err(|error| unavailable(&error))?;
        let value = unsealed(&key, &value)?;
        Ok((key.to_vec(), value))
    };
    let prefix = scan.prefix.to_vec();
    if scan.newest_first {
        let end = match (scan.after, end_of(scan.prefix)) {
            (Some(after), _) => Bound::Excluded(after.to_vec()),
            (None, Some(end)) => Bound::Excluded(end),
            (None, None) => Bound::Unbounded,
        };
        let range = db.range::<Vec<u8>, _>((Bound::Included(prefix), end));
        return range.rev().take(scan.limit).map(owned).collect();
    }
    let start = match scan.after {
        Some(after) => Bound::Excluded(after.to_vec()),
        None => Bound::Included(prefix),
    };
    let end = end_of(scan.prefix).map_or(Bound::Unbounded, Bound::Excluded);
    let range = db.range::<Vec<u8>, _>((start, end));
    range.take(scan.limit).map(owned).collect()
}

#[cfg(test)]
impl Backing {
    /// Changes the value of a key behind its checksum.
    pub(super) fn harm(&self, key: &[u8]) {
        let Self::Disk(db) = self else { return };
        let value = db.get(key).unwrap().unwrap();
        let mut value = value.to_vec();
        value[0] ^= 1;
        db.insert(key, value).unwrap();
    }
}
