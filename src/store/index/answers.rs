//! The reads of every store that has an index: what the index knows is answered at once.

use super::{Index, Kv, Place};
use crate::domain::command::Command;
use crate::domain::connection::Connection;
use crate::domain::delivery::{BodyDigest, Delivery, Payload};
use crate::domain::explanation::Explanation;
use crate::domain::history::History;
use crate::domain::id::{
    CommandId, ConnectionId, CredentialId, DeliveryId, GapId, HookKey, IncidentId, NotificationId,
    OperationId, OwnerId, RunId, SinkId, TokenId, UserId,
};
use crate::domain::incident::track::{Track, TrackKey};
use crate::domain::incident::{Incident, Subject};
use crate::domain::lane::place::{Note, NoteKey};
use crate::domain::ledger::{Asked, Gap, Ledger, Totals, Uptime};
use crate::domain::notification::{Announced, Notification, Thread};
use crate::domain::operation::{Chunk, Operation};
use crate::domain::outage::ProviderOutage;
use crate::domain::pace::Hold;
use crate::domain::repo::{FullName, ProviderKind, RepositoryId};
use crate::domain::rulebook::Rulebook;
use crate::domain::run::{Family, Run};
use crate::domain::secret::Sealed;
use crate::domain::server_trouble::ServerTrouble;
use crate::domain::sink::Sink;
use crate::domain::takeover::Takeover;
use crate::domain::time::Timestamp;
use crate::domain::user::{Credential, TokenRecord, User};
use crate::store::{
    After, ConnectionFilter, Counts, DeliveryFilter, IncidentFilter, Listing, NotificationFilter,
    Of, Page, Read, ReadError, Reading, RunFilter, Scope, StoreStatus, StoredBody, Waiting,
};
use std::collections::BTreeMap;
use tokio::sync::watch;

/// A look at many records.
pub(in crate::store) type Look<K, T> = Box<dyn FnOnce(&Index<K>) -> Result<T, ReadError> + Send>;

/// Where payloads are: apart from their store, so that a walk can take it along.
pub(in crate::store) trait Payloads: Send + 'static {
    /// The payload at a place; `None` when it is gone.
    fn payload_at(&self, id: DeliveryId, place: Place) -> Result<Option<Payload>, ReadError>;
    /// The same, to be read a little at a time.
    fn body_at(&self, id: DeliveryId, place: Place) -> Result<Option<StoredBody>, ReadError> {
        Ok(self.payload_at(id, place)?.map(StoredBody::from))
    }
}

/// Payloads up to this size are read where they are asked for: that takes less than to have it
/// done elsewhere.
const AT_ONCE_BYTES_MAX: u32 = 64 * 1024;

/// A store whose reads come from an index.
pub(in crate::store) trait Indexed: Send + Sync {
    /// The key-value space.
    type Kv: Kv;
    /// The index.
    fn index(&self) -> &Index<Self::Kv>;
    /// Where payloads are.
    type Payloads: Payloads;
    /// Where payloads are.
    fn payloads(&self) -> Self::Payloads;
    /// Looks at many records: where that takes its time, away from the threads that serve.
    fn walk<T: Send + 'static>(&self, look: Look<Self::Kv, T>) -> Reading<'_, T> {
        look(self.index()).into()
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

/// The same; a large payload is checked whole, and so away from the threads that serve.
fn read_payload<S: Indexed, T: Send + 'static>(
    store: &S,
    id: DeliveryId,
    read: impl Fn(Place) -> Result<Option<T>, ReadError> + Send + 'static,
) -> Reading<'_, Option<T>> {
    match store.index().delivery(id) {
        Ok(Some(delivery)) if delivery.body_bytes > AT_ONCE_BYTES_MAX => {
            store.walk(Box::new(move |index| found_at(index, id, read)))
        }
        Ok(Some(_)) => found_at(store.index(), id, read).into(),
        Ok(None) => Ok(None).into(),
        Err(error) => Err(error).into(),
    }
}

/// Reads that the index answers.
macro_rules! answered {
    ($($name:ident($($arg:ident: $type:ty),*) -> $what:ty;)*) => {$(
        fn $name(&self, $($arg: $type),*) -> Reading<'_, $what> {
            self.index().$name($($arg),*).into()
        }
    )*};
}

/// Reads that look at many records.
macro_rules! walked {
    ($($name:ident($($arg:ident: $type:ty),*) -> $what:ty;)*) => {$(
        fn $name(&self, $($arg: $type),*) -> Reading<'_, $what> {
            self.walk(Box::new(move |index| index.$name($($arg),*)))
        }
    )*};
}

impl<S: Indexed> Read for S {
    answered! {
        user(id: UserId) -> Option<User>;
        user_by_name(name: &str) -> Option<User>;
        token(id: TokenId) -> Option<TokenRecord>;
        tokens_of(user: UserId) -> Vec<TokenRecord>;
        token_by_hash(hash: &[u8; 32]) -> Option<TokenRecord>;
        credential(id: CredentialId) -> Option<Credential>;
        credentials(owner: UserId) -> Vec<Credential>;
        shared_credentials() -> Vec<Credential>;
        connection(id: ConnectionId) -> Option<Connection>;
        connection_by_hook_key(key: &HookKey) -> Option<Connection>;
        connections_by_repository(
            provider: ProviderKind,
            repository: RepositoryId
        ) -> Vec<Connection>;
        connections_by_name(provider: ProviderKind, full_name: &FullName) -> Vec<Connection>;
        delivery(id: DeliveryId) -> Option<Delivery>;
        delivery_known(
            connection: ConnectionId,
            provider_delivery_id: &str,
            digests: &[BodyDigest]
        ) -> Option<DeliveryId>;
        has_older_digests() -> bool;
        deliveries(of: Of, after: After<DeliveryId>) -> Page<Delivery>;
        pending(connection: ConnectionId, limit: usize) -> Vec<Delivery>;
        run(id: RunId) -> Option<Run>;
        run_by_provider_id(
            connection: ConnectionId,
            family: Family,
            provider_run_id: u64
        ) -> Option<Run>;
        runs(of: Of, after: After<RunId>) -> Page<Run>;
        track(key: &TrackKey) -> Option<Track>;
        note(key: &NoteKey) -> Option<Note>;
        incident(id: IncidentId) -> Option<Incident>;
        unresolved_incidents(subject: Subject) -> Vec<Incident>;
        command(id: CommandId) -> Option<Command>;
        commands_asked(connection: ConnectionId, limit: usize) -> Vec<Command>;
        commands_of(connection: ConnectionId, after: After<CommandId>) -> Page<Command>;
        commands_beyond(connection: ConnectionId, newest: usize, limit: usize) -> Vec<Command>;
        operation(id: OperationId) -> Option<Operation>;
        operation_chunk(id: OperationId, index: u32) -> Option<Chunk>;
        operations_of(owner: OwnerId, after: After<OperationId>) -> Page<Operation>;
        operations_beyond(owner: OwnerId, newest: usize, limit: usize) -> Vec<Operation>;
        counts(of: Scope) -> Counts;
        latest_deliveries() -> BTreeMap<ProviderKind, Timestamp>;
        canary() -> Option<Sealed>;
        ledger(connection: ConnectionId) -> Option<Ledger>;
        gap(id: GapId) -> Option<Gap>;
        gaps(of: Of, after: After<GapId>) -> Page<Gap>;
        gap_totals(owner: OwnerId) -> Totals;
        behind_since(owner: OwnerId) -> Option<Timestamp>;
        reconciles_asked(after: Option<ConnectionId>, limit: usize) -> Vec<Asked>;
        reconcile_asked(connection: ConnectionId) -> Option<Asked>;
        uptime() -> Option<Uptime>;
        outages() -> Vec<ProviderOutage>;
        troubles() -> Vec<ServerTrouble>;
        holds() -> Vec<Hold>;
        history(connection: ConnectionId) -> Option<History>;
        takeover(connection: ConnectionId) -> Option<Takeover>;
        sink(id: SinkId) -> Option<Sink>;
        sinks_of(owner: OwnerId) -> Vec<Sink>;
        rulebook(owner: OwnerId) -> Option<Rulebook>;
        sinks_with_notifications() -> Vec<SinkId>;
        notification(id: NotificationId) -> Option<Notification>;
        notifications_waiting(incident: IncidentId, sink: SinkId) -> Vec<Notification>;
        notifications_of_sink(sink: SinkId, limit: usize) -> Vec<Notification>;
        notifications_due(sink: SinkId, limit: usize) -> Vec<Notification>;
        thread(incident: IncidentId, sink: SinkId) -> Option<Thread>;
        threads(incident: IncidentId) -> Vec<Thread>;
        incidents_shown_open(
            sink: SinkId,
            after: Option<IncidentId>,
            limit: usize
        ) -> Vec<IncidentId>;
        sinks_showing_open() -> Vec<SinkId>;
        announced(incident: IncidentId) -> Option<Announced>;
        incidents_unannounced(after: Option<IncidentId>, limit: usize) -> Vec<IncidentId>;
        explanation(incident: IncidentId) -> Option<Explanation>;
        incidents_unexplained(
            after: Option<(Timestamp, IncidentId)>,
            limit: usize
        ) -> Vec<(Timestamp, IncidentId)>;
    }

    walked! {
        all_behind_since() -> Option<Timestamp>;
        users() -> Vec<User>;
        all_tokens() -> Vec<TokenRecord>;
        all_credentials(after: After<CredentialId>) -> Page<Credential>;
        all_connections(after: After<ConnectionId>) -> Page<Connection>;
        connections_of(owner: UserId, after: After<ConnectionId>) -> Page<Connection>;
        connections_using(
            credential: CredentialId, owner: OwnerId, after: After<ConnectionId>
        ) -> Page<Connection>;
        connection_ids() -> Vec<ConnectionId>;
        connections_unsettled() -> Vec<ConnectionId>;
        connections_with_pending() -> Vec<ConnectionId>;
        deliveries_waiting(most: usize) -> Waiting;
        connections_with_commands() -> Vec<ConnectionId>;
        operations_unfinished() -> Vec<Operation>;
        notifications_of(
            owner: OwnerId, filter: NotificationFilter, after: After<NotificationId>
        ) -> Listing<Notification, NotificationId>;
    }

    fn incident_news(&self) -> watch::Receiver<u64> {
        self.index().incident_news()
    }

    fn connections(
        &self,
        owner: UserId,
        filter: &ConnectionFilter,
        after: After<ConnectionId>,
    ) -> Reading<'_, Listing<Connection, ConnectionId>> {
        let filter = filter.clone();
        self.walk(Box::new(move |index| {
            index.connections(owner, &filter, after)
        }))
    }

    fn deliveries_of(
        &self,
        owner: UserId,
        filter: &DeliveryFilter,
        after: After<DeliveryId>,
    ) -> Reading<'_, Listing<Delivery, DeliveryId>> {
        let filter = filter.clone();
        self.walk(Box::new(move |index| {
            index.deliveries_of(owner, &filter, after)
        }))
    }

    fn runs_of(
        &self,
        owner: UserId,
        filter: &RunFilter,
        after: After<RunId>,
    ) -> Reading<'_, Listing<Run, RunId>> {
        let filter = filter.clone();
        self.walk(Box::new(move |index| index.runs_of(owner, &filter, after)))
    }

    fn incidents_of(
        &self,
        owner: UserId,
        filter: &IncidentFilter,
        after: After<IncidentId>,
    ) -> Reading<'_, Listing<Incident, IncidentId>> {
        let filter = filter.clone();
        self.walk(Box::new(move |index| {
            index.incidents_of(owner, &filter, after)
        }))
    }

    fn payload(&self, id: DeliveryId) -> Reading<'_, Option<Payload>> {
        let payloads = self.payloads();
        read_payload(self, id, move |place| payloads.payload_at(id, place))
    }

    fn body(&self, id: DeliveryId) -> Reading<'_, Option<StoredBody>> {
        let payloads = self.payloads();
        read_payload(self, id, move |place| payloads.body_at(id, place))
    }

    fn status(&self) -> StoreStatus {
        self.store_status()
    }
}
