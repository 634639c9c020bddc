//! How much each credential has to do, and how far regular work is stretched for it.

use super::pool::Pool;
use crate::domain::connection::{Connection, CredentialUse};
use crate::domain::id::CredentialId;
use crate::domain::pace::{Intervals, Load};
use crate::domain::repo::Instance;
use crate::domain::user::Credential;
use crate::store::{ReadError, Scope, pages};
use futures_util::TryStreamExt;
use std::time::Duration;

impl Pool {
    /// Counts what uses these credentials: the counts are kept by the store.
    pub(super) async fn weigh(&self, credentials: &[Credential]) -> Result<(), ReadError> {
        for credential in credentials {
            let of = Scope::Credential(credential.id);
            let counted = self.ports.store.counts(of).await?.connections_kept;
            let hooks = self.ports.providers.hooks(&credential.instance);
            let load = Load {
                connections: u64::try_from(counted).unwrap_or(u64::MAX),
                limits: hooks.map(|hooks| hooks.limits()).unwrap_or_default(),
            };
            let known = (credential.instance.clone(), load);
            self.loads.0.lock().insert(credential.id, known);
        }
        Ok(())
    }

    /// Counts what uses each credential.
    pub async fn weigh_all(&self) {
        let store = &self.ports.store;
        let mut all = pages(|after| store.all_credentials(after), |c: &Credential| c.id);
        loop {
            match all.try_next().await {
                Ok(Some(page)) => {
                    if let Err(error) = self.weigh(&page).await {
                        tracing::warn!(%error, "the connections of credentials cannot be counted");
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "credentials cannot be read");
                    return;
                }
            }
        }
    }

    /// Forgets what was counted of others than these.
    pub(super) fn weighed(&self, is_there: impl Fn(CredentialId) -> bool) {
        self.loads.0.lock().retain(|id, _| is_there(*id));
    }

    /// The load of a credential.
    pub fn load(&self, id: CredentialId) -> Load {
        let loads = self.loads.0.lock();
        loads.get(&id).map(|(_, load)| *load).unwrap_or_default()
    }

    /// The intervals of a connection: as wanted, or longer, when its credential has more to do than
    /// its provider allows.
    pub fn intervals(&self, connection: &Connection, wanted: Intervals) -> Intervals {
        let used = connection.credential_used.map(CredentialUse::id);
        let load = used.or(connection.credential).map(|id| self.load(id));
        load.unwrap_or_default().stretched(wanted)
    }

    /// The time that checks of all connections of an installation take at least.
    pub fn round(&self, instance: &Instance) -> Duration {
        let loads = self.loads.0.lock();
        let there = loads.values().filter(|(at, _)| at == instance);
        there
            .map(|(_, load)| load.round())
            .max()
            .unwrap_or_default()
    }

    /// The longest intervals at an installation, of all its credentials.
    pub fn longest(&self, instance: &Instance, wanted: Intervals) -> Intervals {
        let loads = self.loads.0.lock();
        let there = loads.values().filter(|(at, _)| at == instance);
        there.fold(wanted, |longest, (_, load)| {
            let found = load.stretched(wanted);
            Intervals {
                check: longest.check.max(found.check),
                ping: longest.ping.max(found.ping),
                reconcile: longest.reconcile.max(found.reconcile),
            }
        })
    }
}
