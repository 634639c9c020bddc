//! What the room works with.

use crate::domain::time::Clock;
use crate::domain::trouble::Space;
use crate::store::Store;
use std::sync::Arc;
use std::time::Duration;

/// Settings of the room.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Deliveries are processed within this time.
    pub longest_wait: Duration,
}

/// What the room works with.
pub struct Tools {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Measures the disk that holds the store; `None` when it cannot.
    pub space: Box<dyn Fn() -> Option<Space> + Send + Sync>,
}
