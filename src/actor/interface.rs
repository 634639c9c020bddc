//! The interface of the actors for other rooms.

use crate::credentials::{AddError, ChangeError, Offer};
use crate::domain::command::{Command, CommandKind};
use crate::domain::connection::Connection;
use crate::domain::delivery::{Delivery, Outcome};
use crate::domain::error_code::ErrorCode;
use crate::domain::event::Decoded;
use crate::domain::id::{
    ConnectionId, CredentialId, DeliveryId, HookId, IncidentId, OperationId, OwnerId, UserId,
};
use crate::domain::incident::care::Act;
use crate::domain::incident::{Incident, Subject};
use crate::domain::lifecycle::Failure;
use crate::domain::operation::{Action, Item, Operation, Selection};
use crate::domain::outage::ProviderOutage;
use crate::domain::pace::{Intervals, Pace};
use crate::domain::removal::HookOutcome;
use crate::domain::repo::{FullName, Instance, ProviderKind, Repository};
use crate::domain::rotation::{SecretNumber, Signer};
use crate::domain::run::Run;
use crate::domain::secret::ProviderToken;
use crate::domain::standing::{Fingerprint, Standing};
use crate::domain::takeover::Replace;
use crate::domain::time::Timestamp;
use crate::domain::user::Credential;
use crate::provider::{ProviderError, TakenAway, Target};
use crate::store::{CommitError, ReadError};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::watch;

/// A user's request for one of their connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// The connection.
    pub connection: ConnectionId,
    /// Its owner.
    pub owner: OwnerId,
    /// The user who requests it.
    pub asked_by: UserId,
    /// The request.
    pub kind: CommandKind,
}

/// A user's request for many connections of an owner. The caller is authenticated, and the items
/// are the owner's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operating {
    /// The owner of all of them.
    pub owner: OwnerId,
    /// The user who requests it.
    pub asked_by: UserId,
    /// The request.
    pub action: Action,
    /// What was selected, in the words of the request.
    pub selection: Selection,
    /// What it is about, at most [`ITEMS_MAX`], each once.
    ///
    /// [`ITEMS_MAX`]: crate::domain::operation::ITEMS_MAX
    pub items: Vec<Item>,
}

/// Why a command was not carried out. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is no such connection, or it was disconnected.
    #[error("no such connection")]
    NoSuchConnection,
    /// The connection has no such incident or delivery.
    #[error("no such incident or delivery")]
    NoSuchSubject,
    /// Not possible in the current state, such as acknowledging a resolved incident.
    #[error("{0}")]
    NotNow(&'static str),
    /// It could not be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The actor is restarting or gone.
    #[error("the connection is temporarily unavailable")]
    Unavailable,
}

/// A request to connect a repository. The caller is authenticated, and the request validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRequest {
    /// The caller.
    pub owner: UserId,
    /// The kind of provider.
    pub provider: ProviderKind,
    /// The host; `None` for the one of the credential, or the only one configured.
    pub host: Option<crate::domain::repo::Host>,
    /// The repository.
    pub full_name: FullName,
    /// The events to subscribe to.
    pub events: Vec<String>,
    /// Whether a hook is wanted at once; otherwise the connection starts paused.
    pub setup_webhook: bool,
    /// The credential to use; `None` for the owner's newest that fits.
    pub credential: Option<CredentialId>,
    /// Hooks of others that are replaced once ours is proven to work.
    pub replaces: Option<Replace>,
    /// A hook that becomes the connection's own in place.
    pub adopts: Option<(HookId, Fingerprint)>,
}

/// Why a repository was not connected. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The caller has connected it already.
    #[error("connected already")]
    AlreadyConnected(ConnectionId),
    /// Another connection has, or is about to adopt, the hook that is to be adopted.
    #[error("another connection has the webhook")]
    HookTaken,
    /// The host or kind of provider is not configured.
    #[error("this daemon is not configured for that provider")]
    UnknownInstance,
    /// The caller has no credential that fits.
    #[error("no credential of yours fits")]
    NoCredential,
    /// The provider refuses the credential.
    #[error("the provider refuses the credential")]
    Unauthorized,
    /// The provider shows this token no such repository.
    #[error("the provider shows this credential no such repository")]
    NoSuchRepository,
    /// It could not be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The provider refuses, or could not be called and the request cannot wait (adding a
    /// credential, listing repositories). The error gives the reason.
    #[error(transparent)]
    Provider(ProviderError),
}

impl CommandError {
    /// Whether the store prevents it for now.
    pub(super) const fn is_of_store(&self) -> bool {
        match self {
            Self::Commit(_) | Self::Read(_) | Self::Unavailable => true,
            Self::NoSuchConnection | Self::NoSuchSubject | Self::NotNow(_) => false,
        }
    }
}

impl From<ChangeError> for CommandError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotFound => Self::NoSuchSubject,
            ChangeError::NotNow(why) => Self::NotNow(why),
            ChangeError::Commit(error) => Self::Commit(error),
            ChangeError::Read(error) => Self::Read(error),
        }
    }
}

impl From<AddError> for ConnectError {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Provider(error) => error.into(),
            AddError::Removed => Self::NoCredential,
            AddError::Commit(error) => Self::Commit(error),
            AddError::Read(error) => Self::Read(error),
        }
    }
}

impl ConnectError {
    /// The reason, for programs.
    pub(super) const fn code(&self) -> ErrorCode {
        match self {
            Self::AlreadyConnected(_) => ErrorCode::AlreadyConnected,
            Self::HookTaken => ErrorCode::HookNotFree,
            Self::UnknownInstance => ErrorCode::UnknownProvider,
            Self::NoCredential => ErrorCode::NoCredential,
            Self::Unauthorized => ErrorCode::CredentialRefused,
            Self::NoSuchRepository => ErrorCode::RepositoryNotFound,
            Self::Commit(_) | Self::Read(_) => ErrorCode::StoreUnavailable,
            Self::Provider(error) => error.code,
        }
    }
}

/// A hook that no connection keeps, or that gets the same events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// The provider's id.
    pub id: HookId,
    /// Its URL, without what may be a secret of others.
    pub url: Option<String>,
    /// What it was when it was listed.
    pub fingerprint: Fingerprint,
    /// Whose it is.
    pub standing: Standing,
    /// Its events.
    pub events: Vec<String>,
    /// Whether it delivers.
    pub is_active: bool,
    /// When it was made, if the provider says so.
    pub created_at: Option<Timestamp>,
    /// The status of the last answer to its deliveries: `Some(None)` when the last one got none,
    /// `None` when none is on record, or it was not asked.
    pub last_answer: Option<Option<u16>>,
}

/// The hooks of a repository that are worth a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surveyed {
    /// The repository.
    pub repository: Repository,
    /// The caller's connection to it.
    pub connection: Option<ConnectionId>,
    /// The hooks, without those that connections keep and those that do not concern us.
    pub hooks: Vec<Stranger>,
}

/// A hook that a user wants to be removed, or to make theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookWish {
    /// The user.
    pub owner: UserId,
    /// The installation of the repository.
    pub instance: Instance,
    /// The repository.
    pub full_name: FullName,
    /// The hook.
    pub hook: HookId,
    /// What it was when they saw it.
    pub fingerprint: Fingerprint,
    /// Also when a Hookherd answered its last delivery, so that another server may serve it.
    pub even_if_answered: bool,
}

/// Why a hook was not removed or adopted. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TakeError {
    /// It is not there (any more).
    #[error("the repository has no such webhook")]
    Gone,
    /// It is not what it was when it was listed.
    #[error("the webhook has changed since it was listed")]
    Changed,
    /// It is a connection's, or not ours to touch.
    #[error("the webhook is {}", .0.meaning())]
    NotFree(Standing),
    /// Its last delivery was answered with this status.
    #[error("the last delivery of the webhook was answered with {0}")]
    Answered(u16),
    /// The repository's hooks could not be read, or the connection not be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl From<ReadError> for TakeError {
    fn from(error: ReadError) -> Self {
        Self::Connect(error.into())
    }
}

/// The meaning of a provider's refusal for a caller of the API.
impl From<ProviderError> for ConnectError {
    fn from(error: ProviderError) -> Self {
        match error.failure {
            Failure::Unauthorized => Self::Unauthorized,
            Failure::Retryable { .. } | Failure::NoAccess | Failure::Rejected => {
                Self::Provider(error.shown(true))
            }
        }
    }
}

/// What processing a delivery again would do.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// Its outcome.
    pub outcome: Outcome,
    /// The runs that it would add or change: as they are, if they are there, and as they would be.
    pub runs: Vec<(Option<Run>, Run)>,
    /// The incidents that it would open or change, alike.
    pub incidents: Vec<(Option<Incident>, Incident)>,
}

/// A boxed future of an answer.
pub type Answering<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// The connections, as the API uses them: the requests to their actors.
pub trait Connections: Send + Sync + 'static {
    /// Connects a repository, and waits a short time for its hook.
    ///
    /// A repository that the provider explicitly does not show, or a refused credential, is an
    /// error and changes nothing. If the provider cannot be reached, rights are missing, or the
    /// hook limit is reached, the connection stays, with the reason in its status and last error,
    /// and with retries.
    fn connect(&self, request: ConnectRequest) -> Answering<'_, Connection, ConnectError>;

    /// Requests something of a connection: the request is durable first, and its actor carries it
    /// out, in order, also after a restart. Waits a limited time for that, and returns the command
    /// in its current state.
    /// The awkward case: an error of the store may come from carrying it out. Then the command is
    /// still pending, and carried out as soon as the store allows.
    fn ask(&self, asking: Asking) -> Answering<'_, Command, CommandError>;

    /// What [`CommandKind::Replay`] of a stored delivery would do now. Changes nothing. The id of
    /// what would be new is only of this preview.
    fn preview(&self, delivery: DeliveryId) -> Answering<'_, Preview, CommandError>;

    /// Stores an operation with its items, which then runs in the background, also after a restart.
    /// One without items has ended at once. Refused while too many of the owner have not ended.
    fn operate(&self, operating: Operating) -> Answering<'_, Operation, CommitError>;

    /// Cancels an operation: what was not begun is left. One that has ended stays as it is, and is
    /// an error.
    fn cancel_operation(&self, id: OperationId) -> Answering<'_, Operation, CommandError>;

    /// Requests to disconnect a connection, and waits for the outcome for the hook: until no
    /// provider call of the connection is outstanding, at most for `within`. The rest continues in
    /// the background.
    fn disconnect(
        &self,
        asking: Asking,
        within: Duration,
    ) -> Answering<'_, HookOutcome, CommandError>;

    /// Hands over the contents of a delivery that is about to be committed, so that they need not
    /// be decoded again. Losing them costs only time.
    fn decoded(&self, delivery: &Delivery, decoded: Decoded);

    /// Reports that a delivery for this connection was committed. Never blocks; losing this notice
    /// costs only time, because the store has the pending deliveries.
    fn delivered(&self, id: ConnectionId);

    /// Changes whenever a delivery was stored or processed, of any connection of this process.
    fn changes(&self) -> watch::Receiver<()>;

    /// Reports a duplicate of an authentic delivery that this secret verified: it only shows that
    /// the path from the provider to us works.
    fn heard(&self, id: ConnectionId, signed_by: SecretNumber);

    /// Reports a delivery for the connection without a valid signature.
    fn rejected(&self, id: ConnectionId);

    /// The number of an owner's hooks that still deliver to a former public address; `None` for a
    /// while after a start, as long as not all connections have taken their first step.
    fn hooks_to_move(&self, owner: OwnerId) -> Option<usize>;

    /// The secrets that may have signed a delivery for this connection now: the current one and,
    /// during a rotation, the former ones. Those that cannot be decrypted are missing.
    fn hook_secrets(&self, connection: &Connection) -> Vec<Signer>;

    /// Requests the account from the provider, seals and stores the grant, and resumes the
    /// connections that waited for one. For a known account the grant is replaced, and its incident
    /// resolved.
    fn add_grant(
        &self,
        owner: UserId,
        instance: Instance,
        offer: Offer,
    ) -> Answering<'_, Credential, ConnectError>;

    /// The same for a token.
    fn add_credential(
        &self,
        owner: UserId,
        instance: Instance,
        token: ProviderToken,
    ) -> Answering<'_, Credential, ConnectError> {
        self.add_grant(owner, instance, Offer::Token(token))
    }

    /// Deletes a credential. Connections that used it continue with another, or are suspended at
    /// their next call.
    fn remove_credential(&self, id: CredentialId) -> Answering<'_, (), CommitError>;

    /// Reports that the removal of a user began, durably: their connections are disconnected, and
    /// once their hooks are deleted (or left, as requested) so are their credentials, and the user.
    /// Never blocks; losing this notice costs only time.
    fn user_removal_begun(&self, id: UserId);

    /// Lets connections of other users use a credential, or no longer.
    fn share_credential(
        &self,
        id: CredentialId,
        is_shared: bool,
    ) -> Answering<'_, Credential, CommandError>;

    /// Does with the incident of a credential, or about an outage, what a user wants.
    fn act(
        &self,
        subject: Subject,
        incident: IncidentId,
        act: Act,
        by: UserId,
    ) -> Answering<'_, (), CommandError>;

    /// How often regular work is done with a credential.
    fn pace(&self, credential: CredentialId) -> Pace;

    /// How often regular work is done for a connection.
    fn intervals(&self, connection: &Connection) -> Intervals;

    /// The outage of an installation, if it has one.
    fn outage(&self, instance: &Instance) -> Option<ProviderOutage>;

    /// A page of the repositories of a credential. With a name, it is checked first that the
    /// provider shows such a user, organisation or group.
    fn repositories<'a>(
        &'a self,
        owner: UserId,
        instance: &'a Instance,
        name: Option<&'a str>,
        page: u32,
    ) -> Answering<'a, (Vec<Repository>, bool), ConnectError>;

    /// The hooks of a repository that no connection keeps, or that get the same events as the
    /// caller's connection to it. With the caller's own credentials, at the lowest urgency. Changes
    /// nothing.
    fn survey<'a>(
        &'a self,
        owner: UserId,
        instance: &'a Instance,
        target: &'a Target,
    ) -> Answering<'a, Surveyed, ConnectError>;

    /// A page of the repositories of this credential of the caller's, at the lowest urgency.
    fn reach<'a>(
        &'a self,
        owner: UserId,
        instance: &'a Instance,
        credential: CredentialId,
        page: u32,
    ) -> Answering<'a, (Vec<Repository>, bool), ConnectError>;

    /// Removes a hook that no connection keeps, if it is still what the user saw. Everything is
    /// looked at again right before.
    fn remove_hook(&self, wish: HookWish) -> Answering<'_, TakenAway, TakeError>;

    /// Connects the repository of a hook that no connection keeps, and makes the hook the
    /// connection's own, in place: its id stays, its URL, secret and settings become ours. Waits a
    /// short time for that. Subscribes to the hook's own events unless others are wanted.
    ///
    /// The awkward case: a hook that changes or goes before it is written is left alone, and a new
    /// one is created.
    fn adopt_hook(
        &self,
        wish: HookWish,
        events: Option<Vec<String>>,
    ) -> Answering<'_, Connection, TakeError>;
}
