//! The herd as outsiders hold it.

use super::connection::Word;
use super::connection::{Obey, WhenSettled};
use super::router::{Dispatch, Registry, Router, Told};
use super::shared::World;
use super::warden::{Start, StopAll, Warden};
use super::{Answering, Command, CommandError, ConnectError, ConnectRequest, Herd};
use crate::domain::connection::Connection;
use crate::domain::id::{ConnectionId, CredentialId, HookKey, UserId};
use crate::domain::lifecycle::{Desired, Failure, Lifecycle};
use crate::domain::repo::{Instance, Repository};
use crate::domain::secret::{HookSecret, Proof, ProviderToken, Sealed};
use crate::domain::user::Credential;
use crate::provider::{Access, Hooks, ProviderError};
use crate::seal::Purpose;
use crate::store::{After, Batch, Change, CommitError, Conflict, Guard};
use actix::prelude::*;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Longest wait for a connection's actor to take a command: it may be restarting.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that are read at a time when credentials change.
const PAGE: usize = 200;

/// The running actors.
#[derive(Clone)]
pub struct Actors {
    world: Arc<World>,
    registry: Arc<Registry>,
    router: Addr<Router>,
    warden: Addr<Warden>,
}

impl std::fmt::Debug for Actors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Actors({})", self.registry.len())
    }
}

impl Actors {
    /// Starts router and warden on this thread, and an actor for every connection. Needs a
    /// running actix system.
    pub fn start(world: World) -> Result<Self, crate::store::ReadError> {
        let world = Arc::new(world);
        let ids = world.store.connection_ids()?;
        let registry = Arc::new(Registry::default());
        let warden = Warden::new(Arc::clone(&world), Arc::clone(&registry)).start();
        let router = Router::new(Arc::clone(&registry), warden.clone()).start();
        for id in ids {
            warden.do_send(Start(id));
        }
        Ok(Self {
            world,
            registry,
            router,
            warden,
        })
    }

    /// Stops all actors. Commits under way are carried out by the store all the same.
    pub async fn stop(&self) {
        // A warden that is gone has nothing left to stop.
        let _ = self.warden.send(StopAll).await;
    }

    /// Drops every address, so that the actors end where they are: what a crash does to them.
    #[cfg(test)]
    pub(super) fn abandon(&self) {
        self.registry.kill();
    }

    /// The number of actors that live.
    pub fn len(&self) -> usize {
        self.registry.len()
    }

    /// Whether none lives.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn instance_for(&self, request: &ConnectRequest) -> Result<Instance, ConnectError> {
        let provider = request.provider;
        if let Some(host) = &request.host {
            let instance = Instance {
                provider,
                host: host.clone(),
            };
            let is_known = self.world.providers.hooks(&instance).is_some();
            return if is_known {
                Ok(instance)
            } else {
                Err(ConnectError::UnknownInstance)
            };
        }
        if let Some(id) = request.credential {
            let credential = self.world.store.credential(id)?;
            let owned = credential.filter(|c| c.owner == request.owner);
            return owned.map(|c| c.instance).ok_or(ConnectError::NoCredential);
        }
        // Without a word on the host: the one that the newest credential belongs to.
        let mut credentials = self.world.store.credentials(request.owner)?.into_iter();
        let newest = credentials.find(|c| c.instance.provider == provider);
        let first = || self.world.providers.instances(provider).next().cloned();
        newest
            .map(|c| c.instance)
            .or_else(first)
            .ok_or(ConnectError::UnknownInstance)
    }

    fn credential_for(
        &self,
        request: &ConnectRequest,
        instance: &Instance,
    ) -> Result<Credential, ConnectError> {
        let usable = self.world.usable_credentials(request.owner, instance)?;
        let fits = |c: &Credential| request.credential.is_none_or(|id| id == c.id);
        usable
            .into_iter()
            .find(fits)
            .ok_or(ConnectError::NoCredential)
    }

    fn hooks(&self, instance: &Instance) -> Result<Arc<dyn Hooks>, ConnectError> {
        self.world
            .providers
            .hooks(instance)
            .cloned()
            .ok_or(ConnectError::UnknownInstance)
    }

    fn access(&self, credential: &Credential) -> Result<Access, ConnectError> {
        let words = "the credential cannot be opened with the configured master keys";
        self.world
            .access(credential)
            .ok_or_else(|| ConnectError::Provider(words.into()))
    }

    /// Asks for the repository. `None` when the provider cannot be asked just now.
    async fn look_up(
        &self,
        request: &ConnectRequest,
        instance: &Instance,
        credential: &Credential,
    ) -> Result<Option<Repository>, ConnectError> {
        let (hooks, access) = (self.hooks(instance)?, self.access(credential)?);
        let target = crate::provider::Target {
            repository: None,
            full_name: request.full_name.clone(),
        };
        match hooks.repository(&access, &target).await {
            Ok(Some(repository)) => Ok(Some(repository)),
            Ok(None) => Err(ConnectError::NoSuchRepository),
            Err(error) => match error.failure {
                Failure::Unauthorized => Err(ConnectError::Unauthorized),
                Failure::NoAccess => Err(ConnectError::NoSuchRepository),
                Failure::Retryable { .. } | Failure::Rejected => Ok(None),
            },
        }
    }

    fn new_connection(
        &self,
        request: &ConnectRequest,
        instance: Instance,
        repository: Option<Repository>,
    ) -> Connection {
        let now = self.world.now();
        let entropy = &*self.world.entropy;
        let desired = if request.setup_webhook {
            Desired::Active
        } else {
            Desired::Paused
        };
        let name = || request.full_name.clone();
        let mut connection = Connection {
            id: ConnectionId::generate(now, entropy),
            owner: request.owner,
            instance,
            repository: repository.as_ref().map(|r| r.id),
            full_name: repository.map_or_else(name, |r| r.full_name),
            hook_key: HookKey::generate(entropy),
            credential: request.credential,
            events: request.events.clone(),
            secret: Sealed(Vec::new()),
            previous_secret: None,
            proof: Proof::Unknown,
            family: None,
            lifecycle: Lifecycle {
                desired,
                ..Lifecycle::default()
            },
            retry_due_at: None,
            created_at: now,
            hook_created_at: None,
            last_delivery_at: None,
            last_event_at: None,
            last_check_at: None,
            last_error: None,
        };
        connection.secret = self
            .world
            .seal_secret(&connection, &HookSecret::generate(entropy));
        connection
    }

    async fn connect_now(&self, request: ConnectRequest) -> Result<Connection, ConnectError> {
        let instance = self.instance_for(&request)?;
        let credential = self.credential_for(&request, &instance)?;
        let repository = self.look_up(&request, &instance, &credential).await?;
        let connection = self.new_connection(&request, instance, repository);
        let guard = Guard::NewConnection {
            owner: connection.owner,
            instance: connection.instance.clone(),
            repository: connection.repository,
            full_name: connection.full_name.clone(),
        };
        let id = connection.id;
        let batch = Batch::of(vec![Change::PutConnection(Box::new(connection.clone()))]);
        match self.world.store.commit(batch.guarded_by(guard)).await {
            Ok(()) => {}
            Err(CommitError::Conflict(Conflict::Connection(id))) => {
                return Err(ConnectError::AlreadyConnected(id));
            }
            Err(error) => return Err(error.into()),
        }
        // The warden lives as long as the system.
        let _ = self.warden.send(Start(id)).await;
        self.settled(id, self.world.settings.connect_wait).await;
        Ok(self.world.store.connection(id)?.unwrap_or(connection))
    }

    async fn command_now(&self, id: ConnectionId, command: Command) -> Result<(), CommandError> {
        if self.registry.get(id).is_none() {
            if self.world.store.connection(id)?.is_none() {
                return Err(CommandError::NoSuchConnection);
            }
            let _ = self.warden.send(Start(id)).await;
        }
        let actor = self.registry.get(id).ok_or(CommandError::Unavailable)?;
        let (answer, answered) = oneshot::channel();
        actor.do_send(Obey { command, answer });
        match tokio::time::timeout(COMMAND_TIMEOUT, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(CommandError::Unavailable),
        }
    }

    async fn settle_now(&self, id: ConnectionId, within: Duration) -> bool {
        let Some(actor) = self.registry.get(id) else {
            return true;
        };
        let (sender, settled) = oneshot::channel();
        // Through the mailbox, behind `started`: a new actor has begun its call by then.
        if actor.send(WhenSettled(sender)).await.is_err() {
            return true;
        }
        match tokio::time::timeout(within, settled).await {
            Ok(Ok(())) => true,
            Ok(Err(_)) => self.registry.get(id).is_none(),
            Err(_) => false,
        }
    }

    async fn add_credential_now(
        &self,
        owner: UserId,
        instance: Instance,
        token: ProviderToken,
    ) -> Result<Credential, ConnectError> {
        let hooks = self.hooks(&instance)?;
        let access = Access {
            instance: instance.clone(),
            token,
        };
        let identity = hooks.identity(&access).await.map_err(told)?;
        let now = self.world.now();
        let id = CredentialId::generate(now, &*self.world.entropy);
        let purpose = Purpose::ProviderToken {
            credential: id,
            owner,
            instance: &instance,
        };
        let sealed = self
            .world
            .seal
            .seal(&purpose, access.token.expose().as_bytes());
        let credential = Credential {
            id,
            owner,
            instance,
            account: identity.account,
            scopes: identity.scopes,
            token: sealed,
            created_at: now,
            rejected_at: None,
        };
        let batch = Batch::of(vec![Change::PutCredential(credential.clone())]);
        self.world.store.commit(batch).await?;
        self.resume_waiting(owner, &credential.instance).await?;
        Ok(credential)
    }

    /// Has the owner's connections look again that had no credential that works.
    async fn resume_waiting(&self, owner: UserId, instance: &Instance) -> Result<(), ConnectError> {
        let mut last = None;
        loop {
            let page = self
                .world
                .store
                .connections_of(owner, After { last, limit: PAGE })?;
            last = page.items.last().map(|c| c.id);
            for connection in page.items {
                let waits = connection.instance == *instance
                    && matches!(
                        connection.last_error.as_ref().map(|e| e.code.as_str()),
                        Some("no_credential" | "unauthorized" | "no_access")
                    );
                if waits {
                    // One that cannot be asked just now looks again at its next start or retry.
                    let _ = self.command_now(connection.id, Command::Check).await;
                }
            }
            if !page.has_more {
                return Ok(());
            }
        }
    }

    async fn repositories_now(
        &self,
        owner: UserId,
        instance: &Instance,
        page: u32,
    ) -> Result<(Vec<Repository>, bool), ConnectError> {
        let usable = self.world.usable_credentials(owner, instance)?;
        let credential = usable.first().ok_or(ConnectError::NoCredential)?;
        let (hooks, access) = (self.hooks(instance)?, self.access(credential)?);
        hooks.repositories(&access, page).await.map_err(told)
    }
}

fn told(error: ProviderError) -> ConnectError {
    match error.failure {
        Failure::Unauthorized => ConnectError::Unauthorized,
        Failure::Retryable { .. } | Failure::NoAccess | Failure::Rejected => {
            ConnectError::Provider(error.message)
        }
    }
}

impl Herd for Actors {
    fn connect(&self, request: ConnectRequest) -> Answering<'_, Connection, ConnectError> {
        Box::pin(self.connect_now(request))
    }

    fn command(&self, id: ConnectionId, command: Command) -> Answering<'_, (), CommandError> {
        Box::pin(self.command_now(id, command))
    }

    fn settled(
        &self,
        id: ConnectionId,
        within: Duration,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        Box::pin(self.settle_now(id, within))
    }

    fn delivered(&self, id: ConnectionId) {
        self.router.do_send(Dispatch(id));
    }

    fn heard(&self, id: ConnectionId) {
        self.router.do_send(Told(id, Word::Heard));
    }

    fn rejected(&self, id: ConnectionId) {
        self.router.do_send(Told(id, Word::Rejected));
    }

    fn hook_secrets(&self, connection: &Connection) -> Vec<HookSecret> {
        self.world.hook_secrets(connection)
    }

    fn add_credential(
        &self,
        owner: UserId,
        instance: Instance,
        token: ProviderToken,
    ) -> Answering<'_, Credential, ConnectError> {
        Box::pin(self.add_credential_now(owner, instance, token))
    }

    fn remove_credential(&self, id: CredentialId) -> Answering<'_, (), CommitError> {
        Box::pin(
            self.world
                .store
                .commit(Batch::of(vec![Change::DeleteCredential(id)])),
        )
    }

    fn repositories<'a>(
        &'a self,
        owner: UserId,
        instance: &'a Instance,
        page: u32,
    ) -> Answering<'a, (Vec<Repository>, bool), ConnectError> {
        Box::pin(self.repositories_now(owner, instance, page))
    }
}
