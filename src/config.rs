//! Configuration: a file, then environment variables, checked into small structs.
//!
//! `--config FILE` (TOML), then `HOOKHERD__SECTION__KEY`, then the plain names such as
//! `WEBHOOK_BASE_URL`. Any plain name may end in `_FILE` to read the value from a file; files in
//! the directory of systemd's credentials are found by the plain name in lower case.

mod oauth;
mod raw;
mod secrets;

pub use oauth::{GithubApp, Oauth, Pem};
pub use secrets::SecretsError;

use crate::domain::repo::Host;
use crate::domain::rule::{RuleError, Rules};
use crate::domain::secret::ApiToken;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;
use zeroize::Zeroizing;

/// Everything that can be configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// The HTTP server and the data directory.
    pub server: Server,
    /// The master keys, as they were given; `None` when none was.
    pub seal_key: Option<SealKey>,
    /// API token of the built-in user `admin`.
    pub admin_token: Option<ApiToken>,
    /// GitHub installations; the first is the one of `api_url`. None: switched off.
    pub github: Vec<Installation>,
    /// GitLab installations, in the same way.
    pub gitlab: Vec<Installation>,
    /// The watch over hooks.
    pub health: Health,
    /// Limits of what comes in.
    pub ingress: Ingress,
    /// What history is kept.
    pub retention: Retention,
    /// What opens incidents.
    pub rules: Rules,
    /// Logging.
    pub log: Log,
}

/// Text of master keys; never printed.
#[derive(Clone)]
pub struct SealKey(pub Zeroizing<String>);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(redacted)")
    }
}

/// The HTTP server and the data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where providers reach us, without a slash at the end.
    pub public_url: String,
    /// Where the server listens.
    pub listen: SocketAddr,
    /// Where `/metrics` is served instead of on `listen`.
    pub metrics_listen: Option<SocketAddr>,
    /// Where state lives.
    pub data_dir: PathBuf,
    /// Threads of the HTTP server.
    pub workers: usize,
    /// How long requests under way may take at shutdown.
    pub shutdown_timeout: Duration,
}

/// An installation of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Base of its REST API.
    pub api_url: Url,
    /// Where its pages live.
    pub web_url: Url,
    /// The host by which users name it.
    pub host: Host,
    /// Our OAuth client there.
    pub oauth: Option<Oauth>,
    /// Our GitHub App there.
    pub app: Option<GithubApp>,
    /// More certificate authorities to trust, PEM.
    pub ca_file: Option<PathBuf>,
    /// Longest wait for an answer.
    pub call_timeout: Duration,
    /// Pause between writes of one token.
    pub write_pause: Duration,
    /// Most calls at a time.
    pub concurrency: usize,
}

/// The watch over hooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// How often a hook is compared with what it should be.
    pub check_interval: Duration,
    /// After this long without a delivery a hook is pinged.
    pub ping_interval: Duration,
    /// Longer than a provider may take to carry out a call that we gave up on.
    pub settle_time: Duration,
    /// First and longest wait after failures that tend to pass.
    pub retry: (Duration, Duration),
    /// First and longest wait after failures that a person has to mend.
    pub slow_retry: (Duration, Duration),
    /// How long connecting waits for the hook before it answers.
    pub connect_wait: Duration,
    /// Calls that a restart cut off are repeated within this time.
    pub startup_spread: Duration,
}

/// Limits of what comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// Largest body of a delivery, in bytes.
    pub max_body_bytes: usize,
    /// Longest time for a body to arrive.
    pub body_deadline: Duration,
    /// Most bytes of bodies that are not verified yet, over all requests.
    pub max_bytes_in_flight: usize,
}

/// What history is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Deliveries older than this may go.
    pub max_age: Duration,
    /// Most bytes of history.
    pub max_bytes: u64,
    /// Newest deliveries that each connection keeps in any case.
    pub floor_per_connection: usize,
    /// Runs and resolved incidents older than this go.
    pub history_max_age: Duration,
    /// For so long a delivery is recognised when it is sent again.
    pub guards_max_age: Duration,
}

/// Logging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// One JSON object a line instead of text.
    pub json: bool,
    /// What is logged, such as `info` or `hookherd=debug,info`.
    pub level: String,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read, has an unknown key, or a value of the wrong type.
    #[error("configuration: {0}")]
    Read(String),
    /// A value that makes no sense.
    #[error("configuration: {key} = {value:?}: expected {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// What was given. Never a secret.
        value: String,
        /// What would do.
        expected: &'static str,
    },
    /// A secret cannot be read.
    #[error("configuration: {0}")]
    Secret(#[from] SecretsError),
    /// The rules for incidents make no sense.
    #[error("configuration: incidents: {0}")]
    Rules(#[from] RuleError),
}

fn bad(key: &'static str, value: &str, expected: &'static str) -> ConfigError {
    ConfigError::Value {
        key,
        value: value.to_owned(),
        expected,
    }
}

fn duration(key: &'static str, text: &str) -> Result<Duration, ConfigError> {
    humantime::parse_duration(text).map_err(|_| {
        bad(
            key,
            text,
            "a duration with a unit, such as \"30m\" or \"1s\"",
        )
    })
}

fn interval(key: &'static str, text: &str) -> Result<Duration, ConfigError> {
    let interval = duration(key, text)?;
    if interval.is_zero() {
        return Err(bad(key, text, "a duration longer than nothing"));
    }
    Ok(interval)
}

fn size(key: &'static str, text: &str) -> Result<u64, ConfigError> {
    text.parse::<bytesize::ByteSize>()
        .map(|size| size.as_u64())
        .map_err(|_| bad(key, text, "a size with a unit, such as \"25MiB\""))
}

fn memory(key: &'static str, text: &str) -> Result<usize, ConfigError> {
    usize::try_from(size(key, text)?).map_err(|_| bad(key, text, "a size that fits in memory"))
}

fn address(key: &'static str, text: &str) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| {
        bad(
            key,
            text,
            "an address and a port, such as \"127.0.0.1:8080\"",
        )
    })
}

/// Whether a URL leads to this machine, where plain HTTP does no harm.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn public_url(text: &str) -> Result<String, ConfigError> {
    const EXPECTED: &str = "an https:// URL (http:// only for this machine itself)";
    let fail = || bad("server.public_url", text, EXPECTED);
    let url = Url::parse(text).map_err(|_| fail())?;
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    if !is_safe || url.query().is_some() || url.fragment().is_some() || has_user(&url) {
        return Err(fail());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn has_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn api_url(key: &'static str, text: &str) -> Result<(Url, Host), ConfigError> {
    const EXPECTED: &str = "an https:// URL (http:// only for this machine itself)";
    let fail = || bad(key, text, EXPECTED);
    let url = Url::parse(text).map_err(|_| fail())?;
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    if !is_safe || has_user(&url) {
        return Err(fail());
    }
    let name = match (url.host_str(), url.port()) {
        // The API of github.com has a host of its own; users name the site.
        (Some("api.github.com"), None) => "github.com".to_owned(),
        (Some(host), None) => host.to_owned(),
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (None, _) => return Err(fail()),
    };
    let host = name.parse().map_err(|_| fail())?;
    Ok((url, host))
}

impl Config {
    /// Reads file and environment of this process.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::from_raw(raw::Raw::read(file)?)
    }

    fn from_raw(raw: raw::Raw) -> Result<Self, ConfigError> {
        let names = secrets::Secrets::of_process();
        let public = names
            .plain("WEBHOOK_BASE_URL")?
            .unwrap_or(raw.server.public_url);
        let seal_key = names.secret("OAUTH_TOKEN_ENCRYPTION_KEY", &raw.seal.key)?;
        let admin_token = names.secret("HOOKHERD_ADMIN_TOKEN", &raw.auth.admin_token)?;
        let admin_token = admin_token.map(|text| admin(&text)).transpose()?;
        let metrics = raw.server.metrics_listen.as_str();
        let metrics_listen = (!metrics.is_empty())
            .then(|| address("server.metrics_listen", metrics))
            .transpose()?;
        let server = Server {
            public_url: public_url(&public)?,
            listen: address("server.listen", &raw.server.listen)?,
            metrics_listen,
            data_dir: raw.server.data_dir.into(),
            workers: raw.server.workers.clamp(1, 64),
            shutdown_timeout: duration("server.shutdown_timeout", &raw.server.shutdown_timeout)?,
        };
        let incidents = raw.incidents;
        Ok(Self {
            server,
            seal_key: seal_key.map(SealKey),
            admin_token,
            github: installations(&raw.providers.github.provider(), &names)?,
            gitlab: installations(&raw.providers.gitlab.provider(), &names)?,
            health: health(&raw.health)?,
            ingress: Ingress {
                max_body_bytes: memory("ingress.max_body", &raw.ingress.max_body)?,
                body_deadline: interval("ingress.body_deadline", &raw.ingress.body_deadline)?,
                max_bytes_in_flight: memory(
                    "ingress.max_bytes_in_flight",
                    &raw.ingress.max_bytes_in_flight,
                )?,
            },
            retention: Retention {
                max_age: duration("retention.max_age", &raw.retention.max_age)?,
                max_bytes: size("retention.max_bytes", &raw.retention.max_bytes)?,
                floor_per_connection: raw.retention.floor_per_connection,
                history_max_age: interval(
                    "retention.history_max_age",
                    &raw.retention.history_max_age,
                )?,
                guards_max_age: interval(
                    "retention.guards_max_age",
                    &raw.retention.guards_max_age,
                )?,
            },
            rules: Rules::new(
                &incidents.failing_conclusions,
                &incidents.branches,
                &incidents.ignored_branches,
            )?,
            log: log(raw.log)?,
        })
    }
}

fn admin(text: &str) -> Result<ApiToken, ConfigError> {
    /// Shorter tokens could be guessed.
    const BYTES_MIN: usize = 16;
    const EXPECTED: &str = "16 or more visible ASCII characters";
    let token = ApiToken::new(text.to_owned())
        .ok()
        .filter(|_| text.len() >= BYTES_MIN);
    token.ok_or_else(|| bad("auth.admin_token", "(not shown)", EXPECTED))
}

fn installations(
    raw: &raw::Provider<'_>,
    names: &secrets::Secrets,
) -> Result<Vec<Installation>, ConfigError> {
    let mut installations: Vec<Installation> = Vec::new();
    let keys = raw.keys;
    let client = oauth::client(names, keys.oauth, raw.oauth)?;
    let app = raw
        .app
        .map(|app| oauth::app(names, app))
        .transpose()?
        .flatten();
    for text in &raw.api_urls {
        let (api_url, host) = api_url(keys.api_url, text)?;
        if installations.iter().any(|known| known.host == host) {
            let expected = "a host not named before";
            return Err(bad(keys.more_api_urls, text, expected));
        }
        // What was registered with one installation is known to no other.
        let is_main = raw.has_main && installations.is_empty();
        let web_url = if is_main { raw.web_url } else { "" };
        installations.push(Installation {
            web_url: oauth::web_url(keys.web_url, web_url, &api_url)?,
            oauth: client.clone().filter(|_| is_main),
            app: app.clone().filter(|_| is_main),
            api_url,
            host,
            ca_file: (!raw.ca_file.is_empty()).then(|| raw.ca_file.into()),
            call_timeout: interval(keys.call_timeout, raw.call_timeout)?,
            write_pause: duration(keys.write_pause, raw.write_pause)?,
            concurrency: raw.concurrency.clamp(1, 100),
        });
    }
    Ok(installations)
}

fn health(raw: &raw::Health) -> Result<Health, ConfigError> {
    Ok(Health {
        check_interval: interval("health.check_interval", &raw.check_interval)?,
        ping_interval: interval("health.ping_interval", &raw.ping_interval)?,
        settle_time: interval("health.settle_time", &raw.settle_time)?,
        retry: (
            interval("health.retry_initial", &raw.retry_initial)?,
            interval("health.retry_max", &raw.retry_max)?,
        ),
        slow_retry: (
            interval("health.slow_retry_initial", &raw.slow_retry_initial)?,
            interval("health.slow_retry_max", &raw.slow_retry_max)?,
        ),
        connect_wait: duration("health.connect_wait", &raw.connect_wait)?,
        startup_spread: duration("health.startup_spread", &raw.startup_spread)?,
    })
}

fn log(raw: raw::Log) -> Result<Log, ConfigError> {
    let json = match raw.format.as_str() {
        "json" => true,
        "pretty" => false,
        other => return Err(bad("log.format", other, "\"pretty\" or \"json\"")),
    };
    Ok(Log {
        json,
        level: raw.level,
    })
}

#[cfg(test)]
mod tests;
