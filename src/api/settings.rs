//! Limits, addresses and times of the HTTP interface.

use super::dto::Watch;
use super::quota::Quotas;
use crate::domain::net::Network;
use crate::domain::rule::Rules;
use std::time::Duration;

/// Largest delivery: GitHub caps payloads at 25 MB, GitLab at 25 MB by default.
pub const INGRESS_BODY_BYTES_MAX: usize = 25 * 1024 * 1024;

/// Limits and addresses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where providers reach us, without a slash at the end.
    pub public_url: String,
    /// Interval at which secrets are rotated; `None` for never.
    pub rotate_every: Option<Duration>,
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
    /// Which ends of runs open incidents.
    pub incidents: Rules,
    /// What is resolved within this time is not sent, if no rule says otherwise.
    pub notify_delay: Duration,
    /// Whether the ends of logs are shown.
    pub log_excerpts: bool,
    /// What users and addresses may ask for.
    pub quotas: Quotas,
    /// How long a client may not read what it has asked for.
    pub write_deadline: Duration,
    /// A stream with nothing to tell shows so often that it is alive, and looks at its API token.
    pub stream_alive_every: Duration,
    /// Bytes of answers that may be on their way, over all requests.
    pub answer_bytes_max: usize,
    /// How long a request's head may take to arrive.
    pub head_timeout: Duration,
    /// How long an idle connection is kept open.
    pub keep_alive: Duration,
    /// How long requests under way may take to end at shutdown, in whole seconds.
    pub shutdown_timeout: Duration,
}

impl Settings {
    /// How connections are watched, as far as it is shown.
    pub(super) fn watch(&self) -> Watch<'_> {
        Watch {
            public_url: &self.public_url,
            rotate_every: self.rotate_every,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:8080".into(),
            rotate_every: None,
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
            incidents: Rules::default(),
            notify_delay: Duration::from_secs(30),
            log_excerpts: true,
            quotas: Quotas::default(),
            write_deadline: Duration::from_secs(10),
            stream_alive_every: Duration::from_secs(15),
            answer_bytes_max: 64 * 1024 * 1024,
            head_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(75),
            shutdown_timeout: Duration::from_secs(5),
        }
    }
}
