//! Where the actors of connections are.

use super::connection::ConnectionActor;
use crate::domain::id::ConnectionId;
use crate::telemetry::metric;
use actix::prelude::*;
use metrics::gauge;
use parking_lot::RwLock;
use std::collections::HashMap;

/// Where the actors of connections are.
#[derive(Debug, Default)]
pub(super) struct Registry(RwLock<HashMap<ConnectionId, Addr<ConnectionActor>>>);

impl Registry {
    pub(super) fn get(&self, id: ConnectionId) -> Option<Addr<ConnectionActor>> {
        self.0.read().get(&id).cloned()
    }

    pub(super) fn insert(&self, id: ConnectionId, address: Addr<ConnectionActor>) {
        self.0.write().insert(id, address);
        self.count();
    }

    pub(super) fn remove(&self, id: ConnectionId) {
        self.0.write().remove(&id);
        self.count();
    }

    fn count(&self) {
        gauge!(metric::ACTORS).set(metric::float(self.len() as u64));
    }

    pub(super) fn clear(&self) {
        self.0.write().clear();
    }

    #[cfg(test)]
    pub(super) fn kill(&self) {
        let addresses = std::mem::take(&mut *self.0.write());
        for address in addresses.into_values() {
            address.do_send(super::connection::Die);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.read().len()
    }
}
