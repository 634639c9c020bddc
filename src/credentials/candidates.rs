//! The credentials that may be used for a call.

use super::pool::Pool;
use crate::domain::connection::{Connection, CredentialUse};
use crate::domain::id::{CredentialId, UserId};
use crate::domain::repo::Instance;
use crate::store::ReadError;

impl Pool {
    /// The working credentials of a user for an instance, newest first.
    pub async fn own(
        &self,
        owner: UserId,
        instance: &Instance,
    ) -> Result<Vec<CredentialUse>, ReadError> {
        let credentials = self.ports.store.credentials(owner).await?.into_iter();
        Ok(credentials
            .filter(|c| c.works_for(instance))
            .map(|c| CredentialUse::Own(c.id))
            .collect())
    }

    /// The credentials that other users share for an instance, newest first.
    async fn shared(
        &self,
        owner: UserId,
        instance: &Instance,
    ) -> Result<Vec<CredentialUse>, ReadError> {
        let credentials = self.ports.store.shared_credentials().await?.into_iter();
        Ok(credentials
            .filter(|c| c.owner != owner && c.works_for(instance))
            .map(|c| CredentialUse::Shared(c.id))
            .collect())
    }

    /// The credentials to connect with, best first: the selected one only, else the owner's, the
    /// newest first, and then shared ones.
    pub async fn candidates(
        &self,
        owner: UserId,
        instance: &Instance,
        named: Option<CredentialId>,
    ) -> Result<Vec<CredentialUse>, ReadError> {
        let mut all = self.own(owner, instance).await?;
        match named {
            Some(named) => all.retain(|usable| usable.id() == named),
            None => all.extend(self.shared(owner, instance).await?),
        }
        Ok(all)
    }

    /// The credentials that a connection may use, best first: the selected one, the owner's newest,
    /// and shared ones. Those that recently could not manage its hooks come last.
    pub async fn candidates_of(&self, c: &Connection) -> Result<Vec<CredentialUse>, ReadError> {
        let mut all = self.candidates(c.owner, &c.instance, None).await?;
        all.sort_by_key(|usable| Some(usable.id()) != c.credential);
        all.sort_by_key(|usable| c.no_access.contains(&usable.id()));
        Ok(all)
    }
}
