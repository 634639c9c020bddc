//! Connections without actors: these record what is asked, and change the store as a test needs.

use super::hooks::FakeHooks;
use crate::actor::{
    Answering, Asking, CommandError, ConnectError, ConnectRequest, Connections, HookWish,
    Operating, Preview, Surveyed, TakeError,
};
use crate::credentials::Offer;
use crate::domain::command::{Command, CommandKind, CommandOutcome, CommandState};
use crate::domain::connection::Connection;
use crate::domain::delivery::{Delivery, Outcome};
use crate::domain::error_code::ErrorCode;
use crate::domain::event::Decoded;
use crate::domain::grant::{Grant, OauthGrant};
use crate::domain::id::{
    CommandId, ConnectionId, CredentialId, DeliveryId, Entropy, HookKey, IncidentId, OperationId,
    UserId,
};
use crate::domain::incident::Subject;
use crate::domain::incident::care::Act;
use crate::domain::lifecycle::{Desired, Failure};
use crate::domain::operation::{Operation, chunked};
use crate::domain::outage::ProviderOutage;
use crate::domain::pace::{Intervals, Pace};
use crate::domain::removal::HookOutcome;
use crate::domain::repo::{Instance, Repository, RepositoryId};
use crate::domain::rotation::{SecretNumber, Signer};
use crate::domain::samples;
use crate::domain::secret::{HookSecret, Proof, Sealed};
use crate::domain::time::Clock;
use crate::domain::user::Credential;
use crate::provider::{ProviderError, TakenAway, Target};
use crate::store::memory::MemoryStore;
use crate::store::{Batch, Change, CommitError, Conflict, Guard, Read, Reading, Store};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;

const INTERVALS: Intervals = Intervals {
    check: Duration::from_mins(30),
    ping: Duration::from_hours(6),
    reconcile: Duration::from_hours(6),
};

pub(super) struct FakeConnections {
    pub(super) store: Arc<MemoryStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) secrets: Mutex<HashMap<ConnectionId, HookSecret>>,
    pub(super) commands: Mutex<Vec<(ConnectionId, CommandKind)>>,
    pub(super) leaving: Mutex<Vec<UserId>>,
    /// Commands stay pending.
    pub(super) is_slow: AtomicBool,
    /// The outcome for the hooks of connections that are disconnected.
    pub(super) outcome: Mutex<HookOutcome>,
    pub(super) delivered: AtomicUsize,
    pub(super) changes: watch::Sender<()>,
    pub(super) heard: AtomicUsize,
    pub(super) rejected: AtomicUsize,
    /// The hooks that no connection keeps.
    pub(super) hooks: FakeHooks,
}

impl FakeConnections {
    pub(super) fn secret_of(&self, id: ConnectionId) -> HookSecret {
        self.secrets.lock()[&id].clone()
    }

    fn put(&self, change: Change) {
        futures_now(self.store.commit(Batch::of(vec![change]))).unwrap();
    }
}

/// The result of a future that the memory store has ready.
pub(super) fn futures_now<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).expect("the memory store answers at once")
}

/// A record that is stored.
#[track_caller]
pub(super) fn got<T>(reading: Reading<'_, Option<T>>) -> T {
    reading.ready().unwrap().expect("it is stored")
}

impl Connections for FakeConnections {
    fn connect(&self, request: ConnectRequest) -> Answering<'_, Connection, ConnectError> {
        let now = self.clock.now();
        let instance = Instance {
            provider: request.provider,
            host: request
                .host
                .unwrap_or_else(|| "github.com".parse().unwrap()),
        };
        let mut connection = Connection::new(
            ConnectionId::generate(now, &*self.entropy),
            request.owner,
            instance.clone(),
            request.full_name.clone(),
            HookKey::generate(&*self.entropy),
            now,
        );
        connection.repository = Some(RepositoryId(4711));
        connection.credential = request.credential;
        connection.events = request.events;
        connection.secret = Sealed(b"canary-sealed-secret".to_vec());
        connection.proof = Proof::Signature;
        let guard = Guard::NewConnection {
            owner: request.owner,
            instance,
            repository: None,
            full_name: request.full_name,
        };
        let batch = Batch::of(vec![Change::PutConnection(Box::new(connection.clone()))]);
        let committed = futures_now(self.store.commit(batch.guarded_by(guard)));
        let secret = HookSecret::generate(&*self.entropy);
        self.secrets.lock().insert(connection.id, secret);
        Box::pin(async move {
            match committed {
                Ok(()) => Ok(connection),
                Err(CommitError::Conflict(Conflict::Connection(id))) => {
                    Err(ConnectError::AlreadyConnected(id))
                }
                Err(error) => Err(error.into()),
            }
        })
    }

    fn operate(&self, asked: Operating) -> Answering<'_, Operation, CommitError> {
        let now = self.clock.now();
        let total = u32::try_from(asked.items.len()).unwrap();
        let operation = Operation {
            owner: asked.owner,
            asked_by: asked.asked_by,
            selection: asked.selection,
            id: OperationId::generate(now, &*self.entropy),
            ..samples::operation(0, asked.action, total)
        };
        let chunks = chunked(operation.id, asked.items).into_iter();
        let chunks = chunks.map(|chunk| Change::PutChunk(Box::new(chunk)));
        let put = Change::PutOperation(Box::new(operation.clone()));
        let batch = Batch::of([put].into_iter().chain(chunks).collect());
        let batch = batch.guarded_by(Guard::NewOperation(asked.owner));
        let committed = futures_now(self.store.commit(batch));
        Box::pin(async { committed.map(|()| operation) })
    }

    fn cancel_operation(&self, id: OperationId) -> Answering<'_, Operation, CommandError> {
        let mut operation = got(self.store.operation(id));
        if !operation.cancel(self.clock.now()) {
            return Box::pin(async { Err(CommandError::NotNow("it has ended")) });
        }
        self.put(Change::PutOperation(Box::new(operation.clone())));
        Box::pin(async { Ok(operation) })
    }

    fn ask(&self, asking: Asking) -> Answering<'_, Command, CommandError> {
        let id = asking.connection;
        self.commands.lock().push((id, asking.kind.clone()));
        let mut connection = got(self.store.connection(id));
        match &asking.kind {
            CommandKind::SetEnabled(true) => connection.lifecycle.desired = Desired::Active,
            CommandKind::SetEnabled(false) => connection.lifecycle.desired = Desired::Paused,
            CommandKind::SetEvents(events) => connection.events.clone_from(events),
            CommandKind::Disconnect { delete_hook } => {
                let delete_hook = *delete_hook;
                connection.lifecycle.desired = Desired::Removed { delete_hook };
            }
            CommandKind::Check
            | CommandKind::Ping
            | CommandKind::Recreate
            | CommandKind::RotateSecret
            | CommandKind::Acknowledge(_)
            | CommandKind::Resolve(_)
            | CommandKind::Tend { .. }
            | CommandKind::Replay(_)
            | CommandKind::Reconcile
            | CommandKind::ReplaceExisting(_) => {}
        }
        self.put(Change::PutConnection(Box::new(connection)));
        let (at, outcome) = (self.clock.now(), CommandOutcome::Applied);
        let state = if self.is_slow.load(Ordering::SeqCst) {
            CommandState::Asked
        } else {
            CommandState::Done { at, outcome }
        };
        let command = Command {
            id: CommandId::generate(at, &*self.entropy),
            connection: id,
            owner: asking.owner,
            kind: asking.kind,
            asked_by: asking.asked_by,
            asked_at: at,
            operation: None,
            state,
        };
        self.put(Change::PutCommand(Box::new(command.clone())));
        Box::pin(async { Ok(command) })
    }

    fn preview(&self, _: DeliveryId) -> Answering<'_, Preview, CommandError> {
        Box::pin(async {
            Ok(Preview {
                outcome: Outcome::Recorded,
                runs: Vec::new(),
                incidents: Vec::new(),
            })
        })
    }

    fn disconnect(&self, asking: Asking, _: Duration) -> Answering<'_, HookOutcome, CommandError> {
        let done = self.ask(asking);
        let outcome = *self.outcome.lock();
        Box::pin(async move { done.await.map(|_| outcome) })
    }

    fn decoded(&self, _: &Delivery, _: Decoded) {}

    fn delivered(&self, _: ConnectionId) {
        self.delivered.fetch_add(1, Ordering::SeqCst);
    }

    fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn heard(&self, _: ConnectionId, _: SecretNumber) {
        self.heard.fetch_add(1, Ordering::SeqCst);
    }

    fn rejected(&self, _: ConnectionId) {
        self.rejected.fetch_add(1, Ordering::SeqCst);
    }

    fn hooks_to_move(&self, _: UserId) -> Option<usize> {
        None
    }

    fn hook_secrets(&self, connection: &Connection) -> Vec<Signer> {
        let secrets = self.secrets.lock();
        let number = connection.rotation.number;
        let secret = secrets.get(&connection.id).cloned();
        let signer = secret.map(|secret| Signer { number, secret });
        let old = connection.rotation.old.iter().map(|old| {
            let text = String::from_utf8(old.secret.0.clone()).unwrap();
            let secret = HookSecret::new(text).unwrap();
            let number = old.number;
            Signer { number, secret }
        });
        signer.into_iter().chain(old).collect()
    }

    fn add_grant(
        &self,
        owner: UserId,
        instance: Instance,
        offer: Offer,
    ) -> Answering<'_, Credential, ConnectError> {
        let now = self.clock.now();
        let grant = match &offer {
            Offer::Token(token) => Grant::Token {
                token: Sealed(token.expose().as_bytes().to_vec()),
            },
            Offer::Oauth(tokens) => Grant::Oauth(OauthGrant {
                access: Sealed(tokens.access.expose().as_bytes().to_vec()),
                refresh: None,
                obtained_at: now,
                expires_at: tokens.lives.map(|life| now.plus(life)),
                refresh_begun_at: None,
            }),
            Offer::Installation(id) => Grant::App { installation: *id },
        };
        let credential = Credential {
            id: CredentialId::generate(now, &*self.entropy),
            instance,
            scopes: vec!["repo".into()],
            grant,
            created_at: now,
            ..samples::credential(0, owner)
        };
        self.put(Change::PutCredential(credential.clone()));
        Box::pin(async { Ok(credential) })
    }

    fn remove_credential(&self, id: CredentialId) -> Answering<'_, (), CommitError> {
        let batch = Batch::of(vec![Change::DeleteCredential(id)]);
        Box::pin(self.store.commit(batch))
    }

    fn user_removal_begun(&self, id: UserId) {
        self.leaving.lock().push(id);
    }

    fn share_credential(
        &self,
        id: CredentialId,
        is_shared: bool,
    ) -> Answering<'_, Credential, CommandError> {
        let mut credential = got(self.store.credential(id));
        credential.is_shared = is_shared;
        self.put(Change::PutCredential(credential.clone()));
        Box::pin(async { Ok(credential) })
    }

    fn act(&self, _: Subject, _: IncidentId, _: Act, _: UserId) -> Answering<'_, (), CommandError> {
        Box::pin(async { Ok(()) })
    }

    fn pace(&self, _: CredentialId) -> Pace {
        Pace {
            connections: 10_000,
            wanted: INTERVALS,
            found: Intervals {
                check: Duration::from_hours(10),
                ..INTERVALS
            },
        }
    }

    fn intervals(&self, _: &Connection) -> Intervals {
        INTERVALS
    }

    fn outage(&self, _: &Instance) -> Option<ProviderOutage> {
        None
    }

    fn repositories<'a>(
        &'a self,
        owner: UserId,
        _: &'a Instance,
        name: Option<&'a str>,
        page: u32,
    ) -> Answering<'a, (Vec<Repository>, bool), ConnectError> {
        let has_credential = !self.store.credentials(owner).ready().unwrap().is_empty();
        let repository = |n: u64| Repository {
            id: RepositoryId(n),
            full_name: format!("o/r{n}").parse().unwrap(),
            default_branch: None,
            is_archived: false,
            can_manage_hooks: Some(true),
        };
        let first = u64::from(page - 1) * 3;
        Box::pin(async move {
            if name == Some("nobody") {
                let code = ErrorCode::OwnerNotFound;
                let error = ProviderError::refused(Failure::Rejected, code, "no nobody");
                return Err(ConnectError::Provider(error));
            }
            if has_credential {
                Ok(((first..first + 3).map(repository).collect(), page < 2))
            } else {
                Err(ConnectError::NoCredential)
            }
        })
    }

    fn survey<'a>(
        &'a self,
        owner: UserId,
        _: &'a Instance,
        target: &'a Target,
    ) -> Answering<'a, Surveyed, ConnectError> {
        let found = self.hooks.survey(owner, target);
        Box::pin(async { found })
    }

    fn reach<'a>(
        &'a self,
        _: UserId,
        _: &'a Instance,
        _: CredentialId,
        page: u32,
    ) -> Answering<'a, (Vec<Repository>, bool), ConnectError> {
        let found = self.hooks.reach(page);
        Box::pin(async { Ok(found) })
    }

    fn remove_hook(&self, wish: HookWish) -> Answering<'_, TakenAway, TakeError> {
        let taken = self.hooks.remove(wish);
        Box::pin(async { taken })
    }

    fn adopt_hook(
        &self,
        wish: HookWish,
        events: Option<Vec<String>>,
    ) -> Answering<'_, Connection, TakeError> {
        let request = self.hooks.adopt(wish, events);
        Box::pin(async move { Ok(self.connect(request?).await?) })
    }
}
