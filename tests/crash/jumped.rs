//! The real daemon, whose wall clock jumps by years and runs there sixty times as fast and more,
//! until an hour of it has passed, and back: nothing is lost, nothing is taken for stale, and what
//! was sent before is known again.

use super::clock::LIBRARIES;
use super::daemon::{ADMIN, Daemon, REPOSITORY, Stage};
use super::is_missing;
use hookherd::simulator::PipelineSpec;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const PROJECT: &str = "group/sub/app";
/// How long a clock is wrong, by itself.
const HOUR: u64 = 3600;
/// Seconds of the wrong clock for each that passes.
const SPEED: u32 = 600;
/// A jump is longer than this, in seconds.
const JUMP: u64 = 100 * 24 * HOUR;
/// How long the deliveries may take to be answered.
const QUIET: Duration = Duration::from_secs(20);

/// A daemon with a clock that is set by a file.
struct Clock<'a> {
    stage: &'a Stage,
    file: &'a Path,
    library: &'a str,
}

impl Clock<'_> {
    fn set(&self, off: &str) {
        std::fs::write(self.file, format!("{off}\n")).unwrap();
    }

    fn start(&self) -> Daemon {
        let preload = format!("LD_PRELOAD={}", self.library);
        let file = format!("FAKETIME_TIMESTAMP_FILE={}", self.file.display());
        let fixed = [
            "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
            "DONT_FAKE_MONOTONIC=1",
            "NO_FAKE_STAT=1",
        ];
        let words = ["env", &preload, &file].into_iter().chain(fixed);
        self.stage.start_with(&words.collect::<Vec<_>>(), &[])
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap().as_secs()
}

fn connect_project(stage: &Stage) {
    let gitlab = stage.simulator.gitlab();
    let token = gitlab.add_user("ann");
    gitlab.add_project(PROJECT, "ann");
    stage.add_credential(ADMIN, "gitlab", &token);
    let wish = json!({ "provider": "gitlab", "repository_full_name": PROJECT });
    stage.call(ADMIN, "POST repositories/connect", &wish);
    stage.wait_until("the hook", || gitlab.hooks(PROJECT).len() == 1);
    assert!(gitlab.hooks(PROJECT)[0].signing_token.is_some(), "it signs");
}

/// A run and a pipeline fail, and all their deliveries are answered.
fn play(stage: &Stage, number: u64) {
    stage.play_failures(number..number + 1);
    let gitlab = stage.simulator.gitlab();
    gitlab.play_pipeline(PROJECT, &PipelineSpec::new(number, "failed"));
    assert!(stage.simulator.wait_quiet(QUIET));
}

fn guid(delivery: &Value) -> String {
    let guid = delivery["provider_delivery_id"].as_str();
    guid.expect("an id").to_owned()
}

/// Those that a provider sent. With a wrong clock a pipeline does not look as if it had just
/// changed: it may be found by listing, too, while its delivery is on its way.
fn sent(stored: &[Value]) -> impl Iterator<Item = &Value> {
    stored.iter().filter(|it| !guid(it).starts_with("found:"))
}

/// What was answered to the providers is processed.
fn answered(stage: &Stage) -> BTreeSet<String> {
    let mut all = stage.simulator.github().deliveries(REPOSITORY);
    all.extend(stage.simulator.gitlab().deliveries(PROJECT));
    let is_refused = |status: Option<u16>| status.is_none_or(|status| status >= 300);
    assert!(all.iter().all(|d| !is_refused(d.status)), "{all:?}");
    all.into_iter().map(|d| d.guid).collect()
}

/// Everything is there, once, and had its effect.
fn check(stage: &Stage, what: &str) -> usize {
    // A ping may be on its way.
    stage.wait_until("all to be there and processed", || {
        let stored = stage.stored();
        let there: BTreeSet<_> = sent(&stored).map(guid).collect();
        let is_quiet = stage.simulator.wait_quiet(QUIET);
        is_quiet && there == answered(stage) && stored.iter().all(|d| d["state"] == "processed")
    });
    let stored = stage.stored();
    let late = stored.iter().filter(|d| d["outcome"] == "stale").count();
    let there: BTreeSet<_> = sent(&stored).map(guid).collect();
    let count = sent(&stored).count();
    let found = stored.len() - count;
    assert!(late <= found, "{what}: {late} late of {count}");
    assert_eq!(there.len(), count, "{what}: one is there twice");
    assert_eq!(there, answered(stage), "{what}");
    count
}

/// Everything is sent once more.
fn send_again(stage: &Stage) {
    let (github, gitlab) = (stage.simulator.github(), stage.simulator.gitlab());
    for delivery in github.deliveries(REPOSITORY) {
        github.redeliver(REPOSITORY, delivery.id);
    }
    for delivery in gitlab.deliveries(PROJECT) {
        gitlab.resend(PROJECT, delivery.id);
    }
    assert!(stage.simulator.wait_quiet(QUIET));
}

fn jump(library: &str, off: &str) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("clock");
    let stage = Stage::new();
    let clock = Clock {
        stage: &stage,
        file: &file,
        library,
    };
    clock.set("+0");
    let daemon = clock.start();
    stage.connect();
    connect_project(&stage);
    let mut number = 1;
    play(&stage, number);
    clock.set(&format!("{off} x{SPEED}"));
    // Each answer has a date, kept for a moment.
    stage.wait_until("the jump", || stage.clock().abs_diff(now()) > JUMP);
    let begun = stage.clock();
    while stage.clock() < begun + HOUR {
        number += 1;
        play(&stage, number);
    }
    check(&stage, &format!("{off}, an hour later"));
    clock.set("+0 x1");
    stage.wait_until("the way back", || stage.clock().abs_diff(now()) < 60);
    play(&stage, number + 1);
    let all = check(&stage, &format!("{off}, right again"));
    assert!(daemon.terminate().success());
    let daemon = clock.start();
    send_again(&stage);
    assert_eq!(check(&stage, &format!("{off}, sent again")), all);
    let mut incidents = stage.list(ADMIN, "incidents");
    incidents.retain(|incident| incident["source"] == "webhook");
    let counts: Vec<_> = incidents
        .iter()
        .map(|i| i["occurrences"].as_u64())
        .collect();
    assert_eq!(
        counts,
        [Some(number + 1), Some(number + 1)],
        "{incidents:?}"
    );
    assert!(daemon.terminate().success());
    stage.assert_no_panic();
}

fn jump_if_there(off: &str) {
    let library = LIBRARIES.iter().find(|path| Path::new(path).exists());
    if !is_missing("libfaketime", library.is_some()) {
        jump(library.expect("it is not missing"), off);
    }
}

#[test]
fn an_hour_of_a_clock_200_days_ahead_costs_the_daemon_nothing() {
    jump_if_there("+200d");
}

#[test]
fn an_hour_of_a_clock_20_years_back_costs_the_daemon_nothing() {
    jump_if_there("-20y");
}
