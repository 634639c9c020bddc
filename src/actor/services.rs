//! What all actors share.

use super::moves::Moves;
use super::settings::Settings;
use super::timers::Timers;
use crate::credentials::{Pool, Ports};
use std::sync::Arc;

/// What all actors share.
#[derive(Debug)]
pub(super) struct Services {
    /// Everything outside of this process's memory.
    pub(super) ports: Arc<Ports>,
    /// The settings.
    pub(super) settings: Settings,
    /// What hands out the right to make calls.
    pub(super) pool: Arc<Pool>,
    /// The hooks that are still at a former address.
    pub(super) moves: Moves,
    /// The timers of the connections.
    pub(super) timers: Timers,
}
