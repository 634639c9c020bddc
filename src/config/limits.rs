//! Limits for strangers and users.

use super::error::ConfigError;
use super::raw;
use super::values::{bad, interval, memory, within};
use crate::domain::net::Network;
use std::time::Duration;

/// Limits of ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// Largest body of a delivery, in bytes.
    pub max_body_bytes: usize,
    /// Longest time in which a body must arrive.
    pub body_deadline: Duration,
    /// Most bytes of unverified bodies, over all requests.
    pub max_bytes_in_flight: usize,
}

/// Limits for strangers and users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in total.
    pub connections: usize,
    /// Connections per address.
    pub connections_per_address: usize,
    /// Longest time in which a client may read too little of its answer.
    pub write_deadline: Duration,
    /// Bytes of unread answers.
    pub answer_bytes: usize,
    /// API requests per user and minute.
    pub requests_per_minute: usize,
    /// Concurrent API requests per user.
    pub requests_at_once: usize,
    /// API tokens created per user and hour.
    pub tokens_per_hour: usize,
    /// API tokens per user.
    pub tokens_per_user: usize,
    /// Users.
    pub users: usize,
    /// Credentials per user.
    pub credentials_per_user: usize,
    /// Connections to repositories per user.
    pub repositories_per_user: usize,
    /// Attempts per user and hour to connect repositories that were not found.
    pub failed_connects_per_hour: usize,
    /// Wrong API tokens per address and minute.
    pub wrong_tokens_per_minute: usize,
}

const MANY: usize = 1_000_000;
const MIB: usize = 1024 * 1024;
const TIB: usize = MIB * MIB;
/// Fewest connections that a daemon needs.
const CONNECTIONS_MIN: usize = 16;
/// Longest deadline for clients.
const DEADLINE_MAX: Duration = Duration::from_mins(10);
/// Memory for bodies, as a multiple of the largest: strangers share a quarter, large ones have a
/// half.
const BODIES_AT_LEAST: usize = 8;
/// Deliveries of CI have tens of kilobytes: with less, all would be refused, and the provider would
/// disable the hook.
const BODY_MIN: usize = 64 << 10;
const BODY_MAX: usize = 1024 * MIB;
/// A user has a quarter, and a page of a list must fit into it.
const ANSWERS_MIN: usize = 4 * MIB;

/// The section, checked.
pub(super) fn limits(raw: &raw::Limits) -> Result<Limits, ConfigError> {
    const OF_ADDRESS: &str = "limits.connections_per_address";
    let number = |key, number| within(key, number, 1, MANY);
    let connections = within("limits.connections", raw.connections, CONNECTIONS_MIN, MANY)?;
    let of_address = number(OF_ADDRESS, raw.connections_per_address)?;
    if of_address > connections {
        let expected = format!("at most limits.connections, which is {connections}");
        return Err(bad(OF_ADDRESS, &of_address.to_string(), &expected));
    }
    let (deadline, bytes) = ("limits.write_deadline", "limits.answer_bytes");
    Ok(Limits {
        connections,
        connections_per_address: of_address,
        write_deadline: deadline_of(deadline, &raw.write_deadline)?,
        answer_bytes: memory_within(bytes, &raw.answer_bytes, ANSWERS_MIN, TIB)?,
        requests_per_minute: number("limits.requests_per_minute", raw.requests_per_minute)?,
        requests_at_once: number("limits.requests_at_once", raw.requests_at_once)?,
        tokens_per_hour: number("limits.tokens_per_hour", raw.tokens_per_hour)?,
        tokens_per_user: number("limits.tokens_per_user", raw.tokens_per_user)?,
        users: number("limits.users", raw.users)?,
        credentials_per_user: number("limits.credentials_per_user", raw.credentials_per_user)?,
        repositories_per_user: number("limits.repositories_per_user", raw.repositories_per_user)?,
        failed_connects_per_hour: number(
            "limits.failed_connects_per_hour",
            raw.failed_connects_per_hour,
        )?,
        wrong_tokens_per_minute: number(
            "limits.wrong_tokens_per_minute",
            raw.wrong_tokens_per_minute,
        )?,
    })
}

/// The section `ingress`, checked.
pub(super) fn ingress(raw: &raw::Ingress) -> Result<Ingress, ConfigError> {
    const IN_FLIGHT: &str = "ingress.max_bytes_in_flight";
    let max_body_bytes = memory_within("ingress.max_body", &raw.max_body, BODY_MIN, BODY_MAX)?;
    let max_bytes_in_flight = memory_within(IN_FLIGHT, &raw.max_bytes_in_flight, MIB, TIB)?;
    let least = BODIES_AT_LEAST * max_body_bytes;
    if max_bytes_in_flight < least {
        let expected = format!(
            "at least {BODIES_AT_LEAST} times ingress.max_body ({least} bytes): strangers share a \
             quarter of it, and large bodies have a half of that"
        );
        return Err(bad(IN_FLIGHT, &raw.max_bytes_in_flight, &expected));
    }
    Ok(Ingress {
        max_body_bytes,
        body_deadline: deadline_of("ingress.body_deadline", &raw.body_deadline)?,
        max_bytes_in_flight,
    })
}

/// A deadline for clients.
fn deadline_of(key: &str, text: &str) -> Result<Duration, ConfigError> {
    let deadline = interval(key, text)?;
    if (Duration::from_secs(1)..=DEADLINE_MAX).contains(&deadline) {
        return Ok(deadline);
    }
    Err(bad(key, text, "a duration from 1s to 10m"))
}

fn memory_within(key: &str, text: &str, min: usize, max: usize) -> Result<usize, ConfigError> {
    let bytes = memory(key, text)?;
    if (min..=max).contains(&bytes) {
        return Ok(bytes);
    }
    let shown = |bytes: usize| bytesize::ByteSize(bytes as u64);
    let expected = format!("a size from {} to {}", shown(min), shown(max));
    Err(bad(key, text, &expected))
}

/// Addresses of proxies.
pub(super) fn proxies(key: &str, texts: &[String]) -> Result<Vec<Network>, ConfigError> {
    const EXPECTED: &str = "addresses and networks, such as \"10.0.0.0/8\"";
    let network = |text: &String| text.parse().map_err(|_| bad(key, text, EXPECTED));
    texts.iter().map(network).collect()
}
