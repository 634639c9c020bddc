//! Starting and stopping.

use super::adapters::{SteadyClock, SystemEntropy};
use super::census::Counting;
use super::disk::space;
use super::failure::StartError;
use super::listening::{self, Doors, Listening};
use super::providers::{default_instances, providers};
use super::{series, store_tools, stored, watchdog};
use crate::actor::settings::Settings;
use crate::actor::{Actors, Connections};
use crate::api::scope::Shared;
use crate::api::{self, Backup, Collaborators, MetricsText};
use crate::config::{Config, Limits};
use crate::credentials::Ports;
use crate::domain::backoff::Backoff;
use crate::domain::id::Entropy;
use crate::domain::time::Clock;
use crate::explain::{self, Explainer};
use crate::ledger::{self, Reconciler};
use crate::notify::{self, Outbound, Sinks};
use crate::outbox::{self, Notifier, Tools};
use crate::seal::Seal;
use crate::seal::ring::{KeyError, KeyRing, MasterKey};
use crate::store::Store;
use crate::store::disk::DiskStore;
use crate::telemetry::Recorder;
use crate::upkeep::{self, Upkeep};
use actix_web::web;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// A running daemon.
pub struct App {
    store: Arc<DiskStore>,
    actors: Actors,
    reconciler: Reconciler,
    notifier: Notifier,
    explainer: Explainer,
    upkeep: Upkeep,
    servers: Vec<Listening>,
    address: SocketAddr,
    counting: Counting,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "App({})", self.address)
    }
}

impl App {
    /// Starts everything. Needs a running actix system; returns when requests are accepted.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        if config.server.public_url.starts_with("http:") {
            tracing::warn!("server.public_url is plain HTTP, which providers may refuse");
        }
        let recorder = Recorder::install().map_err(StartError::Metrics)?;
        series::begin();
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let steady = Arc::new(SteadyClock::default());
        let clock = Arc::clone(&steady) as Arc<dyn Clock>;
        let seal = seal(&config, &entropy)?;
        let providers = providers(&config, &clock, &*entropy)?;
        stored::check_key_of_closed(&config, &*seal)?;
        let opened = stored::open(&config, &steady)?;
        let store = Arc::clone(&opened.store);
        let store_dyn: Arc<dyn Store> = Arc::clone(&store) as _;
        opened.check_key(&*seal).await?;
        let admin = opened.admin(&config, &*clock, &*entropy).await?;
        let ports = Ports {
            store: Arc::clone(&store_dyn),
            seal,
            providers: providers.clone(),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            public_url: config.server.public_url.clone(),
        };
        let connections = store_dyn.connection_ids().await?;
        // Before the actors: what their pings and probes cause may come at once.
        let doors = Doors::open(&config.server)?;
        let actors = Actors::start(ports, settings(&config), connections.clone());
        actors.reseal().await?;
        let router = actors.clone();
        let delivered = Box::new(move |id| router.delivered(id));
        let (tools, recovery) = (actors.tools(), ledger_settings(&config));
        let reconciler = Reconciler::start(tools, recovery, connections, delivered).await?;
        let notifier = notifier(&config, &actors.tools().0)?;
        notifier.reseal().await?;
        notifier.start();
        let explainer = Explainer::start(actors.tools(), explaining(&config));
        let upkeep = upkeep(&config, &store_dyn, &clock);
        let with = Collaborators {
            store: store_dyn,
            connections: Arc::new(actors.clone()) as Arc<dyn Connections>,
            recovery: Arc::new(reconciler.clone()),
            notifying: Arc::new(notifier.clone()),
            providers,
            default_instances: default_instances(&config),
            clock,
            entropy,
            metrics: (config.server.metrics_listen.is_none()).then(|| render(&recorder)),
            admin,
            backup: backup(config.server.data_dir.clone()),
        };
        let shared = web::Data::new(Shared::new(with, api_settings(&config)));
        let address = doors.address();
        let servers = doors.serve(&shared, render(&recorder)).await?;
        let data_dir = config.server.data_dir;
        let counting = Counting::start(Arc::clone(&store), data_dir, steady, recorder);
        Ok(Self {
            counting: counting.map_err(StartError::Thread)?,
            store,
            actors,
            reconciler,
            notifier,
            explainer,
            upkeep,
            servers,
            address,
        })
    }

    /// Where it listens: the configured address, with the port that was free when none was named.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reports progress to systemd from now on, if it asks for that.
    pub(super) fn be_watched(&self) {
        watchdog::start(Arc::clone(&self.store) as _, self.actors.clone());
    }

    /// Waits until the server stops although the daemon was not stopped.
    pub async fn ended(&mut self) -> StartError {
        listening::ended(&mut self.servers).await
    }

    /// Stops in order: no new requests, those under way are answered, the actors stop, the store
    /// is closed.
    pub async fn stop(self) {
        for server in &self.servers {
            server.stop().await;
        }
        self.notifier.stop();
        self.explainer.stop();
        self.upkeep.stop();
        self.reconciler.stop().await;
        self.actors.stop().await;
        self.counting.stop();
        self.store.close();
    }
}

fn seal(config: &Config, entropy: &Arc<dyn Entropy>) -> Result<Arc<dyn Seal>, KeyError> {
    let keys = config.seal_key.as_ref().ok_or(KeyError::Missing)?;
    let ring = KeyRing::new(&MasterKey::parse_list(&keys.0)?, Arc::clone(entropy))?;
    Ok(Arc::new(ring))
}

/// Backups of the store in this directory, which stays open meanwhile.
fn backup(data_dir: PathBuf) -> Backup {
    Arc::new(move |out| {
        let done = store_tools::export_to(&data_dir, out).map_err(io::Error::other)?;
        for what in &done.missing {
            tracing::error!(what, "a backup lacks what is missing in the store");
        }
        for damage in &done.damage {
            tracing::error!(segment = damage.segment, "a backup lacks what is damaged");
        }
        Ok(())
    })
}

fn settings(config: &Config) -> Settings {
    let health = &config.health;
    let backoff = |initial, cap| Backoff { initial, cap };
    Settings {
        check_interval: health.check_interval,
        ping_interval: health.ping_interval,
        rotate_every: health.rotate_every,
        reconcile_every: config.recovery.reconcile_every,
        retry: backoff(health.retry_initial, health.retry_max),
        slow_retry: backoff(health.slow_retry_initial, health.slow_retry_max),
        settle_time: health.settle_time,
        token_expiry_notice: health.token_expiry_notice,
        startup_spread: health.startup_spread,
        connect_wait: health.connect_wait,
        rules: config.rules.clone(),
        ..Settings::default()
    }
}

/// Looks at the server's own trouble from now on.
fn upkeep(config: &Config, store: &Arc<dyn Store>, clock: &Arc<dyn Clock>) -> Upkeep {
    let data_dir = config.server.data_dir.clone();
    let tools = upkeep::Tools {
        store: Arc::clone(store),
        clock: Arc::clone(clock),
        space: Box::new(move || space(&data_dir)),
    };
    let longest_wait = config.health.backlog_notice;
    Upkeep::start(tools, upkeep::Settings { longest_wait })
}

/// The outbox, which is not started.
fn notifier(config: &Config, ports: &Ports) -> Result<Notifier, StartError> {
    let proxy = config.proxy.as_ref().filter(|_| config.sinks.use_proxy);
    let ca_pem = config.sinks.ca_file.as_ref().map(std::fs::read).transpose();
    let url = url::Url::parse(&config.server.public_url).ok();
    let name = url.as_ref().and_then(url::Url::host_str);
    let outbound = Outbound::new(notify::Settings {
        ca_pem: ca_pem.map_err(StartError::SinkAuthority)?,
        name: name.unwrap_or("localhost").to_owned(),
        proxy: proxy.map(|proxy| notify::Proxy::new(proxy.url.clone(), &proxy.no_proxy)),
        ..notify::Settings::new(config.sinks.allow.clone())
    })?;
    let tools = Tools {
        store: Arc::clone(&ports.store),
        seal: Arc::clone(&ports.seal),
        clock: Arc::clone(&ports.clock),
        entropy: Arc::clone(&ports.entropy),
        deliver: Arc::new(Sinks::new(outbound)),
    };
    let settings = outbox::Settings {
        delay: config.sinks.delay,
        heartbeat: config.sinks.heartbeat,
        longest_wait: config.sinks.backlog_notice,
    };
    Ok(Notifier::new(tools, settings))
}

const fn explaining(config: &Config) -> explain::Settings {
    explain::Settings {
        log_excerpts: config.log_excerpts,
    }
}

fn ledger_settings(config: &Config) -> ledger::Settings {
    let health = &config.health;
    ledger::Settings {
        every: config.recovery.reconcile_every,
        startup_spread: health.startup_spread,
        ..ledger::Settings::default()
    }
}

fn api_settings(config: &Config) -> api::Settings {
    api::Settings {
        public_url: config.server.public_url.clone(),
        rotate_every: config.health.rotate_every,
        metrics_public: config.server.metrics_public,
        ingress_body_bytes_max: config.ingress.max_body_bytes,
        ingress_bytes_in_flight_max: config.ingress.max_bytes_in_flight,
        body_timeout: config.ingress.body_deadline,
        workers: config.server.workers,
        shutdown_timeout: config.server.shutdown_timeout,
        connections_max: config.limits.connections,
        connections_per_peer_max: config.limits.connections_per_address,
        trusted_proxies: config.server.trusted_proxies.clone(),
        write_deadline: config.limits.write_deadline,
        incidents: config.rules.clone(),
        notify_delay: config.sinks.delay,
        log_excerpts: config.log_excerpts,
        quotas: quotas(&config.limits),
        answer_bytes_max: config.limits.answer_bytes,
        ..api::Settings::default()
    }
}

fn quotas(limits: &Limits) -> api::Quotas {
    let rate = |number| u32::try_from(number).unwrap_or(u32::MAX);
    api::Quotas {
        requests_per_minute: rate(limits.requests_per_minute),
        requests_at_once: limits.requests_at_once,
        tokens_per_hour: rate(limits.tokens_per_hour),
        tokens: limits.tokens_per_user,
        users: limits.users,
        credentials: limits.credentials_per_user,
        repositories: limits.repositories_per_user,
        sinks: limits.sinks_per_user,
        failed_connects_per_hour: rate(limits.failed_connects_per_hour),
        wrong_tokens_per_minute: rate(limits.wrong_tokens_per_minute),
    }
}

fn render(metrics: &Recorder) -> MetricsText {
    let metrics = metrics.clone();
    Arc::new(move || metrics.render())
}
