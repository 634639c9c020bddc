//! What is written: changes, and on what conditions.

use crate::domain::command::Command;
use crate::domain::connection::Connection;
use crate::domain::delivery::{BodyDigest, Delivery, DeliveryProgress, Payload};
use crate::domain::explanation::Explanation;
use crate::domain::history::History;
use crate::domain::id::{
    CommandId, ConnectionId, CredentialId, DeliveryId, GapId, HookId, IncidentId, OperationId,
    OwnerId, RunId, SinkId, TokenId, UserId,
};
use crate::domain::incident::track::{Track, TrackKey};
use crate::domain::incident::{Incident, Subject};
use crate::domain::lane::place::{Note, NoteKey};
use crate::domain::ledger::{Asked, Gap, Ledger, Uptime};
use crate::domain::notification::{Announced, Notification, Thread};
use crate::domain::operation::{Chunk, Operation};
use crate::domain::outage::ProviderOutage;
use crate::domain::pace::Hold;
use crate::domain::repo::{FullName, Instance, RepositoryId};
use crate::domain::rulebook::Rulebook;
use crate::domain::run::Run;
use crate::domain::secret::Sealed;
use crate::domain::server_trouble::ServerTrouble;
use crate::domain::sink::Sink;
use crate::domain::takeover::Takeover;
use crate::domain::time::Timestamp;
use crate::domain::user::{Credential, TokenRecord, User};
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
    /// Forgets a connection with its history, its takeover, its ledger, its gaps and the
    /// explanations of its incidents and, in time, everything that hangs on it. Its replay guards,
    /// deliveries, runs and incidents are kept until retention takes them.
    DeleteConnection(ConnectionId),
    /// Adds a delivery with its payload, and the replay guards for its id and its body.
    InsertDelivery(Box<Delivery>, Payload),
    /// Changes a delivery that is stored.
    PutProgress(Box<DeliveryProgress>),
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
    /// Adds or replaces an incident. If it stands otherwise than it was last announced, it is
    /// listed as such.
    PutIncident(Box<Incident>),
    /// Forgets an incident, with its explanation and what was announced of it.
    ForgetIncident(IncidentId),
    /// Adds or replaces a command.
    PutCommand(Box<Command>),
    /// Forgets a command.
    ForgetCommand(CommandId),
    /// Adds or replaces an operation. One that has ended loses its items.
    PutOperation(Box<Operation>),
    /// Forgets an operation with its items.
    ForgetOperation(OperationId),
    /// Adds some items of an operation, which has not ended.
    PutChunk(Box<Chunk>),
    /// Adds or replaces the ledger of a connection. A request that it has answered is forgotten.
    PutLedger(Box<Ledger>),
    /// Adds or replaces a gap.
    PutGap(Box<Gap>),
    /// Forgets a gap.
    ForgetGap(GapId),
    /// Requests to reconcile a connection. Replaces an older request.
    AskReconcile(Asked),
    /// Sets when the daemon was last known to run, and its outages.
    PutUptime(Uptime),
    /// Sets the wait that a provider has asked for with a credential.
    PutHold(Hold),
    /// Sets the last outage of a provider's installation.
    PutOutage(Box<ProviderOutage>),
    /// Sets the last trouble of the server of its kind.
    PutTrouble(ServerTrouble),
    /// Adds or replaces the history of a connection.
    PutHistory(Box<History>),
    /// Adds or replaces what a connection does about hooks of others.
    PutTakeover(Box<Takeover>),
    /// Adds or replaces a sink.
    PutSink(Box<Sink>),
    /// Forgets a sink. Its notifications are kept with their incidents.
    DeleteSink(SinkId),
    /// Adds or replaces a notification.
    PutNotification(Box<Notification>),
    /// Sets what a sink shows of an incident.
    PutThread(Box<Thread>),
    /// Sets the standing with which an incident was announced.
    PutAnnounced(Box<Announced>),
    /// Adds or replaces the explanation of an incident, which is stored.
    PutExplanation(Box<Explanation>),
    /// Sets the rules of an owner.
    PutRulebook(Box<Rulebook>),
    /// Sets the canary that shows whether the master key fits this store.
    PutCanary(Sealed),
}

impl Change {
    /// Changes a stored delivery to this.
    pub fn progress(delivery: Delivery) -> Self {
        Self::PutProgress(Box::new(delivery.into()))
    }
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
        /// The digest of the body.
        body_digest: BodyDigest,
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
    /// No connection of any owner to this repository has this hook, or is about to adopt it.
    NewAdoption(Box<Adoption>),
    /// This connection is there: what is committed hangs on it.
    ConnectionExists(ConnectionId),
    /// This delivery is stored exactly so: it was not processed meanwhile.
    SameDelivery(Box<Delivery>),
    /// This run is stored exactly so.
    SameRun(Box<Run>),
    /// This track is stored exactly so.
    SameTrack(Box<Track>),
    /// This note is stored exactly so.
    SameNote(Box<Note>),
    /// This incident is stored exactly so.
    SameIncident(Box<Incident>),
    /// With this batch, no incident about this subject is unresolved.
    Resolved(Subject),
    /// This owner is there, and is not being removed.
    OwnerPresent(OwnerId),
    /// This credential is stored exactly so: it was not changed meanwhile.
    SameCredential(Box<Credential>),
    /// This command is stored exactly so: it was not carried out meanwhile.
    SameCommand(Box<Command>),
    /// This connection may be asked for something: it is there, it is not removed (but for a hook
    /// that is still to be deleted), and with this batch at most [`ASKED_MAX`] commands wait for
    /// it.
    ///
    /// [`ASKED_MAX`]: crate::domain::command::ASKED_MAX
    NewCommand(ConnectionId),
    /// This operation is stored exactly so: no other process continued it meanwhile, and it was not
    /// cancelled.
    SameOperation(Box<Operation>),
    /// With this batch, at most [`UNFINISHED_MAX`] operations of this owner have not ended.
    ///
    /// [`UNFINISHED_MAX`]: crate::domain::operation::UNFINISHED_MAX
    NewOperation(OwnerId),
    /// This owner has fewer sinks than this.
    NewSink {
        /// The owner.
        owner: OwnerId,
        /// The most that there may be.
        most: usize,
    },
    /// The rules of this owner are of this version; 0 if there are none.
    RulesAt {
        /// The owner.
        owner: OwnerId,
        /// The version.
        version: u64,
    },
    /// This sink is stored exactly so.
    SameSink(Box<Sink>),
    /// This notification is stored exactly so.
    SameNotification(Box<Notification>),
    /// The writer holds the lease of this connection, the newest. See [`Lease`].
    Lease(Lease),
    /// No user has this name.
    NewUser {
        /// The name.
        name: String,
    },
}

/// A hook that a connection is about to adopt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// The provider's installation.
    pub instance: Instance,
    /// The repository.
    pub repository: RepositoryId,
    /// The hook.
    pub hook: HookId,
}

/// Why a guard did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// This delivery is there already, durably.
    Delivery(DeliveryId),
    /// This connection is there already.
    Connection(ConnectionId),
    /// A connection has this hook, or is about to adopt it.
    Hook(HookId),
    /// This connection is not there.
    NoConnection(ConnectionId),
    /// This user is there already.
    User(UserId),
    /// This owner is not there, or is being removed.
    Owner(OwnerId),
    /// This credential is not stored so any more.
    Credential(CredentialId),
    /// This command is not stored so any more.
    Command(CommandId),
    /// As many commands as may wait for this connection.
    CommandsWaiting(ConnectionId),
    /// This operation is not stored so any more.
    Operation(OperationId),
    /// As many operations of this owner have not ended as may.
    OperationsUnfinished(OwnerId),
    /// This owner has as many sinks as there may be.
    Sinks(OwnerId),
    /// The lease of this connection was granted again since.
    Lease(ConnectionId),
    /// The record is not what it was.
    Changed,
}

/// The right to write what hangs on a connection, as its actor does.
///
/// Each grant has a higher epoch than the one before, so that a write of who held the lease before
/// is refused, whatever they believe. A store that one process has for itself grants everything to
/// itself, for ever, with [`Lease::OWN_EPOCH`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The connection.
    pub connection: ConnectionId,
    /// Which grant.
    pub epoch: u64,
}

impl Lease {
    /// The epoch of a store that one process has for itself.
    pub const OWN_EPOCH: u64 = 1;

    /// The lease of a connection in a store that one process has for itself.
    pub const fn own(connection: ConnectionId) -> Self {
        let epoch = Self::OWN_EPOCH;
        Self { connection, epoch }
    }
}

/// Who asks, which decides what continues when space or time is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Deliveries from outside: refused first, for the provider's log still has them.
    Ingress,
    /// Our own work: continues from the ballast when the disk is full.
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
    /// it continues. Whether the batch is there after a restart is not known.
    #[error("the store failed and is being verified")]
    Failed,
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

impl CommitError {
    /// Whether the same batch may be committed later, without any change.
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::Overloaded | Self::DiskFull | Self::Failed | Self::Closed => true,
            Self::Conflict(_) => false,
        }
    }
}

/// The future of a commit. The batch is submitted when it is made: dropping it does not undo it.
pub type Committing = Pin<Box<dyn Future<Output = Result<(), CommitError>> + Send>>;
