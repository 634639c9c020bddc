//! The reads, for every store that has an index.

use super::apply::{delivery_key, guarded_connection, note_key, read_delivery, run_key, track_key};
use super::key::{Key, Kind, last_id};
use super::people::user_name_key;
use super::{Index, Kv, Place, Scan};
use crate::domain::connection::{Connection, WebhookStatus};
use crate::domain::delivery::{Delivery, Payload};
use crate::domain::id::{
    ConnectionId, CredentialId, DeliveryId, HookKey, IncidentId, OwnerId, RunId, TokenId, UserId,
};
use crate::domain::incident::track::{Track, TrackKey};
use crate::domain::incident::{Incident, Subject};
use crate::domain::lane::place::{Note, NoteKey};
use crate::domain::repo::{FullName, ProviderKind, RepositoryId};
use crate::domain::run::{Family, Run};
use crate::domain::secret::Sealed;
use crate::domain::time::Timestamp;
use crate::domain::user::{Credential, TokenRecord, User};
use crate::store::record::Record;
use crate::store::{
    After, ConnectionFilter, DeliveryFilter, IncidentFilter, Listing, Of, Page, Read, ReadError,
    RunFilter, StoreStatus, StoredBody,
};
use std::collections::BTreeMap;

/// A store whose reads come from an index.
pub(in crate::store) trait Indexed: Send + Sync {
    /// The key-value space.
    type Kv: Kv;
    /// The index.
    fn index(&self) -> &Index<Self::Kv>;
    /// The payload at a place; `None` when it is gone.
    fn payload_at(&self, id: DeliveryId, place: Place) -> Result<Option<Payload>, ReadError>;
    /// The same, to be read a little at a time.
    fn body_at(&self, id: DeliveryId, place: Place) -> Result<Option<StoredBody>, ReadError> {
        Ok(self.payload_at(id, place)?.map(StoredBody::from))
    }
    /// How the store is doing.
    fn store_status(&self) -> StoreStatus;
}

/// What `read` finds where a delivery's payload lies.
fn found_at<K: Kv, T>(
    index: &Index<K>,
    id: DeliveryId,
    read: impl Fn(Place) -> Result<Option<T>, ReadError>,
) -> Result<Option<T>, ReadError> {
    let Some((place, _)) = index.delivery_at(id)? else {
        return Ok(None);
    };
    if let Some(found) = read(place)? {
        return Ok(Some(found));
    }
    // Retention may have carried it forward between the two looks.
    match index.delivery_at(id)? {
        Some((moved, _)) if moved != place => read(moved),
        Some(_) | None => Ok(None),
    }
}

impl<K: Kv> Index<K> {
    /// A delivery and where its payload lies.
    pub(in crate::store) fn delivery_at(
        &self,
        id: DeliveryId,
    ) -> Result<Option<(Place, Delivery)>, ReadError> {
        let found = self.kv.get(delivery_key(id).bytes())?;
        let found = found.map(|value| read_delivery(&value)).transpose();
        found.map_err(|error| self.doubted(error))
    }

    /// The deliveries whose payload lies in a segment.
    pub(in crate::store) fn deliveries_in(
        &self,
        segment: u64,
    ) -> Result<Vec<DeliveryId>, ReadError> {
        let prefix = Key::of(Kind::DeliveryBySegment).number(segment);
        let ids = self.ids(&prefix, None, false, usize::MAX)?;
        Ok(ids.into_iter().map(DeliveryId::from_u128).collect())
    }

    /// The connection of a forgotten delivery, while its replay guards are there.
    pub(in crate::store) fn guarded_connection(
        &self,
        id: DeliveryId,
    ) -> Result<Option<ConnectionId>, ReadError> {
        guarded_connection(self, id)
    }

    /// Whether there is a connection of this id.
    pub(in crate::store) fn has_connection(&self, id: ConnectionId) -> Result<bool, ReadError> {
        let key = Key::of(Kind::Connection).id(id.as_u128());
        Ok(self.kv.get(key.bytes())?.is_some())
    }

    /// The connections that have deliveries to process, also such as are not there any more.
    pub(in crate::store) fn with_pending(&self) -> Result<Vec<ConnectionId>, ReadError> {
        let mut found = Vec::new();
        let prefix = Key::of(Kind::DeliveryPending);
        let mut after: Option<Vec<u8>> = None;
        loop {
            let scan = Scan {
                prefix: prefix.bytes(),
                after: after.as_deref(),
                newest_first: false,
                limit: 1,
            };
            let next = self.kv.scan(scan)?;
            let Some(connection) = next.first().and_then(|(key, _)| last_id(&key[..17])) else {
                return Ok(found);
            };
            found.push(ConnectionId::from_u128(connection));
            // Skip everything else that is pending for this connection.
            after = Some(prefix.clone().id(connection).raw(&[0xFF; 17]).into_bytes());
        }
    }

    /// When the newest delivery came.
    pub(in crate::store) fn newest_delivery_at(&self) -> Result<Option<Timestamp>, ReadError> {
        let last = self.ids(&Key::of(Kind::Delivery), None, true, 1)?.pop();
        let last = last.map(DeliveryId::from_u128);
        let found = last.map(|id| self.delivery_at(id)).transpose()?.flatten();
        Ok(found.map(|(_, delivery)| delivery.received_at))
    }

    /// When the newest id of any record was made.
    pub(in crate::store) fn newest_id_at(&self) -> Result<Option<Timestamp>, ReadError> {
        let mut newest = None;
        for kind in [
            Kind::User,
            Kind::Token,
            Kind::Credential,
            Kind::Connection,
            Kind::Delivery,
            Kind::DeliveryForgotten,
            Kind::Run,
            Kind::Incident,
        ] {
            let last = self.ids(&Key::of(kind), None, true, 1)?.pop();
            newest = newest.max(last.map(|id| DeliveryId::from_u128(id).created_at()));
        }
        Ok(newest)
    }

    /// A segment before `first` in which the payload of a delivery lies that is known; the oldest.
    pub(in crate::store) fn segment_before(&self, first: u64) -> Result<Option<u64>, ReadError> {
        let prefix = Key::of(Kind::DeliveryBySegment);
        let oldest = self.kv.scan(Scan {
            prefix: prefix.bytes(),
            after: None,
            newest_first: false,
            limit: 1,
        })?;
        let segment = oldest.first().and_then(|(key, _)| {
            let number = key.get(1..9)?.try_into().ok()?;
            Some(u64::from_be_bytes(number))
        });
        Ok(segment.filter(|segment| *segment < first))
    }

    /// Deliveries, newest first.
    pub(in crate::store) fn delivery_page(
        &self,
        of: Of,
        after: After<DeliveryId>,
    ) -> Result<Page<Delivery>, ReadError> {
        let prefix = list_of(of, Kind::DeliveryByOwner, Kind::DeliveryByConnection);
        self.page(
            &prefix,
            after.last.map(DeliveryId::as_u128),
            after.limit,
            |id| {
                let found = self.delivery_at(DeliveryId::from_u128(id))?;
                Ok(found.map(|(_, delivery)| delivery))
            },
        )
    }

    fn all<R: Record>(&self, kind: Kind) -> Result<Vec<R>, ReadError> {
        let ids = self.ids(&Key::of(kind), None, false, usize::MAX)?;
        self.each(kind, &ids)
    }

    fn each<R: Record>(&self, kind: Kind, ids: &[u128]) -> Result<Vec<R>, ReadError> {
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            records.extend(self.record(&Key::of(kind).id(*id))?);
        }
        Ok(records)
    }

    /// A page of what a list of ids leads to.
    fn page<T>(
        &self,
        prefix: &Key,
        last: Option<u128>,
        limit: usize,
        load: impl Fn(u128) -> Result<Option<T>, ReadError>,
    ) -> Result<Page<T>, ReadError> {
        let mut ids = self.ids(prefix, last, true, limit.saturating_add(1))?;
        let has_more = ids.len() > limit;
        ids.truncate(limit);
        let mut items = Vec::with_capacity(ids.len());
        for id in ids {
            items.extend(load(id)?);
        }
        Ok(Page { items, has_more })
    }

    fn connections_under(&self, prefix: &Key) -> Result<Vec<Connection>, ReadError> {
        let ids = self.ids(prefix, None, false, usize::MAX)?;
        self.each(Kind::Connection, &ids)
    }
}

fn list_of(of: Of, by_owner: Kind, by_connection: Kind) -> Key {
    match of {
        Of::Owner(owner) => Key::of(by_owner).id(owner.as_u128()),
        Of::Connection(connection) => Key::of(by_connection).id(connection.as_u128()),
    }
}

impl<S: Indexed> Read for S {
    fn user(&self, id: UserId) -> Result<Option<User>, ReadError> {
        self.index().record(&Key::of(Kind::User).id(id.as_u128()))
    }

    fn user_by_name(&self, name: &str) -> Result<Option<User>, ReadError> {
        match self.index().id_at(&user_name_key(name))? {
            Some(id) => self.user(UserId::from_u128(id)),
            None => Ok(None),
        }
    }

    fn users(&self) -> Result<Vec<User>, ReadError> {
        self.index().all(Kind::User)
    }

    fn token(&self, id: TokenId) -> Result<Option<TokenRecord>, ReadError> {
        self.index().record(&Key::of(Kind::Token).id(id.as_u128()))
    }

    fn tokens_of(&self, user: UserId) -> Result<Vec<TokenRecord>, ReadError> {
        let prefix = Key::of(Kind::TokenByUser).id(user.as_u128());
        let ids = self.index().ids(&prefix, None, true, usize::MAX)?;
        self.index().each(Kind::Token, &ids)
    }

    fn all_tokens(&self) -> Result<Vec<TokenRecord>, ReadError> {
        let ids = self
            .index()
            .ids(&Key::of(Kind::Token), None, true, usize::MAX)?;
        self.index().each(Kind::Token, &ids)
    }

    fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<TokenRecord>, ReadError> {
        match self.index().id_at(&Key::of(Kind::TokenByHash).raw(hash))? {
            Some(id) => self.index().record(&Key::of(Kind::Token).id(id)),
            None => Ok(None),
        }
    }

    fn credential(&self, id: CredentialId) -> Result<Option<Credential>, ReadError> {
        self.index()
            .record(&Key::of(Kind::Credential).id(id.as_u128()))
    }

    fn credentials(&self, owner: UserId) -> Result<Vec<Credential>, ReadError> {
        let prefix = Key::of(Kind::CredentialByOwner).id(owner.as_u128());
        let ids = self.index().ids(&prefix, None, true, usize::MAX)?;
        self.index().each(Kind::Credential, &ids)
    }

    fn shared_credentials(&self) -> Result<Vec<Credential>, ReadError> {
        let prefix = Key::of(Kind::CredentialShared);
        let ids = self.index().ids(&prefix, None, true, usize::MAX)?;
        self.index().each(Kind::Credential, &ids)
    }

    fn all_credentials(&self) -> Result<Vec<Credential>, ReadError> {
        self.index().all(Kind::Credential)
    }

    fn connection(&self, id: ConnectionId) -> Result<Option<Connection>, ReadError> {
        self.index()
            .record(&Key::of(Kind::Connection).id(id.as_u128()))
    }

    fn connection_by_hook_key(&self, key: &HookKey) -> Result<Option<Connection>, ReadError> {
        let key = Key::of(Kind::ConnectionByHookKey).raw(key.as_bytes());
        match self.index().id_at(&key)? {
            Some(id) => self.connection(ConnectionId::from_u128(id)),
            None => Ok(None),
        }
    }

    fn connections_by_repository(
        &self,
        provider: ProviderKind,
        repository: RepositoryId,
    ) -> Result<Vec<Connection>, ReadError> {
        let prefix = Key::of(Kind::ConnectionByRepository).provider(provider);
        self.index().connections_under(&prefix.number(repository.0))
    }

    fn connections_by_name(
        &self,
        provider: ProviderKind,
        full_name: &FullName,
    ) -> Result<Vec<Connection>, ReadError> {
        let prefix = Key::of(Kind::ConnectionByName)
            .provider(provider)
            .name(full_name);
        self.index().connections_under(&prefix)
    }

    fn connections_of(
        &self,
        owner: UserId,
        after: After<ConnectionId>,
    ) -> Result<Page<Connection>, ReadError> {
        let prefix = Key::of(Kind::ConnectionByOwner).id(owner.as_u128());
        let last = after.last.map(ConnectionId::as_u128);
        self.index().page(&prefix, last, after.limit, |id| {
            self.connection(ConnectionId::from_u128(id))
        })
    }

    fn connections(
        &self,
        owner: UserId,
        filter: &ConnectionFilter,
        after: After<ConnectionId>,
    ) -> Result<Listing<Connection, ConnectionId>, ReadError> {
        self.index().connection_list(owner, filter, after)
    }

    fn connection_counts(
        &self,
        owner: OwnerId,
    ) -> Result<BTreeMap<WebhookStatus, usize>, ReadError> {
        self.index().connection_counts(owner)
    }

    fn connections_using(
        &self,
        credential: CredentialId,
        owner: OwnerId,
        limit: usize,
    ) -> Result<Vec<Connection>, ReadError> {
        self.index().connections_using(credential, owner, limit)
    }

    fn connection_ids(&self) -> Result<Vec<ConnectionId>, ReadError> {
        let ids = self
            .index()
            .ids(&Key::of(Kind::Connection), None, false, usize::MAX)?;
        Ok(ids.into_iter().map(ConnectionId::from_u128).collect())
    }

    fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, ReadError> {
        Ok(self.index().delivery_at(id)?.map(|(_, delivery)| delivery))
    }

    fn payload(&self, id: DeliveryId) -> Result<Option<Payload>, ReadError> {
        found_at(self.index(), id, |place| self.payload_at(id, place))
    }

    fn body(&self, id: DeliveryId) -> Result<Option<StoredBody>, ReadError> {
        found_at(self.index(), id, |place| self.body_at(id, place))
    }

    fn deliveries(&self, of: Of, after: After<DeliveryId>) -> Result<Page<Delivery>, ReadError> {
        self.index().delivery_page(of, after)
    }

    fn deliveries_of(
        &self,
        owner: UserId,
        filter: &DeliveryFilter,
        after: After<DeliveryId>,
    ) -> Result<Listing<Delivery, DeliveryId>, ReadError> {
        self.index().delivery_list(owner, filter, after)
    }

    fn pending(&self, connection: ConnectionId, limit: usize) -> Result<Vec<Delivery>, ReadError> {
        let prefix = Key::of(Kind::DeliveryPending).id(connection.as_u128());
        let ids = self.index().ids(&prefix, None, false, limit)?;
        let mut deliveries = Vec::with_capacity(ids.len());
        for id in ids {
            deliveries.extend(self.delivery(DeliveryId::from_u128(id))?);
        }
        Ok(deliveries)
    }

    fn connections_with_pending(&self) -> Result<Vec<ConnectionId>, ReadError> {
        self.index().with_pending()
    }

    fn run(&self, id: RunId) -> Result<Option<Run>, ReadError> {
        self.index().record(&Key::of(Kind::Run).id(id.as_u128()))
    }

    fn run_by_provider_id(
        &self,
        connection: ConnectionId,
        family: Family,
        provider_run_id: u64,
    ) -> Result<Option<Run>, ReadError> {
        let key = run_key(connection, family, provider_run_id);
        match self.index().id_at(&key)? {
            Some(id) => self.run(RunId::from_u128(id)),
            None => Ok(None),
        }
    }

    fn runs(&self, of: Of, after: After<RunId>) -> Result<Page<Run>, ReadError> {
        let prefix = list_of(of, Kind::RunByOwner, Kind::RunByConnection);
        let last = after.last.map(RunId::as_u128);
        self.index().page(&prefix, last, after.limit, |id| {
            self.run(RunId::from_u128(id))
        })
    }

    fn runs_of(
        &self,
        owner: UserId,
        filter: &RunFilter,
        after: After<RunId>,
    ) -> Result<Listing<Run, RunId>, ReadError> {
        self.index().run_list(owner, filter, after)
    }

    fn track(&self, key: &TrackKey) -> Result<Option<Track>, ReadError> {
        self.index().record(&track_key(key))
    }

    fn note(&self, key: &NoteKey) -> Result<Option<Note>, ReadError> {
        self.index().record(&note_key(key))
    }

    fn incident(&self, id: IncidentId) -> Result<Option<Incident>, ReadError> {
        self.index()
            .record(&Key::of(Kind::Incident).id(id.as_u128()))
    }

    fn incidents_of(
        &self,
        owner: UserId,
        filter: &IncidentFilter,
        after: After<IncidentId>,
    ) -> Result<Listing<Incident, IncidentId>, ReadError> {
        self.index().incident_list(owner, filter, after)
    }

    fn unresolved_incidents(&self, subject: Subject) -> Result<Vec<Incident>, ReadError> {
        let prefix = Key::of(Kind::IncidentUnresolved).id(subject.as_u128());
        let ids = self.index().ids(&prefix, None, false, usize::MAX)?;
        self.index().each(Kind::Incident, &ids)
    }

    fn canary(&self) -> Result<Option<Sealed>, ReadError> {
        self.index().record(&Key::of(Kind::Canary))
    }

    fn status(&self) -> StoreStatus {
        self.store_status()
    }
}
