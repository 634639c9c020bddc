//! A provider on a socket, for the demo, tests and benches.
//!
//! It behaves as GitHub and as GitLab do, as far as hooks, their deliveries, signing in and a
//! little of repositories go, and it fails on demand. It shares no wire types with our client, so
//! that a wrong belief about a provider would have to be held twice. What it does not do:
//! organisations, groups of people, git.

mod control;
mod dialect;
pub mod faults;
mod offline;
mod payload;
pub mod refusals;
mod sender;
mod shared;
mod state;
mod transport;

pub use control::{GithubHandle, GitlabHandle};
pub use faults::{Fault, Faults, Misbehaviour, Miscarriage};
pub use offline::{Answered, Offline};
pub use payload::github::{CheckSpec, PullSpec, RunJobSpec, RunSpec, StatusSpec};
pub use payload::gitlab::{JobSpec, MergeRequestSpec, ParentSpec, PipelineSpec};
pub use refusals::Refusal;
pub use state::github::{DeliveryView, Hook};
pub use state::gitlab::ProjectHookView;
pub use transport::{Outcome, Sent};

use actix_web::{App, HttpServer, web};
use shared::Shared;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How a simulator is started.
#[derive(Clone, Debug)]
pub struct SimulatorConfig {
    /// Where it listens; port 0 for any that is free.
    pub listen: SocketAddr,
    /// How long it waits for the answer to a delivery. GitHub: 10 s.
    pub delivery_timeout: Duration,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen,
            delivery_timeout: Duration::from_secs(10),
        }
    }
}

/// A running simulator. It ends when this is dropped.
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Starts one, on a thread of its own.
    pub fn start(config: &SimulatorConfig) -> io::Result<Self> {
        // Also plain HTTP wants a provider to be chosen, once a process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let shared = Arc::new(Shared::new(config.delivery_timeout)?);
        let (listen, (stop, stopped)) = (config.listen, tokio::sync::oneshot::channel());
        let (told, bound) = mpsc::channel();
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("simulator".into())
            .spawn(move || {
                actix::System::new().block_on(serve(served, listen, told, stopped));
            })?;
        let address = bound.recv().map_err(io::Error::other)??;
        shared.ground.listens_on(format!("http://{address}"));
        Ok(Self {
            shared,
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base of its GitHub's REST API.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base of its GitLab's REST API.
    pub fn gitlab_api_url(&self) -> String {
        format!("http://{}/api/v4", self.address)
    }

    /// Where people sign in, at both.
    pub fn web_url(&self) -> String {
        self.api_url()
    }

    /// Its GitHub.
    pub fn github(&self) -> GithubHandle {
        GithubHandle(Arc::clone(&self.shared))
    }

    /// Its GitLab.
    pub fn gitlab(&self) -> GitlabHandle {
        GitlabHandle(Arc::clone(&self.shared))
    }

    /// What it does wrong on demand.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// How often an operation was called.
    pub fn requests(&self, operation: &str) -> u64 {
        let requests = self.shared.ground.requests();
        requests.get(operation).copied().unwrap_or(0)
    }

    /// Waits until no delivery is in progress. Whether that was in time.
    pub fn wait_quiet(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while self.shared.transport.is_busy() {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::yield_now();
        }
        true
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of its thread was reported already.
            let _ = thread.join();
        }
    }
}

async fn serve(
    shared: Arc<Shared>,
    listen: SocketAddr,
    told: mpsc::Sender<io::Result<SocketAddr>>,
    stopped: tokio::sync::oneshot::Receiver<()>,
) {
    let data = web::Data::from(shared);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .app_data(web::PayloadConfig::new(32 << 20))
            .configure(control::register)
            .default_service(web::to(dialect::handle))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(0)
    .bind(listen);
    let server = match server {
        Ok(server) => server,
        Err(error) => return drop(told.send(Err(error))),
    };
    let address = server.addrs().first().copied().unwrap_or(listen);
    let running = server.run();
    let handle = running.handle();
    if told.send(Ok(address)).is_err() {
        return;
    }
    actix::spawn(running);
    // Ends when the handle is dropped: that is the word to stop.
    let _ = stopped.await;
    handle.stop(false).await;
}

#[cfg(test)]
mod tests;
