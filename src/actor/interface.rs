//! What outsiders see of the actors, and may ask of them.

use crate::credentials::{AddError, ChangeError, Offer};
use crate::domain::command::{Command, CommandKind};
use crate::domain::connection::Connection;
use crate::domain::id::{ConnectionId, CredentialId, IncidentId, OwnerId, UserId};
use crate::domain::lifecycle::Failure;
use crate::domain::removal::HookOutcome;
use crate::domain::repo::{FullName, Instance, ProviderKind, Repository};
use crate::domain::secret::{HookSecret, ProviderToken};
use crate::domain::user::Credential;
use crate::provider::ProviderError;
use crate::store::{CommitError, ReadError};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// Something that a user asks of a connection of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// The connection.
    pub connection: ConnectionId,
    /// Whose it is.
    pub owner: OwnerId,
    /// Who asks.
    pub asked_by: UserId,
    /// What.
    pub kind: CommandKind,
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
    /// It is not possible in the present state, such as acknowledging a resolved incident.
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

/// A wish to connect a repository. Who asks was authenticated, what is asked was validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRequest {
    /// Who asks.
    pub owner: UserId,
    /// The kind of provider.
    pub provider: ProviderKind,
    /// The host; `None` for the one of the credential, or the only one configured.
    pub host: Option<crate::domain::repo::Host>,
    /// The repository.
    pub full_name: FullName,
    /// The events to subscribe to.
    pub events: Vec<String>,
    /// Whether a hook is wanted at once; without, the connection starts paused.
    pub setup_webhook: bool,
    /// The credential to use; `None` for the owner's newest that fits.
    pub credential: Option<CredentialId>,
}

/// Why a repository was not connected. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The caller has connected it already.
    #[error("connected already")]
    AlreadyConnected(ConnectionId),
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
    /// The provider refuses, or could not be asked and the question cannot wait (adding a
    /// credential, listing repositories). The error says which, and why.
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

/// What a provider's refusal means to a caller of the API.
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

/// A boxed future of an answer.
pub type Answering<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// The connections, as the API sees them: what can be asked of their actors.
pub trait Connections: Send + Sync + 'static {
    /// Connects a repository, and waits a little for its hook.
    ///
    /// A repository that the provider positively does not show, or a refused credential, is an
    /// error and changes nothing. A provider that cannot be reached, missing rights, or a full
    /// hook list leave the connection in place, with its status and last error saying why, and
    /// retries going on.
    fn connect(&self, request: ConnectRequest) -> Answering<'_, Connection, ConnectError>;

    /// Asks something of a connection: that it was asked is durable first, and its actor carries it
    /// out, in order, also after a restart. Waits a while for that, and answers with the command
    /// as it stands then.
    ///
    /// The awkward case: an error of the store may come from carrying it out. Then the command is
    /// still asked, and carried out as soon as the store allows.
    fn ask(&self, asking: Asking) -> Answering<'_, Command, CommandError>;

    /// Asks that a connection is disconnected, and waits for what becomes of the hook: until no
    /// provider call of the connection is outstanding, at most for `within`. What goes on then
    /// goes on by itself.
    fn disconnect(
        &self,
        asking: Asking,
        within: Duration,
    ) -> Answering<'_, HookOutcome, CommandError>;

    /// Says that a delivery for this connection was committed. Never blocks; losing this word
    /// costs only time, because the store knows what is pending.
    fn delivered(&self, id: ConnectionId);

    /// Says that an authentic delivery arrived that was stored before: nothing follows from it but
    /// that the way from the provider to us works.
    fn heard(&self, id: ConnectionId);

    /// Says that the connection was sent something that its secrets did not sign.
    fn rejected(&self, id: ConnectionId);

    /// The secrets that may have signed a delivery for this connection now: the current one and,
    /// during a rotation, the one before. Empty when they cannot be opened.
    fn hook_secrets(&self, connection: &Connection) -> Vec<HookSecret>;

    /// Asks the provider whose this is, seals and stores it, and resumes the connections that
    /// waited for one. Of an account that is known already the grant is replaced in place, and
    /// its incident resolved.
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

    /// Forgets a credential. Connections that used it go on with another, or are suspended at
    /// their next call.
    fn remove_credential(&self, id: CredentialId) -> Answering<'_, (), CommitError>;

    /// Says that the removal of a user was begun, durably: their connections are disconnected,
    /// and once their hooks are gone (or left, as asked) so are their credentials, and the user.
    /// Never blocks; losing this word costs only time.
    fn user_removal_begun(&self, id: UserId);

    /// Lets connections of other users fall back on a credential, or no longer.
    fn share_credential(
        &self,
        id: CredentialId,
        is_shared: bool,
    ) -> Answering<'_, Credential, CommandError>;

    /// Acknowledges the incident of a credential.
    fn acknowledge(
        &self,
        credential: CredentialId,
        incident: IncidentId,
    ) -> Answering<'_, (), CommandError>;

    /// Resolves the incident of a credential.
    fn resolve(
        &self,
        credential: CredentialId,
        incident: IncidentId,
    ) -> Answering<'_, (), CommandError>;

    /// A page of the repositories that a credential can reach. With a name, it is made sure first
    /// that the provider shows such a user, organisation or group.
    fn repositories<'a>(
        &'a self,
        owner: UserId,
        instance: &'a Instance,
        name: Option<&'a str>,
        page: u32,
    ) -> Answering<'a, (Vec<Repository>, bool), ConnectError>;
}
