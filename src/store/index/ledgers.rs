//! Ledgers and gaps: which keys they write, and how they are read.

use super::key::{Key, Kind, list_of};
use super::write::{gone, mark};
use super::{Index, Kv, Scan, Write, record, write};
use crate::domain::id::{ConnectionId, GapId, OwnerId};
use crate::domain::ledger::{Asked, Gap, Ledger, Totals, Uptime};
use crate::domain::time::Timestamp;
use crate::store::{After, Of, Page, ReadError};

/// Entries of a walk that are read at once.
const BEHIND_PAGE: usize = 1_000;

fn ledger_key(connection: ConnectionId) -> Key {
    Key::of(Kind::Ledger).id(connection.as_u128())
}

fn asked_key(connection: ConnectionId) -> Key {
    Key::of(Kind::ReconcileAsked).id(connection.as_u128())
}

fn totals_key(owner: OwnerId) -> Key {
    Key::of(Kind::GapTotals).id(owner.as_u128())
}

fn gap_key(id: GapId) -> Key {
    Key::of(Kind::Gap).id(id.as_u128())
}

fn by_connection(connection: ConnectionId) -> Key {
    Key::of(Kind::GapByConnection).id(connection.as_u128())
}

/// The key of a connection at which deliveries are missing.
fn behind(ledger: &Ledger) -> Option<Key> {
    let since = u64::try_from(ledger.behind_since?.0).unwrap_or(0);
    let owner = Key::of(Kind::Behind).id(ledger.owner.as_u128());
    Some(owner.number(since).id(ledger.connection.as_u128()))
}

/// The time in such a key.
fn since(key: &[u8]) -> Option<Timestamp> {
    const KIND_AND_OWNER: usize = 1 + 16;
    let (time, _) = key.get(KIND_AND_OWNER..)?.split_first_chunk()?;
    i64::try_from(u64::from_be_bytes(*time)).ok().map(Timestamp)
}

/// The sum of an owner's totals, after those of a ledger changed. It follows from what the ledger
/// was and is: applying a change twice adds nothing twice.
fn summed<K: Kv>(
    index: &Index<K>,
    owner: OwnerId,
    was: Option<&Totals>,
    is: Option<&Totals>,
) -> Result<Option<Write>, ReadError> {
    let none = Totals::default();
    let (was, is) = (was.unwrap_or(&none), is.unwrap_or(&none));
    if was == is {
        return Ok(None);
    }
    let sum = index.gap_totals(owner)?.minus(was).plus(is);
    Ok(Some(write::put(totals_key(owner), &sum)))
}

pub(super) fn put<K: Kv>(index: &Index<K>, ledger: &Ledger) -> Result<Vec<Write>, ReadError> {
    let (connection, owner) = (ledger.connection, ledger.owner);
    let old = index.ledger(connection)?;
    let mut writes = vec![write::put(ledger_key(connection), ledger)];
    let totals = old.as_ref().map(|old| &old.totals);
    writes.extend(summed(index, owner, totals, Some(&ledger.totals))?);
    let old = old
        .as_ref()
        .and_then(behind)
        .filter(|old| Some(old) != behind(ledger).as_ref());
    writes.extend(old.map(gone));
    writes.extend(behind(ledger).map(mark));
    let asked = index.record::<Asked>(&asked_key(connection))?;
    if asked.is_some_and(|asked| Some(asked.at) <= ledger.answered) {
        writes.push(gone(asked_key(connection)));
    }
    Ok(writes)
}

/// What a connection leaves that is deleted.
pub(super) fn forget<K: Kv>(index: &Index<K>, id: ConnectionId) -> Result<Vec<Write>, ReadError> {
    let mut writes = vec![gone(asked_key(id))];
    if let Some(old) = index.ledger(id)? {
        writes.push(gone(ledger_key(id)));
        writes.extend(behind(&old).map(gone));
        writes.extend(summed(index, old.owner, Some(&old.totals), None)?);
    }
    for gap in index.ids(&by_connection(id), None, false, usize::MAX)? {
        writes.extend(forget_gap(index, GapId::from_u128(gap))?);
    }
    Ok(writes)
}

pub(super) fn put_gap(gap: &Gap) -> Vec<Write> {
    let [by_owner, by_connection] = ways_to(gap);
    vec![
        write::put(gap_key(gap.id), gap),
        mark(by_owner),
        mark(by_connection),
    ]
}

fn ways_to(gap: &Gap) -> [Key; 2] {
    let id = gap.id.as_u128();
    let by_owner = Key::of(Kind::GapByOwner).id(gap.owner.as_u128());
    [by_owner.id(id), by_connection(gap.connection).id(id)]
}

pub(super) fn forget_gap<K: Kv>(index: &Index<K>, id: GapId) -> Result<Vec<Write>, ReadError> {
    let Some(gap) = index.gap(id)? else {
        return Ok(Vec::new());
    };
    let ways = ways_to(&gap).map(gone);
    Ok([gone(gap_key(id))].into_iter().chain(ways).collect())
}

/// A request covers those before it that are not answered: see [`Asked::after`].
pub(super) fn ask<K: Kv>(index: &Index<K>, asked: &Asked) -> Result<Vec<Write>, ReadError> {
    let key = asked_key(asked.connection);
    let asked = asked.after(index.record::<Asked>(&key)?);
    Ok(vec![write::put(key, &asked)])
}

impl<K: Kv> Index<K> {
    pub(in crate::store) fn ledger(
        &self,
        connection: ConnectionId,
    ) -> Result<Option<Ledger>, ReadError> {
        self.record(&ledger_key(connection))
    }

    pub(super) fn gap(&self, id: GapId) -> Result<Option<Gap>, ReadError> {
        self.record(&gap_key(id))
    }

    pub(super) fn gaps(&self, of: Of, after: After<GapId>) -> Result<Page<Gap>, ReadError> {
        let prefix = list_of(of, Kind::GapByOwner, Kind::GapByConnection);
        let last = after.last.map(GapId::as_u128);
        self.page(&prefix, last, after.limit, |id| {
            self.gap(GapId::from_u128(id))
        })
    }

    pub(super) fn gap_totals(&self, owner: OwnerId) -> Result<Totals, ReadError> {
        Ok(self.record(&totals_key(owner))?.unwrap_or_default())
    }

    pub(super) fn behind_since(&self, owner: OwnerId) -> Result<Option<Timestamp>, ReadError> {
        let prefix = Key::of(Kind::Behind).id(owner.as_u128());
        let found = self.kv.scan(Scan {
            prefix: prefix.bytes(),
            after: None,
            newest_first: false,
            limit: 1,
        })?;
        Ok(found.first().and_then(|(key, _)| since(key)))
    }

    pub(super) fn all_behind_since(&self) -> Result<Option<Timestamp>, ReadError> {
        let (prefix, mut after, mut first) =
            (Key::of(Kind::Behind), None::<Vec<u8>>, None::<Timestamp>);
        loop {
            let found = self.kv.scan(Scan {
                prefix: prefix.bytes(),
                after: after.as_deref(),
                newest_first: false,
                limit: BEHIND_PAGE,
            })?;
            let oldest = found.iter().filter_map(|(key, _)| since(key)).min();
            first = first.into_iter().chain(oldest).min();
            if found.len() < BEHIND_PAGE {
                return Ok(first);
            }
            after = found.into_iter().next_back().map(|(key, _)| key);
        }
    }

    pub(super) fn reconcile_asked(&self, id: ConnectionId) -> Result<Option<Asked>, ReadError> {
        self.record(&asked_key(id))
    }

    pub(super) fn reconciles_asked(
        &self,
        after: Option<ConnectionId>,
        limit: usize,
    ) -> Result<Vec<Asked>, ReadError> {
        let prefix = Key::of(Kind::ReconcileAsked);
        let after = after.map(asked_key);
        let found = self.kv.scan(Scan {
            prefix: prefix.bytes(),
            after: after.as_ref().map(Key::bytes),
            newest_first: false,
            limit,
        })?;
        let asked = found.iter().map(|(_, value)| record(value));
        asked.collect()
    }

    pub(super) fn uptime(&self) -> Result<Option<Uptime>, ReadError> {
        self.record(&Key::of(Kind::Uptime))
    }
}
