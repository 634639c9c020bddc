//! What an actor needs of the registry that started it.

use crate::actor::services::Services;
use crate::domain::id::ConnectionId;
use std::sync::Arc;

/// The registry, as actors use it.
pub(in crate::actor) trait Home: Send + Sync + 'static {
    /// Shared parts of all actors.
    fn services(&self) -> &Arc<Services>;

    /// An actor that has taken so many messages is at rest. Returns whether it ends: it was sent no
    /// other one.
    fn rest(&self, id: ConnectionId, taken: u32) -> bool;

    /// A connection is gone, or cannot be used for a while.
    fn remove(&self, id: ConnectionId);
}
