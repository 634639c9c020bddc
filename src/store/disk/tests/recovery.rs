//! Stores that come back after something happened to them.

use super::*;
use crate::domain::time::Clock;
use crate::store::disk::retain::bytes_since_snapshot;
use crate::store::snapshot;
use std::time::Instant;

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).unwrap();
}

/// The segment that is being written.
fn last_segment(dir: &Path) -> std::path::PathBuf {
    let ids = list_segments(&journal_dir(dir)).unwrap().ids;
    segment_path(&journal_dir(dir), *ids.last().unwrap())
}

/// The last segment too is damaged in its middle, and no reason to accept nothing.
#[test]
fn a_store_with_a_flipped_bit_anywhere_accepts_new_deliveries() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        segment_bytes: 1 << 20,
        ..options()
    };
    let (store, _) = open_with(dir.path(), &options, Arc::new(RealDisk));
    (0..5).for_each(|n| insert(&store, n).unwrap());
    crash(store);
    flip(&last_segment(dir.path()), 1500);
    for n in 5..8 {
        let (store, report) = open_with(dir.path(), &options, Arc::new(RealDisk));
        assert_eq!(report.damage.len(), 1);
        insert(&store, n).unwrap();
        let lost = (0..=n).filter(|n| !is_there(&store, *n)).count();
        assert_eq!(lost, 1);
        crash(store);
    }
}

#[test]
fn after_a_failure_nothing_is_accepted_until_what_was_written_reads_back() {
    const NEVER: i64 = i64::MAX / 2;
    let dir = tempfile::tempdir().unwrap();
    // The first sync is that of the header.
    let disk = FailingDisk::new(NEVER, 3, 1, io::ErrorKind::Other);
    let (store, _) = open_with(dir.path(), &options(), Arc::new(disk));
    insert(&store, 1).unwrap();
    insert(&store, 2).unwrap();
    let written = last_segment(dir.path());
    flip(&written, 100);
    assert_eq!(insert(&store, 3), Err(CommitError::Failed));
    let end = std::time::Instant::now() + 10 * options().heal_interval;
    while std::time::Instant::now() < end {
        assert_eq!(insert(&store, 3), Err(CommitError::Failed));
    }
    assert_eq!(
        store.status().trouble.as_deref(),
        Some("the journal cannot be written")
    );
    flip(&written, 100);
    until("it never healed", || insert(&store, 3).is_ok());
    // And what failed is never written again.
    assert_ne!(last_segment(dir.path()), written);
    assert!((1..=3).all(|n| is_there(&store, n)));
}

#[test]
fn an_end_in_trouble_is_no_orderly_end() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FailingDisk::new(2, i64::MAX / 2, i64::MAX / 4, io::ErrorKind::Other);
    let (store, _) = open_with(dir.path(), &options(), Arc::new(disk));
    insert(&store, 1).unwrap();
    insert(&store, 2).unwrap_err();
    end(store);
    let (store, report) = open(dir.path());
    assert!(report.is_rebuilt && is_there(&store, 1));
}

#[test]
fn a_view_of_another_time_is_not_trusted() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, _) = open(dir.path());
    insert(&store, 1).unwrap();
    end(store);
    for entry in std::fs::read_dir(view_dir(dir.path())).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
    }
    let (store, report) = open(dir.path());
    assert!(!report.is_rebuilt);
    let marker = view_dir(dir.path()).join("clean");
    assert!(
        !marker.exists(),
        "from now on only another orderly end will do"
    );
    insert(&store, 2).unwrap();
    crash(store);
    // Somebody restores the directory of the view from a backup.
    std::fs::remove_dir_all(view_dir(dir.path())).unwrap();
    std::fs::rename(copy.path(), view_dir(dir.path())).unwrap();
    assert!(marker.exists());
    let (store, report) = open(dir.path());
    assert!(report.is_rebuilt);
    assert_eq!(store.pending(CONNECTION, 10).ready().unwrap().len(), 2);
}

/// A store whose journal has grown since its snapshots, all in one segment.
fn with_snapshots(dir: &Path) -> [u8; 32] {
    let options = Options {
        segment_bytes: 1 << 20,
        snapshot_bytes: 3000,
        upkeep_interval: Duration::from_millis(1),
        ..options()
    };
    let (store, _) = open_with(dir, &options, Arc::new(RealDisk));
    connect(&store, CONNECTION);
    let count = || snapshot::list(&snapshot_dir(dir)).unwrap().len();
    for n in 0..8 {
        let had = count();
        for part in 0..4 {
            insert(&store, n * 4 + part).unwrap();
        }
        until("no snapshot was taken", || count() > had || had >= 2);
    }
    insert(&store, 100).unwrap();
    let digest = store.digest().unwrap();
    crash(store);
    digest
}

#[test]
fn the_journal_goes_on_where_the_snapshot_ends_and_a_harmed_snapshot_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let digest = with_snapshots(dir.path());
    let snapshots = snapshot::list(&snapshot_dir(dir.path())).unwrap();
    assert!(snapshots.len() >= 2, "{snapshots:?}");
    let (store, report) = open(dir.path());
    assert_eq!((store.digest().unwrap(), report.damage.len()), (digest, 0));
    crash(store);
    for (count, (_, path)) in snapshots.iter().rev().enumerate() {
        flip(path, 60);
        let (store, report) = open(dir.path());
        assert_eq!(store.digest().unwrap(), digest);
        assert_eq!(report.harmed.len(), count + 1, "each is told");
        crash(store);
    }
}

/// Otherwise a large journal would get a snapshot after each start.
#[test]
fn after_a_start_a_snapshot_is_due_for_what_came_since_the_last_one() {
    let dir = tempfile::tempdir().unwrap();
    with_snapshots(dir.path());
    let (store, _) = open(dir.path());
    let all = store.status().journal_bytes;
    let since = bytes_since_snapshot(dir.path()).unwrap();
    let (newest, _) = snapshot::list(&snapshot_dir(dir.path()))
        .unwrap()
        .pop()
        .unwrap();
    assert!(newest.segment == 1 && newest.offset > 3000);
    assert_eq!(since, all - newest.offset);
    insert(&store, 101).unwrap();
    let more = store.status().journal_bytes - all;
    assert_eq!(bytes_since_snapshot(dir.path()).unwrap(), since + more);
    crash(store);
    std::fs::remove_dir_all(snapshot_dir(dir.path())).unwrap();
    std::fs::create_dir(snapshot_dir(dir.path())).unwrap();
    assert_eq!(bytes_since_snapshot(dir.path()).unwrap(), all + more);
}

/// Counts how often upkeep looks at it.
#[derive(Default)]
struct Passes(AtomicI64);

impl Clock for Passes {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Otherwise a large store at rest would be written again every ten seconds.
#[test]
fn a_journal_that_is_too_large_gets_one_snapshot_while_nothing_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Passes::default());
    let options = Options {
        snapshot_bytes: u64::MAX,
        environment: Environment {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            ..Environment::default()
        },
        ..keeping_little(1, 0)
    };
    let (store, _) = open_with(dir.path(), &options, Arc::new(RealDisk));
    let only = || snapshot::list(&snapshot_dir(dir.path())).unwrap().pop();
    until("no snapshot", || only().is_some());
    let written = || only().unwrap().1.metadata().unwrap().modified().unwrap();
    let (first, passes) = (written(), clock.0.load(Ordering::Relaxed));
    until("upkeep rests", || {
        clock.0.load(Ordering::Relaxed) > passes + 50
    });
    assert_eq!(written(), first);
    drop(store);
}

/// The view is read as a whole after a start, with pauses, for a long time: so long no snapshot may
/// be missing.
#[test]
fn a_snapshot_that_is_due_does_not_wait_until_the_view_was_read() {
    let (dir, store) = new_store();
    // Sixty steps of reading, with a pause after each.
    for n in (0..7_500).step_by(100) {
        let some = (n..n + 100).flat_map(|n| insertion(n).changes);
        wait(store.commit(Batch::of(some.collect()))).unwrap();
    }
    end(store);
    let bytes = std::fs::read_dir(journal_dir(dir.path())).unwrap();
    let bytes: u64 = bytes
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    let options = Options {
        upkeep_interval: Duration::from_millis(1),
        snapshot_bytes: bytes + 10_000,
        ..options()
    };
    let (store, _) = open_with(dir.path(), &options, Arc::new(RealDisk));
    let begun = Instant::now();
    for n in 8_000..8_020 {
        insert(&store, n).unwrap();
    }
    while snapshot::list(&snapshot_dir(dir.path()))
        .unwrap()
        .is_empty()
    {
        assert!(
            begun.elapsed() < Duration::from_secs(8),
            "it waits for its end"
        );
        std::thread::park_timeout(Duration::from_millis(5));
    }
    crash(store);
}

/// A delivery that retention may take.
fn done(n: u32) -> Delivery {
    let state = DeliveryState::Processed {
        at: Timestamp(1),
        outcome: Outcome::Recorded,
    };
    Delivery {
        state,
        ..delivery(n)
    }
}

fn insert_done(store: &DiskStore, all: std::ops::Range<u32>) {
    for n in all {
        let batch = Batch::of(vec![Change::InsertDelivery(Box::new(done(n)), payload(n))]);
        wait(store.commit(batch)).unwrap();
    }
}

/// Without news there is no second snapshot, before which a segment could be taken.
fn something_comes(store: &DiskStore) {
    let user = samples::user(UserId::from_u128(9), "ann");
    wait(store.commit(Batch::of(vec![Change::PutUser(user)]))).unwrap();
}

/// What two snapshots far from each other keep is no reason to wait until the journal has grown by
/// a quarter: the next snapshot frees it.
#[test]
fn a_journal_that_grew_between_two_snapshots_is_in_bounds_after_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let newest = || {
        let all = snapshot::list(&snapshot_dir(dir.path())).unwrap();
        all.last().map(|(at, _)| *at)
    };
    let (store, _) = open_with(dir.path(), &keeping_little(u64::MAX, 0), Arc::new(RealDisk));
    connect(&store, CONNECTION);
    for _ in 0..2 {
        let before = newest();
        until("a snapshot", || {
            something_comes(&store);
            newest() != before
        });
    }
    end(store);
    let (store, _) = open(dir.path());
    insert_done(&store, 0..100);
    end(store);
    let before = newest();
    let options = Options {
        snapshot_bytes: u64::MAX,
        ..keeping_little(8192, 3)
    };
    let (store, _) = open_with(dir.path(), &options, Arc::new(RealDisk));
    until("a snapshot", || newest() != before);
    assert!(store.status().journal_bytes > 20_000);
    something_comes(&store);
    until("it stays too large", || {
        store.status().journal_bytes < 20_000
    });
}

#[test]
fn a_quiet_connection_keeps_its_last_deliveries_however_noisy_the_others_are() {
    let dir = tempfile::tempdir().unwrap();
    let options = keeping_little(8192, 3);
    let (store, _) = open_with(dir.path(), &options, Arc::new(RealDisk));
    connect(&store, CONNECTION);
    connect(&store, ConnectionId::from_u128(2));
    for n in 0..5 {
        let connection = ConnectionId::from_u128(2);
        let quiet = Delivery {
            connection,
            ..done(n)
        };
        let batch = Batch::of(vec![Change::InsertDelivery(Box::new(quiet), payload(n))]);
        wait(store.commit(batch)).unwrap();
    }
    insert_done(&store, 5..100);
    until("retention does not come to an end", || {
        something_comes(&store);
        store.status().journal_bytes < 20_000
    });
    let kept: Vec<u32> = (0..5).filter(|n| is_there(&store, *n)).collect();
    assert_eq!(kept, [2, 3, 4]);
}

#[test]
fn a_segment_whose_creation_was_cut_off_is_no_damage() {
    for torn in [&[][..], &[7; 10], &[0; 32], &[7; 32], &[0; 4096]] {
        let (dir, store) = new_store();
        insert(&store, 0).unwrap();
        crash(store);
        let ids = list_segments(&journal_dir(dir.path())).unwrap().ids;
        let next = segment_path(&journal_dir(dir.path()), ids.last().unwrap() + 1);
        std::fs::write(next, torn).unwrap();
        for n in 1..4 {
            let (store, report) = open(dir.path());
            assert_eq!((report.damage, report.unreadable), (vec![], 0), "{torn:?}");
            insert(&store, n).unwrap();
            assert!((0..=n).all(|n| is_there(&store, n)));
            crash(store);
        }
    }
}

#[test]
fn a_header_that_is_harmed_while_deliveries_are_behind_it_is_told() {
    let (dir, store) = new_store();
    insert(&store, 0).unwrap();
    crash(store);
    flip(&last_segment(dir.path()), 5);
    for n in 1..3 {
        let (store, report) = open(dir.path());
        assert_eq!(report.damage.len(), 1);
        insert(&store, n).unwrap();
        assert!((0..=n).all(|n| is_there(&store, n)), "it costs nothing");
        crash(store);
    }
}

/// Whoever processes a delivery while retention is carrying it forward wins.
#[test]
fn what_is_processed_while_it_is_carried_forward_stays_processed() {
    let dir = tempfile::tempdir().unwrap();
    let options = keeping_little(4096, 0);
    let (store, _) = open_with(dir.path(), &options, Arc::new(RealDisk));
    connect(&store, CONNECTION);
    for round in 0..8 {
        let all = round * 60..(round + 1) * 60;
        all.clone().for_each(|n| insert(&store, n).unwrap());
        all.for_each(|n| wait(store.commit(processed(n))).unwrap());
    }
    assert_eq!(store.pending(CONNECTION, 1000).ready().unwrap(), []);
    store.close();
    let journal = journal_dir(dir.path());
    let sizes = list_segments(&journal).unwrap().ids.into_iter();
    let size = |id| std::fs::metadata(segment_path(&journal, id)).unwrap().len();
    assert_eq!(store.status().journal_bytes, sizes.map(size).sum::<u64>());
    drop(store);
    let (store, _) = open(dir.path());
    assert_eq!(store.pending(CONNECTION, 1000).ready().unwrap(), []);
}

/// The guards of what retention took go by themselves when they are old, and stay gone.
#[test]
fn a_delivery_is_taken_anew_when_its_replay_guards_are_old() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = keeping_little(4096, 0);
    options.retention.guards_max_age = Duration::from_hours(1);
    let (store, _) = open_with(dir.path(), &options, Arc::new(RealDisk));
    connect(&store, CONNECTION);
    insert(&store, 0).unwrap();
    wait(store.commit(processed(0))).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    for n in 1.. {
        // What else comes is what makes retention look at the oldest segment.
        insert(&store, n).unwrap();
        wait(store.commit(processed(n))).unwrap();
        if insert(&store, 0).is_ok() {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "it is still guarded");
    }
    crash(store);
    let (store, _) = open(dir.path());
    let again = insert(&store, 0);
    assert!(
        matches!(again, Err(CommitError::Conflict(Conflict::Delivery(_)))),
        "and guarded anew: {again:?}"
    );
}
