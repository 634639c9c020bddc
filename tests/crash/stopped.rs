//! The daemon is stopped at each of its commits in turn, and before and after each of its calls
//! to the provider, in the middle of the main job. The next start continues, and the end is the
//! same as without the stop.

use super::daemon::{REPOSITORY, Stage, killed_when};
use super::traced::{kill_traced, spawn_to_die_at, strace_is_missing};
use hookherd::simulator::{Fault, Misbehaviour, RunSpec};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long the last deliveries may take to fail.
const QUIET: Duration = Duration::from_secs(20);
/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(5);
/// The main job has fewer commits and calls than this.
const STOPS_MAX: u32 = 200;

/// The last step; see [`Play::step`].
const LAST: usize = 9;

/// The main job, and how far it has come.
struct Play<'a> {
    stage: &'a Stage,
    token: String,
    /// Runs that were played at the provider.
    played: u64,
    next: usize,
}

impl<'a> Play<'a> {
    fn new(stage: &'a Stage) -> Self {
        let github = stage.simulator.github();
        let token = github.add_user("octo");
        github.add_repository(REPOSITORY, "octo");
        Self {
            stage,
            token,
            played: 0,
            next: 0,
        }
    }

    /// Continues until the daemon is gone (`false`) or nothing is left to do (`true`).
    fn go_on(&mut self) -> bool {
        let mut deadline = Instant::now() + PATIENCE;
        loop {
            match self.step() {
                None => return false,
                Some(true) if self.next == LAST => return true,
                Some(true) => {
                    self.next += 1;
                    deadline = Instant::now() + PATIENCE;
                }
                Some(false) => {
                    let log = || self.stage.end_of_log();
                    assert!(
                        Instant::now() < deadline,
                        "step {} is stuck: {}",
                        self.next,
                        log()
                    );
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    /// A step may be begun again after a stop. `None` when the daemon is gone, `Some(false)` when
    /// it is not done yet.
    fn step(&mut self) -> Option<bool> {
        match self.next {
            0 => self.add_credential(),
            1 => self.connect(),
            2 => self.has_hook(),
            3 => self.play(1, "failure"),
            4 | 7 => self.is_all_processed(),
            5 => self.change_events(),
            6 => self.play(2, "success"),
            8 => self.is_as_it_should_be(),
            _ => self.disconnect(),
        }
    }

    fn ask(&self, line: &str, body: &Value) -> Option<(u16, Value)> {
        self.stage.try_call(line, body)
    }

    fn get(&self, path: &str) -> Option<Value> {
        let answer = self.ask(&format!("GET {path}"), &Value::Null);
        answer.map(|(_, v)| v)
    }

    fn connection(&self) -> Option<Value> {
        let list = self.get("repositories/connections")?;
        Some(list["connections"][0].clone())
    }

    fn add_credential(&mut self) -> Option<bool> {
        let list = self.get("credentials")?;
        if list["items"].as_array().is_some_and(|all| !all.is_empty()) {
            return Some(true);
        }
        let body = json!({ "provider": "github", "token": self.token });
        self.ask("POST credentials", &body)?;
        Some(false)
    }

    fn connect(&mut self) -> Option<bool> {
        let body = json!({ "repository_full_name": REPOSITORY });
        let (status, _) = self.ask("POST repositories/connect", &body)?;
        Some([201, 409].contains(&status))
    }

    fn has_hook(&mut self) -> Option<bool> {
        Some(self.connection()?["webhook_status"] == "active")
    }

    /// Plays a run once. What was not answered with success is delivered again.
    fn play(&mut self, number: u64, conclusion: &str) -> Option<bool> {
        let github = self.stage.simulator.github();
        if self.played < number {
            let spec = RunSpec::new(number, conclusion);
            github.play_run(REPOSITORY, &spec);
            self.played = number;
        }
        assert!(self.stage.simulator.wait_quiet(QUIET));
        let acknowledged = self.stage.acknowledged();
        let mut missing = github.deliveries(REPOSITORY);
        missing.retain(|d| !acknowledged.contains(&d.guid));
        missing.dedup_by(|a, b| a.guid == b.guid);
        for delivery in &missing {
            github.redeliver(REPOSITORY, delivery.id);
        }
        self.get("credentials")?;
        Some(missing.is_empty())
    }

    fn is_all_processed(&mut self) -> Option<bool> {
        let list = self.get("deliveries?limit=100")?;
        let all = list["items"].as_array()?;
        Some(all.iter().all(|d| d["state"] == "processed"))
    }

    /// Other events: the hook is written at the provider.
    fn change_events(&mut self) -> Option<bool> {
        let id = self.connection()?["id"].as_str()?.to_owned();
        let events = json!({ "webhook_events": ["workflow_run", "issues"] });
        let line = format!("PATCH repositories/connections/{id}");
        self.ask(&line, &events)?;
        let hooks = self.stage.simulator.github().hooks(REPOSITORY);
        Some(hooks[0].events == ["issues", "workflow_run"])
    }

    /// The end of every history: one hook, each delivery once, one resolved incident.
    fn is_as_it_should_be(&mut self) -> Option<bool> {
        let incidents = self.get("incidents")?;
        let deliveries = self.get("deliveries?limit=100")?;
        let (incidents, deliveries) = (
            incidents["items"].as_array()?,
            deliveries["items"].as_array()?,
        );
        assert_eq!(incidents.len(), 1, "{incidents:?}");
        assert_eq!(incidents[0]["occurrences"], 1);
        assert_eq!(incidents[0]["status"], "resolved");
        let guid = |d: &Value| d["provider_delivery_id"].as_str().map(str::to_owned);
        let mut stored: Vec<String> = deliveries.iter().filter_map(guid).collect();
        let mut acknowledged = self.stage.acknowledged();
        for list in [&mut stored, &mut acknowledged] {
            list.sort();
        }
        let all = stored.len();
        stored.dedup();
        assert_eq!(stored.len(), all, "a delivery is there twice");
        acknowledged.dedup();
        assert!(acknowledged.iter().all(|guid| stored.contains(guid)));
        let github = self.stage.simulator.github();
        assert_eq!(github.hooks(REPOSITORY).len(), 1);
        // Each hook that was ever made got a ping.
        let pings = github.deliveries(REPOSITORY);
        let made: BTreeSet<u64> = pings.iter().map(|delivery| delivery.hook).collect();
        assert_eq!(made.len(), 1, "it was made once, and adopted: {made:?}");
        Some(true)
    }

    /// Disconnects, and waits until no hook and no connection is left.
    fn disconnect(&mut self) -> Option<bool> {
        let connection = self.connection()?;
        if let Some(id) = connection["id"].as_str() {
            let line = format!("DELETE repositories/connections/{id}");
            self.ask(&line, &Value::Null)?;
            return Some(false);
        }
        Some(self.stage.simulator.github().hooks(REPOSITORY).is_empty())
    }
}

/// Continues with a daemon that nothing stops, to the end.
fn finish(stage: &Stage, mut play: Play<'_>) {
    let daemon = stage.start();
    assert!(play.go_on(), "the daemon ended: {}", stage.end_of_log());
    drop(daemon);
    stage.assert_no_panic();
}

/// Plays the whole job, each time with a daemon that strace kills as it makes the nth system call
/// of a kind, until it makes fewer. Returns how often it was stopped.
fn stop_at_each(call: &str) -> u32 {
    for nth in 1..STOPS_MAX {
        let stage = Stage::new();
        let mut play = Play::new(&stage);
        let mut daemon = spawn_to_die_at(&stage, call, nth);
        let is_whole = stage.is_ready(&mut daemon) && play.go_on();
        kill_traced(daemon.pid());
        daemon.kill();
        if is_whole {
            return nth - 1;
        }
        finish(&stage, play);
    }
    STOPS_MAX
}

/// What is being committed is written then, and not acknowledged.
#[test]
fn a_daemon_that_is_stopped_at_any_of_its_commits_ends_the_job_all_the_same() {
    if strace_is_missing() {
        return;
    }
    let stops = stop_at_each("fdatasync");
    eprintln!("stopped at {stops} commits");
    assert!((12..STOPS_MAX).contains(&stops), "{stops} stops");
}

/// What was committed is durable then, and not acknowledged: neither to the provider, whose
/// delivery it is, nor to the caller.
#[test]
fn a_daemon_that_is_stopped_at_any_of_its_answers_ends_the_job_all_the_same() {
    if strace_is_missing() {
        return;
    }
    let stops = stop_at_each("sendto,writev");
    eprintln!("stopped at {stops} answers and requests");
    assert!((12..STOPS_MAX).contains(&stops), "{stops} stops");
}

/// The provider gets a request and does not answer it; it has done what was asked, or has not.
/// Then the daemon is killed.
#[test]
fn a_daemon_that_is_stopped_in_any_of_its_calls_ends_the_job_all_the_same() {
    for misbehaviour in [Misbehaviour::Hang, Misbehaviour::ActThenHang] {
        let mut stops = 0;
        for after in 0..STOPS_MAX {
            let stage = Stage::new();
            let mut play = Play::new(&stage);
            let daemon = stage.start();
            stage.simulator.faults().push(Fault {
                operation: "*".to_owned(),
                misbehaviour,
                times: 1,
                after,
            });
            let is_time = || !stage.simulator.faults().are_pending();
            let (is_whole, is_stopped) = killed_when(daemon, is_time, || play.go_on());
            assert!(is_stopped || is_whole, "the daemon ended by itself");
            if is_whole {
                break;
            }
            stops += 1;
            finish(&stage, play);
        }
        eprintln!("stopped in {stops} calls: {misbehaviour:?}");
        assert!((6..STOPS_MAX).contains(&stops), "{stops} stops");
    }
}
