//! Connecting a repository: where it is, and who sees it.

use super::interface::{ConnectError, ConnectRequest};
use super::registry::Registry;
use super::secrets;
use super::services::Services;
use crate::credentials::{About, Refusal};
use crate::domain::connection::{Connection, CredentialUse};
use crate::domain::errand::{Errand, Priority};
use crate::domain::error_code::ErrorCode;
use crate::domain::id::{ConnectionId, CredentialId, HookKey};
use crate::domain::lifecycle::{Desired, Failure};
use crate::domain::repo::{Instance, Repository};
use crate::domain::secret::HookSecret;
use crate::domain::takeover::Takeover;
use crate::provider::Access;
use crate::store::{Adoption, Batch, Change, CommitError, Conflict, Guard};
use std::sync::Arc;

/// Whether another credential may do better.
fn is_refusal(why: &ConnectError) -> bool {
    match why {
        ConnectError::NoSuchRepository | ConnectError::Unauthorized => true,
        ConnectError::Provider(error) => error.failure == Failure::NoAccess,
        ConnectError::AlreadyConnected(_)
        | ConnectError::HookTaken
        | ConnectError::UnknownInstance
        | ConnectError::NoCredential
        | ConnectError::Commit(_)
        | ConnectError::Read(_) => false,
    }
}

/// Most credentials with which a repository is looked for when it is connected.
const ASKED_MAX: usize = 8;

/// Connects repositories.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) services: Arc<Services>,
    pub(super) registry: Arc<Registry>,
    /// The urgency of looking a repository up.
    pub(super) priority: Priority,
}

impl Connector {
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
        let hooks = self.services.hooks(instance)?;
        let (owner, priority) = (request.owner, self.priority);
        let errand = Errand { owner, priority };
        let target = crate::provider::Target {
            repository: None,
            full_name: request.full_name.clone(),
        };
        let look = |access: Access| {
            let (hooks, target) = (&hooks, &target);
            async move { hooks.repository(&access, target).await }
        };
        let about = About {
            instance,
            connection: None,
        };
        let asked = self.services.pool.ask(about, (credential, errand), look);
        match asked.await {
            Ok(Some(repository)) => Ok(Some(repository)),
            Ok(None) => Err(ConnectError::NoSuchRepository),
            Err(refused) => match (refused.why, refused.error.failure) {
                (Refusal::Dead, _) => Err(ConnectError::Unauthorized),
                (Refusal::Failed, Failure::NoAccess | Failure::Rejected) => {
                    Err(ConnectError::Provider(refused.error))
                }
                (Refusal::NoToken, _) if refused.error.code == ErrorCode::CannotOpenSecret => {
                    Err(refused.error.into())
                }
                // The token can be renewed later, as the provider can be asked later.
                (Refusal::NoToken | Refusal::Replaced | Refusal::Unclear | Refusal::Failed, _) => {
                    Ok(None)
                }
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

    /// What the new connection does about hooks of others, if that was requested.
    fn takeover(request: &ConnectRequest, connection: &Connection) -> Option<Takeover> {
        let is_wanted = request.replaces.is_some() || request.adopts.is_some();
        is_wanted.then(|| Takeover {
            adopts: request.adopts,
            replaces: request.replaces.clone(),
            ..Takeover::new(connection.id, connection.owner, connection.created_at)
        })
    }

    /// Stores a new connection, whose actor begins at once.
    pub(super) async fn connect(
        &self,
        request: ConnectRequest,
    ) -> Result<Connection, ConnectError> {
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
        let put = Change::PutConnection(Box::new(connection.clone()));
        let takeover = Self::takeover(&request, &connection);
        let put_takeover = takeover.map(|takeover| Change::PutTakeover(Box::new(takeover)));
        let batch = Batch::of([put].into_iter().chain(put_takeover).collect());
        let mut batch = batch.guarded_by(Guard::OwnerPresent(connection.owner));
        if let (Some((hook, _)), Some(repository)) = (request.adopts, connection.repository) {
            let instance = connection.instance.clone();
            let adoption = Adoption {
                instance,
                repository,
                hook,
            };
            batch = batch.guarded_by(Guard::NewAdoption(Box::new(adoption)));
        }
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
            Err(CommitError::Conflict(Conflict::Hook(_))) => return Err(ConnectError::HookTaken),
            Err(error) => return Err(error.into()),
        }
        self.registry.add(id);
        Ok(connection)
    }
}
