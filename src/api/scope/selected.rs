//! The caller's connections that a bulk request selects, and the caller's operations.

use super::Owned;
use crate::api::error::Problem;
use crate::domain::connection::Connection;
use crate::domain::id::{ConnectionId, OperationId};
use crate::domain::operation::Operation;
use crate::domain::repo::{FullName, Instance};
use crate::store::{After, ConnectionFilter, Listing};
use std::collections::BTreeSet;

/// Connections that are read at a time.
const PAGE: usize = 200;

/// Which of the caller's connections are selected: those that fit the filter and, if there are ids,
/// are among them.
#[derive(Clone, Debug, Default)]
pub(in crate::api) struct Selected {
    /// The filter.
    pub(in crate::api) filter: ConnectionFilter,
    /// The ids.
    pub(in crate::api) ids: Option<BTreeSet<ConnectionId>>,
}

impl Owned<'_> {
    /// A page of the selected connections, newest first. An id that is not one of the caller's
    /// connections is "not found", as everywhere.
    pub(in crate::api) async fn selected(
        &self,
        selected: &Selected,
        after: After<ConnectionId>,
    ) -> Result<Listing<Connection, ConnectionId>, Problem> {
        let Some(ids) = &selected.ids else {
            return self.connections(&selected.filter, after).await;
        };
        let (mut items, mut last) = (Vec::new(), None);
        let rest = ids.iter().rev();
        for id in rest.filter(|id| after.last.is_none_or(|last| **id < last)) {
            if items.len() == after.limit {
                return Ok(Listing { items, next: last });
            }
            let connection = self.connection(*id).await?;
            last = Some(*id);
            if selected.filter.fits(&connection) {
                items.push(connection);
            }
        }
        Ok(Listing { items, next: None })
    }

    /// Visits all selected connections, newest first, a page at a time.
    pub(in crate::api) async fn each_selected(
        &self,
        selected: &Selected,
        mut visit: impl FnMut(Connection) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let mut after = After::first(PAGE);
        loop {
            let page = self.selected(selected, after).await?;
            page.items.into_iter().try_for_each(&mut visit)?;
            match page.next {
                None => return Ok(()),
                Some(last) => after.last = Some(last),
            }
        }
    }

    /// The caller's connection to a repository.
    pub(in crate::api) async fn connected(
        &self,
        instance: &Instance,
        full_name: &FullName,
    ) -> Result<Option<Connection>, Problem> {
        let provider = instance.provider;
        let found = self.store.connections_by_name(provider, full_name).await?;
        let is_it =
            |c: &Connection| c.owner == self.owner && c.instance == *instance && !c.is_removed();
        Ok(found.into_iter().find(is_it))
    }

    /// An operation.
    pub(in crate::api) async fn operation(&self, id: OperationId) -> Result<Operation, Problem> {
        self.own(self.store.operation(id).await?, |it| it.owner)
    }

    /// Operations, newest first.
    pub(in crate::api) async fn operations(
        &self,
        after: After<OperationId>,
    ) -> Result<Listing<Operation, OperationId>, Problem> {
        let page = self.store.operations_of(self.owner, after).await?;
        let last = page.items.last().filter(|_| page.has_more);
        Ok(Listing {
            next: last.map(|operation| operation.id),
            items: page.items,
        })
    }
}
