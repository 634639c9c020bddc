//! The outage drill: the daemon is killed and returns, again and again, while both providers send;
//! and many missed deliveries of one hook.

use super::recovery::{PROJECT, incidents, quiet, sent, totals, unanswered, wait_for_all};
use super::stage::{Daemon, REPOSITORY, Stage};
use hookherd::simulator::{PipelineSpec, RunSpec};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How often the daemon is killed, unless `HOOKHERD_DRILLS` says so.
const DRILLS: u64 = 8;
/// Deliveries that are missed at once, unless `HOOKHERD_MISSED` says so. Recovery has 70 % of what
/// GitHub allows in a minute, 900 calls: so many are recovered before it has to wait.
const MISSED: usize = 600;
/// What GitHub's hourly limit of 5,000 calls allows a recovery, which leaves a third to others:
/// more than that is missed at GitLab only.
const AT_GITHUB_MAX: usize = 3_000;
/// Recovery waits for the limits of a minute, however slow the machine is.
const MINUTES: Duration = Duration::from_mins(3);

fn configured(name: &str, usual: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(usual, |text| text.parse().expect("a number"))
}

/// Chance that is alike in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// Both providers with a connection each, and what was played.
struct Drill {
    stage: Stage,
    user: String,
    connections: [String; 2],
    chance: Chance,
    number: u64,
    /// By title of the incident: whether the last result was a failure.
    failing: BTreeMap<String, bool>,
}

impl Drill {
    fn new() -> (Self, Daemon) {
        let stage = Stage::new();
        let gitlab = stage.simulator.gitlab();
        let daemon = stage.start();
        let (user, token) = stage.ann_and_octo();
        let first = stage.connect(&user, &token, REPOSITORY);
        let token = gitlab.add_user("ann");
        gitlab.add_project(PROJECT, "ann");
        // The drill is about what is logged: nothing is to be dropped.
        gitlab.set_auto_disabling(false);
        gitlab.set_rate_limit(None);
        stage.add_credential(&user, "gitlab", &token);
        let wish = json!({ "provider": "gitlab", "repository_full_name": PROJECT });
        let second = stage.call(&user, "POST repositories/connect", &wish);
        let second = second.field("id");
        for id in [&first, &second] {
            stage.wait_for_status(&user, id, "active");
        }
        let drill = Self {
            stage,
            user,
            connections: [first, second],
            chance: Chance(0x5EED),
            number: 0,
            failing: BTreeMap::new(),
        };
        (drill, daemon)
    }

    /// Something happens at a provider.
    fn play(&mut self) {
        let simulator = &self.stage.simulator;
        self.number += 1;
        let (number, fails) = (self.number, self.chance.below(2) == 0);
        let branch = ["main", "topic", "next"][usize::try_from(self.chance.below(3)).unwrap()];
        match self.chance.below(5) {
            0 => simulator.github().push(REPOSITORY),
            1 => simulator.gitlab().push(PROJECT),
            2 | 3 => {
                let conclusion = if fails { "failure" } else { "success" };
                let run = RunSpec {
                    branch: branch.into(),
                    ..RunSpec::new(number, conclusion)
                };
                simulator.github().play_run(REPOSITORY, &run);
                self.failing
                    .insert(format!("CI failed: CI on {branch}"), fails);
            }
            _ => {
                let pipeline = PipelineSpec {
                    ref_name: branch.into(),
                    ..PipelineSpec::new(number, if fails { "failed" } else { "success" })
                };
                simulator.gitlab().play_pipeline(PROJECT, &pipeline);
                let title = format!("CI failed: Pipeline on {branch}");
                self.failing.insert(title, fails);
            }
        }
    }

    fn play_some(&mut self) {
        for _ in 0..self.chance.below(6) {
            self.play();
        }
    }

    /// All deliveries that a provider logged for a hook of ours.
    fn sent(&self) -> BTreeSet<String> {
        let (github, gitlab) = (self.stage.simulator.github(), self.stage.simulator.gitlab());
        let hook = github.hooks(REPOSITORY)[0].id;
        let mut all = sent(github.deliveries(REPOSITORY), hook);
        let hook = gitlab.hooks(PROJECT)[0].id;
        all.extend(sent(gitlab.deliveries(PROJECT), hook));
        all
    }
}

#[test]
fn the_daemon_goes_down_and_returns_and_every_event_is_there_once() {
    let (mut drill, mut daemon) = Drill::new();
    for _ in 0..configured("HOOKHERD_DRILLS", DRILLS) {
        drill.play_some();
        // Some of that is on its way, and some is being recovered, when the daemon is killed.
        drop(daemon);
        drill.play_some();
        daemon = drill.stage.start();
        drill.play_some();
    }
    quiet(&drill.stage);
    drop(daemon);
    let _daemon = drill.stage.start();
    let (stage, user) = (&drill.stage, drill.user.as_str());
    wait_for_all(stage, user, &drill.sent());
    let expected: Vec<String> = drill
        .failing
        .iter()
        .filter(|it| *it.1)
        .map(|it| it.0.clone())
        .collect();
    let mut open = Vec::new();
    stage.wait_until("the incidents", || {
        let all = incidents(stage, user).into_iter();
        open = all.filter(|it| it.1 != "resolved").map(|it| it.0).collect();
        open == expected
    });
    for id in &drill.connections {
        stage.wait_until("the account to add up", || {
            let totals = totals(stage, user, id);
            totals["missed"] == totals["recovered"] && totals["outstanding"] == 0
        });
        let totals = totals(stage, user, id);
        let lost = (&totals["unrecoverable"], &totals["unlogged_seconds"]);
        assert_eq!(lost, (&json!(0), &json!(0)), "{totals}");
    }
}

/// GitHub: a call for each, and the pages. GitLab: the pages alone.
#[test]
fn many_missed_deliveries_of_a_hook_cost_one_call_each_and_the_pages() {
    let (drill, daemon) = Drill::new();
    let missed = usize::try_from(configured("HOOKHERD_MISSED", MISSED as u64)).unwrap();
    let (stage, user) = (&drill.stage, drill.user.as_str());
    let (github, gitlab) = (stage.simulator.github(), stage.simulator.gitlab());
    gitlab.set_rate_limit(None);
    quiet(stage);
    drop(daemon);
    let at_github = missed.min(AT_GITHUB_MAX);
    for _ in 0..at_github {
        github.push(REPOSITORY);
    }
    for _ in 0..missed {
        gitlab.push(PROJECT);
    }
    assert!(stage.simulator.wait_quiet(Duration::from_mins(5)));
    assert!(unanswered(github.deliveries(REPOSITORY)).len() >= at_github);
    let _daemon = stage.start();
    let expected = [at_github, missed];
    for (id, expected) in drill.connections.iter().zip(expected) {
        let mut last = Value::Null;
        let is_done = |totals: &Value| totals["recovered"] == expected;
        // The longer, the more there are, with pauses for the limits of a minute.
        while !is_done(&totals(stage, user, id)) {
            let before = std::mem::replace(&mut last, totals(stage, user, id));
            stage.wait_long("progress", MINUTES, || {
                let now = totals(stage, user, id);
                is_done(&now) || now["recovered"] != before["recovered"]
            });
        }
        let totals = totals(stage, user, id);
        assert_eq!(
            (&totals["missed"], &totals["unrecoverable"]),
            (&json!(expected), &json!(0))
        );
    }
    wait_for_all(stage, user, &drill.sent());
    let calls = stage.simulator.requests("get_delivery");
    let pages = stage.simulator.requests("list_deliveries");
    println!("{at_github} deliveries: {calls} calls, {pages} pages");
    assert!(
        calls * 10 <= at_github as u64 * 11,
        "{calls} calls for {at_github}"
    );
    assert!(pages <= at_github as u64 / 100 * 4 + 10, "{pages} pages");
}
