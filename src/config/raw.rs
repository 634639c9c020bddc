//! The configuration as written, with its defaults.

use serde::{Deserialize, Serialize};

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
        network: Network = Network::default(),
        limits: Limits = Limits::default(),
        log: Log = Log::default(),
    }
    Server {
        public_url: String = "http://127.0.0.1:8080".into(),
        listen: String = "127.0.0.1:8080".into(),
        metrics_listen: String = String::new(),
        metrics_public: bool = false,
        trusted_proxies: Vec<String> = ["127.0.0.0/8", "::1"].map(String::from).to_vec(),
        data_dir: String = "./hookherd-data".into(),
        require_existing_store: bool = false,
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
        concurrency: usize = 16,
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
        concurrency: usize = 16,
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
    Network {
        proxy: String = String::new(),
        no_proxy: Vec<String> = Vec::new(),
        proxy_from_environment: bool = false,
    }
    Limits {
        connections: usize = 2048,
        connections_per_address: usize = 256,
        write_deadline: String = "10s".into(),
        answer_bytes: String = "64MiB".into(),
        requests_per_minute: usize = 6000,
        requests_at_once: usize = 64,
        tokens_per_hour: usize = 100,
        tokens_per_user: usize = 200,
        users: usize = 10_000,
        credentials_per_user: usize = 100,
        repositories_per_user: usize = 200_000,
        failed_connects_per_hour: usize = 200,
        wrong_tokens_per_minute: usize = 30,
    }
    Log { format: String = "pretty".into(), level: String = "info".into() }
}

/// The sections of all kinds of providers.
pub(super) struct Provider<'a> {
    /// The section below `providers`.
    pub(super) name: &'static str,
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

macro_rules! providers {
    ($($section:ident $name:literal [$($app:ident)?];)*) => {$(
        impl $section {
            /// The section in the common form. An empty URL names no installation; a variable
            /// cannot be empty, and uses `none`.
            pub(super) fn provider(&self) -> Provider<'_> {
                let has_main = !["", "none", "off"].contains(&self.api_url.to_lowercase().as_str());
                let urls = std::iter::once(&self.api_url).filter(|_| has_main);
                Provider {
                    name: $name,
                    has_main,
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
    Github "github" [app];
    Gitlab "gitlab" [];
}
