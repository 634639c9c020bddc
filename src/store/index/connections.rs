//! Connections: which keys lead to them.

use super::key::{Key, Kind};
use super::write::{gone, point, replaced};
use super::{Index, Kv, Write, explanations, ledgers, write};
use crate::domain::connection::{Connection, CredentialUse};
use crate::domain::history::History;
use crate::domain::id::ConnectionId;
use crate::domain::lifecycle::Phase;
use crate::domain::repo::ProviderKind;
use crate::domain::rotation::RotationState;
use crate::domain::takeover::Takeover;
use crate::domain::time::Timestamp;
use crate::store::{Adoption, Conflict, ReadError};
use std::collections::BTreeMap;

/// The keys that lead to a connection.
fn ways_to(connection: &Connection) -> Vec<Key> {
    let id = connection.id.as_u128();
    let provider = connection.instance.provider;
    let mut keys = vec![
        Key::of(Kind::ConnectionByHookKey).raw(connection.hook_key.as_bytes()),
        Key::of(Kind::ConnectionByOwner)
            .id(connection.owner.as_u128())
            .id(id),
        Key::of(Kind::ConnectionByName)
            .provider(provider)
            .name(&connection.full_name)
            .id(id),
    ];
    let owner = connection.owner.as_u128();
    let by_name = Key::of(Kind::ConnectionByOwnerAndName).id(owner);
    keys.push(by_name.name(&connection.full_name).id(id));
    if !connection.is_removed() {
        let by_status = Key::of(Kind::ConnectionByStatus).id(owner);
        keys.push(by_status.word(connection.webhook_status().as_str()).id(id));
        let rotation = connection.rotation.state();
        if rotation != RotationState::Settled {
            let by_rotation = Key::of(Kind::ConnectionByRotation).id(owner);
            keys.push(by_rotation.word(rotation.as_str()).id(id));
        }
    }
    if connection.is_leaving() {
        keys.push(Key::of(Kind::ConnectionLeaving).id(owner).id(id));
    }
    if connection.lifecycle.phase != Phase::Removed {
        let used = connection.credential_used.map(CredentialUse::id);
        let mut credentials = vec![used, connection.credential];
        credentials.dedup();
        // As long as it has none, it may come to use any of its owner's.
        if used.is_none() && connection.credential.is_none() {
            keys.push(Key::of(Kind::ConnectionByCredential).id(owner).id(id));
        }
        for credential in credentials.into_iter().flatten() {
            let by_credential = Key::of(Kind::ConnectionByCredential);
            keys.push(by_credential.id(credential.as_u128()).id(id));
        }
    }
    if let Some(repository) = connection.repository {
        let by_repository = Key::of(Kind::ConnectionByRepository).provider(provider);
        keys.push(by_repository.number(repository.0).id(id));
    }
    keys
}

pub(super) fn put<K: Kv>(
    index: &Index<K>,
    connection: &Connection,
) -> Result<Vec<Write>, ReadError> {
    let id = connection.id.as_u128();
    let key = Key::of(Kind::Connection).id(id);
    let old = index.record::<Connection>(&key)?;
    let was = old.as_ref().map_or_else(Vec::new, ways_to);
    let record = write::put(key, connection);
    let mut writes = replaced(&was, &ways_to(connection), record, |way| point(way, id));
    if let Some(at) = connection.last_delivery_at {
        writes.extend(latest(index, connection.instance.provider, at)?);
    }
    Ok(writes)
}

pub(super) fn delete<K: Kv>(index: &Index<K>, id: ConnectionId) -> Result<Vec<Write>, ReadError> {
    let key = Key::of(Kind::Connection).id(id.as_u128());
    let Some(old) = index.record::<Connection>(&key)? else {
        return Ok(Vec::new());
    };
    let ways = ways_to(&old).into_iter().map(gone);
    let mut writes: Vec<Write> = ways.chain([gone(key)]).collect();
    writes.extend(ledgers::forget(index, id)?);
    writes.extend(explanations::forget_of(index, id)?);
    writes.push(gone(history_key(id)));
    writes.push(gone(takeover_key(id)));
    Ok(writes)
}

fn history_key(id: ConnectionId) -> Key {
    Key::of(Kind::History).id(id.as_u128())
}

pub(super) fn put_history(history: &History) -> Write {
    write::put(history_key(history.connection), history)
}

fn takeover_key(id: ConnectionId) -> Key {
    Key::of(Kind::Takeover).id(id.as_u128())
}

pub(super) fn put_takeover(takeover: &Takeover) -> Write {
    write::put(takeover_key(takeover.connection), takeover)
}

impl<K: Kv> Index<K> {
    pub(super) fn takeover(&self, connection: ConnectionId) -> Result<Option<Takeover>, ReadError> {
        self.record(&takeover_key(connection))
    }

    /// The conflict when a connection has this hook, or is about to adopt it.
    pub(super) fn is_adopted(&self, new: &Adoption) -> Result<Option<Conflict>, ReadError> {
        let all = self.connections_by_repository(new.instance.provider, new.repository)?;
        for connection in all.iter().filter(|c| c.instance == new.instance) {
            let takeover = self.takeover(connection.id)?;
            let adopts = takeover.and_then(|takeover| takeover.adopts);
            let is_adopted = adopts.is_some_and(|(hook, _)| hook == new.hook);
            if is_adopted || connection.lifecycle.hook.id() == Some(new.hook) {
                return Ok(Some(Conflict::Hook(new.hook)));
            }
        }
        Ok(None)
    }

    pub(super) fn history(&self, connection: ConnectionId) -> Result<Option<History>, ReadError> {
        self.record(&history_key(connection))
    }
}

fn latest_key(provider: ProviderKind) -> Key {
    Key::of(Kind::LatestDelivery).provider(provider)
}

/// What to write when a connection knows of a delivery at `at`: the newest of all stays.
fn latest<K: Kv>(
    index: &Index<K>,
    provider: ProviderKind,
    at: Timestamp,
) -> Result<Option<Write>, ReadError> {
    let known = index.latest_delivery(provider)?;
    let is_news = known.is_none_or(|known| known < at);
    Ok(is_news.then(|| {
        (
            latest_key(provider).into_bytes(),
            Some(at.0.to_be_bytes().to_vec()),
        )
    }))
}

impl<K: Kv> Index<K> {
    fn latest_delivery(&self, provider: ProviderKind) -> Result<Option<Timestamp>, ReadError> {
        let found = self.kv.get(latest_key(provider).bytes())?;
        let at = |value: Vec<u8>| value.try_into().map(i64::from_be_bytes).map(Timestamp);
        let found = found.map(at).transpose();
        found.map_err(|_| self.doubted(ReadError::Damaged { kind: "time" }))
    }

    pub(super) fn latest_deliveries(&self) -> Result<BTreeMap<ProviderKind, Timestamp>, ReadError> {
        let mut latest = BTreeMap::new();
        for provider in ProviderKind::ALL {
            if let Some(at) = self.latest_delivery(provider)? {
                latest.insert(provider, at);
            }
        }
        Ok(latest)
    }
}
