//! Writes of keys.

use super::Write;
use super::key::Key;
use crate::store::record::{Record, encode};

pub(super) fn put<R: Record>(key: Key, record: &R) -> Write {
    (key.into_bytes(), Some(encode(record)))
}

pub(super) fn mark(key: Key) -> Write {
    (key.into_bytes(), Some(Vec::new()))
}

/// Writes a record, and the keys that lead to it where they differ: most changes leave them as they
/// are.
pub(super) fn replaced(
    was: &[Key],
    is: &[Key],
    record: Write,
    lead: impl Fn(Key) -> Write,
) -> Vec<Write> {
    let stale = was
        .iter()
        .filter(|way| !is.contains(way))
        .cloned()
        .map(gone);
    let fresh = is
        .iter()
        .filter(|way| !was.contains(way))
        .cloned()
        .map(lead);
    stale.chain([record]).chain(fresh).collect()
}

pub(super) fn point(key: Key, id: u128) -> Write {
    (key.into_bytes(), Some(id.to_be_bytes().to_vec()))
}

pub(super) fn gone(key: Key) -> Write {
    (key.into_bytes(), None)
}
