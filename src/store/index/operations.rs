//! Operations: which keys they write, and how they are read.

use super::key::{Key, Kind};
use super::write::{gone, mark, put};
use super::{Index, Kv, Write};
use crate::domain::id::{OperationId, OwnerId};
use crate::domain::operation::{Chunk, Operation};
use crate::store::{After, Page, ReadError};

pub(super) fn operation_key(id: OperationId) -> Key {
    Key::of(Kind::Operation).id(id.as_u128())
}

fn by_owner_key(owner: OwnerId) -> Key {
    Key::of(Kind::OperationByOwner).id(owner.as_u128())
}

fn unfinished_key(owner: OwnerId) -> Key {
    Key::of(Kind::OperationUnfinished).id(owner.as_u128())
}

fn chunk_key(operation: OperationId, index: u32) -> Key {
    let of_operation = Key::of(Kind::OperationChunk).id(operation.as_u128());
    of_operation.number(index.into())
}

fn ways(operation: &Operation) -> [Key; 2] {
    let id = operation.id.as_u128();
    [
        by_owner_key(operation.owner).id(id),
        unfinished_key(operation.owner).id(id),
    ]
}

fn without_items(operation: &Operation) -> impl Iterator<Item = Write> {
    let id = operation.id;
    (0..operation.chunks()).map(move |chunk| gone(chunk_key(id, chunk)))
}

/// One that has ended needs its items no more.
pub(super) fn put_operation(operation: &Operation) -> Vec<Write> {
    let [by_owner, unfinished] = ways(operation);
    let mut writes = vec![put(operation_key(operation.id), operation), mark(by_owner)];
    if operation.is_over() {
        writes.push(gone(unfinished));
        writes.extend(without_items(operation));
    } else {
        writes.push(mark(unfinished));
    }
    writes
}

pub(super) fn forget_operation<K: Kv>(
    index: &Index<K>,
    id: OperationId,
) -> Result<Vec<Write>, ReadError> {
    let Some(operation) = index.operation(id)? else {
        return Ok(Vec::new());
    };
    let ways = ways(&operation).map(gone);
    let record = gone(operation_key(id));
    Ok(ways
        .into_iter()
        .chain([record])
        .chain(without_items(&operation))
        .collect())
}

pub(super) fn put_chunk(chunk: &Chunk) -> Vec<Write> {
    vec![put(chunk_key(chunk.operation, chunk.index), chunk)]
}

impl<K: Kv> Index<K> {
    pub(in crate::store) fn operation(
        &self,
        id: OperationId,
    ) -> Result<Option<Operation>, ReadError> {
        self.record(&operation_key(id))
    }

    pub(super) fn operation_chunk(
        &self,
        operation: OperationId,
        index: u32,
    ) -> Result<Option<Chunk>, ReadError> {
        self.record(&chunk_key(operation, index))
    }

    pub(super) fn operations_of(
        &self,
        owner: OwnerId,
        after: After<OperationId>,
    ) -> Result<Page<Operation>, ReadError> {
        let last = after.last.map(OperationId::as_u128);
        self.page(&by_owner_key(owner), last, after.limit, |id| {
            self.operation(OperationId::from_u128(id))
        })
    }

    pub(super) fn operations_beyond(
        &self,
        owner: OwnerId,
        newest: usize,
        limit: usize,
    ) -> Result<Vec<Operation>, ReadError> {
        let most = newest.saturating_add(limit);
        let ids = self.ids(&by_owner_key(owner), None, true, most)?;
        self.each(Kind::Operation, ids.get(newest..).unwrap_or_default())
    }

    pub(super) fn operations_unfinished(&self) -> Result<Vec<Operation>, ReadError> {
        let ids = self.ids(&Key::of(Kind::OperationUnfinished), None, false, usize::MAX)?;
        self.each(Kind::Operation, &ids)
    }

    /// The ids of an owner's that have not ended, up to `most`.
    pub(super) fn unfinished_of(
        &self,
        owner: OwnerId,
        most: usize,
    ) -> Result<impl Iterator<Item = OperationId>, ReadError> {
        let ids = self.ids(&unfinished_key(owner), None, false, most)?;
        Ok(ids.into_iter().map(OperationId::from_u128))
    }
}
