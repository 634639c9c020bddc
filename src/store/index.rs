//! The index: which keys each change writes, and how reads find them again.
//!
//! One ordered key-value space serves all reads. It is a function of the committed batches and
//! of nothing else, so it can be thrown away and rebuilt. The same code runs over a tree in
//! memory and over sled: see [`Kv`].

mod answers;
mod apply;
mod commands;
mod connections;
mod counts;
mod explanations;
mod guard;
mod history;
mod incidents;
pub(super) mod key;
mod ledgers;
mod lists;
mod notifications;
mod operations;
mod outages;
mod people;
mod read;
mod restore;
mod same;
mod write;

pub(super) use answers::{Indexed, Look, Payloads};
pub(super) use apply::track_key;
pub(super) use guard::Claims;
#[cfg(test)]
pub(super) use guard::credential_key;

use super::ReadError;
use super::record::{Record, decode};
use super::tally::Tally;
use key::Key;
use std::sync::OnceLock;
use tokio::sync::watch;

/// The form of keys and values: a change that writes other keys or values adds one. A view of
/// another form is rebuilt, and the entries of an older snapshot are taken in by their records (see
/// [`Index::restore`]).
pub(super) const FORMAT: u32 = 11;

/// A write: a key and its new value, or none to delete it.
pub(super) type Write = (Vec<u8>, Option<Vec<u8>>);

/// A range of keys with a common prefix.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a> {
    /// What all keys begin with.
    pub(super) prefix: &'a [u8],
    /// Continue after this key (exclusive), in the direction of the scan.
    pub(super) after: Option<&'a [u8]>,
    /// From the greatest key down.
    pub(super) newest_first: bool,
    /// At most this many.
    pub(super) limit: usize,
}

/// Keys with their values.
pub(super) type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Takes entries, some at a time.
pub(super) type Take<'a> = &'a mut dyn FnMut(Entries) -> Result<(), ReadError>;

/// Entries read at a time when all are read.
const WALK_ENTRIES: usize = 1000;

/// An ordered key-value space.
pub(super) trait Kv: Send + Sync + 'static {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;
    /// The keys and values of a range, in order.
    fn scan(&self, scan: Scan<'_>) -> Result<Entries, ReadError>;
    /// Writes in this order. A reader may see a part of it, so records come before the keys that
    /// lead to them; a reader skips a key whose record is not there.
    fn apply(&self, writes: Vec<Write>) -> Result<(), ReadError>;
    /// Hands out all entries in order, and says what they were by count. A space that knows what
    /// was written to it fails when it is something else.
    fn walk(&self, take: Take<'_>) -> Result<Tally, ReadError> {
        let (mut tally, mut after) = (Tally::default(), None::<Vec<u8>>);
        loop {
            let found = self.scan(Scan {
                prefix: &[],
                after: after.as_deref(),
                newest_first: false,
                limit: WALK_ENTRIES,
            })?;
            let Some((last, _)) = found.last() else {
                return Ok(tally);
            };
            after = Some(last.clone());
            tally = tally.plus(Tally::of(&found));
            take(found)?;
        }
    }
    /// A value is not what was written. Returns whether the space is rebuilt because of that,
    /// so that asking again soon may help.
    fn doubt(&self) -> bool {
        false
    }
}

/// Where a payload lies in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The segment.
    pub(super) segment: u64,
    /// The offset of the frame in it.
    pub(super) offset: u64,
    /// Which change of the frame's batch.
    pub(super) change: u32,
}

/// The index over a key-value space.
#[derive(Debug)]
pub(super) struct Index<K> {
    pub(super) kv: K,
    /// Whether there were guards with an older digest when that was first asked: none are added.
    has_older_digests: OnceLock<bool>,
    /// Counts what was applied of incidents to announce: see [`super::Read::incident_news`].
    incident_news: watch::Sender<u64>,
}

impl<K: Kv> Index<K> {
    pub(super) fn new(kv: K) -> Self {
        Self {
            kv,
            has_older_digests: OnceLock::new(),
            incident_news: watch::Sender::new(0),
        }
    }

    /// See [`super::Read::incident_news`].
    fn incident_news(&self) -> watch::Receiver<u64> {
        self.incident_news.subscribe()
    }

    /// See [`super::Read::has_older_digests`].
    fn has_older_digests(&self) -> Result<bool, ReadError> {
        if let Some(has) = self.has_older_digests.get() {
            return Ok(*has);
        }
        let prefix = Key::of(key::Kind::DeliveryByOlderDigest);
        let has = !self.ids(&prefix, None, false, 1)?.is_empty();
        Ok(*self.has_older_digests.get_or_init(|| has))
    }

    /// A record by its key.
    pub(in crate::store) fn record<R: Record>(&self, key: &Key) -> Result<Option<R>, ReadError> {
        let found = self.kv.get(key.bytes())?;
        let found = found.map(|bytes| record(&bytes)).transpose();
        found.map_err(|error| self.doubted(error))
    }

    /// The error for the reader of a harmed value.
    fn doubted(&self, error: ReadError) -> ReadError {
        match error {
            ReadError::Damaged { .. } if self.kv.doubt() => {
                ReadError::Unavailable("the view is damaged and is being rebuilt".to_owned())
            }
            ReadError::Damaged { .. } | ReadError::Unavailable(_) => error,
        }
    }

    /// The id at the end of the first value or key; see the callers.
    fn id_at(&self, key: &Key) -> Result<Option<u128>, ReadError> {
        Ok(self
            .kv
            .get(key.bytes())?
            .and_then(|bytes| key::last_id(&bytes)))
    }

    /// The ids that end the keys with this prefix. They are read some at a time, so that writers
    /// get their turn.
    pub(in crate::store) fn ids(
        &self,
        prefix: &Key,
        after: Option<u128>,
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<u128>, ReadError> {
        let mut after = after.map(|id| prefix.clone().id(id).into_bytes());
        let mut ids = Vec::new();
        loop {
            let scan = Scan {
                prefix: prefix.bytes(),
                after: after.as_deref(),
                newest_first,
                limit: (limit - ids.len()).min(WALK_ENTRIES),
            };
            let (asked, found) = (scan.limit, self.kv.scan(scan)?);
            ids.extend(found.iter().filter_map(|(key, _)| key::last_id(key)));
            if found.len() < asked || ids.len() >= limit {
                return Ok(ids);
            }
            after = found.into_iter().next_back().map(|(key, _)| key);
        }
    }
}

fn record<R: Record>(bytes: &[u8]) -> Result<R, ReadError> {
    decode(bytes).map_err(|_| ReadError::Damaged { kind: R::KIND })
}

/// A digest of a whole key-value space: equal digests mean equal stores.
pub(super) fn digest(kv: &impl Kv) -> Result<[u8; 32], ReadError> {
    let mut hasher = blake3::Hasher::new();
    kv.walk(&mut |entries| {
        for (key, value) in &entries {
            hasher.update(&(key.len() as u64).to_le_bytes()).update(key);
            hasher
                .update(&(value.len() as u64).to_le_bytes())
                .update(value);
        }
        Ok(())
    })?;
    Ok(*hasher.finalize().as_bytes())
}
