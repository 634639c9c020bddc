//! Stores of which a part is gone, and directories in which none ever was.

use super::*;
use crate::store::snapshot;
use crate::store::tools;
use std::collections::BTreeMap;

fn refused(dir: &Path, options: &Options) -> OpenError {
    let before = files(dir);
    let refused = DiskStore::open(dir, options).unwrap_err();
    assert!(refused.needs_a_person(), "{refused}");
    assert!(files(dir) == before, "{refused}: something was changed");
    refused
}

/// The files of a store with what is in them, except the lock.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().is_some_and(|name| name != "lock") {
            found.insert(path.clone(), std::fs::read(path).unwrap());
        }
    }
    found
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let journal = journal_dir(dir);
    let ids = list_segments(&journal).unwrap().ids;
    ids.into_iter()
        .map(|id| segment_path(&journal, id))
        .collect()
}

/// A store of several segments with two snapshots in the middle.
fn filled(is_orderly: bool) -> tempfile::TempDir {
    let (dir, store) = new_store();
    for n in 0..20 {
        insert(&store, n).unwrap();
        if n == 6 || n == 9 {
            let at = store.shared.applied();
            snapshot::write(&snapshot_dir(dir.path()), at, &store.index.kv).unwrap();
        }
    }
    if is_orderly {
        store.close();
    } else {
        crash(store);
    }
    dir
}

/// Whatever is taken away of the journal, the next start refuses; with the override it goes on
/// with the rest, which the start after that opens without a word.
#[test]
fn a_store_that_lost_a_part_of_its_journal_is_refused_until_that_is_accepted() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 6] = [
        ("the journal", |dir| {
            std::fs::remove_dir_all(journal_dir(dir)).unwrap();
        }),
        ("every segment", |dir| {
            for path in segments(dir) {
                std::fs::remove_file(path).unwrap();
            }
        }),
        ("the newest", |dir| {
            std::fs::remove_file(segments(dir).last().unwrap()).unwrap();
        }),
        ("one in between", |dir| {
            std::fs::remove_file(&segments(dir)[2]).unwrap();
        }),
        ("the oldest", |dir| {
            std::fs::remove_file(&segments(dir)[0]).unwrap();
        }),
        ("all that the snapshots need", |dir| {
            for path in &segments(dir)[..4] {
                std::fs::remove_file(path).unwrap();
            }
        }),
    ];
    for (what, harm) in harms {
        for is_orderly in [true, false] {
            let dir = filled(is_orderly);
            harm(dir.path());
            let error = refused(dir.path(), &options());
            let told = error.to_string();
            assert!(matches!(error, OpenError::Lost { .. }), "{what}: {told}");
            assert!(told.contains("--accept-data-loss"), "{what}: {told}");
            let (store, report) = open_accepting(dir.path());
            assert!(!report.is_new && !report.is_whole(), "{what}: {report:?}");
            insert(&store, 100).unwrap();
            end(store);
            let (store, _) = open(dir.path());
            assert!(is_there(&store, 100), "{what}");
            crash(store);
            let (store, report) = open(dir.path());
            assert!(is_there(&store, 100) && !report.is_new, "{what}");
        }
    }
}

#[test]
fn a_newest_segment_that_was_cut_short_is_refused_when_something_names_more() {
    let dir = filled(true);
    let path = segments(dir.path()).pop().unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 700]).unwrap();
    let told = refused(dir.path(), &options()).to_string();
    assert!(told.contains("the view was written when"), "{told}");
    // The bytes are there, and harmed: that costs one record.
    let mut bytes = whole.clone();
    let last = bytes.len() - 100;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let (store, report) = open(dir.path());
    assert_eq!(report.damage.len(), 1);
    assert!((0..19).all(|n| is_there(&store, n)));
    assert!(store.delivery(delivery(19).id).ready().unwrap().is_some());
}

#[test]
fn a_journal_that_begins_later_needs_a_whole_snapshot() {
    let dir = filled(false);
    let first = snapshot::list(&snapshot_dir(dir.path())).unwrap()[0]
        .0
        .segment;
    // As retention does it, except that nothing was forgotten before.
    for path in &segments(dir.path())[..usize::try_from(first).unwrap() - 1] {
        std::fs::remove_file(path).unwrap();
    }
    let told = refused(dir.path(), &options()).to_string();
    assert!(told.contains("but 1 is needed"), "{told}");
    // Version 0.1 told no such thing: then the deliveries do.
    std::fs::remove_file(dir.path().join("identity")).unwrap();
    let told = refused_for_payloads(dir.path());
    assert!(told.contains("payloads"), "{told}");
    for (_, path) in snapshot::list(&snapshot_dir(dir.path())).unwrap() {
        std::fs::write(path, "harmed").unwrap();
    }
    let told = refused(dir.path(), &options()).to_string();
    assert!(told.contains("no intact snapshot"), "{told}");
    let found = tools::verify(dir.path()).unwrap();
    assert!(!found.is_sound() && !found.missing.is_empty(), "{found:?}");
}

/// The view is made for this to be found.
fn refused_for_payloads(dir: &Path) -> String {
    let refused = DiskStore::open(dir, &options()).unwrap_err();
    assert!(refused.needs_a_person());
    refused.to_string()
}

#[test]
fn a_new_directory_is_told_and_refused_where_a_store_must_be() {
    let dir = tempfile::tempdir().unwrap();
    let required = Options {
        require_existing: true,
        ..options()
    };
    for place in [dir.path().join("none"), dir.path().to_owned()] {
        let refused = DiskStore::open(&place, &required).unwrap_err();
        assert!(matches!(refused, OpenError::Required(_)) && refused.needs_a_person());
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let (store, report) = open(dir.path());
    assert!(report.is_new && report.is_empty && report.is_whole());
    let id = report.store.unwrap();
    crash(store);
    // It was begun, and nothing was written yet.
    let (store, report) = open_with(dir.path(), &required, Arc::new(RealDisk));
    assert!(!report.is_new && report.is_empty && report.store == Some(id));
    insert(&store, 1).unwrap();
    end(store);
    let (store, report) = open_with(dir.path(), &required, Arc::new(RealDisk));
    assert!(!report.is_new && !report.is_empty && report.store == Some(id));
    crash(store);
}

/// A store is begun in steps, and a crash after each of them leaves one that opens.
#[test]
fn a_store_whose_beginning_was_cut_off_opens() {
    let (dir, store) = new_store();
    crash(store);
    let mut identity = match Identity::read(dir.path()) {
        IdentityRead::Good(identity) => identity,
        other => panic!("{other:?}"),
    };
    // The first segment is there, and the identity does not tell of it yet.
    (identity.first, identity.segment) = (0, 0);
    identity.write(dir.path()).unwrap();
    let (store, report) = open(dir.path());
    assert!(report.is_whole() && report.is_empty);
    crash(store);
    // Only the identity is there, and the view.
    let (identity_path, journal) = (dir.path().join("identity"), journal_dir(dir.path()));
    identity.write(dir.path()).unwrap();
    std::fs::remove_dir_all(&journal).unwrap();
    let (store, report) = open(dir.path());
    assert!(report.is_new && report.is_whole());
    insert(&store, 1).unwrap();
    crash(store);
    assert!(identity_path.exists());
}

/// A flipped bit in what tells who the store is costs that, and nothing else.
#[test]
fn a_harmed_identity_is_told_and_made_anew() {
    let dir = filled(true);
    let path = dir.path().join("identity");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[20] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    let (store, report) = open(dir.path());
    assert_eq!(report.harmed, ["the file identity"]);
    assert!(report.is_whole() && (0..20).all(|n| is_there(&store, n)));
    crash(store);
    let (_store, report) = open(dir.path());
    assert!(report.harmed.is_empty());
}

/// After a loss was accepted, what is derived agrees with what is left: the view that is written at
/// the end, the snapshots that are taken meanwhile, and what either of them is made anew from. No
/// later start asks again, whichever of them it can use.
#[test]
fn after_an_accepted_loss_view_and_snapshots_agree_and_no_start_asks_again() {
    type Harm = fn(&[PathBuf]) -> &[PathBuf];
    let harms: [(&str, Harm); 4] = [
        ("every segment", |all| all),
        ("the newest", |all| &all[all.len() - 1..]),
        ("one in between", |all| &all[2..3]),
        ("the oldest", |all| &all[..1]),
    ];
    // Retention takes nothing meanwhile, or all that is old.
    let cases = harms
        .into_iter()
        .flat_map(|harm| [(harm, FOREVER), (harm, Duration::ZERO)]);
    for ((what, harm), max_age) in cases {
        let dir = filled(true);
        for path in harm(&segments(dir.path())) {
            std::fs::remove_file(path).unwrap();
        }
        refused(dir.path(), &options());
        let accepting = Options {
            accept_loss: true,
            snapshot_bytes: 1,
            upkeep_interval: Duration::from_millis(5),
            retention: Retention {
                max_age,
                ..Retention::default()
            },
            ..options()
        };
        let (store, report) = open_with(dir.path(), &accepting, Arc::new(RealDisk));
        assert!(!report.is_whole(), "{what}");
        let snapshots = || snapshot::list(&snapshot_dir(dir.path())).unwrap();
        let newest = || snapshots().into_iter().map(|(at, _)| at).max();
        (100..103).for_each(|n| {
            let before = newest();
            insert(&store, n).unwrap();
            until("a snapshot", || newest() != before);
        });
        store.close();
        let end = store.shared.applied();
        drop(store);
        for (position, path) in snapshots() {
            assert!(position <= end, "{what}: {path:?} is ahead of the journal");
            assert!(snapshot::is_whole(&path, position).unwrap(), "{what}");
        }
        let found = tools::verify(dir.path()).unwrap();
        let is_known = found.damage.is_empty() && found.missing.is_empty();
        assert!(is_known && found.harmed.is_empty(), "{what}: {found:?}");
        assert_eq!(found.view, tools::ViewState::Agrees, "{what}: {found:?}");
        // With the view, and from a snapshot and the journal.
        let mut digests = Vec::new();
        for has_view in [true, false] {
            if !has_view {
                std::fs::remove_dir_all(view_dir(dir.path())).unwrap();
            }
            let (store, report) = open(dir.path());
            assert!(report.is_whole() && !report.is_new, "{what}: {report:?}");
            assert_eq!(report.is_rebuilt, !has_view, "{what}");
            digests.push(store.digest().unwrap());
            store.close();
        }
        assert_eq!(digests[0], digests[1], "{what}");
    }
}
