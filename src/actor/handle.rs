//! The herd as outsiders hold it.

mod credentials;

use super::connection::{Leaving, Obey, WhenSettled};
use super::farewell::{self, Farewell};
use super::leaving::{Leave, StopUshering, Usher};
use super::moves::{Mover, Moves, StopMoving};
use super::router::{Alive, Item, Look, News, Registry, Router};
use super::secrets;
use super::services::Services;
use super::settings::Settings;
use super::sweeper::{StopSweeping, Sweeper};
use super::warden::{Start, StopAll, Warden};
use super::{Answering, Command, CommandError, ConnectError, ConnectRequest, Herd};
use crate::credentials::{Cause, Offer, Pool, Ports};
use crate::domain::connection::{Connection, CredentialUse};
use crate::domain::errand::{Errand, Priority};
use crate::domain::error_code::ErrorCode;
use crate::domain::id::{ConnectionId, CredentialId, HookKey, UserId};
use crate::domain::lifecycle::{Desired, Failure};
use crate::domain::repo::{Instance, Repository};
use crate::domain::secret::HookSecret;
use crate::domain::user::Credential;
use crate::provider::{Access, Hooks};
use crate::store::{Batch, Change, CommitError, Conflict, Guard};
use actix::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Whether another credential may do better.
fn is_refusal(why: &ConnectError) -> bool {
    match why {
        ConnectError::NoSuchRepository | ConnectError::Unauthorized => true,
        ConnectError::Provider(error) => error.failure == Failure::NoAccess,
        ConnectError::AlreadyConnected(_)
        | ConnectError::UnknownInstance
        | ConnectError::NoCredential
        | ConnectError::Commit(_)
        | ConnectError::Read(_) => false,
    }
}

/// Most credentials with which a repository is looked for when it is connected.
const ASKED_MAX: usize = 8;
/// Longest wait for a connection's actor to take a command: it may be restarting.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);

/// The running actors.
#[derive(Clone)]
pub struct Actors {
    services: Arc<Services>,
    registry: Arc<Registry>,
    router: Addr<Router>,
    news: Arc<News>,
    warden: Addr<Warden>,
    sweeper: Addr<Sweeper>,
    mover: Addr<Mover>,
    usher: Addr<Usher>,
}

impl std::fmt::Debug for Actors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Actors({})", self.registry.len())
    }
}

impl Actors {
    /// Starts router and warden on this thread, and an actor for every connection. Needs a
    /// running actix system.
    pub fn start(ports: Ports, settings: Settings) -> Result<Self, crate::store::ReadError> {
        let ports = Arc::new(ports);
        let (pool, deaths) = Pool::new(Arc::clone(&ports));
        let services = Arc::new(Services {
            ports,
            settings,
            pool,
            moves: Moves::default(),
        });
        let ids = services.ports.store.connection_ids().ready()?;
        let registry = Arc::new(Registry::default());
        let warden = Warden::new(Arc::clone(&services), Arc::clone(&registry)).start();
        let news = Arc::<News>::default();
        let router = Router::new(Arc::clone(&registry), warden.clone(), Arc::clone(&news)).start();
        for id in ids {
            warden.do_send(Start(id));
        }
        let sweeper = Sweeper::start_on(Arc::clone(&services), Arc::clone(&registry), deaths);
        let mover = Mover::new(Arc::clone(&services), Arc::clone(&registry)).start();
        let usher =
            Usher::new(Arc::clone(&services), Arc::clone(&registry), warden.clone()).start();
        Ok(Self {
            services,
            registry,
            router,
            news,
            warden,
            sweeper,
            mover,
            usher,
        })
    }

    /// Stops all actors, once no refresh of a grant is under way. Commits under way are carried
    /// out by the store all the same.
    pub async fn stop(&self) {
        self.sweeper.do_send(StopSweeping);
        self.mover.do_send(StopMoving);
        self.usher.do_send(StopUshering);
        self.services.pool.rest().await;
        // A warden that is gone has nothing left to stop.
        let _ = self.warden.send(StopAll).await;
    }

    /// Drops every address, so that the actors end where they are: what a crash does to them.
    #[cfg(test)]
    pub(super) fn abandon(&self) {
        self.sweeper.do_send(StopSweeping);
        self.mover.do_send(StopMoving);
        self.usher.do_send(StopUshering);
        self.registry.kill();
    }

    /// What the actors share.
    #[cfg(test)]
    pub(super) const fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Has the router take note of something that ingress says of a connection.
    fn note(&self, id: ConnectionId, note: impl FnOnce(&mut Item)) {
        if self.news.note(id, note) {
            self.router.do_send(Look(id));
        }
    }

    /// Whether the router handles what it is sent. Resolves when it has: never, should it hang.
    pub async fn is_routing(&self) -> bool {
        self.router.send(Alive).await.is_ok()
    }

    /// The router takes its next message, and is never done with it.
    #[cfg(test)]
    pub(super) fn stall_router(&self) {
        self.router.do_send(super::router::Stall);
    }

    /// The number of actors that live.
    pub fn len(&self) -> usize {
        self.registry.len()
    }

    /// How many hooks still deliver to a former public address.
    #[cfg(test)]
    pub fn hooks_to_move(&self) -> usize {
        self.services.moves.count()
    }

    /// Whether none lives.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    async fn instance_for(&self, request: &ConnectRequest) -> Result<Instance, ConnectError> {
        let provider = request.provider;
        if let Some(host) = &request.host {
            let instance = Instance {
                provider,
                host: host.clone(),
            };
            let is_known = self.services.ports.providers.hooks(&instance).is_some();
            return if is_known {
                Ok(instance)
            } else {
                Err(ConnectError::UnknownInstance)
            };
        }
        if let Some(id) = request.credential {
            let credential = self.services.ports.store.credential(id).await?;
            let owned = credential.filter(|c| c.owner == request.owner);
            return owned.map(|c| c.instance).ok_or(ConnectError::NoCredential);
        }
        // Without a word on the host: the one that the newest credential belongs to.
        let mut credentials = self
            .services
            .ports
            .store
            .credentials(request.owner)
            .await?
            .into_iter();
        let newest = credentials.find(|c| c.instance.provider == provider);
        let first = || {
            self.services
                .ports
                .providers
                .instances(provider)
                .next()
                .cloned()
        };
        newest
            .map(|c| c.instance)
            .or_else(first)
            .ok_or(ConnectError::UnknownInstance)
    }

    fn hooks(&self, instance: &Instance) -> Result<Arc<dyn Hooks>, ConnectError> {
        self.services
            .ports
            .providers
            .hooks(instance)
            .cloned()
            .ok_or(ConnectError::UnknownInstance)
    }

    /// Finds the repository with the first credential that sees it; `None` when the provider
    /// cannot be asked just now. And the credentials that do not see it.
    async fn find(
        &self,
        request: &ConnectRequest,
        instance: &Instance,
    ) -> Result<(Option<Repository>, Vec<CredentialId>), ConnectError> {
        let (mut refused, mut blind) = (None, Vec::new());
        let (owner, named) = (request.owner, request.credential);
        let candidates = self
            .services
            .pool
            .candidates(owner, instance, named)
            .await?;
        for credential in candidates.into_iter().take(ASKED_MAX) {
            match self.look_up(request, instance, credential).await {
                Err(why) if is_refusal(&why) => {
                    // That something is in the way says more than that there is nothing.
                    match &refused {
                        Some(ConnectError::Provider(_)) => {}
                        Some(_) if !matches!(why, ConnectError::Provider(_)) => {}
                        Some(_) | None => refused = Some(why),
                    }
                    blind.push(credential.id());
                }
                answer => return answer.map(|found| (found, blind)),
            }
        }
        Err(refused.unwrap_or(ConnectError::NoCredential))
    }

    /// Asks for the repository. `None` when the provider cannot be asked just now.
    async fn look_up(
        &self,
        request: &ConnectRequest,
        instance: &Instance,
        credential: CredentialUse,
    ) -> Result<Option<Repository>, ConnectError> {
        let hooks = self.hooks(instance)?;
        let errand = Errand::of_person(request.owner);
        let target = crate::provider::Target {
            repository: None,
            full_name: request.full_name.clone(),
        };
        let look = |access: Access| {
            let (hooks, target) = (&hooks, &target);
            async move { hooks.repository(&access, target).await }
        };
        match self.services.pool.ask(credential, errand, look).await {
            Ok(Some(repository)) => Ok(Some(repository)),
            Ok(None) => Err(ConnectError::NoSuchRepository),
            Err(refused) => match (refused.cause, refused.error.failure) {
                (Cause::Dead, _) => Err(ConnectError::Unauthorized),
                (Cause::Failed, Failure::NoAccess | Failure::Rejected) => {
                    Err(ConnectError::Provider(refused.error))
                }
                (Cause::NoToken, _) if refused.error.code == ErrorCode::CannotOpenSecret => {
                    Err(refused.error.into())
                }
                // The token can be renewed later, as the provider can be asked later.
                (Cause::NoToken | Cause::Replaced | Cause::Unclear | Cause::Failed, _) => Ok(None),
            },
        }
    }

    fn new_connection(
        &self,
        request: &ConnectRequest,
        instance: Instance,
        repository: Option<Repository>,
    ) -> Connection {
        let entropy = &*self.services.ports.entropy;
        let full_name = repository.as_ref().map(|r| r.full_name.clone());
        let mut connection = Connection::new(
            ConnectionId::generate(self.services.ports.clock.now_for_id(), entropy),
            request.owner,
            instance,
            full_name.unwrap_or_else(|| request.full_name.clone()),
            HookKey::generate(entropy),
            self.services.ports.now(),
        );
        connection.repository = repository.map(|r| r.id);
        connection.credential = request.credential;
        connection.events.clone_from(&request.events);
        if !request.setup_webhook {
            connection.lifecycle.desired = Desired::Paused;
        }
        let secret = HookSecret::generate(entropy);
        connection.secret = secrets::seal(&self.services.ports, &connection, &secret);
        connection
    }

    async fn connect_now(&self, request: ConnectRequest) -> Result<Connection, ConnectError> {
        let instance = self.instance_for(&request).await?;
        let (repository, blind) = self.find(&request, &instance).await?;
        let mut connection = self.new_connection(&request, instance, repository);
        connection.no_access = blind;
        let guard = Guard::NewConnection {
            owner: connection.owner,
            instance: connection.instance.clone(),
            repository: connection.repository,
            full_name: connection.full_name.clone(),
        };
        let id = connection.id;
        let batch = Batch::of(vec![Change::PutConnection(Box::new(connection.clone()))]);
        let batch = batch.guarded_by(Guard::OwnerPresent(connection.owner));
        match self
            .services
            .ports
            .store
            .commit(batch.guarded_by(guard))
            .await
        {
            Ok(()) => {}
            Err(CommitError::Conflict(Conflict::Connection(id))) => {
                return Err(ConnectError::AlreadyConnected(id));
            }
            Err(error) => return Err(error.into()),
        }
        // The warden lives as long as the system.
        let _ = self.warden.send(Start(id)).await;
        self.settled(id, self.services.settings.connect_wait).await;
        Ok(self
            .services
            .ports
            .store
            .connection(id)
            .await?
            .unwrap_or(connection))
    }

    async fn command_now(
        &self,
        id: ConnectionId,
        command: Command,
        priority: Priority,
        leaving: Option<Leaving>,
    ) -> Result<(), CommandError> {
        command_now(
            &self.services,
            &self.registry,
            &self.warden,
            id,
            (command, priority, leaving),
        )
        .await
    }

    /// Waits until no provider call of the connection is outstanding, at most for `within`. Tells
    /// whether that came true (also when the connection is gone).
    pub(super) async fn settled(&self, id: ConnectionId, within: Duration) -> bool {
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
}

/// Has a connection's actor carry out a command, and starts the actor when it has none.
pub(super) async fn command_now(
    services: &Services,
    registry: &Registry,
    warden: &Addr<Warden>,
    id: ConnectionId,
    (command, priority, leaving): (Command, Priority, Option<Leaving>),
) -> Result<(), CommandError> {
    if registry.get(id).is_none() {
        if services.ports.store.connection(id).await?.is_none() {
            return Err(CommandError::NoSuchConnection);
        }
        let _ = warden.send(Start(id)).await;
    }
    let actor = registry.get(id).ok_or(CommandError::Unavailable)?;
    let (answer, answered) = oneshot::channel();
    actor.do_send(Obey {
        command,
        priority,
        answer,
        leaving,
    });
    match tokio::time::timeout(COMMAND_TIMEOUT, answered).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) | Err(_) => Err(CommandError::Unavailable),
    }
}

impl Herd for Actors {
    fn connect(&self, request: ConnectRequest) -> Answering<'_, Connection, ConnectError> {
        Box::pin(self.connect_now(request))
    }

    fn command(&self, id: ConnectionId, command: Command) -> Answering<'_, (), CommandError> {
        Box::pin(self.command_now(id, command, Priority::Person, None))
    }

    fn disconnect(
        &self,
        id: ConnectionId,
        delete_hook: bool,
        within: Duration,
    ) -> Answering<'_, Farewell, CommandError> {
        Box::pin(farewell::disconnect(
            delete_hook,
            within,
            move |command, leaving| self.command_now(id, command, Priority::Person, Some(leaving)),
        ))
    }

    fn delivered(&self, id: ConnectionId) {
        self.note(id, |item| item.is_delivered = true);
    }

    fn heard(&self, id: ConnectionId) {
        self.note(id, |item| item.is_heard = true);
    }

    fn rejected(&self, id: ConnectionId) {
        self.note(id, |item| item.rejected = item.rejected.saturating_add(1));
    }

    fn hook_secrets(&self, connection: &Connection) -> Vec<HookSecret> {
        secrets::accepted(&self.services.ports, connection)
    }

    fn add_grant(
        &self,
        owner: UserId,
        instance: Instance,
        offer: Offer,
    ) -> Answering<'_, Credential, ConnectError> {
        Box::pin(self.add_grant_now(owner, instance, offer))
    }

    fn remove_credential(&self, id: CredentialId) -> Answering<'_, (), CommitError> {
        Box::pin(self.remove_credential_now(id))
    }

    fn user_removal_begun(&self, _: UserId) {
        self.usher.do_send(Leave);
    }

    fn share_credential(
        &self,
        id: CredentialId,
        is_shared: bool,
    ) -> Answering<'_, Credential, CommandError> {
        Box::pin(self.share_credential_now(id, is_shared))
    }

    fn command_credential(
        &self,
        id: CredentialId,
        command: Command,
    ) -> Answering<'_, (), CommandError> {
        Box::pin(self.command_credential_now(id, command))
    }

    fn repositories<'a>(
        &'a self,
        owner: UserId,
        instance: &'a Instance,
        name: Option<&'a str>,
        page: u32,
    ) -> Answering<'a, (Vec<Repository>, bool), ConnectError> {
        Box::pin(self.repositories_now(owner, instance, name, page))
    }
}
