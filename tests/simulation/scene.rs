//! A world in which one repository is connected, for stories that are not left to chance.

use crate::network::{Request, is_creation};
use crate::verdict::AnyHook;
use crate::world::{Person, World};
use futures_util::FutureExt;
use hookherd::actor::{Asking, CommandError, ConnectError, Connections};
use hookherd::domain::command::CommandKind;
use hookherd::domain::connection::{Connection, WebhookStatus};
use hookherd::domain::lifecycle::{Certainty, Hook};
use hookherd::domain::removal::HookOutcome;
use hookherd::domain::repo::ProviderKind;
use hookherd::simulator::{Fault, Misbehaviour};
use hookherd::store::Read;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The whole history follows from it.
const SEED: u64 = 1;
/// The one who connects.
const ANN: usize = 0;
/// How long until everything is as it should be.
const LONGEST: Duration = Duration::from_hours(6);
/// Pause between two looks: at first, and after a while.
const PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(500)];
/// How long the first pause is used.
const AT_FIRST: Duration = Duration::from_secs(2);

/// The answer to a user who connects.
pub type Connected = JoinHandle<Result<Connection, ConnectError>>;
/// The answer to a user who disconnects.
pub type Disconnected = JoinHandle<Result<HookOutcome, CommandError>>;

/// A world with a repository that Ann connects.
pub struct Scene {
    pub world: World,
    pub provider: ProviderKind,
    nth: usize,
    /// Requests of before.
    before: usize,
}

impl Scene {
    pub async fn set(provider: ProviderKind) -> Self {
        let world = World::new(SEED).await;
        let is_there = |place: &crate::world::Place| place.provider == provider;
        let nth = world.places.iter().position(is_there);
        let before = world.network.requests.borrow().len();
        Self {
            world,
            provider,
            nth: nth.expect("each provider has a repository"),
            before,
        }
    }

    pub fn ann(&self) -> &Person {
        &self.world.people[ANN]
    }

    /// The repository's name.
    pub fn name(&self) -> &str {
        &self.world.places[self.nth].name
    }

    /// Which of the world's repositories it is.
    pub const fn place(&self) -> usize {
        self.nth
    }

    /// It has another name by now.
    pub fn is_named(&mut self, name: &str) {
        name.clone_into(&mut self.world.places[self.nth].name);
    }

    /// The next requests of this kind, after some that go well, go wrong.
    pub fn breaks(&self, operation: &str, misbehaviour: Misbehaviour, (after, times): (u32, u32)) {
        let operation = match self.provider {
            ProviderKind::Github => operation.to_owned(),
            ProviderKind::Gitlab => format!("gitlab.{operation}"),
        };
        self.world.offline.faults().push(Fault {
            operation,
            misbehaviour,
            times,
            after,
        });
    }

    /// Ann connects the repository.
    pub fn connects(&self) -> Connected {
        let actors = self.world.actors().expect("the daemon runs");
        let request = self.world.request(self.nth, ANN);
        actix::spawn(async move { actors.connect(request).await })
    }

    /// Ann disconnects it, and waits so long for the outcome.
    pub fn disconnects(&self, connection: &Connection, within: Duration) -> Disconnected {
        let actors = self.world.actors().expect("the daemon runs");
        let asking = Asking {
            connection: connection.id,
            owner: connection.owner,
            asked_by: connection.owner,
            kind: CommandKind::Disconnect { delete_hook: true },
        };
        actix::spawn(async move { actors.disconnect(asking, within).await })
    }

    /// The connection as it is stored.
    pub fn stored(&self) -> Option<Connection> {
        let memory = &self.world.machine.memory;
        let ids = memory.connection_ids().now_or_never().unwrap().unwrap();
        let id = ids.first().copied()?;
        memory.connection(id).now_or_never().unwrap().unwrap()
    }

    /// The hooks at the provider.
    pub fn hooks(&self) -> Vec<AnyHook> {
        self.world.hooks(&self.world.places[self.nth])
    }

    /// The requests to create a hook that arrived.
    pub fn creations(&self) -> Vec<Request> {
        let requests = self.world.network.requests.borrow();
        let since = requests[self.before..].iter();
        let creations = since.filter(|it| is_creation(&it.method, &it.path));
        creations.cloned().collect()
    }

    /// How many hooks were created and reported.
    pub fn made(&self) -> usize {
        let is_made = |request: &&Request| request.status == Some(201);
        self.creations().iter().filter(is_made).count()
    }

    /// Whether the hook is there, and nothing can change that any more.
    pub fn is_settled(&self) -> bool {
        self.stored().is_some_and(|it| {
            let is_known = matches!(it.lifecycle.hook, Hook::Present(_));
            let is_sure = is_known && it.lifecycle.certainty == Certainty::Sure;
            is_sure && it.webhook_status() == WebhookStatus::Active
        })
    }

    /// Whether nothing is left of the connection.
    pub fn is_gone(&self) -> bool {
        self.stored().is_none()
    }

    pub fn is_dead(&self) -> bool {
        self.world.daemon.is_none()
    }

    /// Lets time pass until something is so.
    pub async fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let begun = self.world.truth.elapsed();
        while !is_so(self) {
            let took = self.world.truth.elapsed().saturating_sub(begun);
            assert!(took < LONGEST, "{what}: {:#?}", self.book());
            self.world.pass(PAUSES[usize::from(took > AT_FIRST)]).await;
        }
    }

    /// What happened, and what is stored.
    pub fn book(&self) -> (Vec<String>, Option<Connection>) {
        (self.world.book.lines.borrow().clone(), self.stored())
    }

    /// Whatever happened: there is one hook of ours, with all its settings, and it stays.
    pub async fn ends_with_one_hook(&mut self) -> u64 {
        self.until("it settles", Self::is_settled).await;
        self.world.pass(Duration::from_mins(10)).await;
        let complaints = self.world.complaints_of_hooks();
        assert!(complaints.is_empty(), "{complaints:?} {:#?}", self.book());
        let hooks = self.hooks();
        assert_eq!(hooks.len(), 1, "{hooks:?} {:#?}", self.book());
        hooks[0].id
    }

    /// Whatever happened: no hook is left, and none comes.
    pub async fn ends_without_a_hook(&mut self) {
        self.until("it is gone", Self::is_gone).await;
        self.world.pass(Duration::from_mins(10)).await;
        assert!(self.hooks().is_empty(), "{:#?}", self.book());
    }
}
