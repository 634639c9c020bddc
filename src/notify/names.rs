//! Looking up names, with tests' own in place of the system's.

use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The addresses of a name, not checked; or it was not found, or the look-up failed.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, NotFound>> + Send + 'a>>;

/// A name has no address, or the look-up failed. The system does not say which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFound;

/// Looks up names.
pub trait Names: Send + Sync + 'static {
    /// The addresses of a normalised name.
    fn addresses<'a>(&'a self, name: &'a str) -> Resolving<'a>;
}

/// Most look-ups at once. Each has a blocking thread, also after its caller has given up.
const LOOKUPS_MAX: usize = 16;

/// The system's resolver: hosts file, DNS, and what else the machine is configured for.
#[derive(Debug)]
pub struct System {
    turns: Arc<Semaphore>,
}

impl Default for System {
    fn default() -> Self {
        let turns = Arc::new(Semaphore::new(LOOKUPS_MAX));
        Self { turns }
    }
}

impl Names for System {
    fn addresses<'a>(&'a self, name: &'a str) -> Resolving<'a> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        let name = name.to_owned();
        Box::pin(async move {
            let turn = turn.await.map_err(|_| NotFound)?;
            let look_up = move || {
                let _turn = turn;
                let found = (name.as_str(), 0).to_socket_addrs();
                found.map(|found| found.map(|address| address.ip()).collect())
            };
            let found = tokio::task::spawn_blocking(look_up).await;
            found.map_err(|_| NotFound)?.map_err(|_| NotFound)
        })
    }
}
