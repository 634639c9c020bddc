//! What the handlers share, and the one place where reads are filtered by owner.
//!
//! The store is private to this file. A handler that has a [`Caller`] gets an [`Owned`] reader,
//! which shows the caller's own objects and nothing else: what is another user's is not there.
//! Ingress, where nobody is logged in, gets a [`Door`]; the accounts an [`Accounts`]. There is
//! no way to the bare store, and being an admin opens no other user's objects.

use super::error::Problem;
use super::ingress::room::{Lanes, Room};
use super::quota::Counters;
use super::server::answers::Budget;
use super::signin::SignIns;
use super::{Admin, Collaborators, IngressWatch, MetricsText, Settings};
use crate::actor::Herd;
use crate::domain::connection::Connection;
use crate::domain::delivery::Delivery;
use crate::domain::id::{
    ConnectionId, CredentialId, DeliveryId, Entropy, HookKey, IncidentId, RunId, UserId,
};
use crate::domain::incident::Incident;
use crate::domain::repo::{FullName, Instance, ProviderKind};
use crate::domain::run::Run;
use crate::domain::time::{Clock, Timestamp};
use crate::domain::user::{Credential, TokenRecord, User};
use crate::provider::{Claim, Providers};
use crate::store::{
    After, Batch, Change, Committing, ConnectionFilter, DeliveryFilter, Guard, IncidentFilter,
    Listing, ReadError, RunFilter, Store, StoredBody, Whose,
};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Records read at a time where a whole list is walked.
const WALK_PAGE: usize = 500;

/// Reads of many records at a time: as many threads as may be busy with what can wait.
const READS_MAX: usize = 4;
/// Bytes of the bodies of API calls in memory. Half is for those up to a mebibyte, which is more
/// than any may have.
const API_BYTES_IN_FLIGHT_MAX: usize = 32 * 1024 * 1024;
/// Large deliveries that are hashed and compressed at a time. Each may take three times its size.
const HEAVY_MAX: usize = 2;

/// Who asks. Made by `auth` and by nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user: UserId,
    /// Whether they may manage users.
    pub is_admin: bool,
}

/// What the handlers share.
pub struct Shared {
    store: Arc<dyn Store>,
    pub(super) herd: Arc<dyn Herd>,
    pub(super) providers: Providers,
    pub(super) default_instances: Vec<Instance>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) watch: Arc<dyn IngressWatch>,
    pub(super) metrics: Option<MetricsText>,
    pub(super) admin: Option<Admin>,
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
    /// Reads of many records that may be under way.
    pub(super) reads: Semaphore,
    /// Sign-ins that are under way.
    pub(super) sign_ins: SignIns,
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
            herd: with.herd,
            providers: with.providers,
            default_instances: with.default_instances,
            clock: with.clock,
            entropy: with.entropy,
            watch: with.watch,
            metrics: with.metrics,
            admin: with.admin,
            lanes: Lanes::new(
                settings.ingress_requests_max,
                settings.ingress_bytes_in_flight_max,
            ),
            api_room: Room::new(API_BYTES_IN_FLIGHT_MAX),
            counters: Counters::new(settings.quotas.clone()),
            answers: Budget::new(settings.answer_bytes_max),
            heavy: Semaphore::new(HEAVY_MAX),
            reads: Semaphore::new(READS_MAX),
            settings,
            sign_ins: SignIns::default(),
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
    pub(super) fn door(&self) -> Door<'_> {
        Door {
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
    pub(super) fn connection(&self, id: ConnectionId) -> Result<Connection, Problem> {
        let connection = self.own(self.store.connection(id)?, |c| c.owner)?;
        if connection.is_removed() {
            Err(Problem::not_found())
        } else {
            Ok(connection)
        }
    }

    /// A connection of the caller's, also a removed one that still has its history.
    pub(super) fn connection_or_removed(&self, id: ConnectionId) -> Result<Connection, Problem> {
        self.own(self.store.connection(id)?, |c| c.owner)
    }

    /// The name of a connection's repository; `None` once the connection is forgotten.
    pub(super) fn full_name(&self, id: ConnectionId) -> Result<Option<FullName>, ReadError> {
        let found = self.store.connection(id)?.filter(|c| c.owner == self.owner);
        Ok(found.map(|c| c.full_name))
    }

    /// Shows every connection that is not removed to `see`, newest first.
    pub(super) fn each_connection(&self, mut see: impl FnMut(Connection)) -> Result<(), ReadError> {
        let mut last = None;
        loop {
            let page = self.store.connections_of(
                self.owner,
                After {
                    last,
                    limit: WALK_PAGE,
                },
            )?;
            last = page.items.last().map(|c| c.id);
            page.items
                .into_iter()
                .filter(|c| !c.is_removed())
                .for_each(&mut see);
            if !page.has_more || last.is_none() {
                return Ok(());
            }
        }
    }

    /// A delivery.
    pub(super) fn delivery(&self, id: DeliveryId) -> Result<Delivery, Problem> {
        self.own(self.store.delivery(id)?, |d| d.owner)
    }

    /// The payload of a delivery that the caller was shown; `None` when retention took it.
    pub(super) fn body(&self, delivery: &Delivery) -> Result<Option<StoredBody>, Problem> {
        if delivery.owner != self.owner {
            return Err(Problem::not_found());
        }
        Ok(self.store.body(delivery.id)?)
    }

    /// A filter by connection is for the caller's own, which may be removed.
    fn may_ask(&self, whose: &Whose) -> Result<(), Problem> {
        if let Some(id) = whose.connection {
            self.connection_or_removed(id)?;
        }
        Ok(())
    }

    /// Connections that are not removed.
    pub(super) fn connections(
        &self,
        filter: &ConnectionFilter,
        after: After<ConnectionId>,
    ) -> Result<Listing<Connection, ConnectionId>, Problem> {
        Ok(self.store.connections(self.owner, filter, after)?)
    }

    /// Deliveries.
    pub(super) fn deliveries(
        &self,
        filter: &DeliveryFilter,
        after: After<DeliveryId>,
    ) -> Result<Listing<Delivery, DeliveryId>, Problem> {
        self.may_ask(&filter.whose)?;
        Ok(self.store.deliveries_of(self.owner, filter, after)?)
    }

    /// A run.
    pub(super) fn run(&self, id: RunId) -> Result<Run, Problem> {
        self.own(self.store.run(id)?, |r| r.owner)
    }

    /// Runs.
    pub(super) fn runs(
        &self,
        filter: &RunFilter,
        after: After<RunId>,
    ) -> Result<Listing<Run, RunId>, Problem> {
        self.may_ask(&filter.whose)?;
        Ok(self.store.runs_of(self.owner, filter, after)?)
    }

    /// An incident.
    pub(super) fn incident(&self, id: IncidentId) -> Result<Incident, Problem> {
        self.own(self.store.incident(id)?, |i| i.owner)
    }

    /// Incidents.
    pub(super) fn incidents(
        &self,
        filter: &IncidentFilter,
        after: After<IncidentId>,
    ) -> Result<Listing<Incident, IncidentId>, Problem> {
        self.may_ask(&filter.whose)?;
        Ok(self.store.incidents_of(self.owner, filter, after)?)
    }

    /// The caller's credentials, newest first.
    pub(super) fn credentials(&self) -> Result<Vec<Credential>, ReadError> {
        self.store.credentials(self.owner)
    }

    /// A credential.
    pub(super) fn credential(&self, id: CredentialId) -> Result<Credential, Problem> {
        self.own(self.store.credential(id)?, |c| c.owner)
    }
}

/// What ingress needs: connections by what a request names, and the commit of a delivery.
#[derive(Clone, Copy)]
pub(super) struct Door<'a> {
    store: &'a dyn Store,
}

impl Door<'_> {
    /// The connection whose hook has this key, removed ones included.
    pub(super) fn by_hook_key(&self, key: &HookKey) -> Result<Option<Connection>, ReadError> {
        self.store.connection_by_hook_key(key)
    }

    /// The connections that a delivery without a hook key may belong to.
    pub(super) fn by_claim(
        &self,
        provider: ProviderKind,
        claim: &Claim,
    ) -> Result<Vec<Connection>, ReadError> {
        match claim {
            Claim::Repository(id) => self.store.connections_by_repository(provider, *id),
            Claim::Name(name) => self.store.connections_by_name(provider, name),
        }
    }

    /// A delivery that was stored before.
    pub(super) fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, ReadError> {
        self.store.delivery(id)
    }

    /// Commits a verified delivery.
    pub(super) fn commit(&self, batch: Batch) -> Committing {
        self.store.commit(batch)
    }
}

/// Users and API tokens.
#[derive(Clone, Copy)]
pub(super) struct Accounts<'a> {
    store: &'a dyn Store,
}

impl Accounts<'_> {
    /// Whose API token has this hash.
    pub(super) fn by_token_hash(&self, hash: &[u8; 32]) -> Result<Option<User>, ReadError> {
        match self.store.token_by_hash(hash)? {
            Some(token) => self.store.user(token.user),
            None => Ok(None),
        }
    }

    /// A user.
    pub(super) fn user(&self, id: UserId) -> Result<Option<User>, ReadError> {
        self.store.user(id)
    }

    /// A user by name.
    pub(super) fn by_name(&self, name: &str) -> Result<Option<User>, ReadError> {
        self.store.user_by_name(name)
    }

    /// All users.
    pub(super) fn all(&self) -> Result<Vec<User>, ReadError> {
        self.store.users()
    }

    /// Adds a user with their first API token; a conflict when the name is taken.
    pub(super) fn add_user(&self, user: User, token: TokenRecord) -> Committing {
        let name = user.name.clone();
        let batch = Batch::of(vec![Change::PutUser(user), Change::PutToken(token)]);
        self.store.commit(batch.guarded_by(Guard::NewUser { name }))
    }

    /// Adds an API token.
    pub(super) fn add_token(&self, token: TokenRecord) -> Committing {
        self.store.commit(Batch::of(vec![Change::PutToken(token)]))
    }
}
