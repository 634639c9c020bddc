//! Configuration: a file, then environment variables, checked into small structs.
//!
//! `--config FILE` (TOML), then `HOOKHERD__SECTION__KEY`, then the plain names such as
//! `WEBHOOK_BASE_URL`. Any name may end in `_FILE` to read the value from a file; files in the
//! directory of systemd's credentials are found by the plain name in lower case. Blanks around a
//! value are ignored, an empty variable counts as unset, and unknown names are refused.

mod environment;
mod error;
mod layers;
mod limits;
mod network;
mod oauth;
mod raw;
mod secrets;
mod values;

pub use error::{ConfigError, Origin};
pub use limits::{Ingress, Limits};
pub use network::Proxy;
pub use oauth::{GithubApp, Oauth, Pem};
pub use secrets::SecretsError;

use crate::domain::net::Network;
use crate::domain::repo::Host;
use crate::domain::rule::{RuleError, Rules};
use crate::domain::run::Conclusion;
use crate::domain::secret::ApiToken;
use environment::Environment;
use layers::Written;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;
use values::{address, api_url, bad, duration, interval, public_url, size, within};
use zeroize::Zeroizing;

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The HTTP server and the data directory.
    pub server: Server,
    /// The master keys as configured; `None` without any.
    pub seal_key: Option<SealKey>,
    /// API token of the built-in user `admin`.
    pub admin_token: Option<ApiToken>,
    /// GitHub installations; the first is the one of `api_url`. Empty: disabled.
    pub github: Vec<Installation>,
    /// GitLab installations, likewise.
    pub gitlab: Vec<Installation>,
    /// Checks of hooks.
    pub health: Health,
    /// Limits of ingress.
    pub ingress: Ingress,
    /// Retention of history.
    pub retention: Retention,
    /// The rules for incidents.
    pub rules: Rules,
    /// The outbound proxy; `None` for direct calls.
    pub proxy: Option<Proxy>,
    /// Limits for strangers and users.
    pub limits: Limits,
    /// Logging.
    pub log: Log,
    /// Warnings about harmless peculiarities of the configuration.
    pub warnings: Vec<String>,
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
    /// The public URL for providers, without a trailing slash.
    pub public_url: String,
    /// The address on which the server listens.
    pub listen: SocketAddr,
    /// The separate address of `/metrics`, instead of `listen`.
    pub metrics_listen: Option<SocketAddr>,
    /// Whether `/metrics` on `listen` needs no token.
    pub metrics_public: bool,
    /// Reverse proxies that name their clients.
    pub trusted_proxies: Vec<Network>,
    /// The data directory.
    pub data_dir: PathBuf,
    /// Whether a data directory without a store is refused.
    pub require_existing_store: bool,
    /// Whether missing parts of the store are accepted as lost; a flag of `serve`, never
    /// configured.
    pub accept_data_loss: bool,
    /// Threads of the HTTP server.
    pub workers: usize,
    /// Longest time for requests in progress at shutdown.
    pub shutdown_timeout: Duration,
}

/// An installation of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Base of its REST API.
    pub api_url: Url,
    /// The URL of its web pages.
    pub web_url: Url,
    /// The host by which users refer to it.
    pub host: Host,
    /// Our OAuth client there.
    pub oauth: Option<Oauth>,
    /// Our GitHub App there.
    pub app: Option<GithubApp>,
    /// More certificate authorities to trust, PEM.
    pub ca_file: Option<PathBuf>,
    /// Timeout of a request.
    pub call_timeout: Duration,
    /// Pause between writes with one token.
    pub write_pause: Duration,
    /// Most concurrent calls.
    pub concurrency: usize,
}

/// Checks of hooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Interval at which a hook is checked.
    pub check_interval: Duration,
    /// Time without a delivery after which a hook is pinged.
    pub ping_interval: Duration,
    /// Longer than a provider may take to carry out a call after its timeout.
    pub settle_time: Duration,
    /// First and longest wait after transient failures.
    pub retry: (Duration, Duration),
    /// First and longest wait after failures that a person has to correct.
    pub slow_retry: (Duration, Duration),
    /// Longest time that connecting waits for the hook before it answers.
    pub connect_wait: Duration,
    /// Calls interrupted by a restart are repeated within this time.
    pub startup_spread: Duration,
}

/// Retention of history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Deliveries older than this may be deleted.
    pub max_age: Duration,
    /// Most bytes of history.
    pub max_bytes: u64,
    /// Number of newest deliveries that each connection always keeps.
    pub floor_per_connection: usize,
    /// Runs and resolved incidents older than this are deleted.
    pub history_max_age: Duration,
    /// Time for which redeliveries are recognised.
    pub guards_max_age: Duration,
}

/// Logging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// One JSON object per line instead of text.
    pub json: bool,
    /// The log filter, such as `info` or `hookherd=debug,info`.
    pub level: String,
}

impl Config {
    /// Reads the file and the environment of this process.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        // An empty or blank path counts as unset; a trailing line break is ignored.
        let file = file.map(|path| match path.to_str() {
            Some(text) => Path::new(text.trim()),
            None => path,
        });
        let file = file.filter(|path| !path.as_os_str().is_empty());
        let read = |path: &Path| {
            let failed = |error| {
                let path = path.display();
                ConfigError::Read(format!("cannot read {path}: {error}"))
            };
            std::fs::read_to_string(path).map_err(failed)
        };
        let text = file.map(read).transpose()?;
        let file = file.zip(text.as_deref());
        Self::read(file, &Environment::of_process())
    }

    /// Reads a text alone, without the configuration of this process.
    pub fn of_text(text: &str) -> Result<Self, ConfigError> {
        Self::read(Some((Path::new("text"), text)), &Environment::default())
    }

    fn read(file: Option<(&Path, &str)>, environment: &Environment) -> Result<Self, ConfigError> {
        let written = Written::read(file, environment)?;
        Self::judge(&written, environment).map_err(|error| written.explain(error))
    }

    fn judge(written: &Written, environment: &Environment) -> Result<Self, ConfigError> {
        let raw = &written.raw;
        let retention = &raw.retention;
        Ok(Self {
            server: server(&raw.server)?,
            seal_key: written.secret("seal.key").map(SealKey),
            admin_token: written
                .secret("auth.admin_token")
                .map(|text| admin(&text))
                .transpose()?,
            github: installations(&raw.providers.github.provider(), written)?,
            gitlab: installations(&raw.providers.gitlab.provider(), written)?,
            health: health(&raw.health)?,
            ingress: limits::ingress(&raw.ingress)?,
            retention: Retention {
                max_age: duration("retention.max_age", &retention.max_age)?,
                max_bytes: size("retention.max_bytes", &retention.max_bytes)?,
                floor_per_connection: retention.floor_per_connection,
                history_max_age: interval("retention.history_max_age", &retention.history_max_age)?,
                guards_max_age: interval("retention.guards_max_age", &retention.guards_max_age)?,
            },
            rules: rules(&raw.incidents)?,
            proxy: network::proxy(&raw.network, environment)?,
            limits: limits::limits(&raw.limits)?,
            log: log(&raw.log)?,
            warnings: written.warnings.clone(),
        })
    }
}

fn server(raw: &raw::Server) -> Result<Server, ConfigError> {
    let metrics = raw.metrics_listen.as_str();
    let metrics_listen = (!metrics.is_empty())
        .then(|| address("server.metrics_listen", metrics))
        .transpose()?;
    Ok(Server {
        public_url: public_url("server.public_url", &raw.public_url)?,
        listen: address("server.listen", &raw.listen)?,
        metrics_listen,
        metrics_public: raw.metrics_public,
        trusted_proxies: limits::proxies("server.trusted_proxies", &raw.trusted_proxies)?,
        data_dir: raw.data_dir.clone().into(),
        require_existing_store: raw.require_existing_store,
        accept_data_loss: false,
        workers: within("server.workers", raw.workers, 1, 64)?,
        shutdown_timeout: duration("server.shutdown_timeout", &raw.shutdown_timeout)?,
    })
}

fn rules(raw: &raw::Incidents) -> Result<Rules, ConfigError> {
    let failing = "incidents.failing_conclusions";
    // A list that lets nothing through would never open an incident.
    let lists = [
        (failing, &raw.failing_conclusions),
        ("incidents.branches", &raw.branches),
    ];
    if let Some((key, _)) = lists.into_iter().find(|(_, list)| list.is_empty()) {
        return Err(bad(key, "[]", "at least one, or omit the key"));
    }
    let rules = Rules::new(
        &raw.failing_conclusions,
        &raw.branches,
        &raw.ignored_branches,
    );
    rules.map_err(|error| match error {
        RuleError::UnknownConclusion(name) => {
            let all = Conclusion::ALL.map(Conclusion::as_str).join(", ");
            bad(failing, &name, &format!("some of {all}; not success"))
        }
        RuleError::SuccessFails => bad(failing, "success", "conclusions other than success"),
        RuleError::BadPattern(pattern) => {
            let is_ignored = raw.ignored_branches.contains(&pattern);
            let name = if is_ignored {
                "ignored_branches"
            } else {
                "branches"
            };
            let expected = "globs, such as \"main\" or \"release/*\"";
            bad(&format!("incidents.{name}"), &pattern, expected)
        }
    })
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
    written: &Written,
) -> Result<Vec<Installation>, ConfigError> {
    let mut installations: Vec<Installation> = Vec::new();
    let key = |name: &str| format!("providers.{}.{name}", raw.name);
    let client = oauth::client(written, raw)?;
    let app = raw
        .app
        .map(|app| oauth::app(written, app))
        .transpose()?
        .flatten();
    for text in &raw.api_urls {
        let (api_url, host) = api_url(&key("api_url"), text)?;
        if installations.iter().any(|known| known.host == host) {
            let expected = "a host that is not configured yet";
            return Err(bad(&key("more_api_urls"), text, expected));
        }
        // OAuth client and App are registered with one installation and unknown to the others.
        let is_main = raw.has_main && installations.is_empty();
        let web_url = if is_main { raw.web_url } else { "" };
        installations.push(Installation {
            web_url: oauth::web_url(&key("web_url"), web_url, &api_url)?,
            oauth: client.clone().filter(|_| is_main),
            app: app.clone().filter(|_| is_main),
            api_url,
            host,
            ca_file: (!raw.ca_file.is_empty()).then(|| raw.ca_file.into()),
            call_timeout: interval(&key("call_timeout"), raw.call_timeout)?,
            write_pause: duration(&key("write_pause"), raw.write_pause)?,
            concurrency: within(&key("concurrency"), raw.concurrency, 1, 100)?,
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

fn log(raw: &raw::Log) -> Result<Log, ConfigError> {
    let json = match raw.format.as_str() {
        "json" => true,
        "pretty" => false,
        other => return Err(bad("log.format", other, "\"pretty\" or \"json\"")),
    };
    Ok(Log {
        json,
        level: values::log_level("log.level", &raw.level)?,
    })
}

#[cfg(test)]
mod tests;
