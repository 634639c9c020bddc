//! Where state lives: one way to write, many ways to read.
//!
//! Everything is written by [`Store::commit`], which is atomic and returns when the batch
//! survives power loss. Reads go to a view in memory or in sled and never wait for a commit.

mod archive;
mod body;
pub mod disk;
#[cfg(test)]
pub mod faulty;
mod files;
mod index;
mod journal;
mod list;
pub mod memory;
mod reading;
mod record;
mod snapshot;
mod tally;
pub mod tools;
mod view;

pub use body::StoredBody;
pub use list::{
    ConnectionFilter, DeliveryFilter, IncidentFilter, LOOKED_AT_MAX, Listing, RunFilter, Whose,
};

pub use reading::Reading;

use crate::domain::connection::{Connection, WebhookStatus};
use crate::domain::delivery::{Delivery, Payload};
use crate::domain::id::{
    ConnectionId, CredentialId, DeliveryId, HookKey, IncidentId, OwnerId, RunId, TokenId, UserId,
};
use crate::domain::incident::track::{Track, TrackKey};
use crate::domain::incident::{Incident, Subject};
use crate::domain::lane::place::{Note, NoteKey};
use crate::domain::repo::{FullName, Instance, ProviderKind, RepositoryId};
use crate::domain::run::{Family, Run};
use crate::domain::secret::Sealed;
use crate::domain::time::Timestamp;
use crate::domain::user::{Credential, TokenRecord, User};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

/// A change to one record. Each is absolute (it says what is, not what to add), so that applying
/// it twice does no harm.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Adds or replaces a user.
    PutUser(User),
    /// Forgets a user with their API tokens. What else was theirs must be gone, but for history.
    DeleteUser(UserId),
    /// An API token was used; nothing when it is forgotten meanwhile.
    TokenUsed {
        /// The token.
        id: TokenId,
        /// When, roughly.
        at: Timestamp,
    },
    /// Adds an API token.
    PutToken(TokenRecord),
    /// Forgets an API token.
    DeleteToken(TokenId),
    /// Adds or replaces a credential.
    PutCredential(Credential),
    /// Forgets a credential.
    DeleteCredential(CredentialId),
    /// Adds or replaces a connection.
    PutConnection(Box<Connection>),
    /// Forgets a connection and, in time, everything that hangs on it. Its replay guards and its
    /// history are kept until retention takes them.
    DeleteConnection(ConnectionId),
    /// Adds a delivery with its payload, and the replay guards for its id and its body.
    InsertDelivery(Box<Delivery>, Payload),
    /// Replaces a delivery; its payload stays.
    PutDelivery(Box<Delivery>),
    /// Forgets a delivery and its payload. Its replay guards stay.
    ForgetDelivery(DeliveryId),
    /// Forgets the replay guards of a delivery that was forgotten before.
    ForgetGuards(DeliveryId),
    /// Adds or replaces a run.
    PutRun(Box<Run>),
    /// Forgets a run.
    ForgetRun(RunId),
    /// Adds or replaces a track.
    PutTrack(Box<Track>),
    /// Forgets a track.
    ForgetTrack(TrackKey),
    /// Adds or replaces the note of a place.
    PutNote(Box<Note>),
    /// Forgets the note of a place.
    ForgetNote(NoteKey),
    /// Adds or replaces an incident.
    PutIncident(Box<Incident>),
    /// Forgets an incident.
    ForgetIncident(IncidentId),
    /// Sets the canary that tells whether the master key fits this store.
    PutCanary(Sealed),
}

/// What must hold for a batch to be committed, looked at together with everything that is
/// committed before it, also in the same group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// No delivery of this connection has this id of the provider, nor this body.
    NewDelivery {
        /// The connection.
        connection: ConnectionId,
        /// The provider's id.
        provider_delivery_id: String,
        /// SHA-256 of the body.
        body_digest: [u8; 32],
    },
    /// The owner has no connection (that is not removed) to this repository, by id when it is
    /// known, and by name.
    NewConnection {
        /// The owner.
        owner: UserId,
        /// The provider's installation.
        instance: Instance,
        /// The repository's id, when known.
        repository: Option<RepositoryId>,
        /// The repository's name.
        full_name: FullName,
    },
    /// This connection is there: what is committed hangs on it.
    ConnectionExists(ConnectionId),
    /// This delivery is stored exactly so: nobody has processed it meanwhile.
    SameDelivery(Box<Delivery>),
    /// This run is stored exactly so.
    SameRun(Box<Run>),
    /// This track is stored exactly so.
    SameTrack(Box<Track>),
    /// This note is stored exactly so.
    SameNote(Box<Note>),
    /// This incident is stored exactly so.
    SameIncident(Box<Incident>),
    /// This owner is there, and is not being removed.
    OwnerPresent(OwnerId),
    /// No user has this name.
    NewUser {
        /// The name.
        name: String,
    },
}

/// Why a guard did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// This delivery is there already, durably.
    Delivery(DeliveryId),
    /// This connection is there already.
    Connection(ConnectionId),
    /// This connection is not there.
    NoConnection(ConnectionId),
    /// This user is there already.
    User(UserId),
    /// This owner is not there, or is being removed.
    Owner(OwnerId),
    /// The record is not what it was.
    Changed,
}

/// Who asks, which decides what goes on when space or time is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Deliveries from outside: refused first, for the provider's log still has them.
    Ingress,
    /// Our own work: goes on from the ballast when the disk is full.
    Internal,
}

/// Changes that are committed together, or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Who asks.
    pub priority: Priority,
    /// What must hold.
    pub guards: Vec<Guard>,
    /// What changes, in this order.
    pub changes: Vec<Change>,
}

impl Batch {
    /// Changes of our own, without conditions.
    pub const fn of(changes: Vec<Change>) -> Self {
        Self {
            priority: Priority::Internal,
            guards: Vec::new(),
            changes,
        }
    }

    /// The same, on a condition.
    #[must_use]
    pub fn guarded_by(mut self, guard: Guard) -> Self {
        self.guards.push(guard);
        self
    }
}

/// Why a batch was not committed. Nothing of it is there, unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A guard did not hold. What it conflicts with is durable by now.
    #[error("conflicts with what is stored: {0:?}")]
    Conflict(Conflict),
    /// Too much is waiting to be committed: try again shortly.
    #[error("the store is overloaded")]
    Overloaded,
    /// No space is left.
    #[error("the disk is full")]
    DiskFull,
    /// A write or a sync failed. The batch is not acknowledged; the store verifies itself before
    /// it goes on. Whether the batch is there after a restart is not known.
    #[error("the store failed and is being verified")]
    Failed,
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

/// Why a read failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A record could not be read or decoded. Others can.
    #[error("a record of kind {kind} is damaged")]
    Damaged {
        /// The kind of record.
        kind: &'static str,
    },
    /// The view failed.
    #[error("the store cannot be read: {0}")]
    Unavailable(String),
}

/// The future of a commit. The batch is submitted when it is made: dropping it does not undo it.
pub type Committing = Pin<Box<dyn Future<Output = Result<(), CommitError>> + Send>>;

/// A page of a list, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The records.
    pub items: Vec<T>,
    /// Whether more follow after the last one.
    pub has_more: bool,
}

/// Where a list goes on: after this record (exclusive), at most so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After<Id> {
    /// The last record of the page before; `None` for the first page.
    pub last: Option<Id>,
    /// At most this many.
    pub limit: usize,
}

/// Whose records a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// All of a user's.
    Owner(UserId),
    /// One connection's.
    Connection(ConnectionId),
}

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
/// Each shows everything whose commit was answered before it was asked for (by whoever asks), and
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
    /// Every credential there is.
    fn all_credentials(&self) -> Reading<'_, Vec<Credential>>;

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
    /// How many connections of a user have which status, without removed ones.
    fn connection_counts(&self, owner: OwnerId) -> Reading<'_, BTreeMap<WebhookStatus, usize>>;
    /// The connections that call with this credential of `owner`, or that it was named for, and
    /// the owner's that have called with none so far; with those whose hook is still to be
    /// deleted. At most `limit`.
    fn connections_using(
        &self,
        credential: CredentialId,
        owner: OwnerId,
        limit: usize,
    ) -> Reading<'_, Vec<Connection>>;
    /// The ids of all connections, oldest first.
    fn connection_ids(&self) -> Reading<'_, Vec<ConnectionId>>;

    /// A delivery.
    fn delivery(&self, id: DeliveryId) -> Reading<'_, Option<Delivery>>;
    /// A delivery's payload; `None` when retention took it.
    fn payload(&self, id: DeliveryId) -> Reading<'_, Option<Payload>>;
    /// The same, to be read a little at a time: a large body is never in memory whole.
    fn body(&self, id: DeliveryId) -> Reading<'_, Option<StoredBody>>;
    /// Deliveries, newest first.
    fn deliveries(&self, of: Of, after: After<DeliveryId>) -> Reading<'_, Page<Delivery>>;
    /// A user's deliveries that fit, newest first.
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
}
