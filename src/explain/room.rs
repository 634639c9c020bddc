//! What all explanations share.

use super::Settings;
use crate::credentials::{Pool, Ports};
use std::sync::Arc;

/// What all explanations share.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) ports: Arc<Ports>,
    pub(super) pool: Arc<Pool>,
    pub(super) settings: Settings,
}
