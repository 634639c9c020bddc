//! Guards: what must not be there yet.
//!
//! A guard is checked against the index, and against the claims of the batches admitted before it
//! in the same group, which are not applied yet.

use super::apply::{delivery_key, digest_key, note_key, provider_id_key, track_key};
use super::commands::command_key;
use super::incidents::{is_resolved, unresolved_claim};
use super::key::{Key, Kind};
use super::notifications::{notification_key, rulebook_key, sink_key};
use super::operations::operation_key;
use super::people::user_name_key;
use super::same::{incident_key, is_same, is_unchanged, run_record_key};
use super::{Index, Kv};
use crate::domain::command::ASKED_MAX;
use crate::domain::connection::Connection;
use crate::domain::delivery::BodyDigest;
use crate::domain::delivery::Delivery;
use crate::domain::id::{
    CommandId, ConnectionId, CredentialId, DeliveryId, HookId, OperationId, OwnerId, SinkId, UserId,
};
use crate::domain::incident::{Incident, IncidentStatus};
use crate::domain::operation::{Operation, UNFINISHED_MAX};
use crate::domain::repo::{FullName, Instance, RepositoryId};
use crate::domain::user::User;
use crate::store::{Batch, Change, Conflict, Guard, Lease, ReadError};
use std::collections::{HashMap, HashSet};

fn check<K: Kv>(
    index: &Index<K>,
    guard: &Guard,
    batch: &Batch,
    claims: &Claims,
) -> Result<Option<Conflict>, ReadError> {
    match guard {
        Guard::NewDelivery {
            connection,
            provider_delivery_id,
            body_digest,
        } => {
            let digests = std::slice::from_ref(body_digest);
            let known = index.delivery_known(*connection, provider_delivery_id, digests)?;
            Ok(known.map(Conflict::Delivery))
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
        Guard::NewAdoption(adoption) => index.is_adopted(adoption),
        Guard::ConnectionExists(id) => {
            let found = index.kv.get(connection_key(*id).bytes())?;
            Ok(found.is_none().then_some(Conflict::NoConnection(*id)))
        }
        Guard::SameDelivery(delivery) => {
            let found = index.delivery_at(delivery.id)?;
            let is_same = found.is_some_and(|(_, found)| found == **delivery);
            Ok((!is_same).then_some(Conflict::Delivery(delivery.id)))
        }
        Guard::SameRun(_)
        | Guard::SameTrack(_)
        | Guard::SameNote(_)
        | Guard::SameIncident(_)
        | Guard::SameSink(_)
        | Guard::SameNotification(_)
        | Guard::RulesAt { .. } => is_unchanged(index, guard),
        Guard::SameCredential(credential) => {
            let changed = is_same(index, &credential_key(credential.id), &**credential)?;
            Ok(changed.map(|_| Conflict::Credential(credential.id)))
        }
        Guard::SameCommand(command) => {
            let changed = is_same(index, &command_key(command.id), &**command)?;
            Ok(changed.map(|_| Conflict::Command(command.id)))
        }
        Guard::NewCommand(id) => may_be_asked(index, *id, batch, &claims.commands),
        Guard::SameOperation(operation) => {
            let changed = is_same(index, &operation_key(operation.id), &**operation)?;
            Ok(changed.map(|_| Conflict::Operation(operation.id)))
        }
        Guard::NewOperation(owner) => may_operate(index, *owner, batch, claims),
        Guard::Resolved(subject) => is_resolved(index, *subject, batch),
        Guard::NewSink { owner, most } => may_add_sink(index, *owner, *most, claims),
        // One process has the store for itself, so the only grant is the first.
        Guard::Lease(lease) => {
            let is_held = lease.epoch == Lease::OWN_EPOCH;
            Ok((!is_held).then_some(Conflict::Lease(lease.connection)))
        }
        Guard::OwnerPresent(owner) => is_present(index, *owner),
        Guard::NewUser { name } => {
            let found = index.id_at(&user_name_key(name))?;
            Ok(found.map(|id| Conflict::User(UserId::from_u128(id))))
        }
    }
}

impl<K: Kv> Index<K> {
    /// Whether the guards of a batch hold against what was applied so far; if not, what the first
    /// that does not conflicts with. What the batches before it in its group lay claim to is not
    /// applied yet.
    pub(in crate::store) fn check(
        &self,
        batch: &Batch,
        claims: &Claims,
    ) -> Result<Option<Conflict>, ReadError> {
        for guard in &batch.guards {
            let conflict = match claims.check(guard) {
                Some(conflict) => Some(conflict),
                None => check(self, guard, batch, claims)?,
            };
            if conflict.is_some() {
                return Ok(conflict);
            }
        }
        Ok(None)
    }

    /// See [`crate::store::Read::delivery_known`].
    pub(super) fn delivery_known(
        &self,
        connection: ConnectionId,
        provider_delivery_id: &str,
        digests: &[BodyDigest],
    ) -> Result<Option<DeliveryId>, ReadError> {
        let by_id = provider_id_key(connection, provider_delivery_id);
        let by_digest = digests.iter().map(|digest| digest_key(connection, digest));
        for key in std::iter::once(by_id).chain(by_digest) {
            if let Some(id) = self.id_at(&key)? {
                return Ok(Some(DeliveryId::from_u128(id)));
            }
        }
        Ok(None)
    }
}

fn is_present<K: Kv>(index: &Index<K>, owner: OwnerId) -> Result<Option<Conflict>, ReadError> {
    let found = index.record::<User>(&user_key(owner))?;
    let is_present = found.is_some_and(|user| user.is_present());
    Ok((!is_present).then_some(Conflict::Owner(owner)))
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

/// Why a connection may not be asked for what a batch asks of it, after what is claimed.
fn may_be_asked<K: Kv>(
    index: &Index<K>,
    id: ConnectionId,
    batch: &Batch,
    claimed: &Commands,
) -> Result<Option<Conflict>, ReadError> {
    let found = index.connection(id)?;
    if !found.is_some_and(|connection| can_be_asked(&connection)) {
        return Ok(Some(Conflict::NoConnection(id)));
    }
    let mut own = Commands::default();
    batch.changes.iter().for_each(|change| own.lay(change));
    // With more than that, too many wait, whatever has ended.
    let most = ASKED_MAX + 1 + claimed.ended.len() + own.ended.len();
    let mut waiting: HashSet<CommandId> = index.commands_waiting(id, most)?.collect();
    for step in [claimed, &own] {
        waiting.extend(step.asked.get(&id).into_iter().flatten());
        waiting.retain(|command| !step.ended.contains(command));
    }
    Ok((waiting.len() > ASKED_MAX).then_some(Conflict::CommandsWaiting(id)))
}

/// Why an owner may not have one more operation, after what is claimed. What is claimed to have
/// ended in the same group still counts: at worst a caller is refused a moment too early.
fn may_operate<K: Kv>(
    index: &Index<K>,
    owner: OwnerId,
    batch: &Batch,
    claims: &Claims,
) -> Result<Option<Conflict>, ReadError> {
    let most = UNFINISHED_MAX + 1;
    let mut unfinished: HashSet<OperationId> = index.unfinished_of(owner, most)?.collect();
    unfinished.extend(claims.operations.get(&owner).into_iter().flatten());
    unfinished.extend(
        batch
            .changes
            .iter()
            .filter_map(|change| match unfinished_in(change) {
                Some(operation) if operation.owner == owner => Some(operation.id),
                Some(_) | None => None,
            }),
    );
    let is_full = unfinished.len() > UNFINISHED_MAX;
    Ok(is_full.then_some(Conflict::OperationsUnfinished(owner)))
}

fn may_add_sink<K: Kv>(
    index: &Index<K>,
    owner: OwnerId,
    most: usize,
    claims: &Claims,
) -> Result<Option<Conflict>, ReadError> {
    let mut sinks: HashSet<SinkId> = index.sink_ids(owner)?.collect();
    sinks.extend(claims.sinks.get(&owner).into_iter().flatten());
    Ok((sinks.len() >= most).then_some(Conflict::Sinks(owner)))
}

/// The operation that a change puts, unless it has ended.
fn unfinished_in(change: &Change) -> Option<&Operation> {
    if let Change::PutOperation(operation) = change {
        return Some(&**operation).filter(|operation| !operation.is_over());
    }
    None
}

fn can_be_asked(connection: &Connection) -> bool {
    !connection.is_removed() || connection.is_leaving()
}

fn user_key(id: OwnerId) -> Key {
    Key::of(Kind::User).id(id.as_u128())
}

/// What the batches of a group lay claim to.
#[derive(Debug, Default)]
pub(in crate::store) struct Claims {
    keys: HashMap<Vec<u8>, Conflict>,
    commands: Commands,
    /// Operations that have not ended, by owner.
    operations: HashMap<OwnerId, HashSet<OperationId>>,
    /// Sinks that are put, by owner.
    sinks: HashMap<OwnerId, HashSet<SinkId>>,
}

/// What becomes of commands: of each, the last word.
#[derive(Debug, Default)]
struct Commands {
    /// Those that will wait, by connection.
    asked: HashMap<ConnectionId, HashSet<CommandId>>,
    /// Those that will not.
    ended: HashSet<CommandId>,
}

impl Commands {
    fn lay(&mut self, change: &Change) {
        if let Change::PutCommand(command) = change {
            if command.is_asked() {
                self.ended.remove(&command.id);
                let asked = self.asked.entry(command.connection).or_default();
                asked.insert(command.id);
            } else {
                self.ended.insert(command.id);
            }
        } else if let Change::ForgetCommand(id) = change {
            self.ended.insert(*id);
        }
    }
}

pub(in crate::store) fn credential_key(id: CredentialId) -> Key {
    Key::of(Kind::Credential).id(id.as_u128())
}

/// Where it is claimed that a connection cannot be asked for anything any more.
fn asking_claim(id: ConnectionId) -> Key {
    Key::of(Kind::CommandAsked).id(id.as_u128())
}

/// Where it is claimed that a hook is about to be adopted. Within one group the numbers of
/// different installations are not distinguished: at worst the later one is asked to try again.
fn adoption_claim(hook: HookId) -> Key {
    Key::of(Kind::Takeover).number(hook.0)
}

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
    pub(super) fn check(&self, guard: &Guard) -> Option<Conflict> {
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
            Guard::NewAdoption(new) => vec![adoption_claim(new.hook).into_bytes()],
            Guard::ConnectionExists(id) => vec![connection_key(*id).into_bytes()],
            Guard::SameDelivery(delivery) => vec![delivery_key(delivery.id).into_bytes()],
            Guard::SameRun(run) => vec![run_record_key(run.id).into_bytes()],
            Guard::SameTrack(track) => vec![track_key(&track.key).into_bytes()],
            Guard::SameNote(note) => vec![note_key(&note.key).into_bytes()],
            Guard::SameIncident(incident) => vec![incident_key(incident.id).into_bytes()],
            Guard::Resolved(subject) => vec![unresolved_claim(*subject).into_bytes()],
            Guard::SameCredential(c) => vec![credential_key(c.id).into_bytes()],
            Guard::SameCommand(command) => vec![command_key(command.id).into_bytes()],
            Guard::NewCommand(id) => vec![asking_claim(*id).into_bytes()],
            Guard::SameOperation(it) => vec![operation_key(it.id).into_bytes()],
            Guard::RulesAt { owner, .. } => vec![rulebook_key(*owner).into_bytes()],
            Guard::SameSink(sink) => vec![sink_key(sink.id).into_bytes()],
            Guard::SameNotification(it) => vec![notification_key(it.id).into_bytes()],
            Guard::Lease(_) | Guard::NewOperation(_) | Guard::NewSink { .. } => Vec::new(),
            Guard::OwnerPresent(owner) => vec![user_key(*owner).into_bytes()],
            Guard::NewUser { name } => vec![user_name_key(name).into_bytes()],
        };
        keys.iter().find_map(|key| self.keys.get(key).cloned())
    }

    fn claim(&mut self, key: Key, conflict: Conflict) {
        self.keys.insert(key.into_bytes(), conflict);
    }

    fn lay_user(&mut self, user: &User) {
        self.claim(user_name_key(&user.name), Conflict::User(user.id));
        if !user.is_present() {
            self.claim(user_key(user.id), Conflict::Owner(user.id));
        }
    }

    fn lay_connection(&mut self, c: &Connection) {
        if !can_be_asked(c) {
            self.claim(asking_claim(c.id), Conflict::NoConnection(c.id));
        }
        if c.is_removed() {
            return;
        }
        let conflict = Conflict::Connection(c.id);
        let by_name = name_claim(c.owner, &c.instance, &c.full_name);
        self.keys.insert(by_name, conflict.clone());
        if let Some(repository) = c.repository {
            let by_id = repository_claim(c.owner, &c.instance, repository);
            self.keys.insert(by_id, conflict);
        }
    }

    fn lay_delivery(&mut self, d: &Delivery) {
        let conflict = Conflict::Delivery(d.id);
        let by_id = provider_id_key(d.connection, &d.provider_delivery_id);
        self.claim(by_id, conflict.clone());
        self.claim(digest_key(d.connection, &d.body_digest), conflict);
    }

    fn lay_incident(&mut self, incident: &Incident) {
        self.claim(incident_key(incident.id), Conflict::Changed);
        if incident.status != IncidentStatus::Resolved {
            self.claim(unresolved_claim(incident.subject), Conflict::Changed);
        }
    }

    /// Lays the claims of an admitted batch.
    pub(in crate::store) fn lay(&mut self, batch: &Batch) {
        for change in &batch.changes {
            self.commands.lay(change);
            if let Change::PutSink(sink) = change {
                self.sinks.entry(sink.owner).or_default().insert(sink.id);
            }
            if let Some(operation) = unfinished_in(change) {
                let of_owner = self.operations.entry(operation.owner).or_default();
                of_owner.insert(operation.id);
            }
            self.lay_change(change);
        }
    }

    fn lay_change(&mut self, change: &Change) {
        match change {
            Change::InsertDelivery(delivery, _) => self.lay_delivery(delivery),
            Change::PutConnection(connection) => self.lay_connection(connection),
            Change::DeleteConnection(id) => {
                self.claim(connection_key(*id), Conflict::NoConnection(*id));
                self.claim(asking_claim(*id), Conflict::NoConnection(*id));
            }
            Change::PutProgress(d) => self.claim(delivery_key(d.id), Conflict::Delivery(d.id)),
            Change::ForgetDelivery(id) => {
                self.claim(delivery_key(*id), Conflict::Delivery(*id));
            }
            Change::PutUser(user) => self.lay_user(user),
            Change::DeleteUser(id) => self.claim(user_key(*id), Conflict::Owner(*id)),
            Change::PutCredential(c) => {
                self.claim(credential_key(c.id), Conflict::Credential(c.id));
            }
            Change::DeleteCredential(id) => {
                self.claim(credential_key(*id), Conflict::Credential(*id));
            }
            Change::PutCommand(command) => {
                self.claim(command_key(command.id), Conflict::Command(command.id));
            }
            Change::ForgetCommand(id) => self.claim(command_key(*id), Conflict::Command(*id)),
            Change::PutOperation(it) => {
                self.claim(operation_key(it.id), Conflict::Operation(it.id));
            }
            Change::ForgetOperation(id) => {
                self.claim(operation_key(*id), Conflict::Operation(*id));
            }
            Change::PutRun(run) => self.claim(run_record_key(run.id), Conflict::Changed),
            Change::ForgetRun(id) => self.claim(run_record_key(*id), Conflict::Changed),
            Change::PutTrack(track) => self.claim(track_key(&track.key), Conflict::Changed),
            Change::ForgetTrack(key) => self.claim(track_key(key), Conflict::Changed),
            Change::PutNote(note) => self.claim(note_key(&note.key), Conflict::Changed),
            Change::ForgetNote(key) => self.claim(note_key(key), Conflict::Changed),
            Change::PutIncident(incident) => self.lay_incident(incident),
            Change::ForgetIncident(id) => self.claim(incident_key(*id), Conflict::Changed),
            Change::PutSink(sink) => self.claim(sink_key(sink.id), Conflict::Changed),
            Change::DeleteSink(id) => self.claim(sink_key(*id), Conflict::Changed),
            Change::PutNotification(it) => {
                self.claim(notification_key(it.id), Conflict::Changed);
            }
            Change::PutRulebook(book) => self.claim(rulebook_key(book.owner), Conflict::Changed),
            Change::PutTakeover(takeover) => {
                if let Some((hook, _)) = takeover.adopts {
                    self.claim(adoption_claim(hook), Conflict::Hook(hook));
                }
            }
            Change::PutToken(_)
            | Change::TokenUsed { .. }
            | Change::DeleteToken(_)
            | Change::ForgetGuards(_)
            | Change::PutChunk(_)
            | Change::PutLedger(_)
            | Change::PutGap(_)
            | Change::ForgetGap(_)
            | Change::AskReconcile(_)
            | Change::PutUptime(_)
            | Change::PutHistory(_)
            | Change::PutOutage(_)
            | Change::PutTrouble(_)
            | Change::PutHold(_)
            | Change::PutThread(_)
            | Change::PutAnnounced(_)
            | Change::PutExplanation(_)
            | Change::PutCanary(_) => {}
        }
    }
}
