//! What the threads of a simulator share.

use super::faults::Faults;
use super::state::{Ground, github, gitlab};
use super::transport::Transport;
use parking_lot::{Mutex, MutexGuard};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// What the threads of a simulator share.
pub(crate) struct Shared {
    pub(super) ground: Arc<Ground>,
    github: Mutex<github::State>,
    gitlab: Mutex<gitlab::State>,
    pub(super) faults: Faults,
    pub(super) transport: Transport,
}

impl Shared {
    pub(super) fn new(delivery_timeout: Duration) -> io::Result<Self> {
        let ground = Arc::<Ground>::default();
        Ok(Self {
            github: Mutex::new(github::State::on(Arc::clone(&ground))),
            gitlab: Mutex::new(gitlab::State::on(Arc::clone(&ground))),
            faults: Faults::default(),
            transport: Transport::new(delivery_timeout).map_err(io::Error::other)?,
            ground,
        })
    }

    pub(super) fn github(&self) -> MutexGuard<'_, github::State> {
        self.github.lock()
    }

    pub(super) fn gitlab(&self) -> MutexGuard<'_, gitlab::State> {
        self.gitlab.lock()
    }
}
