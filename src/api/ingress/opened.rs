//! The opened secrets of hooks, kept for a while.

use crate::actor::Connections;
use crate::domain::connection::Connection;
use crate::domain::id::ConnectionId;
use crate::domain::rotation::SecretNumber;
use crate::domain::secret::{HookSecret, Sealed};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Hooks whose secrets are kept open.
const OPENED_MAX: usize = 1024;

/// The secrets of hooks that deliveries came to lately: opening them takes as long as hashing some
/// KiB. They are known by what they were sealed as, so that no change of them is missed.
#[derive(Debug, Default)]
pub(in crate::api) struct Opened(Mutex<HashMap<ConnectionId, Known>>);

/// What secrets were sealed as, and opened.
type Known = (Vec<Sealed>, Arc<Secrets>);

/// The secrets of a hook, the current one first.
#[derive(Debug)]
pub(super) struct Secrets {
    pub(super) secrets: Vec<HookSecret>,
    /// Their numbers, in the same order.
    pub(super) numbers: Vec<SecretNumber>,
}

/// What the secrets of a connection are sealed as.
fn sealed(connection: &Connection) -> impl Iterator<Item = &Sealed> {
    let old = connection.rotation.old.iter().map(|old| &old.secret);
    std::iter::once(&connection.secret).chain(old)
}

impl Opened {
    pub(super) fn secrets_of(
        &self,
        connections: &dyn Connections,
        connection: &Connection,
    ) -> Arc<Secrets> {
        let mut opened = self.0.lock();
        if let Some((known, secrets)) = opened.get(&connection.id)
            && known.iter().eq(sealed(connection))
        {
            return Arc::clone(secrets);
        }
        let signers = connections.hook_secrets(connection).into_iter();
        let (numbers, secrets): (Vec<_>, Vec<_>) =
            signers.map(|signer| (signer.number, signer.secret)).unzip();
        let secrets = Arc::new(Secrets { secrets, numbers });
        if opened.len() >= OPENED_MAX {
            opened.clear();
        }
        let known: Vec<Sealed> = sealed(connection).cloned().collect();
        // What cannot be opened now is tried again.
        if known.len() == secrets.numbers.len() {
            opened.insert(connection.id, (known, Arc::clone(&secrets)));
        }
        secrets
    }
}
