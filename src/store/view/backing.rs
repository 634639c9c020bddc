//! Where the blocks of the runs are: in sled, or in memory.

use crate::store::ReadError;
use crate::store::index::Kv;
use crate::store::memory::MemoryKv;

/// Where the blocks are.
#[derive(Debug)]
pub(super) enum Backing {
    Disk(sled::Db),
    Memory(MemoryKv),
}

pub(super) fn unavailable(error: &sled::Error) -> ReadError {
    ReadError::Unavailable(error.to_string())
}

impl Backing {
    pub(super) fn get(&self, place: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match self {
            Self::Disk(db) => {
                let found = db.get(place).map_err(|error| unavailable(&error))?;
                Ok(found.map(|found| found.to_vec()))
            }
            Self::Memory(kv) => kv.get(place),
        }
    }

    /// Writes a block, or deletes it.
    pub(super) fn put(&self, place: &[u8], block: Option<Vec<u8>>) -> Result<(), ReadError> {
        match (self, block) {
            (Self::Disk(db), Some(block)) => db.insert(place, block).map(drop),
            (Self::Disk(db), None) => db.remove(place).map(drop),
            (Self::Memory(kv), block) => return kv.apply(vec![(place.to_vec(), block)]),
        }
        .map_err(|error| unavailable(&error))
    }
}
