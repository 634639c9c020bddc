//! A provider on a socket, for the demo, tests and benches.
//!
//! It behaves as GitHub does, as far as hooks, their deliveries and a little of repositories go,
//! and it fails on demand. It shares no wire types with our client, so that a wrong belief about
//! GitHub would have to be held twice. What it does not do: organisations, checks, git.

mod control;
mod dialect;
pub mod faults;
mod payload;
mod sender;
mod state;

pub use faults::{Fault, Faults, Misbehaviour, Miscarriage};
pub use payload::RunSpec;
pub use state::{DeliveryView, HookView};

use actix_web::{App, HttpServer, web};
use sender::Sender;
use state::State;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
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

/// What the threads of a simulator share.
struct Shared {
    state: Mutex<State>,
    faults: Faults,
    sender: Sender,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            faults: Faults::default(),
            sender: Sender::new(config.delivery_timeout).map_err(io::Error::other)?,
        });
        let (listen, (stop, stopped)) = (config.listen, tokio::sync::oneshot::channel());
        let (told, bound) = mpsc::channel();
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("simulator".into())
            .spawn(move || {
                actix::System::new().block_on(serve(served, listen, told, stopped));
            })?;
        let address = bound.recv().map_err(io::Error::other)??;
        shared.state().api_url = format!("http://{address}");
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

    /// The base of its REST API.
    pub fn api_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its GitHub.
    pub fn github(&self) -> GithubHandle {
        GithubHandle(Arc::clone(&self.shared))
    }

    /// What it does wrong on demand.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// How often an operation was called.
    pub fn requests(&self, operation: &str) -> u64 {
        self.shared
            .state()
            .requests
            .get(operation)
            .copied()
            .unwrap_or(0)
    }

    /// Waits until no delivery is under way. Tells whether that came true in time.
    pub fn wait_quiet(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while self.shared.sender.is_busy() {
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
            // A panic of its thread has been told already.
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
            .default_service(web::to(dialect::github::handle))
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

/// The GitHub of a simulator, as the owner of the machine it runs on could change it.
#[derive(Clone)]
pub struct GithubHandle(Arc<Shared>);

impl GithubHandle {
    /// Adds a user with a token that may do everything, and returns the token.
    pub fn add_user(&self, login: &str) -> String {
        self.0.state().add_user(login)
    }

    /// Makes a token worthless.
    pub fn revoke_token(&self, token: &str) {
        self.0.state().tokens.remove(token);
    }

    /// Adds a repository that `owner` administers, and returns its id.
    pub fn add_repository(&self, full_name: &str, owner: &str) -> u64 {
        self.0.state().add_repository(full_name, owner)
    }

    /// Gives or takes a user's right to administer a repository.
    pub fn set_admin(&self, login: &str, full_name: &str, is_admin: bool) {
        self.0.state().set_admin(login, full_name, is_admin);
    }

    /// Renames a repository; the old name leads to the new one until it is used again.
    pub fn rename(&self, full_name: &str, new_name: &str) {
        self.0.state().rename(full_name, new_name);
    }

    /// Makes a repository read-only.
    pub fn archive(&self, full_name: &str) {
        self.0
            .state()
            .with_repository(full_name, |r| r.is_archived = true);
    }

    /// Deletes a repository.
    pub fn delete_repository(&self, full_name: &str) {
        let mut state = self.0.state();
        if let Some(id) = state.find(full_name) {
            state.repositories.remove(&id);
        }
    }

    /// The hooks of a repository, with their secrets.
    pub fn hooks(&self, full_name: &str) -> Vec<HookView> {
        self.0.state().hook_views(full_name)
    }

    /// Somebody deletes a hook on the settings page.
    pub fn delete_hook_by_hand(&self, full_name: &str, hook: u64) {
        self.0
            .state()
            .with_repository(full_name, |r| drop(r.hooks.remove(&hook)));
    }

    /// Somebody changes a hook's events on the settings page.
    pub fn edit_hook_by_hand(&self, full_name: &str, hook: u64, events: &[&str]) {
        let events: Vec<String> = events.iter().map(|e| (*e).to_owned()).collect();
        self.0.state().with_repository(full_name, |r| {
            if let Some(hook) = r.hooks.get_mut(&hook) {
                hook.events = events;
            }
        });
    }

    /// Plays a run: requested, in progress, completed.
    pub fn play_run(&self, full_name: &str, spec: &RunSpec) {
        // A statement of its own: the state must be free again when the events are sent.
        let events = payload::run_events(&self.0.state(), full_name, spec);
        for (action, body) in events {
            self.emit_with_action(full_name, "workflow_run", action, &body);
        }
    }

    /// Sends an event to every hook of a repository that wants it.
    pub fn emit(&self, full_name: &str, event: &str, body: &serde_json::Value) {
        let action = body["action"].as_str().map(str::to_owned);
        self.emit_with_action(full_name, event, action.as_deref().unwrap_or(""), body);
    }

    fn emit_with_action(
        &self,
        full_name: &str,
        event: &str,
        action: &str,
        body: &serde_json::Value,
    ) {
        let jobs = self.0.state().jobs(full_name, event, action, body);
        self.0.sender.send(&self.0, jobs);
    }

    /// A push to the default branch.
    pub fn push(&self, full_name: &str) {
        let body = payload::push(&self.0.state(), full_name);
        self.emit(full_name, "push", &body);
    }

    /// A pull request is opened.
    pub fn pull_request(&self, full_name: &str) {
        let body = payload::pull_request(&self.0.state(), full_name);
        self.emit(full_name, "pull_request", &body);
    }

    /// All attempts to deliver something to a repository's hooks, oldest first.
    pub fn deliveries(&self, full_name: &str) -> Vec<DeliveryView> {
        self.0.state().delivery_views(full_name)
    }

    /// Sends an earlier delivery again, with its id.
    pub fn redeliver(&self, full_name: &str, delivery: u64) {
        let job = self.0.state().redelivery(full_name, delivery);
        self.0.sender.send(&self.0, job.into_iter().collect());
    }

    /// Lets time pass at the provider.
    pub fn advance_clock(&self, by: Duration) {
        self.0.state().clock_offset += by;
    }
}

#[cfg(test)]
mod tests;
