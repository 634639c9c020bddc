//! Shared parts of all actors.

use super::decoded::Ahead;
use super::interface::ConnectError;
use super::moves::Moves;
use super::settings::Settings;
use super::timers::Timers;
use crate::credentials::{Pool, Ports};
use crate::domain::repo::Instance;
use crate::provider::Hooks;
use std::sync::Arc;

/// Shared parts of all actors.
#[derive(Debug)]
pub(super) struct Services {
    /// Everything outside of this process's memory.
    pub(super) ports: Arc<Ports>,
    /// The settings.
    pub(super) settings: Settings,
    /// The pool of credentials.
    pub(super) pool: Arc<Pool>,
    /// The hooks that are still at a former address.
    pub(super) moves: Moves,
    /// The timers of the connections.
    pub(super) timers: Timers,
    /// What was decoded on the way in.
    pub(super) ahead: Ahead,
}

impl Services {
    /// The client of an installation.
    pub(super) fn hooks(&self, instance: &Instance) -> Result<Arc<dyn Hooks>, ConnectError> {
        let hooks = self.ports.providers.hooks(instance).cloned();
        hooks.ok_or(ConnectError::UnknownInstance)
    }
}
