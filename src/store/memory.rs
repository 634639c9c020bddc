//! A store in memory, for tests of what is above it: the same index, no disk.

use super::index::{Claims, Entries, Index, Indexed, Kv, Payloads, Place, Scan, Write};
use super::{
    Batch, Change, CommitError, Committing, Lease, ReadError, Reading, Store, StoreStatus,
};
use crate::domain::delivery::Payload;
use crate::domain::id::{ConnectionId, DeliveryId};
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

/// An ordered map behind a lock.
#[derive(Debug, Default)]
pub(super) struct MemoryKv(
    RwLock<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Most entries that one scan has found.
    #[cfg(test)]
    pub(super) std::sync::atomic::AtomicUsize,
);

impl Kv for MemoryKv {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.0.read().get(key).cloned())
    }

    fn scan(&self, scan: Scan<'_>) -> Result<Entries, ReadError> {
        let map = self.0.read();
        let owned = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        let found: Entries = range(&map, scan).take(scan.limit).map(owned).collect();
        #[cfg(test)]
        self.1
            .fetch_max(found.len(), std::sync::atomic::Ordering::Relaxed);
        Ok(found)
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), ReadError> {
        let mut map = self.0.write();
        for (key, value) in writes {
            match value {
                Some(value) => drop(map.insert(key, value)),
                None => drop(map.remove(&key)),
            }
        }
        Ok(())
    }
}

/// The entries of a range in its order, however many they are.
pub(super) fn range<'a, V>(
    map: &'a BTreeMap<Vec<u8>, V>,
    scan: Scan<'a>,
) -> Box<dyn Iterator<Item = (&'a Vec<u8>, &'a V)> + 'a> {
    let first = Bound::Included(scan.prefix);
    let end = end_of(scan.prefix);
    let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    if scan.newest_first {
        let end = scan.after.map_or(end, Bound::Excluded);
        return Box::new(map.range::<[u8], _>((first, end)).rev());
    }
    let first = scan.after.map_or(first, Bound::Excluded);
    Box::new(map.range::<[u8], _>((first, end)))
}

/// The first key after all keys with this prefix; `None` when there is none.
pub(super) fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xFF)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// Payloads in memory.
#[derive(Clone, Debug, Default)]
pub(super) struct MemoryPayloads(Arc<Mutex<HashMap<DeliveryId, Payload>>>);

impl Payloads for MemoryPayloads {
    fn payload_at(&self, id: DeliveryId, _: Place) -> Result<Option<Payload>, ReadError> {
        Ok(self.0.lock().get(&id).cloned())
    }
}

/// A store that forgets everything when it is dropped.
#[derive(Debug)]
pub struct MemoryStore {
    index: Index<MemoryKv>,
    payloads: MemoryPayloads,
}

impl Default for MemoryStore {
    fn default() -> Self {
        let index = Index::new(MemoryKv::default());
        Self {
            index,
            payloads: MemoryPayloads::default(),
        }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn commit_now(&self, batch: Batch) -> Result<(), CommitError> {
        // The lock makes guards and changes one step.
        let mut payloads = self.payloads.0.lock();
        let found = self.index.check(&batch, &Claims::default());
        if let Some(conflict) = found.map_err(|_| CommitError::Failed)? {
            return Err(CommitError::Conflict(conflict));
        }
        for change in batch.changes {
            self.index
                .apply(&change, Place::default())
                .map_err(|_| CommitError::Failed)?;
            if let Change::InsertDelivery(delivery, payload) = change {
                payloads.insert(delivery.id, payload);
            } else if let Change::ForgetDelivery(id) = change {
                payloads.remove(&id);
            }
        }
        Ok(())
    }
}

impl Indexed for MemoryStore {
    type Kv = MemoryKv;

    fn index(&self) -> &Index<MemoryKv> {
        &self.index
    }

    type Payloads = MemoryPayloads;

    fn payloads(&self) -> MemoryPayloads {
        self.payloads.clone()
    }

    fn store_status(&self) -> StoreStatus {
        StoreStatus::default()
    }
}

impl Store for MemoryStore {
    fn commit(&self, batch: Batch) -> Committing {
        let result = self.commit_now(batch);
        Box::pin(std::future::ready(result))
    }

    fn lease(&self, connection: ConnectionId) -> Reading<'_, Option<Lease>> {
        Ok(Some(Lease::own(connection))).into()
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryStore;
    use crate::store::Store;
    use crate::store::contract::{Subject, contract};

    impl Subject for MemoryStore {
        fn store(&self) -> &dyn Store {
            self
        }
    }

    contract!(MemoryStore::new());
}
