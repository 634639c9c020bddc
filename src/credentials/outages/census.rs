//! Who uses an installation.

use crate::credentials::ports::Ports;
use crate::domain::connection::{Connection, CredentialUse};
use crate::domain::id::{ConnectionId, CredentialId, OwnerId};
use crate::domain::outage::Users;
use crate::domain::repo::Instance;
use crate::domain::time::Timestamp;
use crate::store::{ReadError, pages};
use futures_util::TryStreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Connections that are kept to find out with whether a provider answers.
const TARGETS_MAX: usize = 64;
/// How long a count is good for: it walks over all connections.
const COUNT_AGE_MAX: Duration = Duration::from_mins(10);
/// The same while there are too few for a quick judgement.
const COUNT_AGE_FEW: Duration = Duration::from_mins(1);

/// Who uses an installation.
#[derive(Clone, Debug)]
pub(super) struct Census {
    at: Timestamp,
    /// The connections of each owner that want a hook.
    pub(super) owners: BTreeMap<OwnerId, u32>,
    credentials: BTreeSet<CredentialId>,
    /// Some of the connections, from all over the list.
    pub(super) targets: Vec<ConnectionId>,
}

impl Census {
    /// Counts. `all` is called with every connection there.
    pub(super) async fn take(
        ports: &Ports,
        instance: &Instance,
        mut all: impl FnMut(&Connection) + Send,
    ) -> Result<Self, ReadError> {
        let mut census = Self {
            at: ports.now(),
            owners: BTreeMap::new(),
            credentials: BTreeSet::new(),
            targets: Vec::new(),
        };
        let store = &ports.store;
        let mut found = pages(|after| store.all_connections(after), |c: &Connection| c.id);
        let mut seen = 0_u64;
        while let Some(page) = found.try_next().await? {
            for connection in page.iter().filter(|c| c.instance == *instance) {
                all(connection);
                if !connection.is_enabled() && !connection.is_leaving() {
                    continue;
                }
                seen += 1;
                census.add(connection, seen, ports.chance());
            }
        }
        Ok(census)
    }

    fn add(&mut self, connection: &Connection, seen: u64, chance: u64) {
        if connection.is_enabled() {
            *self.owners.entry(connection.owner).or_default() += 1;
        }
        let used = connection.credential_used.map(CredentialUse::id);
        self.credentials.extend(used.or(connection.credential));
        if self.targets.len() < TARGETS_MAX {
            self.targets.push(connection.id);
        } else if let Some(target) = usize::try_from(chance % seen)
            .ok()
            .and_then(|place| self.targets.get_mut(place))
        {
            *target = connection.id;
        }
    }

    /// Connections of all owners.
    pub(super) fn connections(&self) -> u32 {
        self.owners.values().sum()
    }

    pub(super) fn users(&self) -> Users {
        Users {
            connections: usize::try_from(self.connections()).unwrap_or(usize::MAX),
            credentials: self.credentials.len(),
        }
    }

    /// Whether it is to be taken again.
    pub(super) fn is_old(&self, now: Timestamp) -> bool {
        let most = if self.users().connections < 3 {
            COUNT_AGE_FEW
        } else {
            COUNT_AGE_MAX
        };
        now.apart(self.at) >= most
    }
}
