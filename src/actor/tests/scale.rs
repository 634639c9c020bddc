//! Thousands of connections over days, with the real client and the real budget.

use super::dialect::TestDecode;
use super::fakes::*;
use super::yard::{Hook, Line, Yard};
use crate::actor::settings::Settings;
use crate::actor::{Actors, Connections, secrets};
use crate::credentials::Ports;
use crate::domain::connection::{Connection, CredentialUse};
use crate::domain::grant::Grant;
use crate::domain::id::{ConnectionId, CredentialId, HookId, HookKey, UserId};
use crate::domain::incident::{IncidentStatus, Resolution};
use crate::domain::lifecycle::{Hook as Known, Phase};
use crate::domain::repo::{Instance, ProviderKind, RepositoryId};
use crate::domain::samples;
use crate::domain::secret::{HookSecret, Proof, Sealed};
use crate::domain::time::{Clock, Timestamp};
use crate::domain::user::Credential;
use crate::provider::github::Github;
use crate::provider::http::HttpConfig;
use crate::provider::{Hooks, Providers};
use crate::store::memory::MemoryStore;
use crate::store::{After, Batch, Change, IncidentFilter, Store};
use reqwest::Method;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);
const ADDRESS: &str = "http://127.0.0.1:8080";
const EVENTS: [&str; 1] = ["push"];

/// A daemon whose connections are all active.
struct World {
    store: Arc<dyn Store>,
    yard: Arc<Yard>,
    clock: Arc<dyn Clock>,
    entropy: Arc<Seeded>,
    settings: Settings,
    actors: Actors,
    count: u64,
}

fn github() -> Instance {
    samples::instance("github.com")
}

fn owner(n: u64) -> UserId {
    UserId::from_u128(100 + u128::from(n))
}

fn credential(n: u64) -> Credential {
    let token = format!("token{n}").into_bytes();
    Credential {
        instance: github(),
        grant: Grant::Token {
            token: Sealed(token),
        },
        ..samples::credential(u128::from(n) + 1, owner(n))
    }
}

fn id_of(n: u64) -> ConnectionId {
    ConnectionId::from_u128(u128::from(n) + 1)
}

fn name_of(n: u64) -> String {
    format!("o/r{}", n + 1)
}

impl World {
    /// So many connections, of as many owners with a credential each.
    async fn new(count: u64, credentials: u64) -> Self {
        tokio::time::pause();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let yard = Yard::new();
        let clock: Arc<dyn Clock> = Arc::new(TestClock::new());
        let entropy = Arc::new(Seeded::default());
        let settings = Settings {
            arbiters: 0,
            // No pings are answered here.
            ping_interval: Duration::from_hours(10_000),
            ..Settings::default()
        };
        for n in 0..credentials {
            make_user(&*store, owner(n), &format!("user{n}"));
            commit(&*store, vec![Change::PutCredential(credential(n))]).await;
        }
        let ports = ports(&store, &yard, &clock, &entropy);
        let numbers: Vec<u64> = (0..count).collect();
        for chunk in numbers.chunks(500) {
            let made = chunk
                .iter()
                .map(|n| made(&ports, &yard, *n, n % credentials));
            let puts = made.map(|c| Change::PutConnection(Box::new(c)));
            commit(&*store, puts.collect()).await;
        }
        let actors = start(ports, &settings);
        Self {
            store,
            yard,
            clock,
            entropy,
            settings,
            actors,
            count,
        }
    }

    /// The process dies and starts again.
    async fn restart(&mut self) {
        self.actors.abandon();
        sleep(Duration::from_millis(100)).await;
        let ports = ports(&self.store, &self.yard, &self.clock, &self.entropy);
        self.actors = start(ports, &self.settings);
    }

    fn get(&self, n: u64) -> Connection {
        self.store.connection(id_of(n)).ready().unwrap().unwrap()
    }

    fn is_intact(&self, n: u64) -> bool {
        let hook = self.yard.hook(&name_of(n));
        hook.is_some_and(|hook| hook.is_active && hook.events == EVENTS)
    }

    /// Someone breaks a hook: deletes it, switches it off, or changes its events.
    fn breaks(&self, n: u64, how: u64) {
        let name = name_of(n);
        let hook = self.yard.hook(&name);
        let broken = hook.and_then(|hook| match how % 3 {
            0 => None,
            1 => Some(Hook {
                is_active: false,
                ..hook
            }),
            _ => Some(Hook {
                events: Vec::new(),
                ..hook
            }),
        });
        self.yard.put(&name, broken);
    }

    /// The incidents of an owner that are not resolved, and how many there are in all.
    fn incidents(&self, n: u64) -> (usize, usize) {
        let found =
            self.store
                .incidents_of(owner(n), &IncidentFilter::default(), After::first(100));
        let found = found.ready().unwrap().items;
        let open = found.iter().filter(|i| i.status == IncidentStatus::Open);
        (open.count(), found.len())
    }
}

/// Waits until something is so, no longer than this. Returns how long it took.
async fn until(within: Duration, is_so: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < within, "not within {within:?}");
        sleep(Duration::from_secs(1)).await;
    }
    begun.elapsed()
}

async fn commit(store: &dyn Store, changes: Vec<Change>) {
    store.commit(Batch::of(changes)).await.unwrap();
}

fn ports(
    store: &Arc<dyn Store>,
    yard: &Arc<Yard>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<Seeded>,
) -> Ports {
    let config = HttpConfig {
        outside: Some(Arc::new(Line(Arc::clone(yard)))),
        ..HttpConfig::new("https://api.github.com".parse().unwrap())
    };
    let client = Github::new(&config, Arc::clone(clock), &github()).unwrap();
    let mut providers = Providers::default();
    providers.add_decoder(ProviderKind::Github, Arc::new(TestDecode));
    providers.add_instance(github(), Arc::new(client) as Arc<dyn Hooks>);
    Ports {
        providers,
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy) as _,
        ..still_ports(Arc::clone(store))
    }
}

fn start(ports: Ports, settings: &Settings) -> Actors {
    let connections = ports.store.connection_ids().ready().unwrap();
    Actors::start(ports, settings.clone(), connections)
}

/// A connection whose hook is there.
fn made(ports: &Ports, yard: &Yard, n: u64, of: u64) -> Connection {
    let mut key = [0; 20];
    key[..8].copy_from_slice(&n.to_le_bytes());
    let mut c = Connection::new(
        id_of(n),
        owner(of),
        github(),
        name_of(n).parse().unwrap(),
        HookKey::from_bytes(key),
        Timestamp(1),
    );
    c.repository = Some(RepositoryId(n + 1));
    c.credential_used = Some(CredentialUse::Own(CredentialId::from_u128(
        u128::from(of) + 1,
    )));
    c.events = EVENTS.map(str::to_owned).to_vec();
    c.proof = Proof::Signature;
    c.secret = secrets::seal(ports, &c, &HookSecret::generate(&*ports.entropy));
    c.lifecycle.phase = Phase::Active;
    c.lifecycle.hook = Known::Present(HookId(n + 1));
    c.lifecycle.applied = Some(c.lifecycle.wanted);
    // Not long ago: no ping is due.
    let now = ports.clock.now();
    (c.hook_created_at, c.address) = (Some(now), Some(ADDRESS.to_owned()));
    let hook = Hook {
        id: n + 1,
        url: format!("{ADDRESS}{}", secrets::hook_mark(&c)),
        events: c.events.clone(),
        is_active: true,
    };
    yard.put(&name_of(n), Some(hook));
    c
}

/// 10,000 connections on one credential, and each hour one in a hundred hooks is broken by hand.
/// Checks every half hour do not fit: they are stretched, and everything is repaired within two of
/// the intervals that are.
#[actix::test]
async fn ten_thousand_connections_on_one_credential_stay_within_its_limits_for_a_day() {
    let world = World::new(10_000, 1).await;
    let pace = world.actors.pace(CredentialId::from_u128(1));
    let every = loop {
        let every = world.actors.intervals(&world.get(0)).check;
        if every > world.settings.check_interval {
            break every;
        }
        sleep(Duration::from_secs(1)).await;
    };
    assert_eq!(pace.wanted.check, world.settings.check_interval);
    assert_eq!(every, Duration::from_hours(10));
    let mut broken: BTreeMap<u64, Instant> = BTreeMap::new();
    let mut longest = Duration::ZERO;
    let begun = Instant::now();
    let mut hour = 0;
    while hour < 24 || !broken.is_empty() {
        if begun.elapsed() >= HOUR * hour && hour < 24 {
            let hour_n = u64::from(hour);
            for n in (0..100).map(|k| (k * 97 + hour_n * 4001) % world.count) {
                if let std::collections::btree_map::Entry::Vacant(new) = broken.entry(n) {
                    world.breaks(n, n + hour_n);
                    new.insert(Instant::now());
                }
            }
            hour += 1;
        }
        sleep(MINUTE).await;
        broken.retain(|n, at| {
            if world.is_intact(*n) {
                longest = longest.max(at.elapsed());
            }
            !world.is_intact(*n)
        });
        assert!(begun.elapsed() < HOUR * 60, "{} are left", broken.len());
    }
    assert!(longest <= every * 2, "{longest:?}");
    world.yard.assert_within(80);
}

/// Six hours without an answer, 10,000 connections: one incident for each owner, one call a minute,
/// and a quarter of an hour after the end all are proven again.
#[actix::test]
async fn an_outage_of_six_hours_with_ten_thousand_connections_ends_within_a_quarter_of_an_hour() {
    let world = World::new(10_000, 20).await;
    sleep(HOUR).await;
    let down = Instant::now();
    world.yard.is_down(true);
    until(Duration::from_mins(5), || {
        world.actors.outage(&github()).is_some()
    })
    .await;
    // What was under way then ends.
    sleep(MINUTE).await;
    let noticed = Instant::now();
    tokio::time::sleep_until(down + HOUR * 6).await;
    let calls = world.yard.calls(noticed);
    assert!(calls.len() <= 360, "{}", calls.len());
    for pair in calls.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= MINUTE);
    }
    let outage = world.actors.outage(&github()).unwrap();
    assert_eq!(outage.connections, 10_000);
    for n in 0..20 {
        assert_eq!(world.incidents(n), (1, 1));
    }
    world.yard.is_down(false);
    let (up, up_at) = (Instant::now(), world.clock.now());
    until(Duration::from_mins(2), || {
        world.actors.outage(&github()).is_none()
    })
    .await;
    // A user's request goes first.
    let asked = Instant::now();
    let id = id_of(7);
    let ask = crate::actor::Asking {
        connection: id,
        owner: owner(7),
        asked_by: owner(7),
        kind: crate::domain::command::CommandKind::Check,
    };
    let before = world.get(7).last_check_at;
    world.actors.ask(ask).await.unwrap();
    until(MINUTE, || world.get(7).last_check_at > before).await;
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
    let is_proven = |n: u64| world.get(n).last_check_at > Some(up_at);
    let mut left: Vec<u64> = (0..world.count).collect();
    while !left.is_empty() {
        sleep(Duration::from_secs(5)).await;
        left.retain(|n| !is_proven(*n));
        assert!(
            up.elapsed() <= Duration::from_mins(15),
            "{} left",
            left.len()
        );
    }
    for n in 0..20 {
        assert_eq!(world.incidents(n), (0, 1));
    }
    world.yard.assert_within(80);
    assert!(world.store.outages().ready().unwrap()[0].ended_at.is_some());
}

/// The provider is down for a day. Hooks were broken meanwhile, so that there is much to write: no
/// herd, and few writes a minute.
#[actix::test]
async fn scenario_19_a_day_down_with_5000_connections_ends_without_a_herd() {
    let world = World::new(5000, 10).await;
    sleep(HOUR).await;
    world.yard.is_down(true);
    until(Duration::from_mins(5), || {
        world.actors.outage(&github()).is_some()
    })
    .await;
    sleep(HOUR * 24).await;
    for n in 0..500 {
        world.breaks(n * 7, n);
    }
    world.yard.is_down(false);
    world.yard.most_running();
    let up = Instant::now();
    until(Duration::from_mins(2), || {
        world.actors.outage(&github()).is_none()
    })
    .await;
    until(Duration::from_mins(15), || {
        (0..500).all(|n| world.is_intact(n * 7))
    })
    .await;
    assert!(world.yard.most_running() <= 4, "concurrent calls");
    let mut writes: BTreeMap<u64, usize> = BTreeMap::new();
    for (at, method, _) in world.yard.calls(up) {
        if method != Method::GET {
            *writes.entry((at - up).as_secs() / 60).or_default() += 1;
        }
    }
    assert!(writes.values().all(|count| *count <= 80), "{writes:?}");
    assert_eq!(writes.values().sum::<usize>(), 500);
    for n in 0..10 {
        let found = world
            .store
            .incidents_of(owner(n), &IncidentFilter::default(), After::first(9));
        let found = found.ready().unwrap().items;
        assert_eq!(found.len(), 1, "one incident, about the outage");
        assert_eq!(found[0].resolution, Some(Resolution::Recovered));
    }
    world.yard.assert_within(80);
}

/// Ten restarts in a minute: no pings, no more checks than in any other minute, and no connection
/// is checked twice.
#[actix::test]
async fn scenario_20_ten_restarts_in_a_minute_cause_no_burst() {
    let mut world = World::new(5000, 10).await;
    // Every connection was checked once.
    sleep(HOUR).await;
    let before = world.yard.calls(Instant::now() - MINUTE * 10).len() / 10;
    let begun = Instant::now();
    for _ in 0..10 {
        world.restart().await;
        sleep(Duration::from_secs(6)).await;
    }
    let calls = world.yard.calls(begun);
    assert!(calls.iter().all(|(_, method, _)| *method == Method::GET));
    let most = before * 3 / 2;
    assert!(calls.len() <= most, "{} instead of {before}", calls.len());
    let mut looks: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, _, path) in calls.iter().filter(|(.., path)| path.ends_with("/hooks")) {
        *looks.entry(path).or_default() += 1;
    }
    assert!(looks.values().all(|count| *count == 1), "checked twice");
    // The schedule continues: each is checked within its interval.
    let due = world.clock.now();
    let is_checked = |n| world.get(n).last_check_at > Some(due);
    sleep(MINUTE * 34).await;
    let left = (0..world.count).filter(|n| !is_checked(*n)).count();
    assert_eq!(left, 0);
    world.yard.assert_within(80);
}
