//! The reads of the index, which answer at once: for the store's own work, guards and snapshots.
//! What others read through is in [`super::answers`].

use super::apply::{delivery_key, guarded_connection, note_key, read_delivery, run_key, track_key};
use super::key::{Key, Kind, list_of};
use super::people::user_name_key;
use super::{Index, Kv, Place, Scan};
use crate::domain::connection::{Connection, WebhookStatus};
use crate::domain::delivery::Delivery;
use crate::domain::id::{
    ConnectionId, CredentialId, DeliveryId, HookKey, IncidentId, RunId, TokenId, UserId,
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
use crate::store::{After, Of, Page, ReadError, Waiting};
use crate::telemetry::{may_log, metric};
use metrics::counter;
use std::cell::Cell;

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
    pub(in crate::store) fn connections_with_pending(
        &self,
    ) -> Result<Vec<ConnectionId>, ReadError> {
        let ids = self.firsts(Kind::DeliveryPending)?;
        Ok(ids.into_iter().map(ConnectionId::from_u128).collect())
    }

    /// How many deliveries wait to be processed: their keys are counted, at most so many.
    pub(in crate::store) fn deliveries_waiting(&self, most: usize) -> Result<Waiting, ReadError> {
        const CHUNK: usize = 1000;
        const ID_BYTES: usize = 16;
        let prefix = Key::of(Kind::DeliveryPending);
        let (mut waiting, mut after) = (Waiting::default(), None::<Vec<u8>>);
        let (mut of, mut run) = (Vec::new(), 0);
        while waiting.deliveries < most {
            let found = self.kv.scan(Scan {
                prefix: prefix.bytes(),
                after: after.as_deref(),
                newest_first: false,
                limit: CHUNK.min(most - waiting.deliveries),
            })?;
            for (key, _) in &found {
                let connection = &key[..key.len().saturating_sub(ID_BYTES)];
                if connection != of {
                    (of, run) = (connection.to_vec(), 0);
                    waiting.connections += 1;
                }
                run += 1;
                waiting.deliveries += 1;
                waiting.longest = waiting.longest.max(run);
            }
            match found.into_iter().last() {
                Some((last, _)) => after = Some(last),
                None => break,
            }
        }
        Ok(waiting)
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
            Kind::Command,
            Kind::Operation,
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
    pub(in crate::store) fn deliveries(
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

    pub(super) fn each<R: Record>(&self, kind: Kind, ids: &[u128]) -> Result<Vec<R>, ReadError> {
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            records.extend(self.record(&Key::of(kind).id(*id))?);
        }
        Ok(records)
    }

    /// A page of what a list of ids leads to.
    pub(super) fn page<T>(
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

impl<K: Kv> Index<K> {
    pub(in crate::store) fn user(&self, id: UserId) -> Result<Option<User>, ReadError> {
        self.record(&Key::of(Kind::User).id(id.as_u128()))
    }

    pub(super) fn user_by_name(&self, name: &str) -> Result<Option<User>, ReadError> {
        match self.id_at(&user_name_key(name))? {
            Some(id) => self.user(UserId::from_u128(id)),
            None => Ok(None),
        }
    }

    pub(super) fn users(&self) -> Result<Vec<User>, ReadError> {
        self.all(Kind::User)
    }

    pub(super) fn token(&self, id: TokenId) -> Result<Option<TokenRecord>, ReadError> {
        self.record(&Key::of(Kind::Token).id(id.as_u128()))
    }

    pub(super) fn tokens_of(&self, user: UserId) -> Result<Vec<TokenRecord>, ReadError> {
        let prefix = Key::of(Kind::TokenByUser).id(user.as_u128());
        let ids = self.ids(&prefix, None, true, usize::MAX)?;
        self.each(Kind::Token, &ids)
    }

    pub(super) fn all_tokens(&self) -> Result<Vec<TokenRecord>, ReadError> {
        let ids = self.ids(&Key::of(Kind::Token), None, true, usize::MAX)?;
        self.each(Kind::Token, &ids)
    }

    pub(super) fn token_by_hash(&self, hash: &[u8; 32]) -> Result<Option<TokenRecord>, ReadError> {
        match self.id_at(&Key::of(Kind::TokenByHash).raw(hash))? {
            Some(id) => self.record(&Key::of(Kind::Token).id(id)),
            None => Ok(None),
        }
    }

    pub(in crate::store) fn credential(
        &self,
        id: CredentialId,
    ) -> Result<Option<Credential>, ReadError> {
        self.record(&Key::of(Kind::Credential).id(id.as_u128()))
    }

    pub(super) fn credentials(&self, owner: UserId) -> Result<Vec<Credential>, ReadError> {
        let prefix = Key::of(Kind::CredentialByOwner).id(owner.as_u128());
        let ids = self.ids(&prefix, None, true, usize::MAX)?;
        self.each(Kind::Credential, &ids)
    }

    pub(super) fn shared_credentials(&self) -> Result<Vec<Credential>, ReadError> {
        let prefix = Key::of(Kind::CredentialShared);
        let ids = self.ids(&prefix, None, true, usize::MAX)?;
        self.each(Kind::Credential, &ids)
    }

    pub(super) fn all_credentials(
        &self,
        after: After<CredentialId>,
    ) -> Result<Page<Credential>, ReadError> {
        let last = after.last.map(CredentialId::as_u128);
        self.page_of_all(Kind::Credential, last, after.limit)
    }

    pub(super) fn all_connections(
        &self,
        after: After<ConnectionId>,
    ) -> Result<Page<Connection>, ReadError> {
        let last = after.last.map(ConnectionId::as_u128);
        self.page_of_all(Kind::Connection, last, after.limit)
    }

    /// A page of all records of a kind. A damaged one is left out, counted and logged: the others
    /// are still used.
    fn page_of_all<R: Record>(
        &self,
        kind: Kind,
        mut last: Option<u128>,
        limit: usize,
    ) -> Result<Page<R>, ReadError> {
        loop {
            let seen = Cell::new(last);
            let page = self.page(&Key::of(kind), last, limit, |id| {
                seen.set(Some(id));
                match self.record(&Key::of(kind).id(id)) {
                    Err(error @ ReadError::Damaged { kind }) => {
                        counter!(metric::LEFT_OUT, "kind" => kind).increment(1);
                        if may_log("record_left_out") {
                            tracing::error!(%error, "record_left_out");
                        }
                        Ok(None)
                    }
                    found => found,
                }
            })?;
            // The next page continues after the last record of this one.
            if !page.items.is_empty() || !page.has_more {
                return Ok(page);
            }
            last = seen.get();
        }
    }

    pub(in crate::store) fn connection(
        &self,
        id: ConnectionId,
    ) -> Result<Option<Connection>, ReadError> {
        self.record(&Key::of(Kind::Connection).id(id.as_u128()))
    }

    pub(super) fn connection_by_hook_key(
        &self,
        key: &HookKey,
    ) -> Result<Option<Connection>, ReadError> {
        let key = Key::of(Kind::ConnectionByHookKey).raw(key.as_bytes());
        match self.id_at(&key)? {
            Some(id) => self.connection(ConnectionId::from_u128(id)),
            None => Ok(None),
        }
    }

    pub(super) fn connections_by_repository(
        &self,
        provider: ProviderKind,
        repository: RepositoryId,
    ) -> Result<Vec<Connection>, ReadError> {
        let prefix = Key::of(Kind::ConnectionByRepository).provider(provider);
        self.connections_under(&prefix.number(repository.0))
    }

    pub(super) fn connections_by_name(
        &self,
        provider: ProviderKind,
        full_name: &FullName,
    ) -> Result<Vec<Connection>, ReadError> {
        let prefix = Key::of(Kind::ConnectionByName)
            .provider(provider)
            .name(full_name);
        self.connections_under(&prefix)
    }

    pub(super) fn connections_of(
        &self,
        owner: UserId,
        after: After<ConnectionId>,
    ) -> Result<Page<Connection>, ReadError> {
        let prefix = Key::of(Kind::ConnectionByOwner).id(owner.as_u128());
        let last = after.last.map(ConnectionId::as_u128);
        self.page(&prefix, last, after.limit, |id| {
            self.connection(ConnectionId::from_u128(id))
        })
    }

    pub(super) fn connection_ids(&self) -> Result<Vec<ConnectionId>, ReadError> {
        // Of keys without values: the records are much longer.
        let mut ids = self.ids(&Key::of(Kind::ConnectionByOwner), None, false, usize::MAX)?;
        ids.sort_unstable();
        Ok(ids.into_iter().map(ConnectionId::from_u128).collect())
    }

    pub(super) fn connections_unsettled(&self) -> Result<Vec<ConnectionId>, ReadError> {
        let mut found = Vec::new();
        for owner in self.firsts(Kind::ConnectionByStatus)? {
            let all = WebhookStatus::ALL.into_iter();
            for status in all.filter(|status| *status != WebhookStatus::Active) {
                let list = Key::of(Kind::ConnectionByStatus).id(owner);
                found.extend(self.ids(&list.word(status.as_str()), None, false, usize::MAX)?);
            }
        }
        found.extend(self.ids(&Key::of(Kind::ConnectionLeaving), None, false, usize::MAX)?);
        Ok(found.into_iter().map(ConnectionId::from_u128).collect())
    }

    pub(in crate::store) fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, ReadError> {
        Ok(self.delivery_at(id)?.map(|(_, delivery)| delivery))
    }

    pub(in crate::store) fn pending(
        &self,
        connection: ConnectionId,
        limit: usize,
    ) -> Result<Vec<Delivery>, ReadError> {
        let prefix = Key::of(Kind::DeliveryPending).id(connection.as_u128());
        let ids = self.ids(&prefix, None, false, limit)?;
        let mut deliveries = Vec::with_capacity(ids.len());
        for id in ids {
            deliveries.extend(self.delivery(DeliveryId::from_u128(id))?);
        }
        Ok(deliveries)
    }

    pub(super) fn run(&self, id: RunId) -> Result<Option<Run>, ReadError> {
        self.record(&Key::of(Kind::Run).id(id.as_u128()))
    }

    pub(super) fn run_by_provider_id(
        &self,
        connection: ConnectionId,
        family: Family,
        provider_run_id: u64,
    ) -> Result<Option<Run>, ReadError> {
        let key = run_key(connection, family, provider_run_id);
        match self.id_at(&key)? {
            Some(id) => self.run(RunId::from_u128(id)),
            None => Ok(None),
        }
    }

    pub(super) fn runs(&self, of: Of, after: After<RunId>) -> Result<Page<Run>, ReadError> {
        let prefix = list_of(of, Kind::RunByOwner, Kind::RunByConnection);
        let last = after.last.map(RunId::as_u128);
        self.page(&prefix, last, after.limit, |id| {
            self.run(RunId::from_u128(id))
        })
    }

    pub(super) fn track(&self, key: &TrackKey) -> Result<Option<Track>, ReadError> {
        self.record(&track_key(key))
    }

    pub(super) fn note(&self, key: &NoteKey) -> Result<Option<Note>, ReadError> {
        self.record(&note_key(key))
    }

    pub(super) fn incident(&self, id: IncidentId) -> Result<Option<Incident>, ReadError> {
        self.record(&Key::of(Kind::Incident).id(id.as_u128()))
    }

    pub(super) fn unresolved_incidents(
        &self,
        subject: Subject,
    ) -> Result<Vec<Incident>, ReadError> {
        self.each(Kind::Incident, &self.unresolved(subject.as_u128())?)
    }

    pub(in crate::store) fn canary(&self) -> Result<Option<Sealed>, ReadError> {
        self.record(&Key::of(Kind::Canary))
    }
}
