//! Limits for strangers and users.

use super::error::ConfigError;
use super::layers::Written;
use super::values::{bad, deadline, memory, settings, within};
use std::time::Duration;

const MANY: usize = 1_000_000;
const MIB: usize = 1024 * 1024;
const TIB: usize = MIB * MIB;
/// Fewest connections that a daemon needs.
const CONNECTIONS_MIN: usize = 16;
/// Memory for bodies, as a multiple of the largest: strangers share a quarter, large ones have a
/// half.
const BODIES_AT_LEAST: usize = 8;
/// Deliveries of CI have tens of kilobytes: with less, all would be refused, and the provider would
/// disable the hook.
const BODY_MIN: usize = 64 << 10;
const BODY_MAX: usize = 1024 * MIB;
/// A user has a quarter, and a page of a list must fit into it.
const ANSWERS_MIN: usize = 4 * MIB;

settings! {
    /// Limits of ingress.
    Ingress {
        /// Largest body of a delivery, in bytes.
        #[serde(rename = "max_body")]
        max_body_bytes: usize = "memory::<_, BODY_MIN, BODY_MAX>",
        /// Longest time in which a body must arrive.
        body_deadline: Duration = "deadline",
        /// Most bytes of unverified bodies, over all requests.
        max_bytes_in_flight: usize = "memory::<_, MIB, TIB>",
    }

    /// Limits for strangers and users.
    Limits {
        /// Connections in total.
        connections: usize = "within::<_, CONNECTIONS_MIN, MANY>",
        /// Connections per address.
        connections_per_address: usize = "within::<_, 1, MANY>",
        /// Longest time in which a client may read too little of its answer.
        write_deadline: Duration = "deadline",
        /// Bytes of unread answers.
        answer_bytes: usize = "memory::<_, ANSWERS_MIN, TIB>",
        /// API requests per user and minute.
        requests_per_minute: usize = "within::<_, 1, MANY>",
        /// Concurrent API requests per user.
        requests_at_once: usize = "within::<_, 1, MANY>",
        /// API tokens created per user and hour.
        tokens_per_hour: usize = "within::<_, 1, MANY>",
        /// API tokens per user.
        tokens_per_user: usize = "within::<_, 1, MANY>",
        /// Users.
        users: usize = "within::<_, 1, MANY>",
        /// Credentials per user.
        credentials_per_user: usize = "within::<_, 1, MANY>",
        /// Connections to repositories per user.
        repositories_per_user: usize = "within::<_, 1, MANY>",
        /// Sinks per user.
        sinks_per_user: usize = "within::<_, 1, MANY>",
        /// Attempts per user and hour to connect repositories that were not found.
        failed_connects_per_hour: usize = "within::<_, 1, MANY>",
        /// Wrong API tokens per address and minute.
        wrong_tokens_per_minute: usize = "within::<_, 1, MANY>",
    }
}

impl Limits {
    /// Whether the limits fit each other.
    pub(super) fn check(&self, written: &Written) -> Result<(), ConfigError> {
        const KEY: &str = "limits.connections_per_address";
        let connections = self.connections;
        if self.connections_per_address <= connections {
            return Ok(());
        }
        let expected = format!("at most limits.connections, which is {connections}");
        Err(bad(KEY, &written.shown(KEY), &expected))
    }
}

impl Ingress {
    /// Whether the limits fit each other.
    pub(super) fn check(&self, written: &Written) -> Result<(), ConfigError> {
        const KEY: &str = "ingress.max_bytes_in_flight";
        let least = BODIES_AT_LEAST * self.max_body_bytes;
        if self.max_bytes_in_flight >= least {
            return Ok(());
        }
        let expected = format!(
            "at least {BODIES_AT_LEAST} times ingress.max_body ({least} bytes): strangers share a \
             quarter of it, and large bodies have a half of that"
        );
        Err(bad(KEY, &written.shown(KEY), &expected))
    }
}
