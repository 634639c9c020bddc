//! The one place where everything is filtered by owner.
//!
//! Handlers get an [`Owned`], never the store. What is somebody else's is not found, exactly as
//! what does not exist.

use super::State;
use super::auth::Caller;
use super::error::Problem;
use crate::domain::connection::Connection;
use crate::domain::delivery::{Delivery, Payload};
use crate::domain::id::{ConnectionId, CredentialId, DeliveryId, IncidentId, RunId};
use crate::domain::incident::Incident;
use crate::domain::repo::FullName;
use crate::domain::run::Run;
use crate::domain::user::{Credential, User};
use crate::store::{After, IncidentFilter, Of, Page};
use actix_web::dev;
use actix_web::{FromRequest, HttpRequest, web};
use std::future::{Ready, ready};
use std::sync::Arc;

/// What the caller may see.
pub struct Owned {
    store: Arc<dyn crate::store::Store>,
    /// Who asks.
    pub caller: Caller,
}

type Found<T> = Result<T, Problem>;

/// Most connections that are counted for a total.
const COUNT_PAGE: usize = 1000;

impl Owned {
    /// The caller.
    pub fn user(&self) -> Found<User> {
        self.store
            .user(self.caller.user)?
            .ok_or_else(|| Problem::not_found("user"))
    }

    /// A connection of theirs that they did not disconnect.
    pub fn connection(&self, id: ConnectionId) -> Found<Connection> {
        let found = self.store.connection(id)?;
        found
            .filter(|c| c.owner == self.caller.user && !c.is_removed())
            .ok_or_else(|| Problem::not_found("connection"))
    }

    /// Whether a connection of theirs is still on its way out.
    pub fn is_leaving(&self, id: ConnectionId) -> Found<bool> {
        let found = self.store.connection(id)?;
        Ok(found.is_some_and(|c| c.owner == self.caller.user && c.is_removed()))
    }

    /// Their connections, newest first.
    pub fn connections(&self, after: After<ConnectionId>) -> Found<Page<Connection>> {
        let mut page = Page {
            items: Vec::new(),
            has_more: true,
        };
        let mut last = after.last;
        // Disconnected ones that still delete their hook are not shown.
        while page.has_more && page.items.len() < after.limit {
            let limit = after.limit - page.items.len();
            let next = self
                .store
                .connections_of(self.caller.user, After { last, limit })?;
            last = next.items.last().map(|c| c.id);
            page.has_more = next.has_more;
            page.items
                .extend(next.items.into_iter().filter(|c| !c.is_removed()));
        }
        Ok(page)
    }

    /// How many connections they have, and a look at each.
    pub fn each_connection(&self, mut look: impl FnMut(&Connection)) -> Found<u64> {
        let (mut total, mut last) = (0, None);
        loop {
            let page = self.connections(After {
                last,
                limit: COUNT_PAGE,
            })?;
            total += page.items.len() as u64;
            page.items.iter().for_each(&mut look);
            last = page.items.last().map(|c| c.id);
            if !page.has_more {
                return Ok(total);
            }
        }
    }

    /// A credential of theirs.
    pub fn credential(&self, id: CredentialId) -> Found<Credential> {
        let found = self
            .store
            .credential(id)?
            .filter(|c| c.owner == self.caller.user);
        found.ok_or_else(|| Problem::not_found("credential"))
    }

    /// Their credentials.
    pub fn credentials(&self) -> Found<Vec<Credential>> {
        Ok(self.store.credentials(self.caller.user)?)
    }

    fn list_of(&self, connection: Option<ConnectionId>) -> Found<Of> {
        match connection {
            Some(id) => self
                .connection(id)
                .map(|connection| Of::Connection(connection.id)),
            None => Ok(Of::Owner(self.caller.user)),
        }
    }

    /// A delivery of theirs.
    pub fn delivery(&self, id: DeliveryId) -> Found<Delivery> {
        let found = self
            .store
            .delivery(id)?
            .filter(|d| d.owner == self.caller.user);
        found.ok_or_else(|| Problem::not_found("delivery"))
    }

    /// The payload of a delivery of theirs; `None` when retention took it.
    pub fn payload(&self, delivery: &Delivery) -> Found<Option<Payload>> {
        Ok(self.store.payload(self.delivery(delivery.id)?.id)?)
    }

    /// Their deliveries, newest first.
    pub fn deliveries(
        &self,
        connection: Option<ConnectionId>,
        after: After<DeliveryId>,
    ) -> Found<Page<Delivery>> {
        Ok(self.store.deliveries(self.list_of(connection)?, after)?)
    }

    /// A run of theirs.
    pub fn run(&self, id: RunId) -> Found<Run> {
        let found = self
            .store
            .run(id)?
            .filter(|run| run.owner == self.caller.user);
        found.ok_or_else(|| Problem::not_found("run"))
    }

    /// Their runs, newest first.
    pub fn runs(&self, connection: Option<ConnectionId>, after: After<RunId>) -> Found<Page<Run>> {
        Ok(self.store.runs(self.list_of(connection)?, after)?)
    }

    /// An incident of theirs.
    pub fn incident(&self, id: IncidentId) -> Found<Incident> {
        let found = self
            .store
            .incident(id)?
            .filter(|i| i.owner == self.caller.user);
        found.ok_or_else(|| Problem::not_found("incident"))
    }

    /// Their incidents, newest first.
    pub fn incidents(
        &self,
        filter: &IncidentFilter,
        after: After<IncidentId>,
    ) -> Found<Page<Incident>> {
        Ok(self.store.incidents_of(self.caller.user, filter, after)?)
    }

    /// The name of a repository, for records that only know their connection.
    pub fn repository_of(&self, id: ConnectionId) -> Found<Option<String>> {
        let found = self
            .store
            .connection(id)?
            .filter(|c| c.owner == self.caller.user);
        Ok(found.map(|c| c.full_name.to_string()))
    }

    /// The caller's connection to a repository of this name.
    pub fn connection_named(&self, full_name: &FullName) -> Found<Option<ConnectionId>> {
        for provider in crate::domain::repo::ProviderKind::ALL {
            let named = self.store.connections_by_name(provider, full_name)?;
            let ours = named
                .into_iter()
                .find(|c| c.owner == self.caller.user && !c.is_removed());
            if let Some(connection) = ours {
                return Ok(Some(connection.id));
            }
        }
        Ok(None)
    }
}

impl FromRequest for Owned {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let state = request
            .app_data::<web::Data<State>>()
            .expect("every app of ours has its state");
        let store = Arc::clone(&state.store);
        let caller = Caller::from_request(request, payload).into_inner();
        ready(caller.map(|caller| Self { store, caller }))
    }
}
