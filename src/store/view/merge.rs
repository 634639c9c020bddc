//! Several sorted sources as one: of each key, what the newest source says.

use super::block::Item;
use crate::store::ReadError;
use crate::store::index::Scan;
use std::collections::VecDeque;

/// Entries that are read ahead of a source, at most.
const AHEAD_MAX: usize = 1000;

/// Gives the next entries of a range: some of them, and none only at its end.
pub(super) type Source<'a> = Box<dyn Fn(Scan<'_>) -> Result<Vec<Item>, ReadError> + 'a>;

/// A source with what was read ahead of it.
struct Head<'a> {
    source: Source<'a>,
    ahead: VecDeque<Item>,
    /// The last key that was read.
    last: Option<Vec<u8>>,
    is_over: bool,
}

impl Head<'_> {
    fn fill(&mut self, scan: Scan<'_>, wanted: usize) -> Result<(), ReadError> {
        if self.is_over || !self.ahead.is_empty() {
            return Ok(());
        }
        let found = (self.source)(Scan {
            after: self.last.as_deref().or(scan.after),
            limit: wanted.clamp(1, AHEAD_MAX),
            ..scan
        })?;
        self.is_over = found.is_empty();
        if let Some((last, _)) = found.last() {
            self.last = Some(last.clone());
        }
        self.ahead.extend(found);
        Ok(())
    }

    fn key(&self) -> Option<&[u8]> {
        self.ahead.front().map(|(key, _)| key.as_slice())
    }
}

/// The entries of a range, of sources of which the newest comes first; with those that say that a
/// key is gone, or without. Fewer than asked for only at the end.
pub(super) fn merged(
    sources: Vec<Source<'_>>,
    scan: Scan<'_>,
    keeps_gone: bool,
) -> Result<Vec<Item>, ReadError> {
    let head = |source| Head {
        source,
        ahead: VecDeque::new(),
        last: None,
        is_over: false,
    };
    let mut heads: Vec<Head<'_>> = sources.into_iter().map(head).collect();
    let mut found = Vec::new();
    while found.len() < scan.limit {
        for head in &mut heads {
            head.fill(scan, scan.limit - found.len())?;
        }
        let keys = heads
            .iter()
            .enumerate()
            .filter_map(|(n, head)| Some((head.key()?, n)));
        // Of equal keys the newest, whose source comes first.
        let next = if scan.newest_first {
            keys.max_by_key(|(key, n)| (*key, std::cmp::Reverse(*n)))
        } else {
            keys.min()
        };
        let Some((_, next)) = next else { break };
        let Some(item) = heads[next].ahead.pop_front() else {
            break;
        };
        for older in &mut heads[next + 1..] {
            if older.key() == Some(&item.0) {
                older.ahead.pop_front();
            }
        }
        if keeps_gone || item.1.is_some() {
            found.push(item);
        }
    }
    Ok(found)
}
