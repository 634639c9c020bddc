//! The daemon is killed, or loses its power, while a provider sends it deliveries: what it
//! answered with success is there afterwards, is processed once, and no hook is doubled.

use super::daemon::{REPOSITORY, Stage};
use super::disk::Disk;
use super::rounds;
use reqwest::Method;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// Runs that fail in a round, with three deliveries each.
const RUNS: u64 = 12;
/// How long the simulator's last deliveries may take to fail.
const QUIET: Duration = Duration::from_secs(20);

/// Checks that all is there, once, and processed.
pub(crate) fn check(stage: &Stage, runs_played: u64) {
    let acknowledged: BTreeSet<String> = stage.acknowledged().into_iter().collect();
    let mut stored = stage.stored();
    stage.wait_until("everything to be processed", || {
        stored = stage.stored();
        stored.iter().all(|d| d["state"] == "processed")
    });
    let guids: Vec<&str> = stored
        .iter()
        .filter_map(|d| d["provider_delivery_id"].as_str())
        .collect();
    let distinct: BTreeSet<&str> = guids.iter().copied().collect();
    assert_eq!(guids.len(), distinct.len(), "a delivery is there twice");
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|g| !distinct.contains(g.as_str()))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} lost: {lost:?}",
        lost.len(),
        acknowledged.len()
    );
    let failed: Vec<_> = stored
        .iter()
        .filter(|d| d["outcome"] == "dead_letter")
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
    check_incident(stage, &stored, runs_played);
    let hooks = stage.simulator.github().hooks(REPOSITORY);
    assert_eq!(hooks.len(), 1, "exactly one hook, whatever happened");
    stage.assert_no_panic();
}

/// All runs are of one workflow on one branch and fail: one incident, in which each that was heard
/// to be completed counts once.
fn check_incident(stage: &Stage, stored: &[Value], runs_played: u64) {
    let failed_runs = || stored.iter().filter(|d| !d["incident_id"].is_null());
    let distinct: BTreeSet<_> = failed_runs().map(|d| d["run_id"].as_str()).collect();
    assert_eq!(distinct.len(), failed_runs().count(), "a run failed twice");
    let expected = u64::try_from(distinct.len()).unwrap();
    assert!(expected <= runs_played);
    let incidents = stage.list("incidents");
    assert_eq!(
        incidents.len(),
        usize::from(expected > 0),
        "an incident is doubled"
    );
    let occurrences = incidents
        .first()
        .map_or(0, |i| i["occurrences"].as_u64().unwrap_or(0));
    assert_eq!(occurrences, expected, "each failed run counts once");
}

/// The same, by what the payloads say and not by what the daemon made of them.
fn check_payloads(stage: &Stage) {
    let mut completed = 0;
    for delivery in stage.stored() {
        let id = delivery["id"].as_str().expect("ids are texts");
        let whole = stage.call(Method::GET, &format!("deliveries/{id}"), &Value::Null);
        completed += u64::from(whole["payload"]["action"] == "completed");
    }
    assert!(completed > 0);
    assert_eq!(stage.list("incidents")[0]["occurrences"], completed);
}

#[test]
fn the_daemon_loses_and_doubles_nothing_when_it_is_killed_under_load() {
    let stage = Stage::new(None);
    let mut daemon = stage.start(&[]);
    stage.connect();
    let count = u64::from(rounds(20));
    for round in 0..count {
        let had = stage.acknowledged().len();
        let wanted = usize::try_from(round * 7 % (3 * RUNS)).unwrap();
        stage.play_failures(round * RUNS..(round + 1) * RUNS);
        // Killed once so many were answered: somewhere in the middle of the others.
        stage.wait_until("answers", || stage.acknowledged().len() >= had + wanted);
        daemon.kill();
        assert!(stage.simulator.wait_quiet(QUIET));
        daemon = stage.start(&[]);
        check(&stage, (round + 1) * RUNS);
    }
    check_payloads(&stage);
    assert!(stage.acknowledged().len() > 100, "too little happened");
}

#[test]
fn the_daemon_loses_and_doubles_nothing_when_the_power_is_cut_under_load() {
    let Some(disk) = Disk::new(512) else { return };
    let data_dir = disk.path().join("data");
    let stage = Stage::new(Some(&data_dir));
    let mut daemon = stage.start(&[]);
    stage.connect();
    for round in 0..u64::from(rounds(10)) {
        let had = stage.acknowledged().len();
        let wanted = usize::try_from(round * 7 % (3 * RUNS)).unwrap();
        stage.play_failures(round * RUNS..(round + 1) * RUNS);
        stage.wait_until("answers", || stage.acknowledged().len() >= had + wanted);
        // Only what was answered before the cut counts.
        let before: BTreeSet<String> = stage.acknowledged().into_iter().collect();
        disk.cut_power();
        daemon.kill();
        assert!(stage.simulator.wait_quiet(QUIET));
        disk.restart();
        daemon = stage.start(&[]);
        let stored = stage.stored();
        let is_there = |guid: &String| stored.iter().any(|d| d["provider_delivery_id"] == **guid);
        let lost: Vec<_> = before.iter().filter(|guid| !is_there(guid)).collect();
        assert!(
            lost.is_empty(),
            "{} of {} lost: {lost:?}",
            lost.len(),
            before.len()
        );
    }
    daemon.kill();
}
