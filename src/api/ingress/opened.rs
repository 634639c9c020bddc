//! The opened secrets of hooks, kept for a while.

use crate::actor::Connections;
use crate::domain::connection::Connection;
use crate::domain::id::ConnectionId;
use crate::domain::secret::{HookSecret, Sealed};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Hooks whose secrets are kept open.
const OPENED_MAX: usize = 1024;

/// The secrets of hooks that deliveries came to lately: opening them takes as long as hashing some
/// KiB. Each is known by what it was sealed as, so that a new one is never missed.
#[derive(Debug, Default)]
pub(in crate::api) struct Opened(Mutex<HashMap<ConnectionId, Secrets>>);

/// The secrets of a hook, and what the first of them was sealed as.
type Secrets = (Sealed, Arc<[HookSecret]>);

impl Opened {
    pub(super) fn secrets_of(
        &self,
        connections: &dyn Connections,
        connection: &Connection,
    ) -> Arc<[HookSecret]> {
        let open = || Arc::from(connections.hook_secrets(connection));
        // During a rotation it is a matter of time which are accepted.
        if connection.previous_secret.is_some() {
            return open();
        }
        let mut opened = self.0.lock();
        if let Some((sealed, secrets)) = opened.get(&connection.id)
            && *sealed == connection.secret
        {
            return Arc::clone(secrets);
        }
        let secrets: Arc<[HookSecret]> = open();
        if opened.len() >= OPENED_MAX {
            opened.clear();
        }
        if !secrets.is_empty() {
            let entry = (connection.secret.clone(), Arc::clone(&secrets));
            opened.insert(connection.id, entry);
        }
        secrets
    }
}
