//! Stories of the server's own trouble, in virtual time.

use super::{Settings, Tools, Upkeep};
use crate::domain::id::{DeliveryId, UserId};
use crate::domain::incident::{Incident, IncidentStatus, Resolution, Subject};
use crate::domain::samples::{self, ANN};
use crate::domain::server_trouble::ServerTrouble;
use crate::domain::time::{Clock, Timestamp};
use crate::domain::trouble::Space;
use crate::domain::user::User;
use crate::store::faulty::{Fault, FaultyStore};
use crate::store::{After, Batch, Change, IncidentFilter, Read, Store};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const BOB: UserId = UserId::from_u128(2);
const MINUTE: Duration = Duration::from_mins(1);
const GIB: u64 = 1 << 30;

struct TestClock(Instant);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000).plus(self.0.elapsed())
    }
}

/// A store, its disk, and the task that looks.
struct World {
    store: Arc<FaultyStore>,
    free: Arc<Mutex<u64>>,
    clock: Arc<TestClock>,
    upkeep: Option<Upkeep>,
}

impl World {
    /// Ann is an administrator, Bob is none.
    async fn new() -> Self {
        let mut world = Self {
            store: Arc::default(),
            free: Arc::new(Mutex::new(100 * GIB)),
            clock: Arc::new(TestClock(Instant::now())),
            upkeep: None,
        };
        world.user(ANN, "ann", true).await;
        world.user(BOB, "bob", false).await;
        world.start();
        world
    }

    fn start(&mut self) {
        let free = Arc::clone(&self.free);
        let tools = Tools {
            store: Arc::clone(&self.store) as _,
            clock: Arc::clone(&self.clock) as _,
            space: Box::new(move || {
                Some(Space {
                    free: *free.lock(),
                    total: 1000 * GIB,
                })
            }),
        };
        let longest_wait = 15 * MINUTE;
        self.upkeep = Some(Upkeep::start(tools, Settings { longest_wait }));
    }

    fn kill(&mut self) {
        self.upkeep.take().expect("it runs").stop();
    }

    async fn commit(&self, change: Change) {
        self.store.commit(Batch::of(vec![change])).await.unwrap();
    }

    async fn user(&self, id: UserId, name: &str, is_admin: bool) {
        let user = User {
            is_admin,
            ..samples::user(id, name)
        };
        self.commit(Change::PutUser(user)).await;
    }

    /// All incidents about the server, oldest first.
    fn of(&self, owner: UserId) -> Vec<Incident> {
        let filter = IncidentFilter::default();
        let found = self.store.incidents_of(owner, &filter, After::first(100));
        let mut all = found.ready().unwrap().items;
        assert!(all.iter().all(|it| it.subject == Subject::Server));
        all.reverse();
        all
    }

    fn ends(&self, owner: UserId) -> Vec<Option<Resolution>> {
        let all = self.of(owner);
        all.iter().map(|it| it.resolution).collect()
    }

    /// A delivery arrives that is not processed.
    async fn stuck(&self) {
        let connection = samples::connection(7, "ann/api");
        let mut delivery = samples::delivery(9, connection.id);
        delivery.received_at = self.clock.now();
        self.commit(Change::PutConnection(Box::new(connection)))
            .await;
        let payload = samples::payload("{}");
        self.commit(Change::InsertDelivery(Box::new(delivery), payload))
            .await;
    }

    async fn passes(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_nearly_full_is_an_incident_of_the_administrators_until_there_is_space() {
    let world = World::new().await;
    world.passes(10 * MINUTE).await;
    assert_eq!(world.of(ANN), []);
    *world.free.lock() = GIB / 2;
    world.passes(2 * MINUTE).await;
    let open = world.of(ANN);
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].failure_type, "disk_nearly_full");
    assert!(open[0].title.contains("512 MiB"), "{}", open[0].title);
    assert_eq!(world.of(BOB), [], "no administrator");
    // Neither little nor enough: nothing changes, however often.
    for free in [GIB + 1, GIB - 1, GIB + 1, GIB - 1] {
        *world.free.lock() = free;
        world.passes(2 * MINUTE).await;
    }
    assert_eq!(world.of(ANN), open);
    *world.free.lock() = 2 * GIB;
    world.passes(MINUTE).await;
    assert_eq!(world.ends(ANN), [Some(Resolution::Recovered)]);
    // Later it is another one.
    *world.free.lock() = 0;
    world.passes(2 * MINUTE).await;
    assert_eq!(world.ends(ANN), [Some(Resolution::Recovered), None]);
}

#[tokio::test(start_paused = true)]
async fn a_moment_with_little_space_is_no_trouble() {
    let world = World::new().await;
    for _ in 0..20 {
        // One look of two finds it.
        *world.free.lock() = 0;
        world.passes(MINUTE / 2).await;
        *world.free.lock() = 100 * GIB;
        world.passes(MINUTE / 2).await;
    }
    assert_eq!(world.of(ANN), []);
}

#[tokio::test(start_paused = true)]
async fn a_restart_opens_no_second_one_and_what_an_administrator_has_resolved_stays_so() {
    let mut world = World::new().await;
    *world.free.lock() = 0;
    world.passes(2 * MINUTE).await;
    world.kill();
    world.start();
    world.passes(10 * MINUTE).await;
    assert_eq!(world.of(ANN).len(), 1);
    let mut resolved = world.of(ANN).remove(0);
    resolved.resolve_by_hand(ANN, world.clock.now());
    world.commit(Change::PutIncident(Box::new(resolved))).await;
    world.kill();
    world.start();
    world.passes(10 * MINUTE).await;
    assert_eq!(world.ends(ANN), [Some(Resolution::ByHand)]);
    // The end is found also when it came while the daemon did not run.
    world.kill();
    *world.free.lock() = 100 * GIB;
    world.start();
    world.passes(MINUTE).await;
    let lasts = world
        .store
        .troubles()
        .ready()
        .unwrap()
        .iter()
        .any(ServerTrouble::lasts);
    assert!(!lasts);
}

#[tokio::test(start_paused = true)]
async fn who_becomes_an_administrator_has_one_too_and_who_is_none_any_more_has_none() {
    let world = World::new().await;
    *world.free.lock() = 0;
    world.passes(2 * MINUTE).await;
    world.user(BOB, "bob", true).await;
    world.user(ANN, "ann", false).await;
    world.passes(MINUTE).await;
    assert_eq!(world.ends(BOB), [None]);
    assert_eq!(world.ends(ANN), [Some(Resolution::Disconnected)]);
    assert_ne!(world.of(ANN)[0].id, world.of(BOB)[0].id);
    world.user(ANN, "ann", true).await;
    world.passes(MINUTE).await;
    assert_eq!(world.ends(ANN), [None]);
    *world.free.lock() = 100 * GIB;
    world.passes(MINUTE).await;
    let recovered = [Some(Resolution::Recovered)];
    assert_eq!(
        (world.ends(ANN), world.ends(BOB)),
        (recovered.to_vec(), recovered.to_vec())
    );
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_for_a_while_has_it_all_later() {
    let world = World::new().await;
    world.store.breaks(0, Fault::Refuse, |_| true);
    *world.free.lock() = 0;
    world.passes(10 * MINUTE).await;
    assert_eq!(world.of(ANN), []);
    world.store.mend();
    world.passes(MINUTE).await;
    assert_eq!(world.of(ANN).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn deliveries_that_are_not_processed_are_an_incident_until_they_are() {
    let world = World::new().await;
    world.stuck().await;
    world.passes(15 * MINUTE).await;
    assert_eq!(world.of(ANN), []);
    world.passes(2 * MINUTE).await;
    let open = world.of(ANN);
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].failure_type, "deliveries_waiting");
    assert!(open[0].title.contains("minutes"), "{}", open[0].title);
    world.passes(60 * MINUTE).await;
    assert_eq!(world.of(ANN), open);
    world
        .commit(Change::ForgetDelivery(DeliveryId::from_u128(9)))
        .await;
    world.passes(MINUTE).await;
    let ended = world.of(ANN).remove(0);
    assert_eq!(ended.resolution, Some(Resolution::Recovered));
    assert_eq!(ended.status, IncidentStatus::Resolved);
}
