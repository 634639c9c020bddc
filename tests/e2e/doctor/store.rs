//! The store, while no daemon uses it and while one does.

use super::Report;
use crate::stage::{Stage, files};
use std::path::{Path, PathBuf};

/// A store that was left orderly.
fn stored() -> Stage {
    let stage = Stage::new();
    assert!(stage.start().terminate().success());
    stage
}

/// What is found of a store after this was done to it; looking changes nothing.
#[track_caller]
fn told(stage: &Stage, verdict: &str, part: &str) {
    let before = files(&stage.data_dir());
    Report::of(stage).has("store", verdict, part);
    assert!(
        files(&stage.data_dir()) == before,
        "looking changes nothing"
    );
}

fn first_segment(stage: &Stage) -> PathBuf {
    let all = files(&stage.data_dir()).into_keys();
    let mut segments = all.filter(|path| path.extension().is_some_and(|e| e == "segment"));
    segments.next().unwrap()
}

fn flip_in_the_middle(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_store_is_whole_or_in_use() {
    let stage = stored();
    told(&stage, "ok", "holds sto_");
    let _daemon = stage.start();
    Report::of(&stage).has("store", "ok", "in use by a daemon");
}

#[test]
fn a_harmed_view_or_segment_is_a_warning_for_it_is_made_anew_or_told() {
    let stage = stored();
    let view = files(&stage.data_dir().join("view")).into_iter();
    let (largest, _) = view.max_by_key(|(_, bytes)| bytes.len()).unwrap();
    flip_in_the_middle(&largest);
    told(
        &stage,
        "warning",
        "damaged, and rebuilt at the next start: the view",
    );
    let stage = stored();
    flip_in_the_middle(&first_segment(&stage));
    told(&stage, "warning", "the journal in segment");
}

#[test]
fn a_part_that_is_gone_a_newer_store_and_what_is_none_do_not_start() {
    let stage = stored();
    let journal = stage.data_dir().join("journal");
    std::fs::rename(&journal, stage.path("aside")).unwrap();
    told(
        &stage,
        "FAILED",
        "a part is missing, so the daemon refuses to start",
    );
    std::fs::rename(stage.path("aside"), &journal).unwrap();
    told(&stage, "ok", "holds sto_");

    let path = first_segment(&stage);
    let mut bytes = std::fs::read(&path).unwrap();
    // The version stands behind the magic, the checksum of the header behind its 28 bytes.
    bytes[8] = 99;
    let checksum = crc32fast::hash(&bytes[..28]);
    bytes[28..32].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    told(&stage, "FAILED", "newer version of Hookherd");

    let stage = Stage::new();
    std::fs::create_dir_all(stage.data_dir()).unwrap();
    std::os::unix::fs::symlink(stage.path("aside"), stage.data_dir().join("journal")).unwrap();
    Report::of(&stage).has("store", "FAILED", "");
}

#[test]
fn a_store_of_version_0_1_has_no_name_yet() {
    let stage = Stage::new();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data-0.1");
    for (path, bytes) in files(&fixture) {
        let target = stage.data_dir().join(path.strip_prefix(&fixture).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::write(target, bytes).unwrap();
    }
    told(
        &stage,
        "ok",
        "holds a store without an id; the next start assigns one",
    );
}

#[test]
fn a_clock_that_went_back_behind_what_the_store_has_seen_is_told() {
    let stage = stored();
    Report::of(&stage).has("clock", "ok", "");
    let ahead = std::time::SystemTime::now() + std::time::Duration::from_hours(24);
    let ahead = ahead.duration_since(std::time::UNIX_EPOCH).unwrap();
    let line = format!("hookherd-clock-1 {} 0", ahead.as_millis());
    let check = blake3::hash(line.as_bytes()).to_hex();
    let path = stage.data_dir().join("clock");
    std::fs::write(path, format!("{line} {check}\n")).unwrap();
    Report::of(&stage).has("clock", "warning", "minutes behind the store's last time");
}
