//! The part with credentials: whose may be used, and who looks again when one comes.

use super::Actors;
use crate::actor::interface::{CommandError, ConnectError};
use crate::credentials::{About, Offer};
use crate::domain::command::CommandKind;
use crate::domain::connection::Connection;
use crate::domain::errand::{Errand, Priority};
use crate::domain::id::{CredentialId, UserId};
use crate::domain::lifecycle::Desired;
use crate::domain::repo::{Instance, Repository};
use crate::domain::user::Credential;
use crate::provider::Access;
use crate::store::{CommitError, Pages, ReadError, pages};
use futures_util::TryStreamExt;

/// Whether a connection failed for want of a credential that can do it.
fn waits(connection: &Connection, instance: &Instance) -> bool {
    let error = connection.last_error.as_ref();
    connection.instance == *instance && error.is_some_and(|e| e.code.is_of_credential())
}

impl Actors {
    pub(super) async fn add_grant_now(
        &self,
        owner: UserId,
        instance: Instance,
        offer: Offer,
    ) -> Result<Credential, ConnectError> {
        let credential = self.services.pool.add(owner, instance, offer).await?;
        self.resume_waiting(&credential).await?;
        Ok(credential)
    }

    pub(super) async fn remove_credential_now(&self, id: CredentialId) -> Result<(), CommitError> {
        let removed = self
            .services
            .ports
            .store
            .credential(id)
            .await
            .ok()
            .flatten();
        self.services.pool.remove(id).await?;
        if let Some(dead) = removed.filter(|credential| credential.rejected.is_some()) {
            // Its incident is resolved, which covered the suspended connections: they are checked
            // again, and report themselves. An unreadable one is not changed. Those that have
            // called with none so far may have waited for it.
            let store = &self.services.ports.store;
            let using = |after| store.connections_using(dead.id, dead.owner, after);
            let _ = self.resume(pages(using, |c| c.id), &dead.instance).await;
        }
        Ok(())
    }

    pub(super) async fn share_credential_now(
        &self,
        id: CredentialId,
        is_shared: bool,
    ) -> Result<Credential, CommandError> {
        let credential = self.services.pool.set_shared(id, is_shared).await?;
        if is_shared {
            self.resume_waiting(&credential).await?;
        }
        Ok(credential)
    }

    /// Checks the connections that had no working credential: the owner's, and those of all users
    /// when it is shared.
    async fn resume_waiting(&self, credential: &Credential) -> Result<(), ReadError> {
        let store = &self.services.ports.store;
        let connections = if credential.is_shared {
            pages(|after| store.all_connections(after), |c| c.id)
        } else {
            let owner = credential.owner;
            pages(move |after| store.connections_of(owner, after), |c| c.id)
        };
        self.resume(connections, &credential.instance).await
    }

    /// Checks those of these connections that had no working credential.
    async fn resume(
        &self,
        mut connections: Pages<'_, Connection>,
        instance: &Instance,
    ) -> Result<(), ReadError> {
        while let Some(page) = connections.try_next().await? {
            for connection in page.into_iter().filter(|c| waits(c, instance)) {
                let kind = match connection.lifecycle.desired {
                    // Requested again, it is tried again.
                    Desired::Removed { delete_hook } => CommandKind::Disconnect { delete_hook },
                    Desired::Active | Desired::Paused => CommandKind::Check,
                };
                // One that cannot be asked now checks again at its next start or retry.
                let _ = self
                    .registry
                    .want(connection.id, kind, Priority::Repair)
                    .await;
            }
        }
        Ok(())
    }

    pub(super) async fn repositories_now(
        &self,
        owner: UserId,
        instance: &Instance,
        name: Option<&str>,
        page: u32,
    ) -> Result<(Vec<Repository>, bool), ConnectError> {
        // What others share is used for their repositories, and never listed.
        let usable = self.services.pool.own(owner, instance).await?;
        let credential = usable.first().ok_or(ConnectError::NoCredential)?;
        let hooks = self.services.hooks(instance)?;
        let list = |access: Access| {
            let hooks = &hooks;
            async move {
                if let Some(name) = name {
                    hooks.owner(&access, name).await?;
                }
                hooks.repositories(&access, page).await
            }
        };
        let errand = Errand::of_person(owner);
        let about = About {
            instance,
            connection: None,
        };
        let asked = self.services.pool.ask(about, (*credential, errand), list);
        let listed = asked.await;
        listed.map_err(|refused| refused.error.into())
    }
}
