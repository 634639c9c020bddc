//! The connections around a repository, of all users: what its hooks are judged by.

use crate::credentials::Ports;
use crate::domain::connection::Connection;
use crate::domain::id::UserId;
use crate::domain::repo::{Instance, Repository};
use crate::domain::standing::{self, Known, Lead, Seen, Standing};
use crate::provider::TheirHook;
use crate::store::ReadError;

/// The connections around a repository, of all users.
pub(super) struct Around<'a> {
    instance: &'a Instance,
    repository: &'a Repository,
    of_repository: Vec<Connection>,
    /// The user's own.
    pub(super) own: Option<Connection>,
}

impl<'a> Around<'a> {
    pub(super) async fn read(
        ports: &Ports,
        owner: UserId,
        instance: &'a Instance,
        repository: &'a Repository,
    ) -> Result<Self, ReadError> {
        let (store, provider) = (&ports.store, instance.provider);
        let by_id = store.connections_by_repository(provider, repository.id);
        let mut of_repository = by_id.await?;
        // Those that have not found their repository yet have only its name.
        let named = store.connections_by_name(provider, &repository.full_name);
        let unfound = named.await?.into_iter().filter(|c| c.repository.is_none());
        of_repository.extend(unfound);
        of_repository.retain(|c| c.instance == *instance);
        let is_own = |c: &&Connection| c.owner == owner && !c.is_removed();
        let own = of_repository.iter().find(is_own).cloned();
        Ok(Self {
            instance,
            repository,
            of_repository,
            own,
        })
    }

    /// Whose a hook is.
    pub(super) async fn judge(
        &self,
        ports: &Ports,
        hook: &TheirHook,
    ) -> Result<Standing, ReadError> {
        let (store, public_url) = (&ports.store, &ports.public_url);
        let url = hook.url.as_deref();
        let by_key = match standing::lead(url, public_url) {
            Lead::Key { key, .. } => store.connection_by_hook_key(&key).await?,
            Lead::Host | Lead::Elsewhere => None,
        };
        let seen = Seen {
            hook: hook.id,
            url,
            events: if hook.is_active { &hook.events } else { &[] },
            instance: self.instance,
            repository: self.repository,
            public_url,
        };
        let known = Known {
            by_key: by_key.as_ref(),
            of_repository: &self.of_repository,
            own: self.own.as_ref(),
        };
        Ok(standing::judge(&seen, &known))
    }
}
