//! Stories of the reconciler in virtual time, with a provider whose log they write.

mod arriving;
mod clocks;
mod cut_off;
mod limits;
mod log;
mod regular;
mod runs;
mod unreadable;

use super::handle::Reconciler;
use super::{Recovery, Settings};
use crate::credentials::{OneToken, Pool, Ports};
use crate::domain::connection::Connection;
use crate::domain::delivery::{Delivery, Source};
use crate::domain::expiry::NOTICE;
use crate::domain::id::{ConnectionId, DeliveryId, HookId};
use crate::domain::incident::{Incident, Subject};
use crate::domain::ledger::{Asked, AskedBy, Gap, Ledger, Loss};
use crate::domain::lifecycle::Hook;
use crate::domain::repo::ProviderKind;
use crate::domain::samples::{self, ANN, Seeded};
use crate::domain::time::{Clock, Timestamp};
use crate::provider::github::GithubDecode;
use crate::provider::{Hooks, Providers};
use crate::store::faulty::FaultyStore;
use crate::store::{After, Batch, Change, Of, Read, Store};
use log::FakeLog;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Our clock: when it was started, and by how many seconds it was set back.
pub(super) struct TestClock(Instant, AtomicU64);

impl TestClock {
    /// The time of the provider, whose clock is right.
    fn right(&self) -> Timestamp {
        Timestamp(1_700_000_000_000).plus(self.0.elapsed())
    }

    fn set_back(&self, by: Duration) {
        self.1.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let back = Duration::from_secs(self.1.load(Ordering::SeqCst));
        self.right().minus(back)
    }
}

thread_local! {
    static FROZEN: Cell<bool> = const { Cell::new(false) };
}

const CONNECTION: ConnectionId = ConnectionId::from_u128(9);

/// A connection with a hook, its provider's log, and a reconciler that is started and killed.
struct World {
    store: Arc<FaultyStore>,
    log: Arc<FakeLog>,
    clock: Arc<TestClock>,
    entropy: Arc<Seeded>,
    settings: Settings,
    reconciler: Option<Reconciler>,
    received: u32,
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(reconciler) = &self.reconciler {
            reconciler.working.abort();
        }
    }
}

impl World {
    async fn new() -> Self {
        // Once a test: each has a thread and a runtime of its own.
        if !FROZEN.replace(true) {
            tokio::time::pause();
        }
        let store = Arc::<FaultyStore>::default();
        let clock = Arc::new(TestClock(Instant::now(), AtomicU64::new(0)));
        let entropy = Arc::new(Seeded::default());
        let log = Arc::new(FakeLog::new(Arc::clone(&clock)));
        let world = Self {
            store,
            log,
            clock,
            entropy,
            settings: Settings::default(),
            reconciler: None,
            received: 0,
        };
        let connection = Connection {
            credential: Some(samples::credential(1, ANN).id),
            created_at: world.now(),
            hook_created_at: Some(world.now()),
            ..samples::connection(9, "o/r")
        };
        world
            .commit(vec![
                Change::PutUser(samples::user(ANN, "ann")),
                Change::PutCredential(samples::credential(1, ANN)),
                Change::PutConnection(Box::new(connection)),
            ])
            .await;
        world.has_hook(HookId(7)).await;
        world
    }

    /// A world that was reconciled once, whose log has a stored delivery.
    async fn at_work() -> Self {
        let mut world = Self::new().await;
        world.delivered().await;
        world.start().await;
        world.until(|world| world.ledger().read_at.is_some()).await;
        world
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn commit(&self, changes: Vec<Change>) {
        self.store.commit(Batch::of(changes)).await.unwrap();
    }

    fn connection(&self) -> Connection {
        self.store.connection(CONNECTION).ready().unwrap().unwrap()
    }

    /// The connection has this hook from now on.
    async fn has_hook(&self, id: HookId) {
        let mut connection = self.connection();
        connection.lifecycle.hook = Hook::Present(id);
        connection.hook_created_at = Some(self.now());
        self.commit(vec![Change::PutConnection(Box::new(connection))])
            .await;
    }

    /// The process starts.
    async fn start(&mut self) {
        let mut providers = Providers::default();
        let decoder = Arc::new(GithubDecode::new(&*self.entropy));
        providers.add_decoder(ProviderKind::Github, decoder);
        let hooks = Arc::clone(&self.log) as Arc<dyn Hooks>;
        providers.add_instance(samples::github(), hooks);
        let ports = Arc::new(Ports {
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            seal: Arc::new(OneToken),
            providers,
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            entropy: Arc::clone(&self.entropy) as _,
            public_url: "http://127.0.0.1:8080".to_owned(),
        });
        let (pool, _) = Pool::new(Arc::clone(&ports), NOTICE);
        let all = self.store.connection_ids().ready().unwrap();
        let (settings, delivered) = (self.settings.clone(), Box::new(|_| {}));
        let started = Reconciler::start((ports, pool), settings, all, delivered).await;
        self.reconciler = Some(started.unwrap());
    }

    /// The process dies where it is.
    async fn kill(&mut self) {
        if let Some(reconciler) = self.reconciler.take() {
            reconciler.working.abort();
            tokio::task::yield_now().await;
        }
        self.store.mend();
    }

    async fn restart(&mut self) {
        self.kill().await;
        self.start().await;
    }

    /// A user requests a reconcile, now.
    fn asks(&self) -> Timestamp {
        self.asks_since(None)
    }

    /// The same; the hook may not have got everything since a moment.
    fn asks_since(&self, unsent_since: Option<Timestamp>) -> Timestamp {
        let at = self.now();
        let asked = Asked {
            connection: CONNECTION,
            at,
            by: AskedBy::User,
            unsent_since,
        };
        self.store.writes(Change::AskReconcile(asked));
        self.reconciler.as_ref().unwrap().asked();
        at
    }

    /// Ingress refuses a delivery that may be authentic.
    fn refuses(&self) {
        self.reconciler.as_ref().unwrap().refused(CONNECTION);
    }

    /// The same; waits until one that began later has ended.
    async fn reconcile(&self) {
        let at = self.asks();
        self.until(|world| world.ledger().answered >= Some(at))
            .await;
    }

    /// The same; it fails.
    async fn reconciles_in_vain(&self) {
        let before = self.ledger().last_error;
        self.asks();
        self.until(|world| world.ledger().last_error != before)
            .await;
    }

    /// Waits, in virtual time.
    async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        for polls in 0..100_000 {
            if is_so(self) {
                return;
            }
            let pause = if polls < 2_000 { 500 } else { 20_000 };
            self.passes(Duration::from_millis(pause)).await;
        }
        panic!("it never came true: {:?}", self.ledger());
    }

    /// The same; the process starts again when it died, once.
    async fn until_also_killed(&mut self, is_so: impl Fn(&Self) -> bool) {
        for polls in 0.. {
            if is_so(self) {
                return;
            }
            if self.store.strikes() > 0 && self.store.is_broken() {
                self.restart().await;
            }
            let pause = if polls < 2_000 { 500 } else { 20_000 };
            self.passes(Duration::from_millis(pause)).await;
        }
    }

    async fn passes(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn ledger(&self) -> Ledger {
        let found = self.store.ledger(CONNECTION).ready().unwrap();
        found.unwrap_or_else(|| Ledger::new(CONNECTION, ANN, Timestamp(0)))
    }

    fn gaps(&self) -> Vec<Gap> {
        let of = Of::Connection(CONNECTION);
        self.store
            .gaps(of, After::first(100))
            .ready()
            .unwrap()
            .items
    }

    /// The incidents that are not resolved.
    fn incidents(&self) -> Vec<Incident> {
        let about = Subject::Connection(CONNECTION);
        self.store.unresolved_incidents(about).ready().unwrap()
    }

    /// Missed, recovered, outstanding, and those that are lost by reason.
    fn account(&self) -> (u64, u64, u64, Vec<(Loss, u64)>) {
        let totals = self.ledger().totals;
        let outstanding = totals.outstanding();
        let lost: BTreeMap<Loss, u64> = totals.unrecoverable;
        let of_owner = self.store.gap_totals(ANN).ready().unwrap();
        assert_eq!(of_owner.missed, totals.missed, "the owner's totals");
        (
            totals.missed,
            totals.recovered,
            outstanding,
            lost.into_iter().collect(),
        )
    }

    /// The stored deliveries, by the provider's id, each once.
    fn stored(&self) -> BTreeMap<String, Delivery> {
        let of = Of::Connection(CONNECTION);
        let all = self.store.deliveries(of, After::first(100_000));
        let all = all.ready().unwrap().items;
        let count = all.len();
        let by_id = all
            .into_iter()
            .map(|it| (it.provider_delivery_id.clone(), it));
        let by_id: BTreeMap<_, _> = by_id.collect();
        assert_eq!(by_id.len(), count, "none twice");
        by_id
    }

    fn is_stored(&self, guid: &str) -> bool {
        let known = self.store.delivery_known(CONNECTION, guid, &[]);
        known.ready().unwrap().is_some()
    }

    /// A delivery that is sent and arrives. Returns its id.
    async fn delivered(&mut self) -> String {
        let guid = self.log.sends(Some(200));
        self.arrives(&guid).await;
        guid
    }

    /// What ingress does with a delivery.
    async fn arrives(&mut self, guid: &str) {
        self.received += 1;
        let now = self.now();
        let delivery = Delivery {
            id: DeliveryId::generate(now, &*self.entropy),
            provider_delivery_id: guid.to_owned(),
            received_at: now,
            source: Source::Webhook,
            ..samples::delivery(self.received, CONNECTION)
        };
        let insert = Change::InsertDelivery(Box::new(delivery), samples::payload("{}"));
        self.commit(vec![insert]).await;
    }
}
