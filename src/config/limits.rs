//! What strangers and users may take.

use super::ConfigError;
use super::Ingress;
use super::raw;
use super::values::{bad, interval, memory, within};
use crate::domain::net::Network;
use std::time::Duration;

/// What strangers and users may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections of one address.
    pub connections_per_address: usize,
    /// How long a client may not read what it has asked for.
    pub write_deadline: Duration,
    /// Bytes of answers that are on their way.
    pub answer_bytes: usize,
    /// API requests of a user in a minute.
    pub requests_per_minute: usize,
    /// API requests of a user at a time.
    pub requests_at_once: usize,
    /// API tokens that are made for a user in an hour.
    pub tokens_per_hour: usize,
    /// Credentials that a user may have.
    pub credentials_per_user: usize,
    /// Connections to repositories that a user may have.
    pub repositories_per_user: usize,
    /// Attempts of a user in an hour to connect what is not there.
    pub failed_connects_per_hour: usize,
    /// Wrong API tokens from one address in a minute.
    pub wrong_tokens_per_minute: usize,
}

const MANY: usize = 1_000_000;
/// Deliveries of CI have tens of kilobytes: with less, all would be refused, and the provider
/// would give the hook up.
const BODY_MIN: usize = 64 << 10;
/// A user has a quarter, and a page of a list has to fit into it.
const ANSWERS_MIN: usize = 4 << 20;

fn at_least(key: &str, text: &str, min: usize) -> Result<usize, ConfigError> {
    let bytes = memory(key, text)?;
    let expected = || format!("a size of {}KiB or more", min >> 10);
    (bytes >= min)
        .then_some(bytes)
        .ok_or_else(|| bad(key, text, &expected()))
}

/// What ingress takes, checked.
pub(super) fn ingress(raw: &raw::Ingress) -> Result<Ingress, ConfigError> {
    let in_flight = "ingress.max_bytes_in_flight";
    let max_body_bytes = at_least("ingress.max_body", &raw.max_body, BODY_MIN)?;
    let max_bytes_in_flight = memory(in_flight, &raw.max_bytes_in_flight)?;
    if max_bytes_in_flight < max_body_bytes {
        let expected = "as much as ingress.max_body, or more";
        return Err(bad(in_flight, &raw.max_bytes_in_flight, expected));
    }
    Ok(Ingress {
        max_body_bytes,
        body_deadline: interval("ingress.body_deadline", &raw.body_deadline)?,
        max_bytes_in_flight,
    })
}

/// The section, checked.
pub(super) fn limits(raw: &raw::Limits) -> Result<Limits, ConfigError> {
    let number = |key, number| within(key, number, 1, MANY);
    Ok(Limits {
        connections: within("limits.connections", raw.connections, 16, MANY)?,
        connections_per_address: number(
            "limits.connections_per_address",
            raw.connections_per_address,
        )?,
        write_deadline: interval("limits.write_deadline", &raw.write_deadline)?,
        answer_bytes: at_least("limits.answer_bytes", &raw.answer_bytes, ANSWERS_MIN)?,
        requests_per_minute: number("limits.requests_per_minute", raw.requests_per_minute)?,
        requests_at_once: number("limits.requests_at_once", raw.requests_at_once)?,
        tokens_per_hour: number("limits.tokens_per_hour", raw.tokens_per_hour)?,
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

/// Addresses of proxies.
pub(super) fn proxies(key: &str, texts: &[String]) -> Result<Vec<Network>, ConfigError> {
    const EXPECTED: &str = "addresses and networks, such as \"10.0.0.0/8\"";
    let network = |text: &String| text.parse().map_err(|_| bad(key, text, EXPECTED));
    texts.iter().map(network).collect()
}
