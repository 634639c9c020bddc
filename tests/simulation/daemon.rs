//! One process: the real actors, reconciler and ingress on a store that outlives it.

use crate::chance::Seeded;
use crate::clock::WallClock;
use crate::network::Way;
use crate::sink::Sink;
use actix_web::body::to_bytes;
use actix_web::test::{TestRequest, init_service};
use actix_web::web;
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use hookherd::actor::settings::Settings;
use hookherd::actor::{Actors, Connections};
use hookherd::api::scope::Shared;
use hookherd::api::{self, Collaborators, server};
use hookherd::credentials::Ports;
use hookherd::domain::backoff::Backoff;
use hookherd::domain::id::Entropy;
use hookherd::domain::repo::{Instance, ProviderKind};
use hookherd::domain::time::Clock;
use hookherd::explain::{self, Explainer};
use hookherd::ledger::{self, Reconciler};
use hookherd::notify::Deliver;
use hookherd::outbox::{self, Notifier, Tools};
use hookherd::provider::github::{Github, GithubDecode};
use hookherd::provider::gitlab::{Gitlab, GitlabDecode};
use hookherd::provider::http::HttpConfig;
use hookherd::provider::{Outside, Providers};
use hookherd::seal::Seal;
use hookherd::seal::ring::{KeyRing, MasterKey};
use hookherd::simulator::Sent;
use hookherd::store::memory::MemoryStore;
use hookherd::store::mortal::MortalStore;
use hookherd::store::{Read, Store};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Where the providers are.
pub const PROVIDER: &str = "http://provider.test";

pub fn instance(provider: ProviderKind) -> Instance {
    Instance {
        provider,
        host: "provider.test".parse().unwrap(),
    }
}

/// The intervals are shorter than the usual ones: a virtual hour holds many of them.
pub const CHECK_EVERY: Duration = Duration::from_mins(5);
pub const PING_EVERY: Duration = Duration::from_mins(20);
pub const RECONCILE_EVERY: Duration = Duration::from_mins(15);
/// The first wait after a failure, and the longest.
pub const RETRY_FIRST: Duration = Duration::from_secs(2);
pub const RETRY_MAX: Duration = Duration::from_mins(4);
/// The first wait after one that a person has to correct. The longest is twice the other.
pub const SLOW_RETRY_FIRST: Duration = Duration::from_mins(1);

fn settings() -> Settings {
    let backoff = |initial, cap| Backoff { initial, cap };
    Settings {
        check_interval: CHECK_EVERY,
        ping_interval: PING_EVERY,
        retry: backoff(RETRY_FIRST, RETRY_MAX),
        slow_retry: backoff(SLOW_RETRY_FIRST, 2 * RETRY_MAX),
        arbiters: 0,
        ..Settings::default()
    }
}

/// What every process begins with.
pub struct Machine {
    pub memory: Arc<MemoryStore>,
    pub clock: Arc<WallClock>,
    pub entropy: Arc<Seeded>,
    pub seal: Arc<dyn Seal>,
    /// The public address, as the operator configures it.
    pub public_url: String,
    /// Where users are notified.
    pub sink: Arc<Sink>,
}

impl Machine {
    pub fn new(clock: Arc<WallClock>, seed: u64) -> Self {
        let entropy = Arc::new(Seeded::new(seed));
        let key = MasterKey::generate(&*entropy);
        let ring = KeyRing::new(&[key], Arc::clone(&entropy) as Arc<dyn Entropy>);
        Self {
            memory: Arc::new(MemoryStore::new()),
            clock,
            entropy,
            seal: Arc::new(ring.unwrap()),
            public_url: "https://hookherd-1.test".to_owned(),
            sink: Arc::default(),
        }
    }

    fn providers(&self, way: &Arc<Way>) -> Providers {
        let mut providers = Providers::default();
        let clock = || Arc::clone(&self.clock) as Arc<dyn Clock>;
        let http = |url: &str| {
            let mut http = HttpConfig::new(url.parse().unwrap());
            http.outside = Some(Arc::clone(way) as Arc<dyn Outside>);
            http
        };
        let github = GithubDecode::new(&*self.entropy);
        providers.add_decoder(ProviderKind::Github, Arc::new(github));
        let gitlab = GitlabDecode::new(&*self.entropy);
        providers.add_decoder(ProviderKind::Gitlab, Arc::new(gitlab));
        let at = instance(ProviderKind::Github);
        let client = Github::new(&http(PROVIDER), clock(), &at);
        providers.add_instance(at, Arc::new(client.unwrap()));
        let at = instance(ProviderKind::Gitlab);
        let url = format!("{PROVIDER}/api/v4");
        let client = Gitlab::new(&http(&url), clock(), &at);
        providers.add_instance(at, Arc::new(client.unwrap()));
        providers
    }

    /// Begins a process. The store may stop it at any point: then this does not resolve.
    pub async fn start(&self, store: Arc<MortalStore>, way: Arc<Way>) -> Daemon {
        self.clock.begin();
        let entropy = Arc::clone(&self.entropy) as Arc<dyn Entropy>;
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let providers = self.providers(&way);
        let ports = Ports {
            store: Arc::clone(&store) as Arc<dyn Store>,
            seal: Arc::clone(&self.seal),
            providers: providers.clone(),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            public_url: self.public_url.clone(),
        };
        let ids = store.connection_ids().await.unwrap();
        let actors = Actors::start(ports, settings(), ids.clone());
        let router = actors.clone();
        let recovery = ledger::Settings {
            every: RECONCILE_EVERY,
            ..ledger::Settings::default()
        };
        let delivered = Box::new(move |id| router.delivered(id));
        let reconciler = Reconciler::start(actors.tools(), recovery, ids, delivered);
        let reconciler = reconciler.await.unwrap();
        let notifier = Notifier::new(tools(&store, self), outbox::Settings::default());
        notifier.start();
        let explainer = Explainer::start(actors.tools(), explain::Settings::default());
        let with = Collaborators {
            store: Arc::clone(&store) as Arc<dyn Store>,
            connections: Arc::new(actors.clone()),
            recovery: Arc::new(reconciler.clone()),
            notifying: Arc::new(notifier.clone()),
            providers,
            default_instances: Vec::new(),
            clock,
            entropy,
            metrics: None,
            admin: None,
            backup: Arc::new(|_| Ok(())),
        };
        let settings = api::Settings {
            public_url: self.public_url.clone(),
            ..api::Settings::default()
        };
        let shared = web::Data::new(Shared::new(with, settings));
        let door = Rc::new(Door::new(shared).await);
        Daemon {
            notifier,
            explainer,
            actors,
            reconciler,
            store,
            way,
            door,
        }
    }
}

fn tools(store: &Arc<MortalStore>, machine: &Machine) -> Tools {
    Tools {
        store: Arc::clone(store) as Arc<dyn Store>,
        seal: Arc::clone(&machine.seal),
        clock: Arc::clone(&machine.clock) as Arc<dyn Clock>,
        entropy: Arc::clone(&machine.entropy) as Arc<dyn Entropy>,
        deliver: Arc::clone(&machine.sink) as Arc<dyn Deliver>,
    }
}

/// Calls the daemon's HTTP service.
type Posting = dyn Fn(TestRequest) -> LocalBoxFuture<'static, (u16, Bytes)>;

/// Where deliveries come in.
pub struct Door(Box<Posting>);

impl Door {
    async fn new(shared: web::Data<Shared>) -> Self {
        let service = Rc::new(init_service(server::app(shared)).await);
        Self(Box::new(move |request| {
            let service = Rc::clone(&service);
            Box::pin(async move {
                let response = actix_web::test::call_service(&*service, request.to_request()).await;
                let status = response.status().as_u16();
                let body = to_bytes(response.into_body()).await;
                (status, body.unwrap_or_default())
            })
        }))
    }

    /// The status of the answer to a delivery.
    pub async fn post(&self, sent: &Sent) -> u16 {
        let path = sent.url.splitn(4, '/').nth(3).unwrap_or_default();
        let mut request = TestRequest::post().uri(&format!("/{path}"));
        for (name, value) in &sent.headers {
            request = request.append_header((name.as_str(), value.as_str()));
        }
        let body = sent.body.clone();
        let length = ("content-length", body.len().to_string());
        let (status, _) = (self.0)(request.append_header(length).set_payload(body)).await;
        status
    }

    /// The answer to what a stranger sends to a hook, with a signature of their own.
    pub async fn forge(&self, provider: ProviderKind, key: &str) -> (u16, Bytes) {
        let mut request = TestRequest::post().uri(&format!("/api/v2/webhooks/{provider}/{key}"));
        let signature = format!("sha256={}", "ab".repeat(32));
        for (name, value) in [
            ("content-type", "application/json"),
            ("content-length", "2"),
            ("x-github-event", "push"),
            ("x-github-delivery", "0b989ba4-242f-11e5-81e1-c7b6966d2516"),
            ("x-hub-signature-256", &signature),
            ("x-gitlab-event", "Push Hook"),
            ("x-gitlab-token", "guessed"),
        ] {
            request = request.append_header((name, value));
        }
        (self.0)(request.set_payload("{}")).await
    }
}

/// A process.
pub struct Daemon {
    notifier: Notifier,
    explainer: Explainer,
    pub actors: Actors,
    reconciler: Reconciler,
    pub store: Arc<MortalStore>,
    pub way: Arc<Way>,
    pub door: Rc<Door>,
}

impl Daemon {
    /// Ends where it is. What it was about to do does not happen.
    pub fn kill(self) {
        self.store.die();
        self.way.cut();
        self.notifier.stop();
        self.explainer.stop();
        // They wait for a store that does not answer.
        let (actors, reconciler) = (self.actors, self.reconciler);
        actix::spawn(async move {
            let ending = async {
                reconciler.stop().await;
            };
            let _ = tokio::time::timeout(Duration::from_secs(1), ending).await;
            let _ = tokio::time::timeout(Duration::from_secs(1), actors.stop()).await;
        });
    }

    /// Stops in order.
    pub async fn stop(self) {
        self.notifier.stop();
        self.explainer.stop();
        self.reconciler.stop().await;
        self.actors.stop().await;
        self.store.die();
        self.way.cut();
    }
}
