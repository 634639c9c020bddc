//! Guards: what must not be there yet.
//!
//! A guard is checked against the index, and against the claims of the batches admitted before it
//! in the same group, which are not applied yet.

use super::apply::{delivery_key, digest_key, note_key, provider_id_key, track_key};
use super::key::{Key, Kind, last_id};
use super::people::user_name_key;
use super::{Index, Kv};
use crate::domain::connection::Connection;
use crate::domain::id::{ConnectionId, DeliveryId, OwnerId, UserId};
use crate::domain::repo::{FullName, Instance, RepositoryId};
use crate::domain::user::User;
use crate::store::record::Record;
use crate::store::{Batch, Change, Conflict, Guard, ReadError};
use std::collections::HashMap;

pub(super) fn check<K: Kv>(index: &Index<K>, guard: &Guard) -> Result<Option<Conflict>, ReadError> {
    match guard {
        Guard::NewDelivery {
            connection,
            provider_delivery_id,
            body_digest,
        } => {
            for key in [
                provider_id_key(*connection, provider_delivery_id),
                digest_key(*connection, body_digest),
            ] {
                if let Some(id) = index.kv.get(key.bytes())?.and_then(|v| last_id(&v)) {
                    return Ok(Some(Conflict::Delivery(DeliveryId::from_u128(id))));
                }
            }
            Ok(None)
        }
        Guard::NewConnection {
            owner,
            instance,
            repository,
            full_name,
        } => {
            let name = (instance, full_name);
            connected(index, *owner, name, *repository)
        }
        Guard::ConnectionExists(id) => {
            let found = index.kv.get(connection_key(*id).bytes())?;
            Ok(found.is_none().then_some(Conflict::NoConnection(*id)))
        }
        Guard::SameDelivery(delivery) => {
            let found = index.delivery_at(delivery.id)?;
            let is_same = found.is_some_and(|(_, found)| found == **delivery);
            Ok((!is_same).then_some(Conflict::Delivery(delivery.id)))
        }
        Guard::SameRun(run) => {
            let key = Key::of(Kind::Run).id(run.id.as_u128());
            is_same(index, &key, &**run)
        }
        Guard::SameTrack(track) => is_same(index, &track_key(&track.key), &**track),
        Guard::SameNote(note) => is_same(index, &note_key(&note.key), &**note),
        Guard::SameIncident(incident) => {
            let key = Key::of(Kind::Incident).id(incident.id.as_u128());
            is_same(index, &key, &**incident)
        }
        Guard::OwnerPresent(owner) => {
            let found = index.record::<User>(&user_key(*owner))?;
            let is_present = found.is_some_and(|user| user.is_present());
            Ok((!is_present).then_some(Conflict::Owner(*owner)))
        }
        Guard::NewUser { name } => {
            let found = index.id_at(&user_name_key(name))?;
            Ok(found.map(|id| Conflict::User(UserId::from_u128(id))))
        }
    }
}

/// What a new connection of an owner conflicts with: one to the same repository, by its number or
/// by its name.
fn connected<K: Kv>(
    index: &Index<K>,
    owner: UserId,
    (instance, full_name): (&Instance, &FullName),
    repository: Option<RepositoryId>,
) -> Result<Option<Conflict>, ReadError> {
    let provider = instance.provider;
    let mut prefixes = vec![
        Key::of(Kind::ConnectionByOwnerAndName)
            .id(owner.as_u128())
            .name(full_name),
    ];
    if let Some(repository) = repository {
        let by_repository = Key::of(Kind::ConnectionByRepository).provider(provider);
        prefixes.push(by_repository.number(repository.0));
    }
    for prefix in prefixes {
        for id in index.ids(&prefix, None, false, usize::MAX)? {
            let key = Key::of(Kind::Connection).id(id);
            let Some(found) = index.record::<Connection>(&key)? else {
                continue;
            };
            let same = found.owner == owner && found.instance == *instance;
            if same && !found.is_removed() {
                return Ok(Some(Conflict::Connection(ConnectionId::from_u128(id))));
            }
        }
    }
    Ok(None)
}

/// Whether a record is stored exactly so.
fn is_same<K: Kv, R: Record + PartialEq>(
    index: &Index<K>,
    key: &Key,
    expected: &R,
) -> Result<Option<Conflict>, ReadError> {
    let found = index.record::<R>(key)?;
    Ok((found.as_ref() != Some(expected)).then_some(Conflict::Changed))
}

fn user_key(id: OwnerId) -> Key {
    Key::of(Kind::User).id(id.as_u128())
}

/// What the batches of a group lay claim to.
#[derive(Debug, Default)]
pub(in crate::store) struct Claims(HashMap<Vec<u8>, Conflict>);

fn connection_key(id: ConnectionId) -> Key {
    Key::of(Kind::Connection).id(id.as_u128())
}

fn repository_claim(owner: UserId, instance: &Instance, repository: RepositoryId) -> Vec<u8> {
    let key = Key::of(Kind::ConnectionByRepository)
        .id(owner.as_u128())
        .instance(instance);
    key.number(repository.0).into_bytes()
}

fn name_claim(owner: UserId, instance: &Instance, full_name: &FullName) -> Vec<u8> {
    let key = Key::of(Kind::ConnectionByName)
        .id(owner.as_u128())
        .instance(instance);
    key.name(full_name).into_bytes()
}

impl Claims {
    /// What a guard conflicts with among the claims.
    pub(in crate::store) fn check(&self, guard: &Guard) -> Option<Conflict> {
        let keys = match guard {
            Guard::NewDelivery {
                connection,
                provider_delivery_id,
                body_digest,
            } => vec![
                provider_id_key(*connection, provider_delivery_id).into_bytes(),
                digest_key(*connection, body_digest).into_bytes(),
            ],
            Guard::NewConnection {
                owner,
                instance,
                repository,
                full_name,
            } => {
                let by_id = repository.map(|id| repository_claim(*owner, instance, id));
                by_id
                    .into_iter()
                    .chain([name_claim(*owner, instance, full_name)])
                    .collect()
            }
            Guard::ConnectionExists(id) => vec![connection_key(*id).into_bytes()],
            Guard::SameDelivery(delivery) => vec![delivery_key(delivery.id).into_bytes()],
            Guard::SameRun(run) => vec![Key::of(Kind::Run).id(run.id.as_u128()).into_bytes()],
            Guard::SameTrack(track) => vec![track_key(&track.key).into_bytes()],
            Guard::SameNote(note) => vec![note_key(&note.key).into_bytes()],
            Guard::SameIncident(incident) => {
                vec![
                    Key::of(Kind::Incident)
                        .id(incident.id.as_u128())
                        .into_bytes(),
                ]
            }
            Guard::OwnerPresent(owner) => vec![user_key(*owner).into_bytes()],
            Guard::NewUser { name } => vec![user_name_key(name).into_bytes()],
        };
        keys.iter().find_map(|key| self.0.get(key).cloned())
    }

    fn lay_user(&mut self, user: &User) {
        let key = user_name_key(&user.name).into_bytes();
        self.0.insert(key, Conflict::User(user.id));
        if !user.is_present() {
            let key = user_key(user.id).into_bytes();
            self.0.insert(key, Conflict::Owner(user.id));
        }
    }

    /// Lays the claims of an admitted batch.
    pub(in crate::store) fn lay(&mut self, batch: &Batch) {
        for change in &batch.changes {
            match change {
                Change::InsertDelivery(d, _) => {
                    let conflict = Conflict::Delivery(d.id);
                    let by_id = provider_id_key(d.connection, &d.provider_delivery_id);
                    self.0.insert(by_id.into_bytes(), conflict.clone());
                    self.0.insert(
                        digest_key(d.connection, &d.body_digest).into_bytes(),
                        conflict,
                    );
                }
                Change::PutConnection(c) if !c.is_removed() => {
                    let conflict = Conflict::Connection(c.id);
                    let by_name = name_claim(c.owner, &c.instance, &c.full_name);
                    self.0.insert(by_name, conflict.clone());
                    if let Some(repository) = c.repository {
                        let by_id = repository_claim(c.owner, &c.instance, repository);
                        self.0.insert(by_id, conflict);
                    }
                }
                Change::DeleteConnection(id) => {
                    let key = connection_key(*id).into_bytes();
                    self.0.insert(key, Conflict::NoConnection(*id));
                }
                Change::PutDelivery(d) => {
                    let key = delivery_key(d.id).into_bytes();
                    self.0.insert(key, Conflict::Delivery(d.id));
                }
                Change::PutUser(user) => self.lay_user(user),
                Change::DeleteUser(id) => {
                    let key = user_key(*id).into_bytes();
                    self.0.insert(key, Conflict::Owner(*id));
                }
                Change::PutRun(run) => {
                    let key = Key::of(Kind::Run).id(run.id.as_u128());
                    self.0.insert(key.into_bytes(), Conflict::Changed);
                }
                Change::PutTrack(track) => {
                    let key = track_key(&track.key).into_bytes();
                    self.0.insert(key, Conflict::Changed);
                }
                Change::PutNote(note) => {
                    let key = note_key(&note.key).into_bytes();
                    self.0.insert(key, Conflict::Changed);
                }
                Change::PutIncident(incident) => {
                    let key = Key::of(Kind::Incident).id(incident.id.as_u128());
                    self.0.insert(key.into_bytes(), Conflict::Changed);
                }
                Change::PutConnection(_)
                | Change::PutToken(_)
                | Change::TokenUsed { .. }
                | Change::DeleteToken(_)
                | Change::PutCredential(_)
                | Change::DeleteCredential(_)
                | Change::ForgetDelivery(_)
                | Change::ForgetGuards(_)
                | Change::ForgetRun(_)
                | Change::ForgetTrack(_)
                | Change::ForgetNote(_)
                | Change::ForgetIncident(_)
                | Change::PutCanary(_) => {}
            }
        }
    }
}
