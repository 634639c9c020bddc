//! What does not belong into the directory, and files that others can get at.

use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};

fn pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

fn filled() -> tempfile::TempDir {
    let (dir, store) = new_store();
    (0..12).for_each(|n| insert(&store, n).unwrap());
    let at = store.shared.applied();
    crate::store::snapshot::write(&snapshot_dir(dir.path()), at, &store.index.kv).unwrap();
    store.close();
    dir
}

#[test]
fn what_is_named_like_a_segment_and_is_none_is_left_alone_and_told() {
    for name in [
        "ffffffffffffffff.segment",
        "fffffffffffffffe.segment",
        "0000000000000000.segment",
        "0000000000000abc.segment",
        "abc.segment",
    ] {
        for content in [&b""[..], b"rubbish that is longer than a header, by far"] {
            let dir = filled();
            let stray = journal_dir(dir.path()).join(name);
            std::fs::write(&stray, content).unwrap();
            for round in 0..2 {
                let (store, report) = open(dir.path());
                assert_eq!(report.harmed, [name], "{round}");
                assert!(report.is_whole() && (0..12).all(|n| is_there(&store, n)));
                insert(&store, 50 + round).unwrap();
                crash(store);
                assert_eq!(std::fs::read(&stray).unwrap(), content);
            }
        }
    }
}

/// Each of our names, taken by something else: refused, and nothing is followed or cut.
#[test]
fn a_link_a_pipe_or_a_directory_where_a_file_of_ours_should_be_is_refused() {
    type Put = fn(&Path, &Path);
    let puts: [(&str, Put); 3] = [
        ("a symbolic link", |at, precious| {
            symlink(precious, at).unwrap();
        }),
        ("a named pipe", |at, _| pipe(at)),
        ("a directory", |at, _| std::fs::create_dir(at).unwrap()),
    ];
    let dir = filled();
    let snapshots = crate::store::snapshot::list(&snapshot_dir(dir.path())).unwrap();
    let journal = journal_dir(dir.path());
    let names = [
        dir.path().join("lock"),
        dir.path().join("ballast"),
        dir.path().join("identity"),
        dir.path().join("clock"),
        segment_path(&journal, 1),
        segment_path(&journal, 77),
        snapshots[0].1.clone(),
        snapshot_dir(dir.path()).join("unfinished"),
    ];
    let precious = dir.path().join("precious");
    std::fs::write(&precious, "precious").unwrap();
    for name in names {
        let aside = dir.path().join("aside");
        let was_there = std::fs::rename(&name, &aside).is_ok();
        for (what, put) in puts {
            put(&name, &precious);
            let error = DiskStore::open(dir.path(), &options());
            let error = error.unwrap_err();
            let told = error.to_string();
            assert!(error.needs_a_person() && told.contains(what), "{told}");
            assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
            if what == "a directory" {
                std::fs::remove_dir(&name).unwrap();
            } else {
                std::fs::remove_file(&name).unwrap();
            }
        }
        if was_there {
            std::fs::rename(&aside, &name).unwrap();
        }
    }
    for sub in [
        journal.clone(),
        snapshot_dir(dir.path()),
        view_dir(dir.path()),
    ] {
        let aside = dir.path().join("aside");
        std::fs::rename(&sub, &aside).unwrap();
        symlink(&aside, &sub).unwrap();
        let error = DiskStore::open(dir.path(), &options());
        let told = error.unwrap_err().to_string();
        assert!(told.contains("a symbolic link"), "{told}");
        std::fs::remove_file(&sub).unwrap();
        std::fs::rename(&aside, &sub).unwrap();
    }
    let (store, report) = open(dir.path());
    assert!(!report.is_rebuilt && report.harmed.is_empty(), "{report:?}");
    assert!((0..12).all(|n| is_there(&store, n)));
}

/// The data directory itself may be a link: systemd makes one for a dynamic user.
#[test]
fn the_directory_itself_may_be_a_link() {
    let dir = filled();
    let link = dir.path().with_extension("link");
    symlink(dir.path(), &link).unwrap();
    let (store, report) = open(&link);
    assert!(!report.is_rebuilt && is_there(&store, 1));
    std::fs::remove_file(link).unwrap();
}

#[test]
fn while_another_process_has_the_lock_file_nothing_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        upkeep_interval: Duration::from_millis(1),
        ..options()
    };
    let (store, _) = open_with(dir.path(), &options, Arc::new(RealDisk));
    let lock = dir.path().join("lock");
    std::fs::remove_file(&lock).unwrap();
    until("the lock file is not made anew", || lock.exists());
    insert(&store, 1).unwrap();
    // Version 0.1 locks nothing but the file, and one is being started.
    let other = dir.path().join("other");
    let taken = std::fs::File::create(&other).unwrap();
    taken.try_lock().unwrap();
    std::fs::rename(&other, &lock).unwrap();
    let mut n = 1;
    let mut next = || {
        n += 1;
        insert(&store, n)
    };
    until("it is not noticed", || next() == Err(CommitError::Failed));
    assert!(store.status().trouble.is_some());
    drop(taken);
    until("it does not go on", || next().is_ok());
    assert!(store.status().trouble.is_none() && is_there(&store, 1));
}

#[test]
fn everything_is_for_its_owner_alone_and_what_was_not_is_told() {
    let dir = filled();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let all_tight = |dir: &Path| {
        let loose = crate::store::files::tighten(dir).unwrap();
        assert_eq!(loose, Vec::<PathBuf>::new());
    };
    all_tight(dir.path());
    let journal = journal_dir(dir.path());
    let segment = segment_path(&journal, 1);
    for (path, loose) in [(&journal, 0o755), (&segment, 0o644)] {
        let loose = std::fs::Permissions::from_mode(loose);
        std::fs::set_permissions(path, loose).unwrap();
    }
    let (store, report) = open(dir.path());
    assert_eq!(report.loose.len(), 2, "{:?}", report.loose);
    assert_eq!((mode(&journal), mode(&segment)), (0o700, 0o600));
    crash(store);
    all_tight(dir.path());
}
