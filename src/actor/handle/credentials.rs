//! The herd's part with credentials: whose may be used, and who looks again when one comes.

use super::Actors;
use crate::actor::keeper::{self, Verdict};
use crate::actor::{Command, CommandError, ConnectError, ConnectRequest, Offer};
use crate::domain::connection::{Connection, CredentialUse};
use crate::domain::errand::{Errand, Priority};
use crate::domain::id::{ConnectionId, CredentialId, UserId};
use crate::domain::lifecycle::{Desired, Failure};
use crate::domain::repo::{Instance, Repository};
use crate::domain::user::Credential;
use crate::provider::{Access, ProviderError};
use crate::store::{After, CommitError, ReadError};

/// Most credentials with which a repository is looked for when it is connected.
const ASKED_MAX: usize = 8;
/// Connections that are read at a time when credentials change.
const PAGE: usize = 200;

/// What a provider's refusal means to a caller of the API.
pub(in crate::actor) fn told(error: ProviderError) -> ConnectError {
    match error.failure {
        Failure::Unauthorized => ConnectError::Unauthorized,
        Failure::Retryable { .. } | Failure::NoAccess | Failure::Rejected => {
            ConnectError::Provider(error.shown(true))
        }
    }
}

/// Whether a connection failed for want of a credential that can do it.
fn waits(connection: &Connection, instance: &Instance) -> bool {
    let error = connection.last_error.as_ref();
    connection.instance == *instance && error.is_some_and(|e| e.code.is_of_credential())
}

impl Actors {
    /// The credentials to connect with, best first: the named one and no other, else the owner's,
    /// the newest first, and then what others share.
    pub(super) fn credentials_for(
        &self,
        request: &ConnectRequest,
        instance: &Instance,
    ) -> Result<Vec<CredentialUse>, ReadError> {
        let own = self.world.usable_credentials(request.owner, instance)?;
        let fits = |c: &&Credential| request.credential.is_none_or(|id| id == c.id);
        let own = own.iter().filter(fits).map(|c| CredentialUse::Own(c.id));
        let shared = if request.credential.is_some() {
            Vec::new()
        } else {
            self.world.shared_credentials(request.owner, instance)?
        };
        let shared = shared.iter().map(|c| CredentialUse::Shared(c.id));
        Ok(own.chain(shared).take(ASKED_MAX).collect())
    }

    pub(super) async fn add_grant_now(
        &self,
        owner: UserId,
        instance: Instance,
        offer: Offer,
    ) -> Result<Credential, ConnectError> {
        let credential = keeper::add(&self.world, owner, instance, offer).await?;
        self.resume_waiting(&credential).await?;
        Ok(credential)
    }

    pub(super) async fn remove_credential_now(&self, id: CredentialId) -> Result<(), CommitError> {
        let removed = self.world.store.credential(id).await.ok().flatten();
        keeper::remove(&self.world, id).await?;
        if let Some(dead) = removed.filter(|credential| credential.rejected.is_some()) {
            // Its incident is over, which told of the connections that it left suspended: they
            // look again, and tell it themselves. What cannot be read now stays as it is.
            let _ = self.resume_waiting(&dead).await;
        }
        Ok(())
    }

    pub(super) async fn share_credential_now(
        &self,
        id: CredentialId,
        is_shared: bool,
    ) -> Result<Credential, CommandError> {
        let credential = keeper::set_shared(&self.world, id, is_shared).await?;
        if is_shared {
            self.resume_waiting(&credential).await?;
        }
        Ok(credential)
    }

    /// Has the connections look again that had no credential that works: the owner's, and
    /// everybody's when it is shared.
    async fn resume_waiting(&self, credential: &Credential) -> Result<(), ReadError> {
        let ids = if credential.is_shared {
            self.world.store.connection_ids().await?
        } else {
            self.connections_of(credential.owner)?
        };
        for id in ids {
            let connection = self.world.store.connection(id).await?;
            let waiting = connection.filter(|c| waits(c, &credential.instance));
            if let Some(connection) = waiting {
                let command = match connection.lifecycle.desired {
                    // Said again, it is tried again.
                    Desired::Removed { delete_hook } => Command::Disconnect { delete_hook },
                    Desired::Active | Desired::Paused => Command::Check,
                };
                // One that cannot be asked just now looks again at its next start or retry.
                let _ = self.command_now(id, command, Priority::Repair, None).await;
            }
        }
        Ok(())
    }

    fn connections_of(&self, owner: UserId) -> Result<Vec<ConnectionId>, ReadError> {
        let (mut ids, mut last) = (Vec::new(), None);
        loop {
            let after = After { last, limit: PAGE };
            let page = self.world.store.connections_of(owner, after).ready()?;
            last = page.items.last().map(|c| c.id);
            ids.extend(page.items.iter().map(|c| c.id));
            if !page.has_more || last.is_none() {
                return Ok(ids);
            }
        }
    }

    pub(super) async fn repositories_now(
        &self,
        owner: UserId,
        instance: &Instance,
        name: Option<&str>,
        page: u32,
    ) -> Result<(Vec<Repository>, bool), ConnectError> {
        // What others share is used for their repositories, and never listed.
        let usable = self.world.usable_credentials(owner, instance)?;
        let credential = usable.first().ok_or(ConnectError::NoCredential)?;
        let hooks = self.hooks(instance)?;
        let errand = Errand::of_person(owner);
        let access = keeper::access(&self.world, credential.id, errand)
            .await
            .map_err(told)?;
        let list = async |access: Access| {
            if let Some(name) = name {
                hooks.owner(&access, name).await?;
            }
            hooks.repositories(&access, page).await
        };
        let listed = list(access.clone()).await;
        let is_refused = |error: &ProviderError| error.failure == Failure::Unauthorized;
        if !listed.as_ref().is_err_and(is_refused) {
            return listed.map_err(told);
        }
        // The provider may have ended the token before its time: with a new one it is asked again.
        match keeper::refused(&self.world, credential.id, &access).await {
            Verdict::Again => {}
            Verdict::Dead | Verdict::Unclear => return listed.map_err(told),
        }
        let access = keeper::access(&self.world, credential.id, errand)
            .await
            .map_err(told)?;
        list(access).await.map_err(told)
    }
}
