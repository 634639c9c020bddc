//! Checked values: durations, sizes, addresses, URLs, levels.

use super::ConfigError;
use crate::domain::repo::Host;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use url::Url;

/// The error for URLs to which secrets are sent.
const SAFE_URL: &str = "an https:// URL (http:// only for this machine itself)";

pub(super) fn bad(key: &str, value: &str, expected: &str) -> ConfigError {
    ConfigError::Value {
        key: key.to_owned(),
        value: value.to_owned(),
        expected: expected.to_owned(),
        origin: None,
    }
}

pub(super) fn duration(key: &str, text: &str) -> Result<Duration, ConfigError> {
    const EXPECTED: &str = "a duration with a unit, such as \"30m\" or \"1s\"";
    humantime::parse_duration(text).map_err(|_| bad(key, text, EXPECTED))
}

pub(super) fn interval(key: &str, text: &str) -> Result<Duration, ConfigError> {
    let interval = duration(key, text)?;
    if interval.is_zero() {
        return Err(bad(key, text, "a duration greater than zero"));
    }
    Ok(interval)
}

pub(super) fn size(key: &str, text: &str) -> Result<u64, ConfigError> {
    text.parse::<bytesize::ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| bad(key, text, "a size with a unit, such as \"25MiB\""))
}

pub(super) fn memory(key: &str, text: &str) -> Result<usize, ConfigError> {
    usize::try_from(size(key, text)?).map_err(|_| bad(key, text, "a size that fits in memory"))
}

/// A number from `min` to `max`.
pub(super) fn within(
    key: &str,
    number: usize,
    min: usize,
    max: usize,
) -> Result<usize, ConfigError> {
    if (min..=max).contains(&number) {
        return Ok(number);
    }
    let expected = format!("a whole number from {min} to {max}");
    Err(bad(key, &number.to_string(), &expected))
}

/// `localhost:PORT` is this machine, without a name look-up.
pub(super) fn address(key: &str, text: &str) -> Result<SocketAddr, ConfigError> {
    const EXPECTED: &str = "an address and a port, such as \"127.0.0.1:8080\" (this machine only) \
                            or \"0.0.0.0:8080\" (every interface)";
    let local = text
        .strip_prefix("localhost:")
        .and_then(|port| port.parse().ok())
        .map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    local
        .or_else(|| text.parse().ok())
        .ok_or_else(|| bad(key, text, EXPECTED))
}

/// Whether a URL leads to this machine, where plain HTTP is safe.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn has_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// An encrypted URL without a user. A parser drops line ends within a URL:
/// here they are refused, because what was meant is not known.
pub(super) fn safe_url(key: &str, text: &str) -> Result<Url, ConfigError> {
    let fail = || bad(key, text, SAFE_URL);
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(fail());
    }
    let url = Url::parse(text).map_err(|_| fail())?;
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    if !is_safe || has_user(&url) {
        return Err(fail());
    }
    Ok(url)
}

/// The same without query and fragment: other paths are appended to it.
pub(super) fn base_url(key: &str, text: &str) -> Result<Url, ConfigError> {
    let url = safe_url(key, text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad(key, text, SAFE_URL));
    }
    Ok(url)
}

/// Our public address as used in hooks: without a trailing slash.
pub(super) fn public_url(key: &str, text: &str) -> Result<String, ConfigError> {
    let url = base_url(key, text)?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Base of an API, and the host by which users refer to it.
pub(super) fn api_url(key: &str, text: &str) -> Result<(Url, Host), ConfigError> {
    let url = safe_url(key, text)?;
    let fail = || bad(key, text, SAFE_URL);
    let name = match (url.host_str(), url.port()) {
        // The API of github.com has a separate host; users name the site.
        (Some("api.github.com"), None) => "github.com".to_owned(),
        (Some(host), None) => host.to_owned(),
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (None, _) => return Err(fail()),
    };
    let host = name.parse().map_err(|_| fail())?;
    Ok((url, host))
}

/// A log filter: levels, for all or for single modules. Any other word would count as the name of a
/// module, and disable the rest of the log.
pub(super) fn log_level(key: &str, text: &str) -> Result<String, ConfigError> {
    const EXPECTED: &str = "a level (off, error, warn, info, debug or trace), or parts with their \
                            levels, such as \"hookherd=debug,info\"";
    let fail = || bad(key, text, EXPECTED);
    let mut directives = Vec::new();
    for directive in text.split(',').map(str::trim).filter(|d| !d.is_empty()) {
        let (part, level) = match directive.rsplit_once('=') {
            Some((part, level)) => (part.trim(), level.trim()),
            None => ("", directive),
        };
        let level = match level.to_lowercase().as_str() {
            "warning" => "warn".to_owned(),
            other => other.to_owned(),
        };
        let is_level = level.chars().all(char::is_alphabetic);
        LevelFilter::from_str(&level)
            .ok()
            .filter(|_| is_level && !level.is_empty())
            .ok_or_else(fail)?;
        directives.push(match part {
            "" if directive.contains('=') => return Err(fail()),
            "" => level,
            part => format!("{part}={level}"),
        });
    }
    let filter = directives.join(",");
    if filter.is_empty() || EnvFilter::try_new(&filter).is_err() {
        return Err(fail());
    }
    Ok(filter)
}
