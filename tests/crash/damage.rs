//! Damage to what lies on the disk.

use super::ledger::{Ledger, open};
use super::writer::{Job, Writer};
use std::path::{Path, PathBuf};

const JOB: Job = Job {
    from: 0,
    width: 16,
    retains_little: false,
};

/// A store that was killed with some hundred deliveries in it.
fn killed_store() -> (tempfile::TempDir, Ledger) {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::start(dir.path(), JOB);
    writer.wait_for_acknowledged(300);
    let mut ledger = Ledger::default();
    ledger.note(&writer.kill());
    (dir, ledger)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

/// A copy of a store, so that each kind of damage meets the same one.
fn copy(from: &Path) -> tempfile::TempDir {
    fn copy_into(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for path in files(from) {
            let target = to.join(path.file_name().unwrap());
            if path.is_dir() {
                copy_into(&path, &target);
            } else {
                std::fs::copy(&path, &target).unwrap();
            }
        }
    }
    let copy = tempfile::tempdir().unwrap();
    copy_into(from, copy.path());
    copy
}

fn flip(path: &Path, at: usize, bit: u32) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1 << bit;
    std::fs::write(path, &bytes).unwrap();
}

#[test]
fn one_flipped_bit_anywhere_costs_at_most_one_record_and_is_reported() {
    let (original, ledger) = killed_store();
    for round in 0..super::rounds(40) {
        let dir = copy(original.path());
        let segments = files(&dir.path().join("journal"));
        let segment = &segments[round as usize * 7 % (segments.len() - 1)];
        let length = std::fs::metadata(segment).unwrap().len();
        let at = usize::try_from(u64::from(round) * 7919 * 104_729 % length).unwrap();
        // What the snapshot already holds of the journal's past must not hide the damage.
        flip(segment, at, round % 8);
        let (store, report) = open(dir.path(), JOB);
        let lost = ledger.lost(&store, JOB);
        assert!(
            lost.len() <= 1,
            "bit at {at} of {}: {lost:?}",
            segment.display()
        );
        let is_told = report.damage.len() + usize::try_from(report.unreadable).unwrap();
        assert_eq!(is_told, 1, "bit at {at} of {}", segment.display());
        store.close();
    }
}

#[test]
fn a_harmed_snapshot_or_view_costs_nothing() {
    let (original, ledger) = killed_store();
    for harmed in ["snapshots", "view"] {
        for at in [0.0, 0.1, 0.5, 0.9] {
            let dir = copy(original.path());
            for path in files(&dir.path().join(harmed)) {
                if path.is_file() {
                    let bytes = std::fs::read(&path).unwrap();
                    #[expect(
                        clippy::cast_precision_loss,
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "any place near there will do"
                    )]
                    let place = (bytes.len() as f64 * at) as usize;
                    if place < bytes.len() {
                        flip(&path, place, 3);
                    }
                }
            }
            let (store, _) = open(dir.path(), JOB);
            ledger.check_open(&store, JOB);
            store.close();
        }
    }
}

#[test]
fn a_torn_tail_costs_nothing_acknowledged_before_it() {
    let (original, ledger) = killed_store();
    for rubbish in [1, 7, 8, 4096, 100_000] {
        let dir = copy(original.path());
        let segments = files(&dir.path().join("journal"));
        let last = segments.last().unwrap();
        let mut bytes = std::fs::read(last).unwrap();
        bytes.extend((0..rubbish).map(|n: u32| n.to_le_bytes()[0] | 1));
        std::fs::write(last, &bytes).unwrap();
        let (store, report) = open(dir.path(), JOB);
        assert_eq!(report.damage, [], "a torn tail is no damage");
        assert!(report.torn_bytes > 0, "but it is counted");
        ledger.check_open(&store, JOB);
        store.close();
    }
}
