//! A disk that is full, and then is not.

use super::disk::Disk;
use super::ledger::Ledger;
use super::writer::{Job, Said, Writer};
use std::fs::File;
use std::path::Path;

const FULL: &str = "the disk is full";

/// Takes space on the disk, so that giving it back is a way out.
fn take_space(dir: &Path, bytes: usize) -> std::path::PathBuf {
    let path = dir.join("somebody-elses-file");
    std::fs::write(&path, vec![1; bytes]).unwrap();
    File::open(&path).unwrap().sync_all().unwrap();
    path
}

fn is_full(said: &Said) -> bool {
    matches!(said, Said::Refused(why) if why == FULL)
}

#[test]
fn a_full_disk_refuses_deliveries_serves_reads_and_recovers_by_itself() {
    let Some(disk) = Disk::new(24) else { return };
    // More than a view needs to be rebuilt on the disk, and what is acknowledged meanwhile.
    let foreign = take_space(disk.path(), 12 << 20);
    let dir = disk.path().join("store");
    let job = Job {
        from: 0,
        width: 8,
        retains_little: false,
    };
    let mut writer = Writer::start(&dir, job);
    writer.wait_until("a full disk", |said| {
        said.iter().filter(|s| is_full(s)).count() > 50
    });
    let before = writer.heard();
    let read_back: Vec<_> = before
        .iter()
        .filter(|s| matches!(s, Said::ReadBack(_)))
        .collect();
    assert!(read_back.len() > 20, "reads go on");
    assert!(
        read_back.iter().all(|s| **s == Said::ReadBack(true)),
        "and are right"
    );

    let first = before.iter().position(is_full).unwrap();
    let is_processed = |said: &Said| matches!(said, Said::Processed(_));
    assert!(
        before[first..].iter().any(is_processed),
        "our own work goes on while deliveries are refused"
    );

    std::fs::remove_file(foreign).unwrap();
    let count = |said: &[Said]| {
        said.iter()
            .filter(|s| matches!(s, Said::Acknowledged(_)))
            .count()
    };
    let had = count(&before);
    writer.wait_until("recovery without a restart", |said| count(said) > had + 50);
    let mut ledger = Ledger::default();
    ledger.note(&writer.kill());
    let report = ledger.check(&dir, job);
    assert_eq!(
        (report.damage, report.unreadable),
        (vec![], 0),
        "a full disk is no damage"
    );
}

#[test]
fn a_store_opens_on_a_full_disk_with_everything_that_was_acknowledged() {
    let Some(disk) = Disk::new(24) else { return };
    let dir = disk.path().join("store");
    let job = Job {
        from: 0,
        width: 8,
        retains_little: false,
    };
    let mut writer = Writer::start(&dir, job);
    writer.wait_until("a full disk", |said| said.iter().any(is_full));
    let mut ledger = Ledger::default();
    ledger.note(&writer.kill());
    drop(
        File::create(disk.path().join("the-rest")).and_then(|mut file| {
            let chunk = vec![1; 4096];
            loop {
                std::io::Write::write_all(&mut file, &chunk)?;
            }
        }) as std::io::Result<()>,
    );
    let (store, _) = super::ledger::open(&dir, job);
    let lost = ledger.lost(&store, job);
    assert!(lost.is_empty(), "{lost:?}");
    store.close();
}
