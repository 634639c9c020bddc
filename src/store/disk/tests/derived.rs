//! What is derived is believed only when every byte of it is as it was left.

use super::*;
use crate::store::snapshot;
use crate::store::view::Failure;

fn all_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all_files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

pub(super) fn copy(from: &Path, to: &Path) {
    for path in all_files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&path, target).unwrap();
    }
}

/// A store with a view, two snapshots and forgotten deliveries, ended orderly.
struct Filled {
    dir: tempfile::TempDir,
    digest: [u8; 32],
}

fn filled() -> Filled {
    let (dir, store) = new_store();
    for n in 0..30 {
        insert(&store, n).unwrap();
        wait(store.commit(processed(n))).unwrap();
        if n % 10 == 9 {
            let forget = Change::ForgetDelivery(delivery(n - 5).id);
            wait(store.commit(Batch::of(vec![forget]))).unwrap();
            let at = store.shared.applied();
            snapshot::write(&snapshot_dir(dir.path()), at, &store.index.kv).unwrap();
        }
    }
    let digest = store.digest().unwrap();
    store.close();
    Filled { dir, digest }
}

/// Opens a harmed copy: nothing is missing, and it was told unless nothing was changed.
fn check(filled: &Filled, what: &str, harm: impl FnOnce(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    copy(filled.dir.path(), dir.path());
    harm(dir.path());
    let (store, report) = open(dir.path());
    assert_eq!(store.digest().unwrap(), filled.digest, "{what}");
    assert!(!report.harmed.is_empty(), "{what}: it was not told");
    assert!(store.status().damaged > 0, "{what}");
    for n in [0, 4, 14, 29] {
        let again = insert(&store, n);
        let is_known = matches!(again, Err(CommitError::Conflict(_)));
        assert!(is_known, "{what}: {n} was taken twice");
    }
    crash(store);
}

/// A place among all bytes of some files.
fn place(files: &[PathBuf], at: u64) -> (PathBuf, usize) {
    let mut left = at % files.iter().map(|path| size(path)).sum::<u64>();
    for path in files {
        if left < size(path) {
            return (path.clone(), usize::try_from(left).unwrap());
        }
        left -= size(path);
    }
    unreachable!("it is less than all of them")
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

fn derived(dir: &Path) -> Vec<PathBuf> {
    [all_files(&view_dir(dir)), all_files(&snapshot_dir(dir))].concat()
}

/// Numbers that are spread evenly, whatever their count is.
fn spread(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16)
}

fn flips(part: u64, parts: u64) {
    let filled = filled();
    for at in spread(1000)
        .skip(usize::try_from(part).unwrap())
        .step_by(usize::try_from(parts).unwrap())
    {
        let what = format!("bit {} of byte {at}", at % 8);
        check(&filled, &what, |dir| {
            let (path, at) = place(&derived(dir), at);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(path, bytes).unwrap();
        });
    }
}

// A thousand flips in four parts, which run beside each other.
#[test]
fn one_flipped_bit_in_view_or_snapshots_costs_nothing_and_is_told_1() {
    flips(0, 4);
}

#[test]
fn one_flipped_bit_in_view_or_snapshots_costs_nothing_and_is_told_2() {
    flips(1, 4);
}

#[test]
fn one_flipped_bit_in_view_or_snapshots_costs_nothing_and_is_told_3() {
    flips(2, 4);
}

#[test]
fn one_flipped_bit_in_view_or_snapshots_costs_nothing_and_is_told_4() {
    flips(3, 4);
}

#[test]
fn a_file_of_view_or_snapshots_that_was_cut_costs_nothing_and_is_told() {
    let filled = filled();
    for at in spread(100) {
        let what = format!("cut at {at}");
        check(&filled, &what, |dir| {
            let (path, at) = place(&derived(dir), at);
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(path, &bytes[..at]).unwrap();
        });
    }
}

#[test]
fn a_file_of_the_view_that_is_gone_or_new_costs_nothing_and_is_told() {
    let filled = filled();
    check(&filled, "gone", |dir| {
        std::fs::remove_file(view_dir(dir).join("db")).unwrap();
    });
    check(&filled, "new", |dir| {
        std::fs::write(view_dir(dir).join("snap.0000000000000001"), "").unwrap();
    });
}

/// A view that gives back less than it was given is found out before a snapshot could make the
/// loss last, and is made anew.
#[test]
fn a_view_that_lost_an_entry_is_noticed_and_made_anew() {
    let (dir, store) = new_store();
    (0..30).for_each(|n| insert(&store, n).unwrap());
    let digest = store.digest().unwrap();
    let key =
        crate::store::index::key::Key::of(crate::store::index::key::Kind::DeliveryByProviderId);
    let key = key.id(CONNECTION.as_u128()).hashed(b"guid-7");
    assert!(store.index.kv.get(key.bytes()).unwrap().is_some());
    store.index.kv.lose(key.bytes());
    let at = store.shared.applied();
    snapshot::write(&snapshot_dir(dir.path()), at, &store.index.kv).unwrap_err();
    assert_eq!(snapshot::list(&snapshot_dir(dir.path())).unwrap(), []);
    until("it is not made anew", || store.digest() == Ok(digest));
    assert!(store.status().damaged > 0);
    assert!(matches!(insert(&store, 7), Err(CommitError::Conflict(_))));
    snapshot::write(&snapshot_dir(dir.path()), at, &store.index.kv).unwrap();
}

/// What an orderly end left is read as a whole soon after the start.
#[test]
fn a_view_that_was_trusted_is_read_as_a_whole() {
    let filled = filled();
    let options = Options {
        upkeep_interval: Duration::from_millis(200),
        ..options()
    };
    let (store, report) = open_with(filled.dir.path(), &options, Arc::new(RealDisk));
    assert!(!report.is_rebuilt);
    let key = crate::store::index::key::Key::of(crate::store::index::key::Kind::Delivery);
    store
        .index
        .kv
        .lose(key.id(delivery(8).id.as_u128()).bytes());
    until("it is not found", || store.status().damaged > 0);
    until("it is not made anew", || {
        store.digest() == Ok(filled.digest)
    });
}

/// A value that is not what was written is damage, and never absence or another value.
#[test]
fn a_value_that_was_changed_is_noticed_as_it_is_read() {
    let (_dir, store) = new_store();
    insert(&store, 7).unwrap();
    let key =
        crate::store::index::key::Key::of(crate::store::index::key::Kind::DeliveryByProviderId);
    let key = key.id(CONNECTION.as_u128()).hashed(b"guid-7");
    store.index.kv.harm(key.bytes());
    // The guard is asked, and nothing is taken for new.
    until("it is not made anew", || {
        matches!(insert(&store, 7), Err(CommitError::Conflict(_)))
    });
    assert!(store.status().damaged > 0);
}

/// What is written beside a walk over everything is counted right.
#[test]
fn a_walk_over_everything_goes_well_while_others_write() {
    let (_dir, store) = new_store();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..300 {
                insert(&store, n).unwrap();
                if n % 3 == 0 {
                    wait(store.commit(processed(n))).unwrap();
                    let forget = Change::ForgetDelivery(delivery(n).id);
                    wait(store.commit(Batch::of(vec![forget]))).unwrap();
                }
            }
            is_over.store(true, Ordering::Relaxed);
        });
        // Two at once, as when a snapshot is written while the view is looked over.
        let walk = || {
            let mut walks = 0;
            while !is_over.load(Ordering::Relaxed) {
                store.index.kv.walk(&mut |_| Ok(())).unwrap();
                walks += 1;
            }
            walks
        };
        let other = scope.spawn(walk);
        assert!(walk() > 0 && other.join().unwrap() > 0);
    });
    assert_eq!(store.status().damaged, 0);
}

/// A digest of all keys.
fn keys(kv: &impl crate::store::index::Kv) -> String {
    let mut keys = blake3::Hasher::new();
    let mut take = |entries: crate::store::index::Entries| {
        for (key, _) in entries {
            keys.update(&key);
        }
        Ok(())
    };
    kv.walk(&mut take).unwrap();
    keys.finalize().to_hex()[..16].to_owned()
}

/// A directory of version 0.1 opens, its view is made anew, and what its snapshot says is what the
/// journal says, in the form of today and by its records.
#[test]
fn a_store_of_version_0_1_opens() {
    use crate::store::memory::MemoryKv;
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data-0.1");
    let dir = tempfile::tempdir().unwrap();
    copy(&fixture, dir.path());
    let (store, report) = open(dir.path());
    assert!(report.is_rebuilt && report.is_whole() && !report.is_new);
    assert_eq!(report.harmed, Vec::<String>::new());
    let connection = store.connection_ids().ready().unwrap()[0];
    let page = store
        .deliveries(Of::Connection(connection), After::first(100))
        .ready();
    let page = page.unwrap();
    assert_eq!(page.items.len(), 15);
    for delivery in &page.items {
        assert!(store.payload(delivery.id).ready().unwrap().is_some());
    }
    // A snapshot of it leads to the same.
    let whole = keys(&store.index.kv);
    let index = Index::new(MemoryKv::default());
    let mut take = |entries: crate::store::index::Entries| {
        let mut entries = entries.into_iter();
        entries.try_for_each(|(key, value)| index.restore(key, value))
    };
    store.index.kv.walk(&mut take).unwrap();
    assert_eq!(keys(&index.kv), whole);
    crash(store);
    // Without its snapshot the journal says the same.
    std::fs::remove_dir_all(snapshot_dir(dir.path())).unwrap();
    let (store, _) = open(dir.path());
    assert_eq!(keys(&store.index.kv), whole);
    end(store);
    let (_store, report) = open(dir.path());
    assert!(!report.is_rebuilt);
}

/// Whoever changes which keys are written adds one to the form, or entries of older snapshots are
/// taken for what they are not.
#[test]
fn the_keys_of_a_form_do_not_change_by_accident() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data-0.1");
    let dir = tempfile::tempdir().unwrap();
    copy(&fixture, dir.path());
    std::fs::remove_dir_all(snapshot_dir(dir.path())).unwrap();
    let (store, _) = open(dir.path());
    let keys = keys(&store.index.kv);
    assert_eq!(
        (crate::store::index::FORMAT, keys.as_str()),
        (11, "1d8eb5771f348d8f")
    );
}

#[test]
fn a_harmed_value_has_the_view_made_anew_and_readers_never_see_a_part_of_it() {
    let (_dir, store) = new_store();
    for n in 0..200 {
        insert(&store, n).unwrap();
    }
    let store = Arc::new(store);
    let is_over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let reader = std::thread::spawn({
        let (store, is_over) = (Arc::clone(&store), Arc::clone(&is_over));
        move || {
            let (mut whole, mut refused) = (0, 0);
            while !is_over.load(Ordering::Relaxed) || whole == 0 {
                match store.pending(CONNECTION, 1000).ready() {
                    Ok(all) => {
                        assert_eq!(all.len(), 200, "a part of it was seen");
                        whole += 1;
                    }
                    Err(ReadError::Unavailable(_)) => refused += 1,
                    Err(error @ ReadError::Damaged { .. }) => panic!("{error}"),
                }
            }
            (whole, refused)
        }
    });
    let key = crate::store::index::key::Key::of(crate::store::index::key::Kind::Delivery);
    let key = key.id(delivery(7).id.as_u128()).bytes().to_vec();
    let rubbish = vec![(key, Some(vec![9; 30]))];
    store.index.kv.apply(rubbish).unwrap();
    // Whoever comes first is refused: this thread or the reader.
    let mut refused = 0;
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while store.delivery(delivery(7).id).ready() != Ok(Some(delivery(7))) {
        refused += 1;
        assert!(std::time::Instant::now() < deadline, "it was not mended");
    }
    is_over.store(true, Ordering::Relaxed);
    let (whole, refused_too) = reader.join().unwrap();
    assert!(whole > 0 && refused + refused_too > 0);
    insert(&store, 200).unwrap();
    assert!(is_there(&store, 200));
}

/// Ways in which sled's disk fails.
const FAILURES: [Failure; 3] = [
    Failure::Error("No space left on device (os error 28)"),
    Failure::Error("Input/output error (os error 5)"),
    Failure::Panic,
];

/// Inserts deliveries in one batch.
fn insert_all(store: &DiskStore, numbers: std::ops::Range<u32>) -> Result<(), CommitError> {
    let insert = |n| Change::InsertDelivery(Box::new(delivery(n)), payload(n));
    wait(store.commit(Batch::of(numbers.map(insert).collect())))
}

fn assert_all_there(store: &DiskStore, count: u32, what: &str) {
    for n in 0..count {
        let found = store.delivery(delivery(n).id).ready();
        assert_eq!(found, Ok(Some(delivery(n))), "{what}: {n}");
    }
    let last = store.payload(delivery(count - 1).id).ready();
    assert_eq!(last, Ok(Some(payload(count - 1))), "{what}");
    assert_eq!(store.status().trouble, None, "{what}");
}

#[test]
fn a_disk_that_fails_while_the_view_is_written_behind_costs_nothing() {
    for failure in FAILURES {
        // The last is behind the first runs; it takes the longest.
        let places = [0, 1, 80];
        let few = if crate::histories::are_few() { 2 } else { 3 };
        for after in &places[..few] {
            let what = format!("{failure:?} after {after} steps");
            let (dir, store) = new_store();
            store.index.kv.breaks(*after, failure);
            let mut count = 0;
            while !store.index.kv.is_broken() {
                insert_all(&store, count..count + 500).expect("it is durable all the same");
                count += 500;
            }
            assert_all_there(&store, count, &what);
            insert_all(&store, count..count + 1).unwrap();
            let digest = store.digest().unwrap();
            end(store);
            let (store, _) = open(dir.path());
            assert_eq!(store.digest().unwrap(), digest, "{what}");
            crash(store);
        }
    }
}

#[test]
fn a_disk_that_fails_while_the_view_is_written_out_costs_nothing() {
    for failure in FAILURES {
        let what = format!("{failure:?}");
        let (dir, store) = new_store();
        insert_all(&store, 0..400).unwrap();
        insert_all(&store, 400..401).unwrap();
        // For an orderly end: the next start rebuilds it.
        store.index.kv.breaks(3, failure);
        end(store);
        let (store, _) = open(dir.path());
        assert_all_there(&store, 401, &what);
        crash(store);
    }
}
