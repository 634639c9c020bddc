//! The daemon on a disk that is full, and then is not.

use super::daemon::{REPOSITORY, Stage};
use super::daemon_kill::check;
use super::disk::Disk;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long deliveries may take that are refused or accepted.
const QUIET: Duration = Duration::from_secs(20);
/// Runs that fail at a time, with three deliveries each.
const RUNS: u64 = 12;
/// Batches of runs after which the disk must have been full.
const BATCHES_MAX: u64 = 100;

/// Takes all space but so many bytes.
pub(crate) fn take_space(dir: &Path, leave: u64) -> PathBuf {
    let path = dir.join("somebody-elses-file");
    let mut file = std::fs::File::create(&path).unwrap();
    let chunk = vec![1; 64 << 10];
    while file.write_all(&chunk).is_ok() {}
    // To the last block.
    while file.write_all(&chunk[..512]).is_ok() {}
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(leave)).unwrap();
    file.sync_all().unwrap();
    path
}

fn statuses(stage: &Stage) -> Vec<Option<u16>> {
    let all = stage.simulator.github().deliveries(REPOSITORY);
    all.into_iter().map(|d| d.status).collect()
}

#[test]
fn a_full_disk_is_503_for_deliveries_while_reads_and_the_hook_go_on_and_ends_by_itself() {
    let Some(disk) = Disk::new(24) else { return };
    let data_dir = disk.path().join("data");
    let stage = Stage::at(&data_dir);
    let daemon = stage.start();
    stage.connect();
    let foreign = take_space(disk.path(), 3 << 20);
    let mut runs = 0;
    while !statuses(&stage).contains(&Some(503)) {
        stage.play_failures(runs..runs + RUNS);
        runs += RUNS;
        assert!(runs < BATCHES_MAX * RUNS, "the disk never got full");
        assert!(stage.simulator.wait_quiet(QUIET));
    }
    assert_eq!(stage.readiness(), Some(503), "it says that it is not ready");
    let known = [200, 202, 503].map(Some);
    assert!(
        statuses(&stage).iter().all(|s| known.contains(s)),
        "{:?}",
        stage.errors_in_log()
    );
    let stored = stage.stored();
    for guid in stage.acknowledged() {
        let is_there = |d: &Value| d["provider_delivery_id"] == *guid;
        assert!(
            stored.iter().any(is_there),
            "reads go on and show everything"
        );
    }
    assert_eq!(stage.simulator.github().hooks(REPOSITORY).len(), 1);

    std::fs::remove_file(foreign).unwrap();
    stage.wait_until("deliveries to be accepted again", || {
        stage.play_failures(runs..runs + 1);
        runs += 1;
        stage.simulator.wait_quiet(QUIET) && statuses(&stage).last() == Some(&Some(202))
    });
    check(&stage, runs);
    drop(daemon);
    let _daemon = stage.start();
    check(&stage, runs);
}

#[test]
fn a_daemon_starts_on_a_full_disk_and_one_without_a_store_says_why_it_does_not() {
    let Some(disk) = Disk::new(24) else { return };
    let data_dir = disk.path().join("data");
    let stage = Stage::at(&data_dir);
    let daemon = stage.start();
    stage.connect();
    stage.play_failures(0..RUNS);
    assert!(stage.simulator.wait_quiet(QUIET));
    check(&stage, RUNS);
    assert!(daemon.terminate().success());
    let foreign = take_space(disk.path(), 0);
    let elsewhere = disk.path().join("another");
    let other = Stage::at(&elsewhere);
    assert_eq!(other.spawn(&[], &[]).outlive().code(), Some(1));
    let end = other.end_of_log();
    let last = end.lines().last().unwrap_or_default();
    assert!(last.starts_with("hookherd: "), "{end}");
    assert!(
        last.contains("full") || last.contains("No space left"),
        "{end}"
    );

    let daemon = stage.spawn(&[], &[]);
    stage.wait_until("the daemon to answer", || stage.readiness().is_some());
    check(&stage, RUNS);
    stage.wait_until("it to tell", || stage.readiness() == Some(503));
    // Two looks have to agree, which are half a minute apart.
    let about = |field: &str| {
        let all = stage.get("incidents");
        let mut all = all["items"].as_array().expect("a list").iter();
        let one = all.find(|it| it["failure_type"] == "disk_nearly_full");
        one.map_or(Value::Null, |one| one[field].clone())
    };
    stage.wait_long("an incident", 4 * QUIET, || about("status") == "open");
    std::fs::remove_file(foreign).unwrap();
    stage.wait_until("it to be ready", || stage.readiness() == Some(200));
    stage.wait_long("its end", 3 * QUIET, || about("resolution") == "recovered");
    drop(daemon);
}
