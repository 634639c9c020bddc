//! Tools on stores of a real directory.

use super::*;
use crate::store::disk::tests::{
    crash, end, insert, is_there, new_store, open, open_accepting, open_busy, processed, wait,
};
use crate::store::journal::segment_path;
use crate::store::{Store, snapshot};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

const DELIVERIES: u32 = 30;

/// A store of several segments, ended orderly.
fn filled(dir: &Path) -> [u8; 32] {
    let (store, _) = open(dir);
    (0..DELIVERIES).for_each(|n| insert(&store, n).unwrap());
    wait(store.commit(processed(3))).unwrap();
    let digest = store.digest().unwrap();
    store.close();
    digest
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), std::fs::read(path).unwrap());
        }
    }
    found
}

fn flip(path: &Path, at: u64) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[usize::try_from(at).unwrap()] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_sound_store_is_called_sound_and_is_not_changed() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let before = files(dir.path());
    let found = verify(dir.path()).unwrap();
    assert!(found.is_sound(), "{found:?}");
    assert_eq!(found.deliveries, u64::from(DELIVERIES));
    assert_eq!(found.batches, u64::from(DELIVERIES) + 1);
    assert_eq!(found.view, ViewState::Agrees);
    assert_eq!(files(dir.path()), before);
    let (_store, report) = open(dir.path());
    assert!(!report.is_rebuilt, "the view can still be trusted");
}

#[test]
fn a_store_that_crashed_is_sound() {
    let (dir, store) = new_store();
    insert(&store, 1).unwrap();
    crash(store);
    let found = verify(dir.path()).unwrap();
    assert!(
        found.is_sound() && found.view == ViewState::Unused,
        "{found:?}"
    );
}

#[test]
fn a_flipped_bit_in_the_journal_is_found_and_said_where() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    flip(&segment_path(&journal_dir(dir.path()), 1), 1500);
    let found = verify(dir.path()).unwrap();
    assert!(!found.is_sound());
    assert_eq!(found.damage.len(), 1, "{found:?}");
    let damage = &found.damage[0];
    assert!(damage.segment == 1 && (damage.from..damage.to).contains(&1500));
    // The trusted view still knows the delivery that the journal has lost.
    assert_eq!(found.view, ViewState::Differs);
}

#[test]
fn no_store_and_a_store_in_use_are_told_apart_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("nowhere");
    let found = verify(&missing);
    assert!(matches!(found, Err(ToolError::Open(OpenError::Missing(_)))));
    assert!(!missing.exists());
    let (_store, _) = open(dir.path());
    let found = verify(dir.path());
    assert!(matches!(found, Err(ToolError::Open(OpenError::InUse(_)))));
}

/// Ends the writer, also when an assertion fails.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Segments are begun and deleted and snapshots are taken while exports are made.
#[test]
fn an_export_beside_a_daemon_holds_all_that_was_acknowledged_before() {
    for max_bytes in [u64::MAX, 20_000] {
        let dir = tempfile::tempdir().unwrap();
        let (old, is_done) = (dir.path().join("old"), AtomicBool::new(false));
        let store = open_busy(&old, max_bytes);
        let acknowledged = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut n = 0;
                while !is_done.load(Ordering::SeqCst) {
                    insert(&store, n).unwrap();
                    n += 1;
                    acknowledged.store(n, Ordering::SeqCst);
                }
            });
            let _ending = Ending(&is_done);
            for round in 0..5 {
                while acknowledged.load(Ordering::SeqCst) < 100 * (round + 1) {
                    std::thread::yield_now();
                }
                let before = acknowledged.load(Ordering::SeqCst);
                let file = dir.path().join(format!("export-{round}"));
                let exported = export(&old, &file).unwrap();
                let is_sound = exported.damage.is_empty() && exported.missing.is_empty();
                assert!(is_sound, "{exported:?}");
                let new = dir.path().join(format!("new-{round}"));
                let found = import(&file, &new).unwrap();
                assert!(found.is_sound(), "{found:?}");
                let (copy, _) = open(&new);
                // Retention has its way with the others.
                let first = if max_bytes == u64::MAX {
                    0
                } else {
                    before - 20
                };
                assert!((first..before).all(|n| is_there(&copy, n)), "round {round}");
                copy.close();
            }
        });
        store.close();
        drop(store);
        assert!(verify(&old).unwrap().is_sound());
    }
}

#[test]
fn an_import_is_the_store_that_was_exported_payloads_included() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old"), dir.path().join("deep/new"));
    let file = dir.path().join("export");
    let digest = filled(&old);
    let before = files(&old);
    let exported = export(&old, &file).unwrap();
    assert_eq!(exported.bytes, std::fs::metadata(&file).unwrap().len());
    assert_eq!(files(&old), before);

    let found = import(&file, &new).unwrap();
    assert!(found.is_sound(), "{found:?}");
    assert_eq!(found.deliveries, u64::from(DELIVERIES));
    let (store, report) = open(&new);
    assert!(report.damage.is_empty());
    assert_eq!(store.digest().unwrap(), digest);
    assert!((0..DELIVERIES).all(|n| is_there(&store, n)));
    insert(&store, 3).unwrap_err();
    insert(&store, DELIVERIES).unwrap();
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let (store, file) = (dir.path().join("store"), dir.path().join("export"));
    filled(&store);
    std::fs::write(&file, "mine").unwrap();
    let found = export(&store, &file);
    assert!(matches!(found, Err(ToolError::Exists(_))));
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    let found = import(&file, &store);
    assert!(matches!(found, Err(ToolError::NotEmpty(_))));
}

#[test]
fn a_harmed_or_shortened_export_is_refused_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (old, file) = (dir.path().join("old"), dir.path().join("export"));
    filled(&old);
    export(&old, &file).unwrap();
    let good = std::fs::read(&file).unwrap();
    let target = tempfile::tempdir().unwrap();
    let new = target.path().join("new");
    let step = good.len() / 40;
    for at in (0..good.len()).step_by(step) {
        std::fs::write(&file, &good[..at]).unwrap();
        assert!(import(&file, &new).is_err(), "cut at {at}");
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        assert!(import(&file, &new).is_err(), "changed at {at}");
        assert_eq!(target.path().read_dir().unwrap().count(), 0);
    }
    // Nor is what only begins like an export one.
    std::fs::write(&file, [good.as_slice(), b"\n"].concat()).unwrap();
    assert!(import(&file, &new).is_err());
    assert_eq!(target.path().read_dir().unwrap().count(), 0);
}

#[test]
fn the_canary_is_found_in_journal_or_snapshot_and_looking_changes_nothing() {
    use crate::domain::secret::Sealed;
    use crate::store::{Batch, Change};
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(canary(&dir.path().join("none")).unwrap(), None);
    assert!(!dir.path().join("none").exists());
    filled(dir.path());
    assert_eq!(canary(dir.path()).unwrap(), None);
    for (n, by_snapshot) in [(1, false), (2, true), (3, false)] {
        let wanted = Sealed(vec![n; 40]);
        let (store, _) = open_accepting(dir.path());
        wait(store.commit(Batch::of(vec![Change::PutCanary(wanted.clone())]))).unwrap();
        insert(&store, 100 + u32::from(n)).unwrap();
        assert!(matches!(canary(dir.path()), Err(OpenError::InUse(_))));
        end(store);
        if by_snapshot {
            // What retention does: the canary stands in the snapshot alone.
            let log = Log::read(dir.path()).unwrap();
            let scratch = tempfile::tempdir().unwrap();
            let (view, _) = log.replayed(dir.path(), &scratch.path().join("v")).unwrap();
            snapshot::write(&snapshot_dir(dir.path()), log.end, &view).unwrap();
            let last = log.ids.last().unwrap();
            for id in log.ids.iter().filter(|id| *id != last) {
                std::fs::remove_file(segment_path(&journal_dir(dir.path()), *id)).unwrap();
            }
        }
        let before = files(dir.path());
        assert_eq!(canary(dir.path()).unwrap(), Some(wanted));
        assert_eq!(files(dir.path()), before);
    }
}
