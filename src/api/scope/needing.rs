//! What hangs on a credential of the caller's.

use super::Owned;
use crate::domain::connection::Connection;
use crate::domain::id::{CredentialId, UserId};
use crate::domain::lifecycle::Desired;
use crate::domain::repo::FullName;
use crate::domain::user::Credential;
use crate::store::{After, LOOKED_AT_MAX, ReadError};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Most connections of a credential that are looked at before it is removed.
const NEEDING_MAX: usize = LOOKED_AT_MAX;

/// What has no other credential that fits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::api) struct Needing {
    /// The caller's connections, by their repositories.
    pub(in crate::api) connections: Vec<FullName>,
    /// The caller's hooks that are still to be deleted.
    pub(in crate::api) pending_deletions: usize,
    /// Connections of other users, which the credential is shared with.
    pub(in crate::api) others: usize,
    /// Whether there may be more than were looked at.
    pub(in crate::api) is_cut_off: bool,
}

impl Owned<'_> {
    /// What has no other credential that fits than this one of the caller's. Of what is other
    /// users' only the number is shown.
    pub(in crate::api) async fn needing(
        &self,
        credential: &Credential,
    ) -> Result<Needing, ReadError> {
        let (id, instance) = (credential.id, &credential.instance);
        let mut needing = Needing::default();
        if !credential.works_for(instance) {
            return Ok(needing);
        }
        let after = After::first(NEEDING_MAX);
        let using = self.store.connections_using(id, self.owner, after).await?;
        needing.is_cut_off = using.has_more;
        let shared = self.store.shared_credentials().await?;
        let mut usable: HashMap<UserId, Vec<CredentialId>> = HashMap::new();
        let of_instance = |c: &Connection| c.instance == *instance;
        for connection in using.items.into_iter().filter(of_instance) {
            let owner = connection.owner;
            let usable = match usable.entry(owner) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let own = self.store.credentials(owner).await?;
                    let all = own.iter().chain(&shared).filter(|c| c.works_for(instance));
                    unknown.insert(all.map(|c| c.id).collect())
                }
            };
            let fits =
                |other: &&CredentialId| **other != id && !connection.no_access.contains(other);
            if usable.iter().any(|other| fits(&other)) {
                continue;
            }
            if owner != self.owner {
                needing.others += 1;
                continue;
            }
            match connection.lifecycle.desired {
                Desired::Removed { delete_hook: false } => {}
                Desired::Removed { delete_hook: true } => needing.pending_deletions += 1,
                Desired::Active | Desired::Paused => needing.connections.push(connection.full_name),
            }
        }
        Ok(needing)
    }
}
