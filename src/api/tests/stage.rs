//! A server with two users and an admin, and something of the first one's in every place.

use super::connections::{FakeConnections, futures_now};
use super::counting::CountingDecode;
use super::notified::{notified, notifier};
pub(super) use super::person::Person;
use super::person::call;
use super::provider::{CLIENT_ID, CLIENT_SECRET, StubProvider};
use super::wire::{self, Reply};
use crate::actor::{Asking, ConnectRequest, Connections, Operating};
use crate::api::scope::Shared;
use crate::api::{Admin, Backup, Collaborators, Settings, server};
use crate::domain::command::CommandKind;
use crate::domain::connection::Connection;
use crate::domain::delivery::{Delivery, Payload};
use crate::domain::id::{
    CommandId, ConnectionId, CredentialId, DeliveryId, IncidentId, NotificationId, OperationId,
    RunId, SinkId, TokenId, UserId,
};
use crate::domain::incident::track::TrackKey;
use crate::domain::incident::{CiFailure, Incident};
use crate::domain::operation::{Action, Item, Selection};
use crate::domain::removal::HookOutcome;
use crate::domain::repo::ProviderKind;
use crate::domain::run::{Family, Run, RunFacts};
use crate::domain::samples::{self, Seeded};
use crate::domain::secret::{ApiToken, OauthSecret, ProviderToken};
use crate::domain::time::{Clock, Timestamp};
use crate::domain::user::{TokenRecord, User};
use crate::ledger::Recovery;
use crate::provider::Providers;
use crate::provider::github::Github;
use crate::provider::http::HttpConfig;
use crate::provider::oauth::OauthClient;
use crate::provider::signature::github_sign;
use crate::store::memory::MemoryStore;
use crate::store::{After, Batch, Change, Of, Read, Store};
use actix_web::dev::ServerHandle;
use actix_web::web;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// What must not be seen by others than its owner.
pub(super) const CANARY: &str = "canary";

/// Who would reconcile: counts what it is told.
#[derive(Debug, Default)]
pub(super) struct NoRecovery {
    pub(super) refused: Mutex<Vec<ConnectionId>>,
}

impl Recovery for NoRecovery {
    fn asked(&self) {}

    fn refused(&self, connection: ConnectionId) {
        self.refused.lock().push(connection);
    }
}

/// A clock that advances by a millisecond whenever it is read.
#[derive(Debug)]
pub(super) struct Ticking(AtomicI64);

impl Ticking {
    pub(super) fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap();
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    pub(super) fn put_back(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap();
        self.0.fetch_sub(ms, Ordering::SeqCst);
    }
}

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

pub(super) struct Stage {
    pub(super) at: SocketAddr,
    pub(super) shared: web::Data<Shared>,
    pub(super) store: Arc<MemoryStore>,
    pub(super) connections: Arc<FakeConnections>,
    pub(super) owner: Person,
    pub(super) foreign: Person,
    pub(super) admin: Person,
    pub(super) connection: Connection,
    pub(super) credential: CredentialId,
    pub(super) delivery: DeliveryId,
    pub(super) run: RunId,
    pub(super) incident: IncidentId,
    pub(super) command: CommandId,
    pub(super) operation: OperationId,
    pub(super) sink: SinkId,
    pub(super) notification: NotificationId,
    /// A sign-in of the owner's on a device.
    pub(super) device: String,
    pub(super) provider: StubProvider,
    pub(super) clock: Arc<Ticking>,
    pub(super) decoder: Arc<CountingDecode>,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn person(store: &MemoryStore, chance: &Seeded, name: &str, is_admin: bool) -> (UserId, ApiToken) {
    let at = Timestamp(1_000);
    let user = UserId::generate(at, chance);
    let token = ApiToken::generate(chance);
    let record = TokenRecord {
        id: TokenId::generate(at, chance),
        hash: *blake3::hash(token.expose().as_bytes()).as_bytes(),
        created_at: at,
        ..samples::token(0, user)
    };
    let person = User {
        is_admin,
        created_at: at,
        ..samples::user(user, name)
    };
    let mut changes = vec![Change::PutUser(person)];
    // The admin's token is the configured one: it is not in the store.
    if !is_admin {
        changes.push(Change::PutToken(record));
    }
    futures_now(store.commit(Batch::of(changes))).unwrap();
    (user, token)
}

/// Starts a server in a thread of its own.
fn start(shared: web::Data<Shared>) -> (SocketAddr, ServerHandle, JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            let listener = server::bind(any).unwrap();
            let at = listener.local_addr().unwrap();
            let server = server::serve(listener, shared).unwrap();
            sender.send((at, server.handle())).unwrap();
            server.await.unwrap();
        });
    });
    let (at, handle) = receiver.recv().unwrap();
    (at, handle, thread)
}

pub(super) fn settings() -> Settings {
    Settings {
        workers: 1,
        disconnect_wait: Duration::from_millis(10),
        ..Settings::default()
    }
}

pub(super) fn oauth_client(provider: &StubProvider) -> OauthClient {
    let secret = OauthSecret::new(CLIENT_SECRET.into()).unwrap();
    OauthClient::new(
        ProviderKind::Github,
        &provider.url,
        &HttpConfig::new(provider.url.clone()),
        CLIENT_ID.into(),
        Some(secret),
    )
    .unwrap()
}

fn providers(
    decoder: Arc<CountingDecode>,
    clock: Arc<dyn Clock>,
    stub: &StubProvider,
) -> Providers {
    let mut providers = Providers::default();
    providers.add_decoder(ProviderKind::Github, decoder);
    let instance = samples::github();
    // Only so that github.com is configured: the connections of these tests call no provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = HttpConfig::new("http://127.0.0.1:9".parse().unwrap());
    let github = Github::new(&config, clock, &instance).unwrap();
    providers.add_grants(instance.clone(), Arc::new(oauth_client(stub)));
    providers.add_web(instance.clone(), "https://github.com/");
    providers.add_instance(instance, Arc::new(github));
    providers
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::with(settings())
    }

    pub(super) fn with(settings: Settings) -> Self {
        Self::backed_up(settings, Arc::new(|out| out.write_all(b"a backup")))
    }

    /// One whose store is backed up like this.
    pub(super) fn backed_up(settings: Settings, backup: Backup) -> Self {
        let chance = Arc::new(Seeded::default());
        let clock = Arc::new(Ticking(AtomicI64::new(1_795_530_896_000)));
        let store = Arc::new(MemoryStore::new());
        let people = [("owner", false), ("foreign", false), ("admin", true)];
        let people = people.map(|(name, is_admin)| person(&store, &chance, name, is_admin));
        let connections = Arc::new(fake_connections(&store, &clock, &chance));
        let provider = StubProvider::start();
        let decoder = Arc::new(CountingDecode::new(&*chance));
        let shared = web::Data::new(Shared::new(
            Collaborators {
                store: store.clone(),
                connections: connections.clone(),
                recovery: Arc::new(NoRecovery::default()),
                notifying: Arc::new(notifier(&store, &clock, &chance)),
                providers: providers(decoder.clone(), clock.clone(), &provider),
                default_instances: Vec::new(),
                clock: clock.clone(),
                entropy: chance.clone(),
                metrics: Some(Arc::new(|| "hookherd_up 1\n".into())),
                admin: Some(Admin::new(people[2].0, &people[2].1)),
                backup,
            },
            settings,
        ));
        let (at, handle, thread) = start(shared.clone());
        let [owner, foreign, admin] = people.map(|(user, token)| Person { user, token, at });
        let credential = credential(&connections, owner.user);
        let connection = connect(&connections, owner.user, "canary/repository", credential);
        let (delivery, run, incident) = history(&store, &chance, &connection);
        let device = owner.post("oauth/github/device", "{}").text("id");
        let (sink, notification) = notified(&store, owner.user, incident);
        let command = ask(&connections, &connection);
        let operation = operate(&connections, &connection);
        Self {
            at,
            shared,
            device,
            provider,
            clock,
            decoder,
            store,
            connections,
            owner,
            foreign,
            admin,
            connection,
            credential,
            delivery,
            run,
            incident,
            command,
            operation,
            sink,
            notification,
            handle,
            thread: Some(thread),
        }
    }

    /// Stops the server as the daemon does. Returns what waits for its end.
    pub(super) fn stop(&self) -> impl FnOnce() + use<> {
        let stopped = self.handle.stop(true);
        move || futures_executor::block_on(stopped)
    }

    /// An API call.
    pub(super) fn call(&self, who: Option<&Person>, line: &str, body: Option<&str>) -> Reply {
        let bearer = who.map(Person::bearer);
        call(self.at, bearer.as_deref(), line, body)
    }

    /// The path of the owner's connection, below `/api/v2/`.
    pub(super) fn path(&self) -> String {
        format!("repositories/connections/{}", self.connection.id)
    }

    /// A connection of another user to the owner's repository.
    pub(super) fn also_connected(&self) -> Connection {
        let name = self.connection.full_name.as_str();
        connect(&self.connections, self.foreign.user, name, self.credential)
    }

    #[track_caller]
    pub(super) fn commit(&self, changes: Vec<Change>) {
        futures_now(self.store.commit(Batch::of(changes))).unwrap();
    }

    /// How many deliveries of the owner's connection are stored.
    pub(super) fn stored(&self) -> usize {
        let of = Of::Connection(self.connection.id);
        let page = self.store.deliveries(of, After::first(1000)).ready();
        page.unwrap().items.len()
    }

    /// The signature of a body for the owner's hook.
    pub(super) fn signed(&self, body: &[u8]) -> String {
        github_sign(&self.connections.secret_of(self.connection.id), body)
    }

    /// The bytes of a signed delivery to a target.
    pub(super) fn raw_delivery(&self, target: &str, n: usize, body: &str) -> Vec<u8> {
        let (signature, length) = (self.signed(body.as_bytes()), body.len());
        format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\nX-GitHub-Event: push\r\n\
             X-GitHub-Delivery: raw-{n}\r\nX-Hub-Signature-256: {signature}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// A delivery to the owner's hook, signed with its secret.
    pub(super) fn deliver(&self, id: &str, event: &str, body: &[u8]) -> Reply {
        let signature = self.signed(body);
        let headers = [("X-Hub-Signature-256", signature.as_str())];
        let path = format!("/api/v2/webhooks/github/{}", self.connection.hook_key);
        self.deliver_to(&path, id, event, &headers, body)
    }

    pub(super) fn deliver_to(
        &self,
        path: &str,
        id: &str,
        event: &str,
        more: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let mut headers = vec![
            ("Content-Type", "application/json"),
            ("X-GitHub-Event", event),
            ("X-GitHub-Delivery", id),
        ];
        headers.extend_from_slice(more);
        wire::send(self.at, &format!("POST {path}"), &headers, Some(body))
    }
}

fn fake_connections(
    store: &Arc<MemoryStore>,
    clock: &Arc<Ticking>,
    chance: &Arc<Seeded>,
) -> FakeConnections {
    FakeConnections {
        store: Arc::clone(store),
        clock: Arc::clone(clock) as _,
        entropy: Arc::clone(chance) as _,
        secrets: Mutex::default(),
        commands: Mutex::default(),
        leaving: Mutex::default(),
        is_slow: false.into(),
        outcome: Mutex::new(HookOutcome::Pending),
        delivered: 0.into(),
        changes: tokio::sync::watch::Sender::default(),
        heard: 0.into(),
        rejected: 0.into(),
        hooks: super::hooks::FakeHooks::default(),
    }
}

/// Something that was asked of a connection.
fn ask(connections: &FakeConnections, connection: &Connection) -> CommandId {
    let asking = Asking {
        connection: connection.id,
        owner: connection.owner,
        asked_by: connection.owner,
        kind: CommandKind::Check,
    };
    let asked = futures_now(connections.ask(asking)).unwrap();
    connections.commands.lock().clear();
    asked.id
}

/// Something that was asked of all connections of their owner.
fn operate(connections: &FakeConnections, connection: &Connection) -> OperationId {
    let operating = Operating {
        owner: connection.owner,
        asked_by: connection.owner,
        action: Action::Check,
        selection: Selection {
            pattern: Some("canary/*".into()),
            ..Selection::default()
        },
        items: vec![Item::Connection(connection.id)],
    };
    futures_now(connections.operate(operating)).unwrap().id
}

pub(super) fn credential(connections: &FakeConnections, owner: UserId) -> CredentialId {
    let instance = samples::github();
    let token = ProviderToken::new("ghp_canary-token".into()).unwrap();
    futures_now(connections.add_credential(owner, instance, token))
        .unwrap()
        .id
}

pub(super) fn connect(
    connections: &FakeConnections,
    owner: UserId,
    full_name: &str,
    credential: CredentialId,
) -> Connection {
    let request = ConnectRequest {
        owner,
        provider: ProviderKind::Github,
        host: None,
        full_name: full_name.parse().unwrap(),
        events: vec!["push".into()],
        setup_webhook: true,
        credential: Some(credential),
        replaces: None,
        adopts: None,
    };
    futures_now(connections.connect(request)).unwrap()
}

fn facts() -> RunFacts {
    RunFacts {
        workflow_key: "77".into(),
        workflow_name: "canary workflow".into(),
        ..samples::facts()
    }
}

fn history(
    store: &MemoryStore,
    chance: &Seeded,
    connection: &Connection,
) -> (DeliveryId, RunId, IncidentId) {
    let at = Timestamp(1_795_530_890_000);
    let ids = (
        DeliveryId::generate(at, chance),
        RunId::generate(at, chance),
        IncidentId::generate(at, chance),
    );
    let delivery = Delivery {
        id: ids.0,
        owner: connection.owner,
        provider_delivery_id: "seeded".into(),
        received_at: at,
        ..samples::delivery(7, connection.id)
    };
    let payload = Payload {
        headers: vec![("x-github-event".into(), "push".into())],
        body: (&br#"{"canary":1}"#[..]).into(),
    };
    let facts = facts();
    let run = Run {
        owner: connection.owner,
        provider_run_id: 9001,
        updated_at: at,
        facts: facts.clone(),
        first_seen_at: at,
        ..samples::failed_run(ids.1, connection.id, 42)
    };
    let failure = CiFailure {
        track: TrackKey::of(connection.id, Family::Actions, &facts),
        workflow_name: facts.workflow_name,
        failed_jobs: vec![samples::failed_job(71, "canary job", "timed_out")],
        ..samples::ci_failure(ids.1, connection.id)
    };
    let incident = Incident {
        owner: connection.owner,
        repository: Some(connection.full_name.clone()),
        title: "canary failed".into(),
        ci: Some(failure),
        first_seen_at: at,
        last_seen_at: at,
        ..samples::incident(ids.2, connection.id)
    };
    let changes = vec![
        Change::InsertDelivery(Box::new(delivery), payload),
        Change::PutRun(Box::new(run)),
        Change::PutIncident(Box::new(incident)),
    ];
    futures_now(store.commit(Batch::of(changes))).unwrap();
    ids
}
