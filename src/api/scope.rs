//! What the handlers share, and the one place where reads are filtered by owner.
//!
//! The store is private to this file. A handler that has a [`Caller`] gets an [`Owned`] reader,
//! which shows the caller's own objects and nothing else: what is another user's is not there.
//! Ingress, which has no user, gets an [`IngressStore`]; the accounts an [`Accounts`]. There is no
//! way to the bare store, and being an admin opens no other user's objects.

mod accounts;
mod explained;
mod needing;
mod notified;
mod recovery;
mod selected;
mod tended;

pub(super) use accounts::{Accounts, Belongings};
pub(super) use needing::Needing;
pub(super) use selected::Selected;
pub(super) use tended::UserNames;

use super::access::{Admin, Caller};
use super::error::Problem;
use super::ingress::opened::Opened;
use super::ingress::room::{Lanes, Room};
use super::quota::{Counters, Held};
use super::server::answers::Budget;
use super::settings::Settings;
use super::signin::SignIns;
use crate::actor::Connections;
use crate::domain::command::Command;
use crate::domain::connection::Connection;
use crate::domain::delivery::{BodyDigest, Delivery};
use crate::domain::history::History;
use crate::domain::id::{
    CommandId, ConnectionId, CredentialId, DeliveryId, Entropy, HookKey, IncidentId, RunId, UserId,
};
use crate::domain::incident::Incident;
use crate::domain::repo::{FullName, Instance, ProviderKind};
use crate::domain::run::Run;
use crate::domain::takeover::Takeover;
use crate::domain::time::{Clock, Timestamp};
use crate::domain::user::Credential;
use crate::ledger::Recovery;
use crate::outbox::Notifying;
use crate::provider::{Claim, Providers};
use crate::store::{
    After, Batch, Committing, ConnectionFilter, Counts, DeliveryFilter, IncidentFilter, Listing,
    ReadError, RunFilter, Scope, Store, StoredBody, Whose,
};
use accounts::Uses;
use std::io::Write;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Bytes of the bodies of API calls in memory. Half is for those up to a mebibyte, which is more
/// than any may have.
const API_BYTES_IN_FLIGHT_MAX: usize = 32 * 1024 * 1024;
/// Large deliveries that are hashed and compressed at a time. Each may take three times its size.
const HEAVY_MAX: usize = 2;
/// Payloads that are looked at whole at a time: as many as the store reads at a time.
const LOOKS_MAX: usize = 4;

/// Renders the metrics in Prometheus' text format.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// Writes a backup of the whole store.
pub type Backup = Arc<dyn Fn(&mut dyn Write) -> std::io::Result<()> + Send + Sync>;

/// Who the API works with.
pub struct Collaborators {
    /// Where state lives.
    pub store: Arc<dyn Store>,
    /// The actors.
    pub connections: Arc<dyn Connections>,
    /// Who reconciles.
    pub recovery: Arc<dyn Recovery>,
    /// The outbox.
    pub notifying: Arc<dyn Notifying>,
    /// The providers.
    pub providers: Providers,
    /// The installations that are meant when no host is named, at most one a kind; without one
    /// it is the only one configured.
    pub default_instances: Vec<Instance>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance, for ids and API tokens.
    pub entropy: Arc<dyn Entropy>,
    /// What `/metrics` shows; `None` when metrics have a listener of their own.
    pub metrics: Option<MetricsText>,
    /// The built-in admin; `None` when no admin token is configured.
    pub admin: Option<Admin>,
    /// Backups.
    pub backup: Backup,
}

/// What the handlers share.
pub struct Shared {
    store: Arc<dyn Store>,
    pub(super) connections: Arc<dyn Connections>,
    pub(super) recovery: Arc<dyn Recovery>,
    pub(super) notifying: Arc<dyn Notifying>,
    pub(super) providers: Providers,
    pub(super) default_instances: Vec<Instance>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) metrics: Option<MetricsText>,
    pub(super) admin: Option<Admin>,
    pub(super) backup: Backup,
    /// Backups that may be in progress.
    pub(super) backups: Arc<Semaphore>,
    pub(super) settings: Settings,
    /// What deliveries may take.
    pub(super) lanes: Lanes,
    /// What the bodies of API calls may take.
    pub(super) api_room: Room,
    /// What users and addresses have asked for.
    pub(super) counters: Counters,
    /// What answers may take while they are read.
    pub(super) answers: Arc<Budget>,
    /// Large deliveries that may be hashed and compressed.
    pub(super) heavy: Semaphore,
    /// Payloads that may be looked at whole.
    pub(super) looks: Arc<Semaphore>,
    /// Sign-ins that are under way.
    pub(super) sign_ins: SignIns,
    /// Which API tokens were used lately.
    pub(super) uses: Uses,
    /// The secrets of hooks that deliveries came to lately.
    pub(super) opened: Opened,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Puts together what the handlers share.
    pub fn new(with: Collaborators, settings: Settings) -> Self {
        Self {
            store: with.store,
            connections: with.connections,
            recovery: with.recovery,
            notifying: with.notifying,
            providers: with.providers,
            default_instances: with.default_instances,
            clock: with.clock,
            entropy: with.entropy,
            metrics: with.metrics,
            admin: with.admin,
            backup: with.backup,
            backups: Arc::new(Semaphore::new(1)),
            lanes: Lanes::new(
                settings.ingress_requests_max,
                settings.ingress_bytes_in_flight_max,
            ),
            api_room: Room::new(API_BYTES_IN_FLIGHT_MAX),
            counters: Counters::new(settings.quotas.clone()),
            answers: Budget::new(settings.answer_bytes_max),
            heavy: Semaphore::new(HEAVY_MAX),
            looks: Arc::new(Semaphore::new(LOOKS_MAX)),
            settings,
            sign_ins: SignIns::default(),
            uses: Uses::default(),
            opened: Opened::default(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What this caller may see.
    pub(super) fn owned(&self, caller: Caller) -> Owned<'_> {
        Owned {
            store: self.store.as_ref(),
            owner: caller.user,
        }
    }

    /// What ingress may see and write.
    pub(super) fn ingress_store(&self) -> IngressStore<'_> {
        IngressStore {
            store: self.store.as_ref(),
        }
    }

    /// Users and API tokens.
    pub(super) fn accounts(&self) -> Accounts<'_> {
        Accounts {
            store: self.store.as_ref(),
        }
    }

    /// Whether batches are accepted.
    pub(super) fn store_is_ready(&self) -> bool {
        self.store.status().trouble.is_none()
    }
}

/// The caller's own objects.
#[derive(Clone, Copy)]
pub(super) struct Owned<'a> {
    store: &'a dyn Store,
    owner: UserId,
}

impl Owned<'_> {
    /// An object if it is there and the caller's; otherwise the same "not found" for both.
    fn own<T>(&self, found: Option<T>, owner: impl Fn(&T) -> UserId) -> Result<T, Problem> {
        found
            .filter(|object| owner(object) == self.owner)
            .ok_or_else(Problem::not_found)
    }

    /// A connection that is not removed.
    pub(super) async fn connection(&self, id: ConnectionId) -> Result<Connection, Problem> {
        let connection = self.own(self.store.connection(id).await?, |c| c.owner)?;
        if connection.is_removed() {
            Err(Problem::not_found())
        } else {
            Ok(connection)
        }
    }

    /// A command.
    pub(super) async fn command(&self, id: CommandId) -> Result<Command, Problem> {
        self.own(self.store.command(id).await?, |c| c.owner)
    }

    /// The commands of a connection, which may be removed: they stay as history.
    pub(super) async fn commands(
        &self,
        id: ConnectionId,
        after: After<CommandId>,
    ) -> Result<Listing<Command, CommandId>, Problem> {
        if self.store.connection(id).await?.is_some() {
            self.connection_or_removed(id).await?;
        } else {
            let newest = After {
                last: None,
                limit: 1,
            };
            let mut newest = self.store.commands_of(id, newest).await?;
            self.own(newest.items.pop(), |command| command.owner)?;
        }
        let page = self.store.commands_of(id, after).await?;
        let last = page.items.last().filter(|_| page.has_more);
        Ok(Listing {
            next: last.map(|command| command.id),
            items: page.items,
        })
    }

    /// The history of a connection; `None` when nothing happened to it.
    pub(super) async fn history(&self, id: ConnectionId) -> Result<Option<History>, Problem> {
        let connection = self.connection_or_removed(id).await?;
        Ok(self.store.history(connection.id).await?)
    }

    /// The history of a connection that was found to be the caller's.
    pub(super) async fn history_of(
        &self,
        connection: &Connection,
    ) -> Result<Option<History>, Problem> {
        let own = self.own(Some(connection), |c| c.owner)?;
        Ok(self.store.history(own.id).await?)
    }

    /// What a connection that was found to be the caller's does about hooks of others.
    pub(super) async fn takeover_of(
        &self,
        connection: &Connection,
    ) -> Result<Option<Takeover>, Problem> {
        let own = self.own(Some(connection), |c| c.owner)?;
        Ok(self.store.takeover(own.id).await?)
    }

    /// A connection of the caller's, also a removed one that still has its history.
    pub(super) async fn connection_or_removed(
        &self,
        id: ConnectionId,
    ) -> Result<Connection, Problem> {
        self.own(self.store.connection(id).await?, |c| c.owner)
    }

    /// The name of a connection's repository; `None` once the connection is forgotten.
    pub(super) async fn full_name(&self, id: ConnectionId) -> Result<Option<FullName>, ReadError> {
        let found = self
            .store
            .connection(id)
            .await?
            .filter(|c| c.owner == self.owner);
        Ok(found.map(|c| c.full_name))
    }

    /// How many of what the caller has.
    pub(super) async fn counts(&self) -> Result<Counts, ReadError> {
        self.store.counts(Scope::Owner(self.owner)).await
    }

    /// How many connections the caller has, removed ones apart.
    pub(super) async fn held(&self) -> Result<Held, ReadError> {
        let counts = self.counts().await?;
        Ok(Held {
            kept: counts.connections_kept,
            present: counts.connections_present(),
        })
    }

    /// A delivery.
    pub(super) async fn delivery(&self, id: DeliveryId) -> Result<Delivery, Problem> {
        self.own(self.store.delivery(id).await?, |d| d.owner)
    }

    /// The payload of a delivery that the caller was shown; `None` when retention took it.
    pub(super) async fn body(&self, delivery: &Delivery) -> Result<Option<StoredBody>, Problem> {
        if delivery.owner != self.owner {
            return Err(Problem::not_found());
        }
        Ok(self.store.body(delivery.id).await?)
    }

    /// A filter by connection is for the caller's own, which may be removed.
    async fn may_ask(&self, whose: &Whose) -> Result<(), Problem> {
        if let Some(id) = whose.connection {
            self.connection_or_removed(id).await?;
        }
        Ok(())
    }

    /// Connections that are not removed.
    pub(super) async fn connections(
        &self,
        filter: &ConnectionFilter,
        after: After<ConnectionId>,
    ) -> Result<Listing<Connection, ConnectionId>, Problem> {
        Ok(self.store.connections(self.owner, filter, after).await?)
    }

    /// Deliveries.
    pub(super) async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        after: After<DeliveryId>,
    ) -> Result<Listing<Delivery, DeliveryId>, Problem> {
        self.may_ask(&filter.whose).await?;
        Ok(self.store.deliveries_of(self.owner, filter, after).await?)
    }

    /// A run.
    pub(super) async fn run(&self, id: RunId) -> Result<Run, Problem> {
        self.own(self.store.run(id).await?, |r| r.owner)
    }

    /// Runs.
    pub(super) async fn runs(
        &self,
        filter: &RunFilter,
        after: After<RunId>,
    ) -> Result<Listing<Run, RunId>, Problem> {
        self.may_ask(&filter.whose).await?;
        Ok(self.store.runs_of(self.owner, filter, after).await?)
    }

    /// An incident.
    pub(super) async fn incident(&self, id: IncidentId) -> Result<Incident, Problem> {
        self.own(self.store.incident(id).await?, |i| i.owner)
    }

    /// Incidents.
    pub(super) async fn incidents(
        &self,
        filter: &IncidentFilter,
        after: After<IncidentId>,
    ) -> Result<Listing<Incident, IncidentId>, Problem> {
        self.may_ask(&filter.whose).await?;
        Ok(self.store.incidents_of(self.owner, filter, after).await?)
    }

    /// The caller's credentials, newest first.
    pub(super) async fn credentials(&self) -> Result<Vec<Credential>, ReadError> {
        self.store.credentials(self.owner).await
    }

    /// A credential.
    pub(super) async fn credential(&self, id: CredentialId) -> Result<Credential, Problem> {
        self.own(self.store.credential(id).await?, |c| c.owner)
    }
}

/// What ingress needs: connections by what a request names, and the commit of a delivery.
#[derive(Clone, Copy)]
pub(super) struct IngressStore<'a> {
    store: &'a dyn Store,
}

impl IngressStore<'_> {
    /// The connection whose hook has this key, removed ones included.
    pub(super) async fn by_hook_key(&self, key: &HookKey) -> Result<Option<Connection>, ReadError> {
        self.store.connection_by_hook_key(key).await
    }

    /// The connections that a delivery without a hook key may belong to.
    pub(super) async fn by_claim(
        &self,
        provider: ProviderKind,
        claim: &Claim,
    ) -> Result<Vec<Connection>, ReadError> {
        match claim {
            Claim::Repository(id) => self.store.connections_by_repository(provider, *id).await,
            Claim::Name(name) => self.store.connections_by_name(provider, name).await,
        }
    }

    /// The delivery that one with this id or one of these digests is a duplicate of. Durable.
    pub(super) async fn known(
        &self,
        connection: ConnectionId,
        provider_delivery_id: &str,
        digests: &[BodyDigest],
    ) -> Result<Option<DeliveryId>, ReadError> {
        let store = self.store;
        store
            .delivery_known(connection, provider_delivery_id, digests)
            .await
    }

    /// Whether bodies may be known by a digest of an older version only.
    pub(super) async fn has_older_digests(&self) -> Result<bool, ReadError> {
        self.store.has_older_digests().await
    }

    /// A delivery that was stored before.
    pub(super) async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, ReadError> {
        self.store.delivery(id).await
    }

    /// Commits a verified delivery.
    pub(super) fn commit(&self, batch: Batch) -> Committing {
        self.store.commit(batch)
    }
}
