//! The store on a real directory, with a disk that fails on demand.

mod derived;
pub(in crate::store) mod group;
mod missing;
mod people;
mod recovery;
mod strange;
mod stream;

use super::*;
use crate::domain::delivery::{Delivery, DeliveryState, Outcome};
use crate::domain::id::{ConnectionId, UserId};
use crate::domain::samples;
use crate::domain::time::Timestamp;
use crate::store::index::Kv as _;
use crate::store::journal::{Disk, RealDisk, list_segments, segment_path};
use crate::store::{After, Change, CommitError, Conflict, Guard, Of, Priority, Read};
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

/// Longer than since 1970, where the deliveries of these tests are dated.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

fn options() -> Options {
    Options {
        segment_bytes: 4096,
        snapshot_bytes: u64::MAX,
        ballast_bytes: 0,
        heal_interval: Duration::from_millis(5),
        retention: Retention::default(),
        upkeep_interval: Duration::from_hours(1),
        ..Options::default()
    }
}

pub(in crate::store) fn open(dir: &Path) -> (DiskStore, OpenReport) {
    open_with(dir, &options(), Arc::new(RealDisk))
}

/// The same with a snapshot and retention whenever there is something to do.
pub(in crate::store) fn open_busy(dir: &Path, max_bytes: u64) -> DiskStore {
    let options = Options {
        snapshot_bytes: 4096,
        retention: Retention {
            max_bytes,
            max_age: FOREVER,
            ..Retention::default()
        },
        upkeep_interval: Duration::from_millis(1),
        ..options()
    };
    open_with(dir, &options, Arc::new(RealDisk)).0
}

/// An empty store, and its directory.
pub(in crate::store) fn new_store() -> (tempfile::TempDir, DiskStore) {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    (dir, store)
}

/// Opens a store of which a part may be gone.
pub(in crate::store) fn open_accepting(dir: &Path) -> (DiskStore, OpenReport) {
    let options = Options {
        accept_loss: true,
        ..options()
    };
    open_with(dir, &options, Arc::new(RealDisk))
}

fn open_with(dir: &Path, options: &Options, disk: Arc<dyn Disk>) -> (DiskStore, OpenReport) {
    DiskStore::open_on(dir, options, disk).unwrap()
}

pub(in crate::store) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

const CONNECTION: ConnectionId = ConnectionId::from_u128(1);

pub(in crate::store) fn delivery(n: u32) -> Delivery {
    Delivery {
        id: DeliveryId::from_u128(u128::from(n) + 1),
        body_bytes: 1000,
        ..samples::delivery(n, CONNECTION)
    }
}

/// A body that does not compress away.
fn payload(n: u32) -> Payload {
    let mut body = vec![0; 1000];
    samples::noise(n.into(), &mut body);
    Payload {
        headers: vec![("x-test".into(), n.to_string())],
        body: body.into(),
    }
}

fn insertion(n: u32) -> Batch {
    let d = delivery(n);
    Batch {
        priority: Priority::Ingress,
        guards: vec![Guard::NewDelivery {
            connection: d.connection,
            provider_delivery_id: d.provider_delivery_id.clone(),
            body_digest: d.body_digest,
        }],
        changes: vec![Change::InsertDelivery(Box::new(d), payload(n))],
    }
}

pub(in crate::store) fn insert(store: &DiskStore, n: u32) -> Result<(), CommitError> {
    wait(store.commit(insertion(n)))
}

pub(in crate::store) fn processed(n: u32) -> Batch {
    let state = DeliveryState::Processed {
        at: Timestamp(1),
        outcome: Outcome::Recorded,
    };
    Batch::of(vec![Change::progress(Delivery {
        state,
        ..delivery(n)
    })])
}

pub(in crate::store) fn is_there(store: &DiskStore, n: u32) -> bool {
    store.payload(delivery(n).id).ready().unwrap() == Some(payload(n))
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn what_was_committed_is_there_after_an_orderly_end_and_after_a_crash() {
    let (dir, store) = new_store();
    (0..20).for_each(|n| insert(&store, n).unwrap());
    wait(store.commit(processed(3))).unwrap();
    let digest = store.digest().unwrap();
    end(store);

    let (store, report) = open(dir.path());
    assert!(
        !report.is_rebuilt,
        "an orderly end leaves a view that can be trusted"
    );
    assert_eq!(store.digest().unwrap(), digest);
    insert(&store, 20).unwrap();
    let digest = store.digest().unwrap();
    crash(store);

    let (store, report) = open(dir.path());
    assert!(report.is_rebuilt && report.damage.is_empty());
    assert_eq!(store.digest().unwrap(), digest);
    assert!((0..=20).all(|n| is_there(&store, n)));
    assert_eq!(store.pending(CONNECTION, 100).ready().unwrap().len(), 20);
    assert_eq!(
        store.connections_with_pending().ready().unwrap(),
        [CONNECTION]
    );
}

/// Ends a store in order.
pub(in crate::store) fn end(store: DiskStore) {
    store.close();
    drop(store);
}

/// Ends a store without its orderly end, and waits until its directory is free.
#[expect(clippy::needless_pass_by_value, reason = "a crash ends it")]
pub(in crate::store) fn crash(store: DiskStore) {
    let threads = store.threads.lock().take().unwrap();
    drop(threads.stop_upkeep);
    threads.upkeep.join().unwrap();
    store.shared.close();
    threads.committer.join().unwrap();
}

#[test]
fn a_delivery_is_stored_once_however_often_and_concurrently_it_comes() {
    let (_dir, store) = new_store();
    let answers: Vec<_> = (0..50).map(|_| store.commit(insertion(7))).collect();
    let results: Vec<_> = answers.into_iter().map(wait).collect();
    let conflict = Err(CommitError::Conflict(Conflict::Delivery(delivery(7).id)));
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
    assert_eq!(results.iter().filter(|r| **r == conflict).count(), 49);
    // The same body under another id, and the same id with another body.
    let mut other = insertion(8);
    other.guards[0] = Guard::NewDelivery {
        connection: CONNECTION,
        provider_delivery_id: "fresh".into(),
        body_digest: delivery(7).body_digest,
    };
    assert_eq!(wait(store.commit(other)), conflict);
}

#[test]
fn a_second_process_is_told_at_once_that_the_directory_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let (_store, _) = open(dir.path());
    let again = DiskStore::open(dir.path(), &options());
    assert!(matches!(again, Err(OpenError::InUse(_))));
}

#[test]
fn a_newer_store_is_refused_and_left_untouched() {
    let (dir, store) = new_store();
    insert(&store, 1).unwrap();
    end(store);
    let path = segment_path(&journal_dir(dir.path()), 1);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8] = 99;
    let crc = crc32fast::hash(&bytes[..28]);
    bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let again = DiskStore::open(dir.path(), &options());
    assert!(matches!(again, Err(OpenError::Journal(_))), "{again:?}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert!(
        view_dir(dir.path()).join("clean").exists(),
        "the view was not touched either"
    );
}

#[test]
fn a_flipped_bit_in_the_journal_costs_one_record_and_is_reported() {
    let (dir, store) = new_store();
    (0..20).for_each(|n| insert(&store, n).unwrap());
    crash(store);
    let ids = list_segments(&journal_dir(dir.path())).unwrap().ids;
    let path = segment_path(&journal_dir(dir.path()), ids[1]);
    let good = std::fs::read(&path).unwrap();
    for at in (32..good.len()).step_by(97) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, &bytes).unwrap();
        let (store, report) = open(dir.path());
        let lost = (0..20).filter(|n| !is_there(&store, *n)).count();
        assert_eq!((lost, report.damage.len()), (1, 1), "flipped at {at}");
        assert_eq!(store.status().damaged, 1);
        crash(store);
    }
}

#[test]
fn a_view_that_was_harmed_after_a_crash_does_not_matter() {
    let (dir, store) = new_store();
    (0..20).for_each(|n| insert(&store, n).unwrap());
    let digest = store.digest().unwrap();
    crash(store);
    for at in [0, 100, 5000] {
        let db = view_dir(dir.path()).join("db");
        let mut bytes = std::fs::read(&db).unwrap();
        let at = at % bytes.len().max(1);
        bytes[at] ^= 0xFF;
        std::fs::write(&db, &bytes).unwrap();
        let (store, _) = open(dir.path());
        assert_eq!(store.digest().unwrap(), digest);
        crash(store);
    }
}

#[test]
fn a_torn_tail_is_cut_and_counted_and_no_damage() {
    let (dir, store) = new_store();
    insert(&store, 1).unwrap();
    crash(store);
    let path = segment_path(&journal_dir(dir.path()), 1);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend([1, 2, 3, 4, 5]);
    std::fs::write(&path, &bytes).unwrap();
    let (store, report) = open(dir.path());
    assert_eq!((report.torn_bytes, report.damage.len()), (5, 0));
    assert!(is_there(&store, 1));
    insert(&store, 2).unwrap();
    crash(store);
    let (store, report) = open(dir.path());
    assert_eq!((report.torn_bytes, report.damage.len()), (0, 0));
    assert!(is_there(&store, 1) && is_there(&store, 2));
}

/// A disk whose writes or syncs fail after so many successes, for a while.
struct FailingDisk {
    writes_until: AtomicI64,
    syncs_until: AtomicI64,
    failures: i64,
    kind: io::ErrorKind,
}

impl FailingDisk {
    fn new(writes_until: i64, syncs_until: i64, failures: i64, kind: io::ErrorKind) -> Self {
        let (writes_until, syncs_until) = (writes_until.into(), syncs_until.into());
        Self {
            writes_until,
            syncs_until,
            failures,
            kind,
        }
    }

    fn fails(&self, counter: &AtomicI64) -> bool {
        let left = counter.fetch_sub(1, Ordering::SeqCst);
        left <= 0 && left > -self.failures
    }
}

impl Disk for FailingDisk {
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.fails(&self.writes_until) {
            // A short write: some of it lands.
            RealDisk.write_at(file, &bytes[..bytes.len() / 2], offset)?;
            return Err(self.kind.into());
        }
        RealDisk.write_at(file, bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        if self.fails(&self.syncs_until) {
            Err(self.kind.into())
        } else {
            RealDisk.sync(file)
        }
    }
}

/// Every write and every sync fails once, in turn: nothing acknowledged is lost, nothing refused
/// by a failing store comes back twice, and the store goes on by itself.
#[test]
fn any_single_failure_of_the_disk_costs_no_acknowledged_record() {
    const NEVER: i64 = i64::MAX / 2;
    for kind in [io::ErrorKind::Other, io::ErrorKind::StorageFull] {
        for nth in 0..14 {
            for (writes, syncs) in [(nth, NEVER), (NEVER, nth)] {
                let dir = tempfile::tempdir().unwrap();
                let disk = Arc::new(FailingDisk::new(writes, syncs, 1, kind));
                let (store, _) = open_with(dir.path(), &options(), disk);
                let mut acknowledged = Vec::new();
                for n in 0..10 {
                    let deadline = std::time::Instant::now() + Duration::from_secs(10);
                    while let Err(error) = insert(&store, n) {
                        let known = [CommitError::Failed, CommitError::DiskFull];
                        assert!(known.contains(&error), "{error}");
                        assert!(std::time::Instant::now() < deadline, "it never healed");
                    }
                    acknowledged.push(n);
                }
                crash(store);
                let (store, report) = open(dir.path());
                assert!(
                    acknowledged.iter().all(|n| is_there(&store, *n)),
                    "{kind} {nth}"
                );
                assert_eq!(
                    report.damage,
                    [],
                    "{kind} {nth}: a failed write is no damage"
                );
                let all = store
                    .deliveries(Of::Connection(CONNECTION), After::first(100))
                    .ready()
                    .unwrap();
                assert_eq!(all.items.len(), 10, "{kind} {nth}");
            }
        }
    }
}

/// Options under which retention works all the time, and takes deliveries at once.
fn keeping_little(max_bytes: u64, floor_per_connection: usize) -> Options {
    let retention = Retention {
        max_age: Duration::ZERO,
        max_bytes,
        floor_per_connection,
        history_max_age: FOREVER,
        guards_max_age: FOREVER,
        guards_per_connection: 0,
        guards_in_all: 0,
    };
    Options {
        snapshot_bytes: 1,
        upkeep_interval: Duration::from_millis(1),
        retention,
        ..options()
    }
}

/// Puts a connection that deliveries hang on.
fn connect(store: &DiskStore, id: ConnectionId) {
    let connection = group::connection(id.as_u128(), None, &format!("octo/app-{id}"));
    let change = Change::PutConnection(Box::new(connection));
    wait(store.commit(Batch::of(vec![change]))).unwrap();
}

#[test]
fn retention_gives_space_back_and_keeps_what_must_be_kept() {
    let dir = tempfile::tempdir().unwrap();
    let options = keeping_little(8192, 3);
    let (store, _) = open_with(dir.path(), &options, Arc::new(RealDisk));
    connect(&store, CONNECTION);
    for n in 0..100 {
        insert(&store, n).unwrap();
        if n != 5 {
            wait(store.commit(processed(n))).unwrap();
        }
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let snapshots = || crate::store::snapshot::list(&snapshot_dir(dir.path())).unwrap();
    while store.status().journal_bytes > 20_000 {
        // The two newest snapshots keep what was written between them. Where nothing more is
        // written there is no further one.
        let newest = snapshots().pop();
        connect(&store, CONNECTION);
        while snapshots().pop() == newest {
            assert!(std::time::Instant::now() < deadline, "{:?}", store.status());
            std::thread::yield_now();
        }
    }
    assert!(is_there(&store, 5), "what was not processed stays");
    assert!((97..100).all(|n| is_there(&store, n)), "the floor stays");
    assert!(!is_there(&store, 50), "the rest goes");
    let first = list_segments(&journal_dir(dir.path())).unwrap().ids[0];
    let kept = snapshots();
    let mut kept = kept.iter().rev().take(2);
    assert!(
        kept.all(|(position, _)| position.segment >= first),
        "from both of the newest snapshots the store can be made anew"
    );
    assert_eq!(
        insert(&store, 50),
        Err(CommitError::Conflict(Conflict::Delivery(delivery(50).id))),
        "the replay guard outlives the payload"
    );
    crash(store);
    let (store, report) = open(dir.path());
    assert_eq!(report.damage, []);
    assert!(is_there(&store, 5) && is_there(&store, 99));
    crash(store);
    // The newest snapshot is harmed: the one before it will do, replay guards and all.
    std::fs::write(&snapshots().last().unwrap().1, "harmed").unwrap();
    let (store, report) = open(dir.path());
    assert_eq!((report.damage.len(), report.harmed.len()), (0, 1));
    for n in 0..100 {
        assert!(
            matches!(insert(&store, n), Err(CommitError::Conflict(_))),
            "{n}"
        );
    }
    assert!(is_there(&store, 5) && is_there(&store, 99));
}

/// One that is restarted every few seconds would otherwise never keep its bounds.
#[test]
fn a_store_that_was_just_opened_does_not_wait_long_for_its_upkeep() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        upkeep_interval: Duration::from_mins(2),
        ..keeping_little(8192, 3)
    };
    let (store, _) = open_with(dir.path(), &options, Arc::new(RealDisk));
    connect(&store, CONNECTION);
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    let snapshots = || crate::store::snapshot::list(&snapshot_dir(dir.path())).unwrap_or_default();
    while snapshots().is_empty() {
        assert!(std::time::Instant::now() < deadline, "{:?}", store.status());
        std::thread::yield_now();
    }
}

#[test]
fn users_come_back_too() {
    let (dir, store) = new_store();
    let id = UserId::from_u128(9);
    let user = samples::user(id, "ann");
    let batch = Batch::of(vec![Change::PutUser(user.clone())]);
    let guarded = batch.guarded_by(Guard::NewUser { name: "ann".into() });
    wait(store.commit(guarded.clone())).unwrap();
    assert_eq!(
        wait(store.commit(guarded)),
        Err(CommitError::Conflict(Conflict::User(id)))
    );
    crash(store);
    let (store, _) = open(dir.path());
    assert_eq!(store.user_by_name("ann").ready().unwrap(), Some(user));
}
