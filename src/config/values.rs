//! Checked values: durations, sizes, addresses, URLs, levels. The error of a refused value
//! is what is expected in its place.

use super::ConfigError;
use crate::domain::net::Network;
use crate::domain::net::allowed::{Allowed, Entry};
use crate::domain::repo::Host;
use crate::domain::rotation::ROTATE_EVERY_MIN;
use serde::de::{Deserialize, Deserializer, Error};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use url::Url;

/// The error for URLs to which secrets are sent.
const SAFE_URL: &str = "an https:// URL (http:// only for this machine itself)";

/// Keys whose values are secrets: always text, and never shown.
pub(super) const SECRETS: [&str; 5] = [
    "seal.key",
    "auth.admin_token",
    "providers.github.oauth.client_secret",
    "providers.github.app.private_key",
    "providers.gitlab.oauth.client_secret",
];
/// The URL of a proxy may hold a password.
const PROXY: &str = "network.proxy";

/// A value for display, of a setting or of a section: without secrets, and without URLs that name a
/// user.
pub(super) fn shown(key: &str, value: &str) -> String {
    let mut hidden = SECRETS.iter().chain([&PROXY]);
    let is_url = value.contains("://") || key.contains("_url");
    let is_secret = hidden.any(|secret| secret.starts_with(key)) || is_url && value.contains('@');
    let text = if is_secret { "(not shown)" } else { value };
    text.to_owned()
}

pub(super) fn bad(key: &str, value: &str, expected: &str) -> ConfigError {
    ConfigError::Value {
        key: key.to_owned(),
        value: shown(key, value),
        expected: expected.to_owned(),
        origin: None,
    }
}

/// Values that are written as text.
macro_rules! texts {
    ($($name:ident: $type:ty = $read:expr;)*) => {$(
        pub(super) fn $name<'de, D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
            $read(&String::deserialize(from)?).map_err(D::Error::custom)
        }
    )*};
}
texts! {
    duration: Duration = read_duration;
    interval: Duration = read_interval;
    notice: Duration = read_notice;
    backlog: Duration = read_backlog;
    rotation: Option<Duration> = read_rotation;
    deadline: Duration = read_deadline;
    size: u64 = read_size;
    address: SocketAddr = read_address;
    own_address: Option<SocketAddr> = read_own_address;
    public_url: String = read_public_url;
    optional_path: Option<PathBuf> = read_path;
    log_level: String = read_log_level;
    is_json: bool = read_format;
}

/// Sections whose values are read as the function says that is named behind their types.
macro_rules! settings {
    ($($(#[$about:meta])* $section:ident {
        $($(#[$meta:meta])* $key:ident: $type:ty $(= $read:literal)?,)*
    })*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
        pub struct $section {
            $($(#[$meta])* $(#[serde(deserialize_with = $read)])? pub $key: $type,)*
        }
    )*};
}
pub(super) use settings;

/// 1000 years: "forever" for people, and no sum with a time or product with a factor overflows.
const DURATION_MAX: Duration = Duration::from_hours(1000 * 8766);

fn read_duration(text: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "a duration with a unit, such as \"30m\" or \"1s\"";
    let duration = humantime::parse_duration(text).map_err(|_| EXPECTED)?;
    let duration = Some(duration).filter(|duration| *duration <= DURATION_MAX);
    duration.ok_or("a duration of at most 1000years")
}

/// A path, or none when it is empty.
fn read_path(text: &str) -> Result<Option<PathBuf>, &'static str> {
    if text.contains(char::is_control) {
        return Err("the path of a file, or \"\"");
    }
    Ok(Some(PathBuf::from(text)).filter(|path| !path.as_os_str().is_empty()))
}

fn read_interval(text: &str) -> Result<Duration, &'static str> {
    let interval = read_duration(text)?;
    let interval = Some(interval).filter(|interval| !interval.is_zero());
    interval.ok_or("a duration greater than zero")
}

/// How long before the end of a token: providers offer 30 to 366 days, and a day is the least that
/// leaves a person time.
fn read_notice(text: &str) -> Result<Duration, &'static str> {
    let notice = read_duration(text)?;
    let day = Duration::from_hours(24);
    let is_fit = (day..=day * 90).contains(&notice);
    is_fit
        .then_some(notice)
        .ok_or("a duration from 1day to 90days")
}

/// How long something may wait that usually takes seconds.
fn read_backlog(text: &str) -> Result<Duration, &'static str> {
    let longest = read_duration(text)?;
    let is_fit = (Duration::from_mins(1)..=Duration::from_hours(24)).contains(&longest);
    is_fit.then_some(longest).ok_or("a duration from 1m to 24h")
}

/// The word for a rotation that never comes by itself.
const NEVER: &str = "never";

/// An interval between rotations, or none.
fn read_rotation(text: &str) -> Result<Option<Duration>, &'static str> {
    const EXPECTED: &str = "\"never\", or a duration of at least 24h, such as \"90days\"";
    if text == NEVER {
        return Ok(None);
    }
    let every = read_duration(text).map_err(|_| EXPECTED)?;
    let every = Some(every).filter(|every| *every >= ROTATE_EVERY_MIN);
    every.map(Some).ok_or(EXPECTED)
}

/// A deadline for clients.
fn read_deadline(text: &str) -> Result<Duration, &'static str> {
    let deadline = read_interval(text)?;
    let is_fit = (Duration::from_secs(1)..=Duration::from_mins(10)).contains(&deadline);
    is_fit
        .then_some(deadline)
        .ok_or("a duration from 1s to 10m")
}

fn read_size(text: &str) -> Result<u64, &'static str> {
    let size = text.parse::<bytesize::ByteSize>();
    size.map(|size| size.as_u64())
        .map_err(|_| "a size with a unit, such as \"25MiB\"")
}

/// A size from `MIN` to `MAX` bytes.
pub(super) fn memory<'de, D: Deserializer<'de>, const MIN: usize, const MAX: usize>(
    from: D,
) -> Result<usize, D::Error> {
    let bytes = usize::try_from(size(from)?).ok();
    let shown = |bytes: usize| bytesize::ByteSize(bytes as u64);
    let expected = || format!("a size from {} to {}", shown(MIN), shown(MAX));
    let bytes = bytes.filter(|bytes| (MIN..=MAX).contains(bytes));
    bytes.ok_or_else(|| D::Error::custom(expected()))
}

/// A number from `MIN` to `MAX`.
pub(super) fn within<'de, D: Deserializer<'de>, const MIN: usize, const MAX: usize>(
    from: D,
) -> Result<usize, D::Error> {
    let expected = || format!("a whole number from {MIN} to {MAX}");
    let number = Some(usize::deserialize(from)?).filter(|n| (MIN..=MAX).contains(n));
    number.ok_or_else(|| D::Error::custom(expected()))
}

/// `localhost:PORT` is this machine, without a name look-up.
fn read_address(text: &str) -> Result<SocketAddr, &'static str> {
    const EXPECTED: &str = "an address and a port, such as \"127.0.0.1:8080\" (this machine only) \
                            or \"0.0.0.0:8080\" (every interface)";
    let local = text
        .strip_prefix("localhost:")
        .and_then(|port| port.parse().ok())
        .map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    local.or_else(|| text.parse().ok()).ok_or(EXPECTED)
}

/// An address, or none.
fn read_own_address(text: &str) -> Result<Option<SocketAddr>, &'static str> {
    let text = Some(text).filter(|text| !text.is_empty());
    text.map(read_address).transpose()
}

/// Addresses and networks.
pub(super) fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Network>, D::Error> {
    struct Read(Network);
    impl<'de> Deserialize<'de> for Read {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let expected = |_| D::Error::custom("addresses and networks, such as \"10.0.0.0/8\"");
            let network = String::deserialize(from)?.parse();
            network.map(Self).map_err(expected)
        }
    }
    let all = Vec::<Read>::deserialize(from)?;
    Ok(all.into_iter().map(|read| read.0).collect())
}

/// An allow list.
pub(super) fn allowed<'de, D: Deserializer<'de>>(from: D) -> Result<Allowed, D::Error> {
    struct Read(Entry);
    impl<'de> Deserialize<'de> for Read {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let entry = String::deserialize(from)?.parse();
            entry.map(Self).map_err(D::Error::custom)
        }
    }
    let all = Vec::<Read>::deserialize(from)?;
    Ok(Allowed::new(all.into_iter().map(|read| read.0).collect()))
}

/// Whether it is JSON.
fn read_format(text: &str) -> Result<bool, &'static str> {
    match text {
        "json" => Ok(true),
        "pretty" => Ok(false),
        _ => Err("\"pretty\" or \"json\""),
    }
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
fn safe_url(text: &str) -> Result<Url, String> {
    let fail = || SAFE_URL.to_owned();
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
pub(super) fn base_url(text: &str) -> Result<Url, String> {
    let url = safe_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(SAFE_URL.to_owned());
    }
    Ok(url)
}

/// Our public address as used in hooks: without a trailing slash.
fn read_public_url(text: &str) -> Result<String, String> {
    let url = base_url(text)?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Base of an API, and the host by which users refer to it.
pub(super) fn api_url(text: &str) -> Result<(Url, Host), String> {
    let url = safe_url(text)?;
    let fail = || SAFE_URL.to_owned();
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
fn read_log_level(text: &str) -> Result<String, String> {
    const EXPECTED: &str = "a level (off, error, warn, info, debug or trace), or parts with their \
                            levels, such as \"hookherd=debug,info\"";
    let fail = || EXPECTED.to_owned();
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
