//! The running room.

use super::Settings;
use super::room::Room;
use super::worker::Worker;
use crate::credentials::{Pool, Ports};
use std::sync::Arc;
use tokio::task::AbortHandle;

/// The running room.
#[derive(Clone, Debug)]
pub struct Explainer {
    working: AbortHandle,
}

impl Explainer {
    /// Starts it on this thread's runtime.
    pub fn start((ports, pool): (Arc<Ports>, Arc<Pool>), settings: Settings) -> Self {
        let room = Room {
            ports,
            pool,
            settings,
        };
        let worker = Worker::new(Arc::new(room));
        let working = tokio::spawn(worker.work()).abort_handle();
        Self { working }
    }

    /// Stops it. What is under way is repeated at the next start.
    pub fn stop(&self) {
        self.working.abort();
    }
}
