//! The HTTP interface: the routes, ingress, the resources, and who may see what.
//!
//! The table of all routes is in [`routes`]; reads are filtered by owner in [`scope`] and nowhere
//! else. This room decides nothing about connections: it asks the [`crate::actor::Connections`]. It
//! writes deliveries (ingress), users and API tokens, and nothing else. Sign-ins under way are in
//! memory, in [`signin`]. The dashboard's pages,
//! the listener for metrics, and signals are not its business.

mod access;
mod auth;
pub mod dto;
pub mod error;
mod extract;
pub mod ingress;
pub mod openapi;
mod progress;
mod query;
mod quota;
mod reply;
mod resources;
pub mod routes;
mod schema;
pub mod scope;
pub mod server;
mod signin;

#[cfg(test)]
mod tests;

use crate::actor::Connections;
use crate::domain::id::{Entropy, UserId};
use crate::domain::net::Network;
use crate::domain::repo::Instance;
use crate::domain::secret::ApiToken;
use crate::domain::time::Clock;
use crate::provider::Providers;
use crate::store::Store;
use std::sync::Arc;
use std::time::Duration;

pub use quota::Quotas;
pub use resources::health::OPENAPI;

/// Renders the metrics in Prometheus' text format.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// The built-in user `admin`, whose API token comes from the configuration. Holds only the
/// token's hash.
#[derive(Clone, Copy)]
pub struct Admin {
    user: UserId,
    token_hash: [u8; 32],
}

impl Admin {
    /// The built-in admin with this token.
    pub fn new(user: UserId, token: &ApiToken) -> Self {
        Self {
            user,
            token_hash: *blake3::hash(token.expose().as_bytes()).as_bytes(),
        }
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Who the API works with.
pub struct Collaborators {
    /// Where state lives.
    pub store: Arc<dyn Store>,
    /// The actors.
    pub herd: Arc<dyn Connections>,
    /// The providers.
    pub providers: Providers,
    /// The installations that are meant when no host is named, at most one a kind; without one
    /// it is the only one configured.
    pub default_instances: Vec<Instance>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Chance, for ids and API tokens.
    pub entropy: Arc<dyn Entropy>,
    /// What `/metrics` shows; `None` when metrics have a listener of their own.
    pub metrics: Option<MetricsText>,
    /// The built-in admin; `None` when no admin token is configured.
    pub admin: Option<Admin>,
}

/// Largest delivery: GitHub caps payloads at 25 MB, GitLab at 25 MB by default.
pub const INGRESS_BODY_BYTES_MAX: usize = 25 * 1024 * 1024;

/// Limits and addresses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where providers reach us, without a slash at the end.
    pub public_url: String,
    /// Whether `/metrics` asks for no token.
    pub metrics_public: bool,
    /// Largest delivery.
    pub ingress_body_bytes_max: usize,
    /// Bytes of bodies that may be in memory before they are verified, over all requests.
    pub ingress_bytes_in_flight_max: usize,
    /// Ingress requests under way at a time.
    pub ingress_requests_max: usize,
    /// How long a body may take to arrive. Providers give up after 10 s themselves.
    pub body_timeout: Duration,
    /// Largest body of an API call.
    pub api_body_bytes_max: usize,
    /// How long disconnecting waits for the hook's deletion before it answers.
    pub disconnect_wait: Duration,
    /// Threads that serve requests.
    pub workers: usize,
    /// Connections in all.
    pub connections_max: usize,
    /// Connections of one address.
    pub connections_per_peer_max: usize,
    /// Proxies: they connect for many, and say for whom.
    pub trusted_proxies: Vec<Network>,
    /// What users and addresses may ask for.
    pub quotas: Quotas,
    /// How long a client may not read what it has asked for.
    pub write_deadline: Duration,
    /// Bytes of answers that may be on their way, over all requests.
    pub answer_bytes_max: usize,
    /// How long a request's head may take to arrive.
    pub head_timeout: Duration,
    /// How long an idle connection is kept open.
    pub keep_alive: Duration,
    /// How long requests under way may take to end at shutdown, in whole seconds.
    pub shutdown_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:8080".into(),
            metrics_public: false,
            ingress_body_bytes_max: INGRESS_BODY_BYTES_MAX,
            ingress_bytes_in_flight_max: 256 * 1024 * 1024,
            ingress_requests_max: 2048,
            body_timeout: Duration::from_secs(10),
            api_body_bytes_max: 256 * 1024,
            disconnect_wait: Duration::from_secs(5),
            workers: 2,
            connections_max: 2048,
            connections_per_peer_max: 256,
            trusted_proxies: vec![Network::LOOPBACK_V4, Network::LOOPBACK_V6],
            quotas: Quotas::default(),
            write_deadline: Duration::from_secs(10),
            answer_bytes_max: 64 * 1024 * 1024,
            head_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(75),
            shutdown_timeout: Duration::from_secs(5),
        }
    }
}
