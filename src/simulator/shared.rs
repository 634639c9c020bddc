//! What the threads of a simulator share.

use super::faults::Faults;
use super::state::{Ground, github, gitlab};
use super::transport::{Handed, Sockets, Transport};
use crate::domain::time::Clock;
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
        let sockets = Sockets::new(delivery_timeout).map_err(io::Error::other)?;
        Ok(Self::on(Arc::default(), Transport::Sockets(sockets)))
    }

    /// One without sockets and without a clock of its own.
    pub(super) fn offline(clock: Arc<dyn Clock>) -> Self {
        let ground = Arc::new(Ground::under(clock));
        Self::on(ground, Transport::Handed(Handed::default()))
    }

    fn on(ground: Arc<Ground>, transport: Transport) -> Self {
        Self {
            github: Mutex::new(github::State::on(Arc::clone(&ground))),
            gitlab: Mutex::new(gitlab::State::on(Arc::clone(&ground))),
            faults: Faults::default(),
            transport,
            ground,
        }
    }

    pub(super) fn github(&self) -> MutexGuard<'_, github::State> {
        self.github.lock()
    }

    pub(super) fn gitlab(&self) -> MutexGuard<'_, gitlab::State> {
        self.gitlab.lock()
    }
}
