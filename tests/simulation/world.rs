//! The world of one seed: providers, people, a machine, a network, and what was written down.

use crate::chance::Chance;
use crate::clock::{TrueClock, WallClock};
use crate::daemon::{Daemon, Machine, PROVIDER, instance};
use crate::model::Model;
use crate::network::Network;
use crate::sink;
use futures_util::FutureExt;
use hookherd::actor::{Actors, Connections};
use hookherd::domain::connection::Connection;
use hookherd::domain::id::{ConnectionId, UserId};
use hookherd::domain::repo::ProviderKind;
use hookherd::domain::secret::ProviderToken;
use hookherd::domain::time::{Clock, Timestamp};
use hookherd::domain::user::User;
use hookherd::simulator::Offline;
use hookherd::store::mortal::MortalStore;
use hookherd::store::{After, Batch, Change, Read, Store};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long a process may take to begin: longer means that it died meanwhile.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A user of the daemon, with an account of the same name at both providers.
pub struct Person {
    pub id: UserId,
    pub login: &'static str,
    /// Their newest token at each provider; `None` once it was revoked.
    pub tokens: [Option<String>; 2],
}

/// A repository.
#[derive(Clone, Debug)]
pub struct Place {
    pub provider: ProviderKind,
    /// Its present name.
    pub name: String,
    /// How often it was renamed.
    pub names: u32,
    /// Hooks of other people: their ids and URLs.
    pub strangers: Vec<(u64, String)>,
}

pub const fn nth(provider: ProviderKind) -> usize {
    match provider {
        ProviderKind::Github => 0,
        ProviderKind::Gitlab => 1,
    }
}

/// What was written down, and counted.
#[derive(Default)]
pub struct Book {
    pub lines: RefCell<Vec<String>>,
    pub acts: std::cell::Cell<u64>,
}

pub struct World {
    pub chance: Chance,
    pub truth: Arc<TrueClock>,
    pub machine: Machine,
    pub network: Rc<Network>,
    pub offline: Offline,
    pub daemon: Option<Daemon>,
    pub people: Vec<Person>,
    pub places: Vec<Place>,
    pub model: Rc<RefCell<Model>>,
    pub book: Rc<Book>,
    pub crashes: u64,
    commits: u64,
}

impl World {
    pub async fn new(seed: u64) -> Self {
        let truth = Arc::new(TrueClock::new());
        let clock = Arc::clone(&truth) as Arc<dyn Clock>;
        let offline = Offline::new(clock, PROVIDER);
        let network = Network::new(offline.clone(), Arc::clone(&truth), seed);
        actix::spawn(Rc::clone(&network).deliver_all());
        let wall = Arc::new(WallClock::new(Arc::clone(&truth)));
        let machine = Machine::new(wall, seed);
        let mut world = Self {
            chance: Chance::new(seed, 1),
            truth,
            machine,
            network,
            offline,
            daemon: None,
            people: Vec::new(),
            places: Vec::new(),
            model: Rc::default(),
            book: Rc::default(),
            crashes: 0,
            commits: 0,
        };
        world.offline.gitlab().set_rate_limit(None);
        world.populate().await;
        world.start().await;
        for person in 0..world.people.len() {
            for provider in ProviderKind::ALL {
                world.give_token(person, provider).await;
            }
        }
        world
    }

    async fn populate(&mut self) {
        for (n, login) in [(1, "ann"), (2, "bob")] {
            let user = User {
                id: UserId::from_u128(n),
                name: login.to_owned(),
                is_admin: false,
                created_at: Timestamp(0),
                removal: None,
            };
            let id = user.id;
            let sink = sink::record(&self.machine, id);
            let sink = Change::PutSink(Box::new(sink));
            let batch = Batch::of(vec![Change::PutUser(user), sink]);
            self.machine.memory.commit(batch).await.unwrap();
            self.people.push(Person {
                id,
                login,
                tokens: [None, None],
            });
        }
        let count = 2 + self.chance.below(3);
        for n in 0..count {
            let provider = if n % 3 == 1 {
                ProviderKind::Gitlab
            } else {
                ProviderKind::Github
            };
            let owner = self.chance.index(self.people.len());
            let (login, other) = (self.people[owner].login, self.people[1 - owner].login);
            let name = format!("{login}/r{n}");
            match provider {
                ProviderKind::Github => {
                    let github = self.offline.github();
                    github.add_repository(&name, login);
                    github.set_admin(other, &name, true);
                }
                ProviderKind::Gitlab => {
                    let gitlab = self.offline.gitlab();
                    gitlab.add_project(&name, login);
                    gitlab.set_role(other, &name, 40);
                }
            }
            self.places.push(Place {
                provider,
                name,
                names: 0,
                strangers: Vec::new(),
            });
        }
    }

    pub fn note(&self, words: impl AsRef<str>) {
        let mut lines = self.book.lines.borrow_mut();
        lines.extend(self.network.take_notes());
        let at = self.truth.elapsed().as_secs_f64();
        lines.push(format!("{at:10.3} {}", words.as_ref()));
    }

    /// Lets time pass.
    pub async fn pass(&mut self, time: Duration) {
        tokio::time::sleep(time).await;
        self.book
            .lines
            .borrow_mut()
            .extend(self.network.take_notes());
        if self.daemon.as_ref().is_some_and(|it| it.store.is_dead()) {
            self.note("the process died at a commit");
            self.kill();
        }
    }

    /// What happened so far: acts, requests, deliveries, commits, deaths.
    pub fn steps(&self) -> u64 {
        let commits = self.daemon.as_ref().map_or(0, |it| it.store.commits());
        self.book.acts.get()
            + self.network.requests.borrow().len() as u64
            + self.network.arrived.get()
            + self.commits
            + commits
            + self.crashes
    }

    pub async fn start(&mut self) {
        assert!(self.daemon.is_none());
        let store = Arc::new(MortalStore::new(Arc::clone(&self.machine.memory)));
        let way = self.network.way(Arc::clone(&self.machine.entropy));
        let starting = self.machine.start(Arc::clone(&store), way);
        let daemon = tokio::time::timeout(START_TIMEOUT, starting).await;
        let daemon = daemon.expect("nothing stops it");
        self.network.door.replace(Some(Rc::clone(&daemon.door)));
        self.daemon = Some(daemon);
        self.note("the daemon runs");
    }

    pub fn kill(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            self.network.door.replace(None);
            self.commits += daemon.store.commits();
            self.crashes += 1;
            daemon.kill();
            self.note("the daemon is dead");
        }
    }

    pub async fn stop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            self.network.door.replace(None);
            self.commits += daemon.store.commits();
            let stopping = tokio::time::timeout(START_TIMEOUT, daemon.stop());
            let _ = stopping.await;
            self.note("the daemon has stopped");
        }
    }

    pub fn actors(&self) -> Option<Actors> {
        self.daemon.as_ref().map(|daemon| daemon.actors.clone())
    }

    /// Gives a person a new token, and the daemon, too. Whether it has it.
    pub async fn give_token(&mut self, person: usize, provider: ProviderKind) -> bool {
        let Some(actors) = self.actors() else {
            return false;
        };
        let login = self.people[person].login;
        let token = match provider {
            ProviderKind::Github => self.offline.github().add_user(login),
            ProviderKind::Gitlab => self.offline.gitlab().add_user(login),
        };
        let kept = token.clone();
        let token = ProviderToken::new(token).unwrap();
        let id = self.people[person].id;
        let adding = actors.add_credential(id, instance(provider), token);
        let added = tokio::time::timeout(Duration::from_mins(3), adding).await;
        let is_added = matches!(added, Ok(Ok(_)));
        self.people[person].tokens[nth(provider)] = is_added.then_some(kept);
        self.note(format!("{login} gives a token for {provider}: {is_added}"));
        is_added
    }

    /// All connections that are not disconnected, as they are stored.
    pub fn connections(&self) -> Vec<Connection> {
        let memory = &self.machine.memory;
        let ids: Vec<ConnectionId> = memory.connection_ids().now_or_never().unwrap().unwrap();
        let get = |id| memory.connection(id).now_or_never().unwrap().unwrap();
        let all = ids.into_iter().filter_map(get);
        all.filter(|connection| !connection.is_removed()).collect()
    }

    pub fn incidents(&self, owner: UserId) -> Vec<hookherd::domain::incident::Incident> {
        let filter = hookherd::store::IncidentFilter::default();
        let reading = self
            .machine
            .memory
            .incidents_of(owner, &filter, After::first(1000));
        reading.now_or_never().unwrap().unwrap().items
    }

    /// The repository of a connection.
    pub fn place_of(&self, connection: &Connection) -> Option<usize> {
        let name = connection.full_name.to_string();
        let is_it = |place: &Place| {
            place.provider == connection.instance.provider && was_named(place, &name)
        };
        self.places.iter().position(is_it)
    }
}

/// Whether a repository has or had this name.
fn was_named(place: &Place, name: &str) -> bool {
    let first = place.name.split("-v").next().unwrap_or_default();
    name.split("-v").next() == Some(first)
}
