//! Shared parts of all actors.

use super::decoded::Ahead;
use super::interface::ConnectError;
use super::moves::Moves;
use super::news::News;
use super::parked::Parked;
use super::quiet::QuietPings;
use super::settings::Settings;
use super::timers::Timers;
use crate::credentials::{Pool, Ports};
use crate::domain::connection::Connection;
use crate::domain::pace::Intervals;
use crate::domain::repo::Instance;
use crate::domain::time::Timestamp;
use crate::provider::Hooks;
use std::sync::Arc;
use tokio::sync::watch;

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
    /// Connections that have deliveries to process just now.
    pub(super) news: Arc<News>,
    /// The timers of the connections.
    pub(super) timers: Timers,
    /// Those that fired while their provider does not answer.
    pub(super) parked: Parked,
    /// Test deliveries that are requested because of unusual silence.
    pub(super) quiet_pings: QuietPings,
    /// When this process began to listen.
    pub(super) started_at: Timestamp,
    /// What was decoded on the way in.
    pub(super) ahead: Ahead,
    /// That a delivery was stored or processed, for those who follow.
    pub(super) changes: watch::Sender<()>,
}

impl Services {
    /// A delivery was stored or processed.
    pub(super) fn note_change(&self) {
        // Most of the time there are no readers, and then it costs nothing.
        if self.changes.receiver_count() > 0 {
            self.changes.send_replace(());
        }
    }
}

impl Services {
    /// How often a connection is checked and pinged: as configured, or more seldom when that does
    /// not fit what the provider allows its credential.
    pub(super) fn intervals(&self, connection: &Connection) -> Intervals {
        self.pool.intervals(connection, self.settings.intervals())
    }

    /// The client of an installation.
    pub(super) fn hooks(&self, instance: &Instance) -> Result<Arc<dyn Hooks>, ConnectError> {
        let hooks = self.ports.providers.hooks(instance).cloned();
        hooks.ok_or(ConnectError::UnknownInstance)
    }
}
