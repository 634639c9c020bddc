//! A provider, a seal and a clock that the stories play with.

use super::dialect::{TEST_EVENT, TestDecode};
use super::grants::{FakeApps, FakeGrants, INSTALLATION};
use super::provider::FakeProvider;
use crate::actor::settings::Settings;
use crate::actor::{Actors, Asking, CommandError, ConnectRequest, Connections};
use crate::credentials::{Offer, Ports};
use crate::domain::command::{Command, CommandKind};
use crate::domain::connection::{Connection, WebhookStatus};
use crate::domain::delivery::{Delivery, DeliveryState, Outcome};
use crate::domain::id::{ConnectionId, CredentialId, DeliveryId, Entropy, UserId};
use crate::domain::incident::Incident;
use crate::domain::removal::HookOutcome;
use crate::domain::repo::{Instance, ProviderKind};
use crate::domain::samples;
use crate::domain::secret::{ProviderToken, Sealed};
use crate::domain::time::{Clock, Timestamp};
use crate::domain::user::Credential;
use crate::provider::oauth::{Apps, Grants};
use crate::provider::{Hooks, Providers};
use crate::seal::{Purpose, Seal, SealError};
use crate::store::faulty::FaultyStore;
use crate::store::memory::MemoryStore;
use crate::store::{After, Batch, Change, IncidentFilter, Priority, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

pub(super) struct TestClock(Instant);

impl TestClock {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000).plus(self.0.elapsed())
    }
}

pub(super) use crate::domain::samples::{ANN, Seeded};

struct NoSeal;

impl Seal for NoSeal {
    fn seal(&self, _: &Purpose<'_>, plain: &[u8]) -> Sealed {
        Sealed(plain.to_vec())
    }
    fn open(&self, _: &Purpose<'_>, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        Ok(Zeroizing::new(sealed.0.clone()))
    }
    fn is_current(&self, _: &Sealed) -> bool {
        true
    }
}

pub(super) fn instance() -> Instance {
    samples::instance("github.test")
}

/// A world in virtual time, with its actors.
pub(super) struct Farm {
    pub(super) store: Arc<dyn Store>,
    pub(super) provider: Arc<FakeProvider>,
    pub(super) grants: Arc<FakeGrants>,
    pub(super) apps: Arc<FakeApps>,
    pub(super) actors: Actors,
    pub(super) settings: Settings,
    pub(super) public_url: String,
    clock: Arc<TestClock>,
    entropy: Arc<Seeded>,
    deliveries: AtomicU64,
}

thread_local! {
    static FROZEN: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Where providers reach the farm at first.
const ADDRESS: &str = "http://127.0.0.1:8080";
pub(super) const BOB: UserId = UserId::from_u128(2);

impl Farm {
    pub(super) fn new() -> Self {
        Self::on(Arc::new(MemoryStore::new()))
    }

    /// A new one on a store that fails on demand.
    pub(super) fn faulty() -> (Arc<FaultyStore>, Self) {
        let store = Arc::<FaultyStore>::default();
        let farm = Self::on(Arc::clone(&store) as Arc<dyn Store>);
        (store, farm)
    }

    /// A new one with a connection of Ann's.
    pub(super) async fn connected() -> (Self, Connection) {
        let farm = Self::new();
        let connection = farm.connect(ANN).await;
        (farm, connection)
    }

    /// A new one where Ann has signed in.
    pub(super) async fn signed_in() -> (Self, CredentialId) {
        let farm = Self::new();
        let id = farm.sign_in(ANN).await;
        (farm, id)
    }

    pub(super) fn on(store: Arc<dyn Store>) -> Self {
        let settings = Settings {
            arbiters: 0,
            ..Settings::default()
        };
        Self::with(store, settings)
    }

    pub(super) fn with(store: Arc<dyn Store>, settings: Settings) -> Self {
        // Once a test: each has a thread and a runtime of its own.
        if !FROZEN.replace(true) {
            tokio::time::pause();
        }
        make_users(&*store);
        let grants = Arc::new(FakeGrants::default());
        let provider = Arc::new(FakeProvider::with(Arc::clone(&grants)));
        let clock = Arc::new(TestClock(Instant::now()));
        let entropy = Arc::new(Seeded::default());
        let apps = Arc::new(FakeApps {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            tokens: 0.into(),
            is_gone: false.into(),
        });
        let fakes = (&provider, &grants, &apps);
        let actors = start(&store, fakes, &clock, &entropy, (&settings, ADDRESS));
        let deliveries = AtomicU64::new(0);
        Self {
            store,
            provider,
            grants,
            apps,
            actors,
            settings,
            public_url: ADDRESS.to_owned(),
            clock,
            entropy,
            deliveries,
        }
    }

    /// The process dies and starts again on the same store.
    pub(super) async fn restart(&mut self) {
        self.kill();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let Self {
            store,
            provider,
            grants,
            apps,
            clock,
            entropy,
            settings,
            public_url,
            ..
        } = &*self;
        let fakes = (provider, grants, apps);
        self.actors = start(store, fakes, clock, entropy, (settings, public_url));
    }

    /// The process dies; while it is dead, something happens; it starts again.
    pub(super) async fn restart_after(&mut self, happens: impl FnOnce()) {
        self.kill();
        happens();
        self.restart().await;
    }

    /// The commands of a connection, newest first.
    pub(super) fn commands(&self, id: ConnectionId) -> Vec<Command> {
        let found = self.store.commands_of(id, After::first(100));
        found.ready().unwrap().items
    }

    /// All actors stop where they are.
    fn kill(&self) {
        self.actors.abandon();
    }

    pub(super) async fn give_credential(&self, owner: UserId) -> CredentialId {
        self.give_token(owner, "token").await
    }

    pub(super) async fn give_token(&self, owner: UserId, token: &str) -> CredentialId {
        let token = ProviderToken::new(token.into()).unwrap();
        self.actors
            .add_credential(owner, instance(), token)
            .await
            .unwrap()
            .id
    }

    /// A user signs in.
    pub(super) async fn sign_in(&self, owner: UserId) -> CredentialId {
        let offer = Offer::Oauth(self.grants.grant());
        let added = self.actors.add_grant(owner, instance(), offer).await;
        added.unwrap().id
    }

    /// A user installs the App.
    pub(super) async fn install(&self, owner: UserId) -> Credential {
        let offer = Offer::Installation(INSTALLATION);
        let added = self.actors.add_grant(owner, instance(), offer).await;
        added.unwrap()
    }

    pub(super) fn credential(&self, id: CredentialId) -> Credential {
        self.store.credential(id).ready().unwrap().unwrap()
    }

    pub(super) fn request_for(owner: UserId, full_name: &str) -> ConnectRequest {
        ConnectRequest {
            full_name: full_name.parse().unwrap(),
            ..Self::request(owner)
        }
    }

    pub(super) fn request(owner: UserId) -> ConnectRequest {
        ConnectRequest {
            owner,
            provider: ProviderKind::Github,
            host: None,
            full_name: "o/r".parse().unwrap(),
            events: vec!["push".into(), "workflow_run".into()],
            setup_webhook: true,
            credential: None,
            replaces: None,
            adopts: None,
        }
    }

    pub(super) async fn connect(&self, owner: UserId) -> Connection {
        self.give_credential(owner).await;
        self.actors.connect(Self::request(owner)).await.unwrap()
    }

    pub(super) async fn command(
        &self,
        id: ConnectionId,
        kind: CommandKind,
    ) -> Result<(), CommandError> {
        let asking = self.asking(id, kind);
        self.actors.ask(asking).await.map(drop)
    }

    /// A command that is carried out.
    pub(super) async fn ask(&self, id: ConnectionId, kind: CommandKind) {
        self.command(id, kind).await.unwrap();
    }

    /// Waits until a connection's webhook has a status.
    pub(super) async fn becomes(&self, id: ConnectionId, status: WebhookStatus) {
        self.until(|| self.status(id) == status).await;
    }

    /// Waits until there is no such connection.
    pub(super) async fn is_gone(&self, id: ConnectionId) {
        self.until(|| self.store.connection(id).ready() == Ok(None))
            .await;
    }

    /// Delivers, and waits for the outcome.
    pub(super) async fn process(&self, connection: &Connection, body: &str) -> Outcome {
        self.outcome(self.deliver(connection, body).await).await
    }

    pub(super) async fn disconnect(
        &self,
        id: ConnectionId,
        delete_hook: bool,
        within: Duration,
    ) -> Result<HookOutcome, CommandError> {
        let asking = self.asking(id, CommandKind::Disconnect { delete_hook });
        self.actors.disconnect(asking, within).await
    }

    /// What the owner of a connection asks of it.
    pub(super) fn asking(&self, id: ConnectionId, kind: CommandKind) -> Asking {
        let owner = self.store.connection(id).ready().unwrap();
        let owner = owner.map_or(ANN, |connection| connection.owner);
        Asking {
            connection: id,
            owner,
            asked_by: owner,
            kind,
        }
    }

    pub(super) fn get(&self, id: ConnectionId) -> Connection {
        self.store.connection(id).ready().unwrap().unwrap()
    }

    pub(super) fn status(&self, id: ConnectionId) -> WebhookStatus {
        self.get(id).webhook_status()
    }

    /// What arrives at the door: stored, then told.
    pub(super) async fn deliver(&self, connection: &Connection, body: &str) -> DeliveryId {
        self.deliver_as(connection, TEST_EVENT, body.as_bytes())
            .await
    }

    /// The same for an event of a real provider's.
    pub(super) async fn deliver_as(
        &self,
        connection: &Connection,
        event: &str,
        body: &[u8],
    ) -> DeliveryId {
        let id = self.receive(connection, event, body).await;
        self.actors.delivered(connection.id);
        id
    }

    /// The same, and the actors are not notified.
    pub(super) async fn receive(
        &self,
        connection: &Connection,
        event: &str,
        body: &[u8],
    ) -> DeliveryId {
        let n = u32::try_from(self.deliveries.fetch_add(1, Ordering::SeqCst)).unwrap();
        let now = self.clock.now();
        let delivery = Delivery {
            id: DeliveryId::generate(now, &*self.entropy),
            owner: connection.owner,
            event: event.to_owned(),
            received_at: now,
            signed_by: Some(connection.rotation.number),
            ..samples::delivery(n, connection.id)
        };
        let id = delivery.id;
        let payload = samples::payload(body);
        let changes = vec![Change::InsertDelivery(Box::new(delivery), payload)];
        let batch = Batch {
            priority: Priority::Ingress,
            guards: Vec::new(),
            changes,
        };
        self.store.commit(batch).await.unwrap();
        id
    }

    pub(super) async fn outcome(&self, id: DeliveryId) -> Outcome {
        let done = || match self.store.delivery(id).ready().unwrap().unwrap().state {
            DeliveryState::Processed { outcome, .. } => Some(outcome),
            DeliveryState::Received => None,
        };
        self.until(|| done().is_some()).await;
        done().unwrap()
    }

    pub(super) fn incidents(&self, owner: UserId) -> Vec<Incident> {
        self.store
            .incidents_of(owner, &IncidentFilter::default(), After::first(100))
            .ready()
            .unwrap()
            .items
    }

    /// Waits in virtual time until something is so.
    pub(super) async fn until(&self, is_so: impl Fn() -> bool) {
        for _ in 0..100_000 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it never came true");
    }
}

/// Those whom the stories are about.
fn make_users(store: &dyn Store) {
    for (id, name) in [(ANN, "ann"), (BOB, "bob")] {
        if store.user(id).ready().unwrap().is_none() {
            make_user(store, id, name);
        }
    }
}

pub(super) fn make_user(store: &dyn Store, id: UserId, name: &str) {
    let user = samples::user(id, name);
    let committing = store.commit(Batch::of(vec![Change::PutUser(user)]));
    let committed = futures_util::FutureExt::now_or_never(committing);
    committed.expect("nobody has to wait").unwrap();
}

/// The ports of a world in which nobody acts.
pub(super) fn still_ports(store: Arc<dyn Store>) -> Ports {
    Ports {
        store,
        seal: Arc::new(NoSeal),
        providers: Providers::default(),
        clock: Arc::new(TestClock(Instant::now())),
        entropy: Arc::new(Seeded::default()),
        public_url: ADDRESS.to_owned(),
    }
}

fn start(
    store: &Arc<dyn Store>,
    (provider, grants, apps): (&Arc<FakeProvider>, &Arc<FakeGrants>, &Arc<FakeApps>),
    clock: &Arc<TestClock>,
    entropy: &Arc<Seeded>,
    (settings, public_url): (&Settings, &str),
) -> Actors {
    let mut providers = Providers::default();
    providers.add_decoder(ProviderKind::Github, Arc::new(TestDecode));
    providers.add_instance(instance(), Arc::clone(provider) as Arc<dyn Hooks>);
    providers.add_grants(instance(), Arc::clone(grants) as Arc<dyn Grants>);
    providers.add_apps(instance(), Arc::clone(apps) as Arc<dyn Apps>);
    let ports = Ports {
        store: Arc::clone(store),
        seal: Arc::new(NoSeal),
        providers,
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        entropy: Arc::clone(entropy) as Arc<dyn Entropy>,
        public_url: public_url.to_owned(),
    };
    let connections = store.connection_ids().ready().unwrap();
    Actors::start(ports, settings.clone(), connections)
}
