//! The daemon is killed, or loses its power, while a provider sends it deliveries: what it
//! answered with success is there afterwards, is processed once, and no hook is doubled.

use super::daemon::{ADMIN, REPOSITORY, Stage};
use super::disk::Disk;
use super::rounds;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Runs that fail in a round, with three deliveries each.
const RUNS: u64 = 5;
/// How long the simulator's last deliveries may take to fail.
const QUIET: Duration = Duration::from_secs(20);
/// The latest that a kill comes after the answer that it waits for.
const DELAY_US_MAX: u64 = 10_000;

/// What was seen of the daemon so far, so that each round looks at what is new only.
#[derive(Default)]
pub(crate) struct Books {
    /// Ids of ours that were seen, processed.
    ids: BTreeSet<String>,
    /// The provider's ids of them.
    guids: BTreeSet<String>,
    /// Runs that failed.
    failed_runs: BTreeSet<String>,
}

impl Books {
    /// Checks that all is there, once, and processed. What was missed is fetched meanwhile, so that
    /// there is more with each look.
    pub(crate) fn check(&mut self, stage: &Stage, runs_played: u64) {
        stage.wait_until("each failed run to count once", || {
            self.look(stage);
            self.is_incident_right(stage, runs_played)
        });
        let acknowledged = stage.acknowledged();
        let lost: Vec<_> = acknowledged
            .iter()
            .filter(|guid| !self.guids.contains(*guid))
            .collect();
        let (lost_count, count) = (lost.len(), acknowledged.len());
        assert!(lost.is_empty(), "{lost_count} of {count} lost: {lost:?}");
        let hooks = stage.simulator.github().hooks(REPOSITORY);
        assert_eq!(hooks.len(), 1, "exactly one hook, whatever happened");
        stage.assert_no_panic();
    }

    /// Reads what is new.
    fn look(&mut self, stage: &Stage) {
        let mut new = Vec::new();
        stage.wait_until("everything to be processed", || {
            new = stage.stored_until(|id| self.ids.contains(id));
            new.iter().all(|d| d["state"] == "processed")
        });
        for delivery in &new {
            let text = |key: &str| delivery[key].as_str().map(str::to_owned);
            assert_ne!(delivery["outcome"], "dead_letter", "{delivery}");
            let guid = text("provider_delivery_id").expect("each has one");
            assert!(self.guids.insert(guid), "it is there twice: {delivery}");
            self.ids.extend(text("id"));
            if text("incident_id").is_some() {
                let run = text("run_id").expect("a failure has a run");
                assert!(self.failed_runs.insert(run), "it failed twice: {delivery}");
            }
        }
    }

    /// All runs are of one workflow on one branch and fail: one incident, in which each that was
    /// heard to be completed counts once.
    fn is_incident_right(&self, stage: &Stage, runs_played: u64) -> bool {
        let expected = u64::try_from(self.failed_runs.len()).unwrap();
        assert!(expected <= runs_played);
        let incidents = stage.list(ADMIN, "incidents");
        assert!(incidents.len() <= 1, "an incident is doubled");
        let occurrences = incidents
            .first()
            .map_or(0, |i| i["occurrences"].as_u64().unwrap_or(0));
        assert!(occurrences <= runs_played, "a run counts twice");
        occurrences == expected
    }
}

/// Checks a daemon that was not looked at before.
pub(crate) fn check(stage: &Stage, runs_played: u64) {
    Books::default().check(stage, runs_played);
}

/// The same, by what the payloads say and not by what the daemon made of them.
fn check_payloads(stage: &Stage) {
    stage.wait_until("what the payloads say", || {
        // A run may be found by listing, too, while its delivery is on its way.
        let mut completed = BTreeSet::new();
        for delivery in stage.stored() {
            let id = delivery["id"].as_str().expect("ids are texts");
            let payload = stage.get(&format!("deliveries/{id}"))["payload"].take();
            if payload["action"] == "completed" {
                let run = &payload["workflow_run"];
                completed.insert((run["id"].to_string(), run["run_attempt"].to_string()));
            }
        }
        assert!(!completed.is_empty());
        stage.list(ADMIN, "incidents")[0]["occurrences"] == completed.len()
    });
}

/// Plays the runs of a round, and waits for a moment somewhere in the middle of its answers.
fn play_until_some_moment(stage: &Stage, round: u64, life: u64) {
    let had = stage.acknowledged().len();
    let wanted = usize::try_from((round * 7 + life) % (3 * RUNS)).unwrap();
    stage.play_failures(round * RUNS..(round + 1) * RUNS);
    stage.wait_until("answers", || stage.acknowledged().len() >= had + wanted);
    let delay_us = (round + 100 * life).wrapping_mul(6_364_136_223_846_793_005) % DELAY_US_MAX;
    std::thread::sleep(Duration::from_micros(delay_us));
}

/// In lives of twenty kills each: a start after a kill reads the whole journal of its life.
#[test]
fn the_daemon_loses_and_doubles_nothing_when_it_is_killed_under_load() {
    let mut acknowledged = 0;
    for life in 0..u64::from(rounds(10)) {
        let stage = Stage::new();
        let mut daemon = stage.start();
        stage.connect();
        let mut books = Books::default();
        for round in 0..20 {
            play_until_some_moment(&stage, round, life);
            daemon.kill();
            assert!(stage.simulator.wait_quiet(QUIET));
            daemon = stage.start();
            books.check(&stage, (round + 1) * RUNS);
        }
        check_payloads(&stage);
        acknowledged += stage.acknowledged().len();
    }
    assert!(acknowledged > 500, "too little happened: {acknowledged}");
}

#[test]
fn the_daemon_ends_within_ten_seconds_of_a_sigterm_under_load_and_loses_nothing() {
    let stage = Stage::new();
    let mut daemon = stage.start();
    stage.connect();
    let mut books = Books::default();
    for round in 0..10 {
        play_until_some_moment(&stage, round, 0);
        let begun = Instant::now();
        assert!(daemon.terminate().success());
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert!(stage.simulator.wait_quiet(QUIET));
        daemon = stage.start();
        books.check(&stage, (round + 1) * RUNS);
    }
}

#[test]
fn the_daemon_loses_and_doubles_nothing_when_the_power_is_cut_under_load() {
    let Some(disk) = Disk::new(512) else { return };
    let data_dir = disk.path().join("data");
    let stage = Stage::at(&data_dir);
    let mut daemon = stage.start();
    stage.connect();
    let acknowledged = || -> BTreeSet<String> { stage.acknowledged().into_iter().collect() };
    let mut uncertain = BTreeSet::new();
    for round in 0..u64::from(rounds(10)) {
        play_until_some_moment(&stage, round, 0);
        // Only what was answered before the cut counts: while this kind of cut lasts, a sync
        // that is under way may return success and have done nothing. No disk does that.
        let before: BTreeSet<String> = &acknowledged() - &uncertain;
        disk.cut_power();
        daemon.kill();
        assert!(stage.simulator.wait_quiet(QUIET));
        uncertain = &acknowledged() - &before;
        disk.restart();
        daemon = stage.start();
        let stored = stage.stored();
        let is_there = |guid: &String| stored.iter().any(|d| d["provider_delivery_id"] == **guid);
        let lost: Vec<_> = before.iter().filter(|guid| !is_there(guid)).collect();
        assert!(
            lost.is_empty(),
            "{} of {} lost: {lost:?}: {}",
            lost.len(),
            before.len(),
            stage.end_of_log()
        );
    }
    daemon.kill();
}
