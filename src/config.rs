//! Configuration: a file, then environment variables, checked into small structs.
//!
//! `--config FILE` (TOML), then `HOOKHERD__SECTION__KEY`, then the plain names such as
//! `WEBHOOK_BASE_URL`. Any name may end in `_FILE` to read the value from a file; files in the
//! directory of systemd's credentials are found by the plain name in lower case. Blanks around a
//! value are ignored, an empty variable counts as unset, and unknown names are refused. The
//! defaults are those of `config/hookherd.toml`, which is built in.

mod environment;
mod error;
mod incidents;
mod layers;
mod limits;
mod network;
mod oauth;
mod providers;
mod secrets;
mod values;

pub use error::{ConfigError, Origin};
pub use limits::{Ingress, Limits};
pub use network::Proxy;
pub use oauth::{GithubApp, Oauth, Pem};
pub use providers::Installation;
pub use secrets::SecretsError;

use crate::domain::net::Network;
use crate::domain::net::allowed::Allowed;
use crate::domain::rule::Rules;
use crate::domain::secret::ApiToken;
use environment::Environment;
use layers::Written;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use values::{
    address, allowed, backlog, bad, deadline, duration, interval, is_json, log_level, networks,
    notice, optional_path, own_address, public_url, rotation, settings, size, within,
};
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
    /// Recovery of missed deliveries.
    pub recovery: Recovery,
    /// Limits of ingress.
    pub ingress: Ingress,
    /// Retention of history.
    pub retention: Retention,
    /// The rules for incidents.
    pub rules: Rules,
    /// Whether incidents have the ends of the logs of failed jobs.
    pub log_excerpts: bool,
    /// Where notifications may be sent.
    pub sinks: Sinks,
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

settings! {
    /// The HTTP server and the data directory.
    Server {
        /// The public URL for providers, without a trailing slash.
        public_url: String = "public_url",
        /// The address on which the server listens.
        listen: SocketAddr = "address",
        /// The separate address of `/metrics`, instead of `listen`.
        metrics_listen: Option<SocketAddr> = "own_address",
        /// Whether `/metrics` on `listen` needs no token.
        metrics_public: bool,
        /// Reverse proxies that name their clients.
        trusted_proxies: Vec<Network> = "networks",
        /// The data directory.
        data_dir: PathBuf,
        /// Whether a data directory without a store is refused.
        require_existing_store: bool,
        /// Whether missing parts of the store are accepted as lost; a flag of `serve`, never
        /// configured.
        #[serde(skip)]
        accept_data_loss: bool,
        /// Threads of the HTTP server.
        workers: usize = "within::<_, 1, 64>",
        /// Longest time for requests in progress at shutdown.
        shutdown_timeout: Duration = "duration",
    }

    /// Checks of hooks.
    Health {
        /// Interval at which a hook is checked.
        check_interval: Duration = "interval",
        /// Time without a delivery after which a hook is pinged.
        ping_interval: Duration = "interval",
        /// Interval at which the secret of each hook is rotated; `None` for never.
        rotate_every: Option<Duration> = "rotation",
        /// Longer than a provider may take to carry out a call after its timeout.
        settle_time: Duration = "interval",
        /// How long before it expires the owner of a token is notified.
        token_expiry_notice: Duration = "notice",
        /// How long deliveries may wait to be processed before administrators are notified.
        backlog_notice: Duration = "backlog",
        /// First wait after transient failures.
        retry_initial: Duration = "interval",
        /// Longest wait after transient failures.
        retry_max: Duration = "interval",
        /// First wait after failures that a person has to correct.
        slow_retry_initial: Duration = "interval",
        /// Longest wait after failures that a person has to correct.
        slow_retry_max: Duration = "interval",
        /// Longest time that connecting waits for the hook before it answers.
        connect_wait: Duration = "duration",
        /// Calls interrupted by a restart are repeated within this time.
        startup_spread: Duration = "duration",
    }

    /// Recovery of missed deliveries.
    Recovery {
        /// Interval at which each connection is reconciled.
        reconcile_every: Duration = "interval",
    }

    /// Retention of history.
    Retention {
        /// Deliveries older than this may be deleted.
        max_age: Duration = "duration",
        /// Most bytes of history.
        max_bytes: u64 = "size",
        /// Number of newest deliveries that each connection always keeps.
        floor_per_connection: usize,
        /// Runs and resolved incidents older than this are deleted.
        history_max_age: Duration = "interval",
        /// Time for which redeliveries are recognised.
        guards_max_age: Duration = "interval",
    }

    /// Where notifications may be sent, and when.
    Sinks {
        /// An incident that is resolved within this time is not sent.
        delay: Duration = "duration",
        /// How often what lasts is sent again to sinks that would forget it.
        heartbeat: Duration = "deadline",
        /// How long notifications may wait for their sink before its owner is notified.
        backlog_notice: Duration = "backlog",
        /// Hosts and networks besides the internet.
        allow: Allowed = "allowed",
        /// Whether notifications are sent through the outbound proxy.
        use_proxy: bool,
        /// PEM file of certificate authorities that are trusted besides the system's; empty: none.
        ca_file: Option<PathBuf> = "optional_path",
    }

    /// Logging.
    Log {
        /// One JSON object per line instead of text.
        #[serde(rename = "format")]
        json: bool = "is_json",
        /// The log filter, such as `info` or `hookherd=debug,info`.
        level: String = "log_level",
    }
}

/// The sections as they are written. Secrets are kept apart: see [`Written::secret`].
#[derive(Deserialize)]
struct Sections {
    server: Server,
    providers: providers::Providers,
    health: Health,
    recovery: Recovery,
    ingress: Ingress,
    retention: Retention,
    incidents: incidents::Incidents,
    network: network::Section,
    sinks: Sinks,
    limits: Limits,
    log: Log,
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
        let sections: Sections = written.typed()?;
        sections.ingress.check(written)?;
        sections.limits.check(written)?;
        let token = written.secret("auth.admin_token");
        Ok(Self {
            seal_key: written.secret("seal.key").map(SealKey),
            admin_token: token.map(|text| admin(&text)).transpose()?,
            github: sections.providers.github.installations("github", written)?,
            gitlab: sections.providers.gitlab.installations("gitlab", written)?,
            rules: sections.incidents.rules()?,
            log_excerpts: sections.incidents.log_excerpts,
            proxy: sections.network.proxy(environment)?,
            server: sections.server,
            health: sections.health,
            recovery: sections.recovery,
            ingress: sections.ingress,
            retention: sections.retention,
            sinks: sections.sinks,
            limits: sections.limits,
            log: sections.log,
            warnings: written.warnings.clone(),
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

#[cfg(test)]
mod tests;
