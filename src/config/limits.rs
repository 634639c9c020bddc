//! Limits for strangers and users.

use super::error::ConfigError;
use super::layers::Written;
use super::values::{bad, deadline, memory, within};
use serde::Deserialize;
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

/// Limits of ingress.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Ingress {
    /// Largest body of a delivery, in bytes.
    #[serde(
        rename = "max_body",
        deserialize_with = "memory::<_, BODY_MIN, BODY_MAX>"
    )]
    pub max_body_bytes: usize,
    /// Longest time in which a body must arrive.
    #[serde(deserialize_with = "deadline")]
    pub body_deadline: Duration,
    /// Most bytes of unverified bodies, over all requests.
    #[serde(deserialize_with = "memory::<_, MIB, TIB>")]
    pub max_bytes_in_flight: usize,
}

/// Limits for strangers and users.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Limits {
    /// Connections in total.
    #[serde(deserialize_with = "within::<_, CONNECTIONS_MIN, MANY>")]
    pub connections: usize,
    /// Connections per address.
    #[serde(deserialize_with = "within::<_, 1, MANY>")]
    pub connections_per_address: usize,
    /// Longest time in which a client may read too little of its answer.
    #[serde(deserialize_with = "deadline")]
    pub write_deadline: Duration,
    /// Bytes of unread answers.
    #[serde(deserialize_with = "memory::<_, ANSWERS_MIN, TIB>")]
    pub answer_bytes: usize,
    /// API requests per user and minute.
    #[serde(deserialize_with = "within::<_, 1, MANY>")]
    pub requests_per_minute: usize,
    /// Concurrent API requests per user.
    #[serde(deserialize_with = "within::<_, 1, MANY>")]
    pub requests_at_once: usize,
    /// API tokens created per user and hour.
    #[serde(deserialize_with = "within::<_, 1, MANY>")]
    pub tokens_per_hour: usize,
    /// API tokens per user.
    #[serde(deserialize_with = "within::<_, 1, MANY>")]
    pub tokens_per_user: usize,
    /// Users.
    #[serde(deserialize_with = "within::<_, 1, MANY>")]
    pub users: usize,
    /// Credentials per user.
    #[serde(deserialize_with = "within::<_, 1, MANY>")]
    pub credentials_per_user: usize,
    /// Connections to repositories per user.
    #[serde(deserialize_with = "within::<_, 1, MANY>")]
    pub repositories_per_user: usize,
    /// Attempts per user and hour to connect repositories that were not found.
    #[serde(deserialize_with = "within::<_, 1, MANY>")]
    pub failed_connects_per_hour: usize,
    /// Wrong API tokens per address and minute.
    #[serde(deserialize_with = "within::<_, 1, MANY>")]
    pub wrong_tokens_per_minute: usize,
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
