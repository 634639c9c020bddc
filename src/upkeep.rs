//! The server's own trouble: a disk that is nearly full, deliveries that are not processed. Each is
//! an incident of the operators; see `domain::server_trouble` and ADR 41.
//!
//! One task per process looks regularly. What it finds is stored with the incidents in one batch,
//! and two looks have to agree before it is: a moment is no trouble.

mod look;
#[cfg(test)]
mod tests;
mod tools;

pub use tools::{Settings, Tools};

use look::Look;
use std::time::Duration;
use tokio::task::AbortHandle;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The task that looks.
#[derive(Debug)]
pub struct Upkeep(AbortHandle);

impl Upkeep {
    /// Starts it on this thread's runtime.
    pub fn start(tools: Tools, settings: Settings) -> Self {
        let mut look = Look::new(tools, settings);
        let looking = async move {
            loop {
                if let Err(error) = look.look().await {
                    tracing::warn!(%error, "the server's own trouble is looked at later");
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        Self(tokio::spawn(looking).abort_handle())
    }

    /// Stops it.
    pub fn stop(&self) {
        self.0.abort();
    }
}
