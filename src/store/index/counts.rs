//! Counts: how many keys lead somewhere, kept with every write.
//!
//! A count follows from the keys themselves: it goes up when a key of its list comes to be there,
//! and down when one ceases to be. So applying a change twice counts nothing twice, it does not
//! matter in which order a snapshot is taken in, and [`Index::check_counts`] can tell whether a
//! count is what a walk over its list finds.

use super::key::{Key, Kind};
use super::{Index, Kv, Scan, Write};
use crate::domain::connection::WebhookStatus;
use crate::domain::id::OwnerId;
use crate::domain::incident::{IncidentSource, IncidentStatus, Severity};
use crate::domain::rotation::RotationState;
use crate::store::{Counts, ReadError, Scope, Unresolved};
use std::collections::{BTreeMap, HashMap};

/// Bytes of the id that ends each key of a list that is counted.
const ID_BYTES: usize = 16;
/// Bytes before what follows on an owner.
const OWNER_END: usize = 1 + ID_BYTES;
/// Keys that are walked at a time where counts are checked.
const CHUNK: usize = 1000;
/// How often a count that seems wrong is read again: it may be written meanwhile.
const LOOKS: u32 = 5;

/// The lists that are counted, and whether they are counted over all owners, too.
const COUNTED: [(Kind, bool); 11] = [
    (Kind::User, false),
    (Kind::TokenByUser, false),
    (Kind::CredentialByOwner, false),
    (Kind::ConnectionByOwner, false),
    (Kind::ConnectionByStatus, true),
    (Kind::ConnectionLeaving, true),
    (Kind::ConnectionByRotation, true),
    (Kind::ConnectionByCredential, false),
    (Kind::IncidentByStatus, false),
    (Kind::IncidentBySubjectAndStatus, false),
    (Kind::IncidentByLook, false),
];

/// The keys under which it is counted that a key is there.
fn counted_by(key: &[u8]) -> Option<[Option<Key>; 2]> {
    let (_, in_all) = COUNTED
        .iter()
        .find(|(kind, _)| key.first() == Some(&(*kind as u8)))?;
    let list = key.get(..key.len().checked_sub(ID_BYTES)?)?;
    let over_all = || {
        Some(
            Key::of(Kind::CountInAll)
                .raw(&list[..1])
                .raw(list.get(OWNER_END..)?),
        )
    };
    Some([Some(count_key(list)), in_all.then(over_all).flatten()])
}

fn count_key(list: &[u8]) -> Key {
    Key::of(Kind::Count).raw(list)
}

fn number(value: &[u8]) -> Result<u64, ReadError> {
    let damaged = |_| ReadError::Damaged { kind: "count" };
    value.try_into().map(u64::from_be_bytes).map_err(damaged)
}

impl<K: Kv> Index<K> {
    /// Writes, and counts what that changes.
    pub(super) fn write(&self, mut writes: Vec<Write>) -> Result<(), ReadError> {
        let mut there: HashMap<&[u8], bool> = HashMap::new();
        let mut changes: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
        for (key, value) in &writes {
            let Some(counts) = counted_by(key) else {
                continue;
            };
            let was = match there.get(key.as_slice()) {
                Some(was) => *was,
                None => self.kv.get(key)?.is_some(),
            };
            let is = value.is_some();
            there.insert(key, is);
            if was != is {
                for count in counts.into_iter().flatten() {
                    *changes.entry(count.into_bytes()).or_default() += if is { 1 } else { -1 };
                }
            }
        }
        let mut counts = Vec::new();
        for (key, change) in changes.into_iter().filter(|(_, change)| *change != 0) {
            let before = self.kv.get(&key)?.map_or(Ok(0), |value| number(&value))?;
            let after = before.checked_add_signed(change);
            let after = after.ok_or(ReadError::Damaged { kind: "count" })?;
            counts.push((key, (after > 0).then(|| after.to_be_bytes().to_vec())));
        }
        writes.append(&mut counts);
        self.kv.apply(writes)
    }

    fn count_at(&self, key: &Key) -> Result<usize, ReadError> {
        let found = self
            .kv
            .get(key.bytes())?
            .map_or(Ok(0), |value| number(&value));
        let found = found.map_err(|error| self.doubted(error))?;
        Ok(usize::try_from(found).unwrap_or(usize::MAX))
    }

    /// How long a list is.
    fn count(&self, list: &Key) -> Result<usize, ReadError> {
        self.count_at(&count_key(list.bytes()))
    }

    /// How long the lists of all owners are together.
    fn count_in_all(&self, kind: Kind, rest: &Key) -> Result<usize, ReadError> {
        let rest = &rest.bytes()[1..];
        self.count_at(&Key::of(Kind::CountInAll).raw(&[kind as u8]).raw(rest))
    }

    /// See [`crate::store::Read::counts`].
    pub(super) fn counts(&self, of: Scope) -> Result<Counts, ReadError> {
        match of {
            Scope::All => self.counts_in_all(),
            Scope::Owner(owner) => self.counts_of(owner),
            Scope::Credential(id) => Ok(Counts {
                connections_kept: self
                    .count(&Key::of(Kind::ConnectionByCredential).id(id.as_u128()))?,
                ..Counts::default()
            }),
            Scope::Subject(subject) => {
                let list = Key::of(Kind::IncidentBySubjectAndStatus).id(subject.as_u128());
                Ok(Counts {
                    incidents: self.by_status(&list)?,
                    ..Counts::default()
                })
            }
        }
    }

    fn by_status(&self, list: &Key) -> Result<BTreeMap<IncidentStatus, usize>, ReadError> {
        let count =
            |status: IncidentStatus| Ok((status, self.count(&list.clone().word(status.as_str()))?));
        IncidentStatus::ALL.into_iter().map(count).collect()
    }

    fn counts_of(&self, owner: OwnerId) -> Result<Counts, ReadError> {
        let of = |kind| Key::of(kind).id(owner.as_u128());
        let mut connections = BTreeMap::new();
        for status in WebhookStatus::ALL {
            let list = of(Kind::ConnectionByStatus).word(status.as_str());
            connections.insert(status, self.count(&list)?);
        }
        let mut rotating = BTreeMap::new();
        for state in RotationState::HELD {
            let list = of(Kind::ConnectionByRotation).word(state.as_str());
            rotating.insert(state, self.count(&list)?);
        }
        Ok(Counts {
            connections,
            connections_leaving: self.count(&of(Kind::ConnectionLeaving))?,
            rotating,
            connections_kept: self.count(&of(Kind::ConnectionByOwner))?,
            incidents: self.by_status(&of(Kind::IncidentByStatus))?,
            credentials: self.count(&of(Kind::CredentialByOwner))?,
            tokens: self.count(&of(Kind::TokenByUser))?,
            ..Counts::default()
        })
    }

    fn counts_in_all(&self) -> Result<Counts, ReadError> {
        let none = Key::of(Kind::Count);
        let mut connections = BTreeMap::new();
        for status in WebhookStatus::ALL {
            let rest = none.clone().word(status.as_str());
            let count = self.count_in_all(Kind::ConnectionByStatus, &rest)?;
            connections.insert(status, count);
        }
        let mut rotating = BTreeMap::new();
        for state in RotationState::HELD {
            let rest = none.clone().word(state.as_str());
            let count = self.count_in_all(Kind::ConnectionByRotation, &rest)?;
            rotating.insert(state, count);
        }
        let mut unresolved = Vec::new();
        for status in [IncidentStatus::Open, IncidentStatus::Acknowledged] {
            for severity in Severity::ALL {
                for source in IncidentSource::ALL {
                    let count = self.count(&look_key(status, severity, source))?;
                    unresolved.push(Unresolved {
                        status,
                        severity,
                        source,
                        count,
                    });
                }
            }
        }
        Ok(Counts {
            connections,
            connections_leaving: self.count_in_all(Kind::ConnectionLeaving, &none)?,
            rotating,
            unresolved,
            users: self.count(&Key::of(Kind::User))?,
            ..Counts::default()
        })
    }

    /// Has the space rebuilt when a count is not what its list holds.
    pub(in crate::store) fn check_counts(&self) -> Result<(), ReadError> {
        let wrong = self.miscounted()?.len();
        if wrong > 0 {
            tracing::error!(wrong, "the view counts something else than it holds");
            self.kv.doubt();
        }
        Ok(())
    }

    /// The lists whose count is not what they hold. What is written meanwhile is read again, and is
    /// no error.
    fn miscounted(&self) -> Result<Vec<Vec<u8>>, ReadError> {
        let mut wrong = self.off()?;
        for _ in 0..LOOKS {
            if wrong.is_empty() {
                break;
            }
            let again = self.off()?;
            wrong.retain(|key, (counted, found)| again.get(key) == Some(&(*counted, *found)));
        }
        Ok(wrong.into_keys().collect())
    }

    /// The counts that differ from what a walk finds: what was counted, and what was found.
    fn off(&self) -> Result<BTreeMap<Vec<u8>, (u64, u64)>, ReadError> {
        let mut all: BTreeMap<Vec<u8>, (u64, u64)> = BTreeMap::new();
        for kind in [Kind::Count, Kind::CountInAll] {
            self.each_of(kind, |key, value| {
                all.entry(key.to_vec()).or_default().0 = number(value)?;
                Ok(())
            })?;
        }
        for (kind, _) in COUNTED {
            self.each_of(kind, |key, _| {
                for count in counted_by(key).into_iter().flatten().flatten() {
                    all.entry(count.into_bytes()).or_default().1 += 1;
                }
                Ok(())
            })?;
        }
        all.retain(|_, (counted, found)| counted != found);
        Ok(all)
    }

    fn each_of(
        &self,
        kind: Kind,
        mut look: impl FnMut(&[u8], &[u8]) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let (prefix, mut after) = (Key::of(kind), None::<Vec<u8>>);
        loop {
            let found = self.kv.scan(Scan {
                prefix: prefix.bytes(),
                after: after.as_deref(),
                newest_first: false,
                limit: CHUNK,
            })?;
            for (key, value) in &found {
                look(key, value)?;
            }
            match found.into_iter().last() {
                Some((last, _)) => after = Some(last),
                None => return Ok(()),
            }
        }
    }
}

/// The list of incidents that are not resolved and look so.
pub(super) fn look_key(status: IncidentStatus, severity: Severity, source: IncidentSource) -> Key {
    let by_status = Key::of(Kind::IncidentByLook).word(status.as_str());
    by_status.word(severity.as_str()).word(source.as_str())
}

#[cfg(test)]
mod tests;
