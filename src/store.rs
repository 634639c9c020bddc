//! Where state lives: one way to write, many ways to read.
//!
//! Everything is written by [`Store::commit`], which is atomic and returns when the batch
//! survives power loss. Reads go to a view in memory or in sled and never wait for a commit.

mod archive;
mod body;
#[cfg(test)]
mod contract;
mod counts;
pub mod disk;
#[cfg(test)]
pub mod faulty;
mod files;
mod index;
mod journal;
mod list;
pub mod memory;
pub mod mortal;
mod reading;
mod record;
mod reporting;
mod snapshot;
mod tally;
pub mod tools;
mod view;
mod write;

pub use body::StoredBody;
pub use list::{
    ConnectionFilter, DeliveryFilter, IncidentFilter, LOOKED_AT_MAX, Listing, NotificationFilter,
    Order, Pages, RunFilter, Whose, pages,
};

pub use counts::{Counts, Scope, Unresolved, Waiting};
pub use reading::{After, Of, Page, ReadError, Reading};
pub use reporting::report;
pub use write::{
    Adoption, Batch, Change, CommitError, Committing, Conflict, Guard, Lease, Priority,
};

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
use std::collections::BTreeMap;
use tokio::sync::watch;

/// How the store is doing, for health and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// `None` when deliveries are accepted; otherwise why not, in words.
    pub trouble: Option<String>,
    /// Bytes of the journal on disk.
    pub journal_bytes: u64,
    /// Segments of the journal.
    pub segments: u64,
    /// Bytes of the view on disk.
    pub view_bytes: u64,
    /// Places where damage was found since the daemon started, including at start.
    pub damaged: u64,
    /// Batches waiting to be committed.
    pub queued: u64,
}

/// The reads.
///
/// Each shows everything whose commit was answered before the read began (by any caller), and
/// may show what is about to be answered; it never waits for a commit. A record is shown whole. Two
/// reads may see different moments. What is not there is `None` or an empty list, not an error.
///
/// Pages go from the newest to the oldest by id. While others write, a walk from page to page
/// shows everything that was there all the time once, what is added at most once (what is newer
/// than its first page not at all), and what is forgotten at most once.
pub trait Read: Send + Sync {
    /// A user.
    fn user(&self, id: UserId) -> Reading<'_, Option<User>>;
    /// A user by name.
    fn user_by_name(&self, name: &str) -> Reading<'_, Option<User>>;
    /// All users.
    fn users(&self) -> Reading<'_, Vec<User>>;
    /// An API token.
    fn token(&self, id: TokenId) -> Reading<'_, Option<TokenRecord>>;
    /// The API tokens of a user, newest first.
    fn tokens_of(&self, user: UserId) -> Reading<'_, Vec<TokenRecord>>;
    /// Every API token there is, newest first.
    fn all_tokens(&self) -> Reading<'_, Vec<TokenRecord>>;
    /// An API token by the BLAKE3 hash of its text.
    fn token_by_hash(&self, hash: &[u8; 32]) -> Reading<'_, Option<TokenRecord>>;

    /// A credential.
    fn credential(&self, id: CredentialId) -> Reading<'_, Option<Credential>>;
    /// The credentials of a user, newest first.
    fn credentials(&self, owner: UserId) -> Reading<'_, Vec<Credential>>;
    /// The credentials that their owners share, newest first.
    fn shared_credentials(&self) -> Reading<'_, Vec<Credential>>;
    /// Every credential there is, newest first. A damaged one is left out, counted and logged.
    fn all_credentials(&self, after: After<CredentialId>) -> Reading<'_, Page<Credential>>;

    /// A connection.
    fn connection(&self, id: ConnectionId) -> Reading<'_, Option<Connection>>;
    /// The connection with this mark in its hook's URL, removed ones included.
    fn connection_by_hook_key(&self, key: &HookKey) -> Reading<'_, Option<Connection>>;
    /// All connections of all users to a repository, by the provider's id of it.
    fn connections_by_repository(
        &self,
        provider: ProviderKind,
        repository: RepositoryId,
    ) -> Reading<'_, Vec<Connection>>;
    /// All connections of all users to a repository, by its name, ignoring case.
    fn connections_by_name(
        &self,
        provider: ProviderKind,
        full_name: &FullName,
    ) -> Reading<'_, Vec<Connection>>;
    /// Every connection there is, newest first, removed ones included. A damaged one is left out,
    /// counted and logged.
    fn all_connections(&self, after: After<ConnectionId>) -> Reading<'_, Page<Connection>>;
    /// A user's connections, newest first, removed ones included.
    fn connections_of(
        &self,
        owner: UserId,
        after: After<ConnectionId>,
    ) -> Reading<'_, Page<Connection>>;
    /// A user's connections that fit, newest first: those that are not removed, or are leaving.
    fn connections(
        &self,
        owner: UserId,
        filter: &ConnectionFilter,
        after: After<ConnectionId>,
    ) -> Reading<'_, Listing<Connection, ConnectionId>>;
    /// How many there are of what, kept by the store and never walked.
    fn counts(&self, of: Scope) -> Reading<'_, Counts>;
    /// When the newest delivery of each kind of provider was received, to a few seconds, as far
    /// as their connections know of it.
    fn latest_deliveries(&self) -> Reading<'_, BTreeMap<ProviderKind, Timestamp>>;
    /// The connections that call with this credential of `owner`, or that it was named for, and
    /// the owner's that have called with none so far; with those whose hook is still to be
    /// deleted. Newest first.
    fn connections_using(
        &self,
        credential: CredentialId,
        owner: OwnerId,
        after: After<ConnectionId>,
    ) -> Reading<'_, Page<Connection>>;
    /// The ids of all connections, oldest first.
    fn connection_ids(&self) -> Reading<'_, Vec<ConnectionId>>;
    /// The connections with another status than active, those that are being removed included.
    fn connections_unsettled(&self) -> Reading<'_, Vec<ConnectionId>>;

    /// A delivery.
    fn delivery(&self, id: DeliveryId) -> Reading<'_, Option<Delivery>>;
    /// The delivery of this connection that has this id of the provider or one of these digests: a
    /// new one that has is a duplicate of it. What is found is durable. A guard says the same once
    /// more when the new one is committed.
    fn delivery_known(
        &self,
        connection: ConnectionId,
        provider_delivery_id: &str,
        digests: &[BodyDigest],
    ) -> Reading<'_, Option<DeliveryId>>;
    /// Whether bodies may be known by SHA-256 only, as an older version stored them.
    fn has_older_digests(&self) -> Reading<'_, bool>;
    /// A delivery's payload; `None` when retention took it.
    fn payload(&self, id: DeliveryId) -> Reading<'_, Option<Payload>>;
    /// The same, to be read a little at a time: a large body is never in memory whole.
    fn body(&self, id: DeliveryId) -> Reading<'_, Option<StoredBody>>;
    /// Deliveries, newest first.
    fn deliveries(&self, of: Of, after: After<DeliveryId>) -> Reading<'_, Page<Delivery>>;
    /// A user's deliveries that fit, in the filter's order.
    fn deliveries_of(
        &self,
        owner: UserId,
        filter: &DeliveryFilter,
        after: After<DeliveryId>,
    ) -> Reading<'_, Listing<Delivery, DeliveryId>>;
    /// A connection's deliveries that are received and not processed, oldest first.
    fn pending(&self, connection: ConnectionId, limit: usize) -> Reading<'_, Vec<Delivery>>;
    /// The connections that have such deliveries.
    fn connections_with_pending(&self) -> Reading<'_, Vec<ConnectionId>>;

    /// How many deliveries wait to be processed. At most so many are counted.
    fn deliveries_waiting(&self, most: usize) -> Reading<'_, Waiting>;

    /// A run.
    fn run(&self, id: RunId) -> Reading<'_, Option<Run>>;
    /// A run by the provider's id of it, which is one of its family.
    fn run_by_provider_id(
        &self,
        connection: ConnectionId,
        family: Family,
        provider_run_id: u64,
    ) -> Reading<'_, Option<Run>>;
    /// Runs, newest first.
    fn runs(&self, of: Of, after: After<RunId>) -> Reading<'_, Page<Run>>;
    /// A user's runs that fit, newest first.
    fn runs_of(
        &self,
        owner: UserId,
        filter: &RunFilter,
        after: After<RunId>,
    ) -> Reading<'_, Listing<Run, RunId>>;
    /// A track.
    fn track(&self, key: &TrackKey) -> Reading<'_, Option<Track>>;
    /// The note of a place.
    fn note(&self, key: &NoteKey) -> Reading<'_, Option<Note>>;

    /// An incident.
    fn incident(&self, id: IncidentId) -> Reading<'_, Option<Incident>>;
    /// A user's incidents that fit, newest first.
    fn incidents_of(
        &self,
        owner: UserId,
        filter: &IncidentFilter,
        after: After<IncidentId>,
    ) -> Reading<'_, Listing<Incident, IncidentId>>;
    /// The incidents about a connection or a credential that are not resolved.
    fn unresolved_incidents(&self, subject: Subject) -> Reading<'_, Vec<Incident>>;

    /// A command.
    fn command(&self, id: CommandId) -> Reading<'_, Option<Command>>;
    /// The commands that wait for a connection's actor, in the order in which they were asked.
    fn commands_asked(&self, connection: ConnectionId, limit: usize) -> Reading<'_, Vec<Command>>;
    /// The commands of a connection, pending and ended ones, newest first.
    fn commands_of(
        &self,
        connection: ConnectionId,
        after: After<CommandId>,
    ) -> Reading<'_, Page<Command>>;
    /// The commands of a connection but for its `newest`, newest first, at most `limit`.
    fn commands_beyond(
        &self,
        connection: ConnectionId,
        newest: usize,
        limit: usize,
    ) -> Reading<'_, Vec<Command>>;
    /// The connections that commands wait for.
    fn connections_with_commands(&self) -> Reading<'_, Vec<ConnectionId>>;

    /// An operation.
    fn operation(&self, id: OperationId) -> Reading<'_, Option<Operation>>;
    /// Some items of an operation; `None` once they are forgotten.
    fn operation_chunk(&self, id: OperationId, index: u32) -> Reading<'_, Option<Chunk>>;
    /// The operations of an owner, newest first.
    fn operations_of(
        &self,
        owner: OwnerId,
        after: After<OperationId>,
    ) -> Reading<'_, Page<Operation>>;
    /// The operations of an owner but for the `newest`, newest first, at most `limit`.
    fn operations_beyond(
        &self,
        owner: OwnerId,
        newest: usize,
        limit: usize,
    ) -> Reading<'_, Vec<Operation>>;
    /// All operations that have not ended.
    fn operations_unfinished(&self) -> Reading<'_, Vec<Operation>>;
    /// The history of a connection; `None` when nothing happened to it since there are histories.
    fn history(&self, connection: ConnectionId) -> Reading<'_, Option<History>>;
    /// What a connection does about hooks of others; `None` when there was nothing to do.
    fn takeover(&self, connection: ConnectionId) -> Reading<'_, Option<Takeover>>;

    /// The ledger of a connection; `None` before its first reconcile.
    fn ledger(&self, connection: ConnectionId) -> Reading<'_, Option<Ledger>>;
    /// A gap.
    fn gap(&self, id: GapId) -> Reading<'_, Option<Gap>>;
    /// Gaps, newest first.
    fn gaps(&self, of: Of, after: After<GapId>) -> Reading<'_, Page<Gap>>;
    /// The sum of the totals in an owner's ledgers, kept by the store and never walked.
    fn gap_totals(&self, owner: OwnerId) -> Reading<'_, Totals>;
    /// When the oldest delivery was sent that is missing at an owner's connections and not given
    /// up; see [`Ledger::behind_since`].
    fn behind_since(&self, owner: OwnerId) -> Reading<'_, Option<Timestamp>>;
    /// The same of all owners. Walks the connections at which any is missing.
    fn all_behind_since(&self) -> Reading<'_, Option<Timestamp>>;
    /// Requests to reconcile that are not answered, at most `limit`, in the order of their
    /// connections, of those after this one.
    fn reconciles_asked(
        &self,
        after: Option<ConnectionId>,
        limit: usize,
    ) -> Reading<'_, Vec<Asked>>;
    /// The request to reconcile a connection, if one is not answered.
    fn reconcile_asked(&self, connection: ConnectionId) -> Reading<'_, Option<Asked>>;
    /// When the daemon was last known to run, and its outages; `None` in a store that never
    /// recorded it.
    fn uptime(&self) -> Reading<'_, Option<Uptime>>;

    /// The last outage of each installation of a provider that had one, also when it has ended.
    fn outages(&self) -> Reading<'_, Vec<ProviderOutage>>;

    /// The last trouble of the server of each kind that it had, also when it has ended.
    fn troubles(&self) -> Reading<'_, Vec<ServerTrouble>>;

    /// The waits that providers have asked for, at most one of each credential, also when it has
    /// ended. One ends with its credential.
    fn holds(&self) -> Reading<'_, Vec<Hold>>;

    /// A sink.
    fn sink(&self, id: SinkId) -> Reading<'_, Option<Sink>>;
    /// The sinks of an owner, newest first.
    fn sinks_of(&self, owner: OwnerId) -> Reading<'_, Vec<Sink>>;
    /// The rules of an owner.
    fn rulebook(&self, owner: OwnerId) -> Reading<'_, Option<Rulebook>>;
    /// The sinks for which notifications wait.
    fn sinks_with_notifications(&self) -> Reading<'_, Vec<SinkId>>;
    /// A notification.
    fn notification(&self, id: NotificationId) -> Reading<'_, Option<Notification>>;
    /// An owner's notifications that fit, newest first.
    fn notifications_of(
        &self,
        owner: OwnerId,
        filter: NotificationFilter,
        after: After<NotificationId>,
    ) -> Reading<'_, Listing<Notification, NotificationId>>;
    /// The notifications of an incident that wait for a sink, oldest first.
    fn notifications_waiting(
        &self,
        incident: IncidentId,
        sink: SinkId,
    ) -> Reading<'_, Vec<Notification>>;
    /// The notifications that wait for a sink, the one that is due first first, at most `limit`.
    fn notifications_due(&self, sink: SinkId, limit: usize) -> Reading<'_, Vec<Notification>>;
    /// The notifications that wait for a sink, oldest first, at most `limit`.
    fn notifications_of_sink(&self, sink: SinkId, limit: usize) -> Reading<'_, Vec<Notification>>;
    /// What a sink shows of an incident.
    fn thread(&self, incident: IncidentId, sink: SinkId) -> Reading<'_, Option<Thread>>;
    /// What all sinks show of an incident.
    fn threads(&self, incident: IncidentId) -> Reading<'_, Vec<Thread>>;
    /// The incidents that a sink shows as open, oldest first, at most `limit`, of those after this
    /// one.
    fn incidents_shown_open(
        &self,
        sink: SinkId,
        after: Option<IncidentId>,
        limit: usize,
    ) -> Reading<'_, Vec<IncidentId>>;
    /// The sinks that show any incident as open.
    fn sinks_showing_open(&self) -> Reading<'_, Vec<SinkId>>;
    /// The standing with which an incident was last announced.
    fn announced(&self, incident: IncidentId) -> Reading<'_, Option<Announced>>;
    /// The incidents after this one that stand otherwise than they were last announced, oldest
    /// first, at most `limit`.
    fn incidents_unannounced(
        &self,
        after: Option<IncidentId>,
        limit: usize,
    ) -> Reading<'_, Vec<IncidentId>>;
    /// The explanation of an incident.
    fn explanation(&self, incident: IncidentId) -> Reading<'_, Option<Explanation>>;
    /// The incidents that are to be explained, each with when it is due, the one that is due first
    /// first, at most `limit`, of those after this one.
    fn incidents_unexplained(
        &self,
        after: Option<(Timestamp, IncidentId)>,
        limit: usize,
    ) -> Reading<'_, Vec<(Timestamp, IncidentId)>>;
    /// Changes whenever an incident is added to one of these lists, and at times when none is.
    fn incident_news(&self) -> watch::Receiver<u64>;

    /// The canary.
    fn canary(&self) -> Reading<'_, Option<Sealed>>;
    /// How the store is doing.
    fn status(&self) -> StoreStatus;
}

/// The store.
pub trait Store: Read {
    /// Commits a batch: all of it or nothing, durable when the future resolves to `Ok`, and
    /// visible to reads by then. Batches are applied in the order of submission.
    ///
    /// The awkward case: after [`CommitError::Failed`] the batch may or may not be found after a
    /// restart, as with any write whose answer was lost.
    fn commit(&self, batch: Batch) -> Committing;

    /// The lease of a connection, for who asks first: `None` while another process holds it. The
    /// store that one process has for itself grants every one, also of a connection that is not
    /// there (yet), and never again to another: see [`Lease::own`].
    fn lease(&self, connection: ConnectionId) -> Reading<'_, Option<Lease>>;
}
