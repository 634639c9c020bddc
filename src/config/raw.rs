//! The configuration as it is written, with its defaults.

use super::ConfigError;
use config::{Environment, File, FileFormat};
use serde::{Deserialize, Serialize};
use std::path::Path;

macro_rules! sections {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $default:expr),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, Serialize)]
        #[serde(deny_unknown_fields, default)]
        pub(super) struct $name { $(pub(super) $field: $type),* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default),* }
            }
        }
    )*};
}

sections! {
    Raw {
        server: Server = Server::default(),
        seal: Seal = Seal::default(),
        auth: Auth = Auth::default(),
        providers: Providers = Providers::default(),
        health: Health = Health::default(),
        ingress: Ingress = Ingress::default(),
        retention: Retention = Retention::default(),
        incidents: Incidents = Incidents::default(),
        log: Log = Log::default(),
    }
    Server {
        public_url: String = "http://127.0.0.1:8080".into(),
        listen: String = "127.0.0.1:8080".into(),
        metrics_listen: String = String::new(),
        data_dir: String = "./hookherd-data".into(),
        workers: usize = 2,
        shutdown_timeout: String = "5s".into(),
    }
    Seal { key: String = String::new() }
    Auth { admin_token: String = String::new() }
    Providers { github: Github = Github::default(), gitlab: Gitlab = Gitlab::default() }
    Github {
        api_url: String = "https://api.github.com".into(),
        web_url: String = String::new(),
        more_api_urls: Vec<String> = Vec::new(),
        ca_file: String = String::new(),
        call_timeout: String = "15s".into(),
        write_pause: String = "1s".into(),
        concurrency: usize = 4,
        oauth: Oauth = Oauth::default(),
        app: App = App::default(),
    }
    Gitlab {
        api_url: String = "https://gitlab.com/api/v4".into(),
        web_url: String = String::new(),
        more_api_urls: Vec<String> = Vec::new(),
        ca_file: String = String::new(),
        call_timeout: String = "15s".into(),
        write_pause: String = "100ms".into(),
        concurrency: usize = 4,
        oauth: Oauth = Oauth::default(),
    }
    Oauth { client_id: String = String::new(), client_secret: String = String::new() }
    App { id: String = String::new(), private_key: String = String::new() }
    Health {
        check_interval: String = "30m".into(),
        ping_interval: String = "6h".into(),
        settle_time: String = "2m".into(),
        retry_initial: String = "2s".into(),
        retry_max: String = "15m".into(),
        slow_retry_initial: String = "1m".into(),
        slow_retry_max: String = "6h".into(),
        connect_wait: String = "5s".into(),
        startup_spread: String = "10s".into(),
    }
    Ingress {
        max_body: String = "25MiB".into(),
        body_deadline: String = "10s".into(),
        max_bytes_in_flight: String = "256MiB".into(),
    }
    Retention {
        max_age: String = "30days".into(),
        max_bytes: String = "10GiB".into(),
        floor_per_connection: usize = 20,
        history_max_age: String = "180days".into(),
        guards_max_age: String = "90days".into(),
    }
    Incidents {
        failing_conclusions: Vec<String> =
            ["failure", "timed_out", "startup_failure"].map(String::from).to_vec(),
        branches: Vec<String> = vec!["*".into()],
        ignored_branches: Vec<String> = Vec::new(),
    }
    Log { format: String = "pretty".into(), level: String = "info".into() }
}

/// Keys that are lists: in the environment their items are separated by commas.
const LISTS: [&str; 5] = [
    "providers.github.more_api_urls",
    "providers.gitlab.more_api_urls",
    "incidents.failing_conclusions",
    "incidents.branches",
    "incidents.ignored_branches",
];

/// What the sections of all kinds of providers have, with the names of the keys.
pub(super) struct Provider<'a> {
    pub(super) keys: Keys,
    pub(super) api_urls: Vec<&'a str>,
    /// Whether the first of these is `api_url`.
    pub(super) has_main: bool,
    pub(super) web_url: &'a str,
    pub(super) oauth: &'a Oauth,
    pub(super) app: Option<&'a App>,
    pub(super) ca_file: &'a str,
    pub(super) call_timeout: &'a str,
    pub(super) write_pause: &'a str,
    pub(super) concurrency: usize,
}

/// Keys of a provider's section, for errors.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    pub(super) api_url: &'static str,
    pub(super) more_api_urls: &'static str,
    pub(super) call_timeout: &'static str,
    pub(super) write_pause: &'static str,
    pub(super) web_url: &'static str,
    pub(super) oauth: OauthKeys,
}

/// Names of a provider's OAuth client: the key of its id, and the plain names.
#[derive(Clone, Copy)]
pub(super) struct OauthKeys {
    pub(super) client_id: &'static str,
    pub(super) plain_id: &'static str,
    pub(super) plain_secret: &'static str,
}

macro_rules! providers {
    ($($section:ident $name:literal $plain:literal [$($app:ident)?];)*) => {$(
        impl $section {
            /// The section as all kinds have it. An empty URL names no installation.
            pub(super) fn provider(&self) -> Provider<'_> {
                let urls = std::iter::once(&self.api_url).filter(|url| !url.is_empty());
                Provider {
                    keys: Keys {
                        api_url: concat!("providers.", $name, ".api_url"),
                        more_api_urls: concat!("providers.", $name, ".more_api_urls"),
                        call_timeout: concat!("providers.", $name, ".call_timeout"),
                        write_pause: concat!("providers.", $name, ".write_pause"),
                        web_url: concat!("providers.", $name, ".web_url"),
                        oauth: OauthKeys {
                            client_id: concat!("providers.", $name, ".oauth.client_id"),
                            plain_id: concat!($plain, "_OAUTH_CLIENT_ID"),
                            plain_secret: concat!($plain, "_OAUTH_CLIENT_SECRET"),
                        },
                    },
                    has_main: !self.api_url.is_empty(),
                    web_url: &self.web_url,
                    oauth: &self.oauth,
                    app: None $(.or(Some(&self.$app)))?,
                    api_urls: urls.chain(&self.more_api_urls).map(String::as_str).collect(),
                    ca_file: &self.ca_file,
                    call_timeout: &self.call_timeout,
                    write_pause: &self.write_pause,
                    concurrency: self.concurrency,
                }
            }
        }
    )*};
}

providers! {
    Github "github" "GITHUB" [app];
    Gitlab "gitlab" "GITLAB" [];
}

impl Raw {
    /// The defaults, a file, and `HOOKHERD__SECTION__KEY`.
    pub(super) fn read(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut builder = config::Config::builder();
        if let Some(file) = file {
            builder = builder.add_source(File::from(file).format(FileFormat::Toml));
        }
        let mut environment = Environment::with_prefix("HOOKHERD")
            .prefix_separator("__")
            .separator("__")
            .list_separator(",")
            .try_parsing(true);
        for list in LISTS {
            environment = environment.with_list_parse_key(list);
        }
        let told = |error: config::ConfigError| ConfigError::Read(error.to_string());
        builder
            .add_source(environment)
            .build()
            .map_err(told)?
            .try_deserialize()
            .map_err(told)
    }

    /// The configuration in a text.
    #[cfg(test)]
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let told = |error: config::ConfigError| ConfigError::Read(error.to_string());
        let source = File::from_str(text, FileFormat::Toml);
        let built = config::Config::builder()
            .add_source(source)
            .build()
            .map_err(told)?;
        built.try_deserialize().map_err(told)
    }
}
