//! The daemon is killed while it carries out commands. Each command that was answered with success
//! is found again by its id, is carried out once, and keeps its outcome.

use super::daemon::{ADMIN, REPOSITORY, Stage, killed_when};
use super::rounds;
use super::traced::{kill_traced, spawn_to_die_at, strace_is_missing};
use hookherd::domain::secret::HookSecret;
use hookherd::provider::signature::github_sign;
use hookherd::simulator::{Fault, Hook, Misbehaviour};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The script has fewer commits and calls than this.
const STOPS_MAX: u32 = 120;
/// Stages at a time: most of a round is waiting.
const STAGES: usize = 4;
/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(5);
/// The latest that a kill comes after the answer that it waits for.
const DELAY_US_MAX: u64 = 20_000;

/// What is asked of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Action(&'static str),
    Events(&'static [&'static str]),
    Enabled(bool),
    Disconnect,
}

const CHECK: Ask = Ask::Action("check");
const PING: Ask = Ask::Action("ping");
const RECREATE: Ask = Ask::Action("recreate");
const ROTATE: Ask = Ask::Action("rotate-secret");
const MORE: Ask = Ask::Events(&["issues", "push"]);
const LESS: Ask = Ask::Events(&["push"]);
const PAUSED: Ask = Ask::Enabled(false);
const RESUMED: Ask = Ask::Enabled(true);

/// Each command that concerns the hook, one after another.
const SCRIPT: [Ask; 9] = [
    ROTATE,
    RECREATE,
    MORE,
    PAUSED,
    RESUMED,
    CHECK,
    PING,
    ROTATE,
    Ask::Disconnect,
];

/// The latest commands that are looked at, about half of all: a connection keeps a hundred that
/// have ended.
const COMMANDS_CHECKED: usize = 40;

/// The same all at once, and without an end.
const BURST: [Ask; 9] = [
    CHECK, ROTATE, MORE, RECREATE, PING, PAUSED, ROTATE, RESUMED, LESS,
];

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// With success.
    Promised,
    /// The daemon could not store it.
    Refused,
    /// The daemon is gone.
    Unanswered,
}

/// A connection, and what was asked of it.
struct Story<'a> {
    stage: &'a Stage,
    id: String,
    /// The commands that were answered with success, as they were seen last.
    commands: Vec<Value>,
    /// Requests to recreate the hook: those that were answered with success, and all.
    recreations: (u64, u64),
    /// The secret before the last rotation.
    rotated: Option<HookSecret>,
    /// What was promised last, and the hook before.
    promised: Option<(Ask, Option<Hook>)>,
    /// The newest secret was not confirmed by the provider as a rotation was asked: then it stays,
    /// for nothing has used it yet.
    is_unconfirmed: bool,
    /// What is asked next.
    next: usize,
}

fn hook(stage: &Stage) -> Option<Hook> {
    let mut found = stage.simulator.github().hooks(REPOSITORY);
    assert!(found.len() < 2, "two hooks: {found:?}");
    found.pop()
}

fn secret_of(hook: &Hook) -> HookSecret {
    let secret = hook.secret.clone().expect("ours have one");
    HookSecret::new(secret).expect("ours are long enough")
}

impl<'a> Story<'a> {
    /// A connection with its hook, and a daemon that has ended in an orderly way.
    fn new(stage: &'a Stage) -> Self {
        let daemon = stage.start();
        stage.connect();
        let list = stage.get("repositories/connections");
        let id = list["connections"][0]["id"].as_str().expect("an id");
        let story = Self {
            stage,
            id: id.to_owned(),
            commands: Vec::new(),
            recreations: (0, 0),
            rotated: None,
            promised: None,
            is_unconfirmed: false,
            next: 0,
        };
        stage.wait_for_status(ADMIN, id, "active");
        assert!(daemon.terminate().success());
        story
    }

    fn line(&self, method: &str, rest: &str) -> String {
        format!("{method} repositories/connections/{}{rest}", self.id)
    }

    /// Whether nothing is left to do: the hook is the connection's, or both are gone.
    fn is_settled(&self) -> bool {
        let line = self.line("GET", "");
        let Some((status, now)) = self.stage.try_call(&line, &Value::Null) else {
            return false;
        };
        let hook = hook(self.stage);
        let is_enabled = now["is_enabled"].as_bool();
        match (status, is_enabled, hook) {
            (404, None, hook) => hook.is_none(),
            (200, Some(true), Some(hook)) => {
                let id = hook.id.to_string();
                now["webhook_id"] == id.as_str() && now["webhook_status"] == "active"
            }
            (200, Some(false), _) => now["webhook_status"] == "inactive",
            _ => false,
        }
    }

    fn ask(&mut self, ask: Ask) -> Asked {
        let change = |body: Value| (self.line("PATCH", ""), body);
        let (line, body) = match ask {
            Ask::Action(name) => {
                let line = self.line("POST", &format!("/{name}"));
                (line, Value::Null)
            }
            Ask::Events(events) => change(json!({ "webhook_events": events })),
            Ask::Enabled(is_enabled) => change(json!({ "is_enabled": is_enabled })),
            Ask::Disconnect => (self.line("DELETE", ""), Value::Null),
        };
        self.recreations.1 += u64::from(ask == RECREATE);
        let Some((status, answer)) = self.stage.try_call(&line, &body) else {
            return Asked::Unanswered;
        };
        if status == 503 {
            return Asked::Refused;
        }
        // A second request may find that it was done.
        let is_done = status == 404 && ask == Ask::Disconnect;
        // As many former secrets are accepted as may be.
        if status == 409 && ask == ROTATE {
            return Asked::Promised;
        }
        assert!(status < 300 || is_done, "{ask:?}: {status} {answer}");
        self.recreations.0 += u64::from(ask == RECREATE);
        if matches!(ask, Ask::Action(_)) {
            self.commands.push(answer["command"].clone());
        }
        Asked::Promised
    }

    /// Asks the script's commands, and waits for the effect of each. Returns whether the daemon
    /// was there to the end.
    fn go_on(&mut self) -> bool {
        let mut deadline = Instant::now() + PATIENCE;
        while let Some(ask) = SCRIPT.get(self.next).copied() {
            let before = hook(self.stage);
            if ask == ROTATE {
                self.rotated = before.as_ref().map(secret_of);
                let line = self.line("GET", "");
                let now = self.stage.try_call(&line, &Value::Null);
                let state = now.map(|(_, now)| now["health"]["secret"]["state"].clone());
                self.is_unconfirmed = state.is_some_and(|state| state == "unconfirmed");
            }
            self.promised = None;
            match self.ask(ask) {
                Asked::Unanswered => return false,
                Asked::Refused => {
                    assert!(Instant::now() < deadline, "{ask:?} is refused");
                    std::thread::sleep(PAUSE);
                    continue;
                }
                Asked::Promised => {}
            }
            self.next += 1;
            self.promised = Some((ask, before));
            while !self.is_kept() {
                if self.stage.readiness().is_none() {
                    return false;
                }
                let log = || self.stage.end_of_log();
                assert!(Instant::now() < deadline, "{ask:?} is stuck: {}", log());
                std::thread::sleep(PAUSE);
            }
            deadline = Instant::now() + PATIENCE;
        }
        true
    }

    /// Whether what was promised last shows at the provider.
    fn is_kept(&self) -> bool {
        let Some((ask, before)) = &self.promised else {
            return self.is_settled();
        };
        let now = hook(self.stage);
        let differs = |by: fn(&Hook) -> String| now.as_ref().map(by) != before.as_ref().map(by);
        let is_kept = match *ask {
            ROTATE => self.is_unconfirmed || differs(|hook| format!("{:?}", hook.secret)),
            RECREATE => differs(|hook| hook.id.to_string()),
            Ask::Events(events) => now.is_some_and(|hook| hook.events == events),
            Ask::Disconnect => now.is_none(),
            Ask::Action(_) | Ask::Enabled(_) => true,
        };
        is_kept && self.is_settled()
    }

    /// Checks what was promised, without asking again: each command is there, was carried out, and
    /// ended once; the hook is as asked, and its secret is known.
    fn check(&mut self) {
        let stage = self.stage;
        // Older ones that ended are no longer kept.
        let old = self.commands.len().saturating_sub(COMMANDS_CHECKED);
        for before in &mut self.commands[old..] {
            let path = format!("commands/{}", before["id"].as_str().expect("an id"));
            let mut now = Value::Null;
            stage.wait_until("the command to end", || {
                now = stage.get(&path);
                now["state"] != "asked"
            });
            assert_eq!(now["state"], "done", "{now}: {}", stage.end_of_log());
            assert!(now["outcome"].is_string(), "{now}");
            assert!(
                before["state"] == "asked" || now == *before,
                "{before} {now}"
            );
            *before = now;
        }
        let (promised, asked) = self.recreations;
        stage.wait_until("what was promised", || {
            self.is_kept() && self.made() > promised
        });
        let made = self.made();
        assert!(made <= 1 + asked, "{made} hooks, {asked} recreations");
        let Some(hook) = hook(stage) else { return };
        let newest = self.deliver(&hook.url, &secret_of(&hook));
        assert!(newest < 300, "the hook's secret is unknown: {newest}");
        if let Some(rotated) = &self.rotated {
            // A second rotation would have dropped it.
            let former = self.deliver(&hook.url, rotated);
            assert!(former < 300, "the former secret is unknown: {former}");
        }
    }

    /// How many hooks there ever were: each got a ping.
    fn made(&self) -> u64 {
        let pings = self.stage.simulator.github().deliveries(REPOSITORY);
        let hooks: BTreeSet<u64> = pings.iter().map(|delivery| delivery.hook).collect();
        u64::try_from(hooks.len()).expect("few")
    }

    /// A delivery that is signed with this secret: the status of the answer.
    fn deliver(&self, url: &str, secret: &HookSecret) -> u16 {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed).to_string();
        let body = json!({ "after": number }).to_string();
        let signature = github_sign(secret, body.as_bytes());
        let headers = [
            ("x-github-event", "push"),
            ("x-github-delivery", &number),
            ("x-hub-signature-256", &signature),
        ];
        self.stage.post(url, &headers, body)
    }

    /// Continues with a daemon that nothing stops, to the end.
    fn finish(mut self) {
        let daemon = self.stage.start();
        self.check();
        assert!(self.go_on(), "the daemon ended");
        self.check();
        assert_eq!(hook(self.stage), None);
        let path = "repositories/connections?deleting=true";
        self.stage.wait_until("nothing to be left", || {
            self.stage.get(path)["connections"] == json!([])
        });
        drop(daemon);
        self.stage.assert_no_panic();
    }
}

/// Stops at the first, the second ... until nothing is stopped any more, several at a time.
/// Returns how many were stopped.
fn sweep(is_stopped: impl Fn(u32) -> bool + Sync) -> u32 {
    let (next, end) = (AtomicU32::new(0), AtomicU32::new(STOPS_MAX));
    std::thread::scope(|scope| {
        for _ in 0..STAGES {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= end.load(Ordering::Relaxed) {
                        return;
                    }
                    if !is_stopped(nth) {
                        end.fetch_min(nth, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    end.into_inner()
}

/// What is being committed is written then, and not acknowledged.
#[test]
fn a_daemon_that_is_stopped_at_any_commit_of_a_command_carries_out_what_it_promised_once() {
    if strace_is_missing() {
        return;
    }
    let stops = sweep(|nth| {
        let stage = Stage::new();
        let mut story = Story::new(&stage);
        let mut daemon = spawn_to_die_at(&stage, "fdatasync", nth + 1);
        let is_whole = stage.is_ready(&mut daemon) && story.go_on();
        kill_traced(daemon.pid());
        daemon.kill();
        story.finish();
        !is_whole
    });
    eprintln!("stopped at {stops} commits");
    assert!((12..STOPS_MAX).contains(&stops), "{stops} stops");
}

fn stop_in_each_call(misbehaviour: Misbehaviour) {
    let stops = sweep(|after| {
        let stage = Stage::new();
        let mut story = Story::new(&stage);
        let faults = stage.simulator.faults();
        faults.push(Fault {
            operation: "*".to_owned(),
            misbehaviour,
            times: 1,
            after,
        });
        let daemon = stage.start();
        let is_time = || !faults.are_pending();
        let (is_whole, is_stopped) = killed_when(daemon, is_time, || story.go_on());
        assert!(is_stopped || is_whole, "the daemon ended by itself");
        faults.clear();
        story.finish();
        is_stopped
    });
    eprintln!("stopped in {stops} calls: {misbehaviour:?}");
    assert!((6..STOPS_MAX).contains(&stops), "{stops} stops");
}

/// The provider gets a request, does nothing and does not answer.
#[test]
fn a_daemon_that_is_stopped_in_any_call_of_a_command_carries_out_what_it_promised_once() {
    stop_in_each_call(Misbehaviour::Hang);
}

/// The provider does what was asked, and does not answer.
#[test]
fn a_daemon_that_is_stopped_before_any_answer_to_a_command_carries_out_what_it_promised_once() {
    stop_in_each_call(Misbehaviour::ActThenHang);
}

/// Commands are asked one upon the other, and the kill comes in the middle.
#[test]
fn commands_that_wait_for_each_other_survive_kills() {
    let stage = Stage::new();
    let mut story = Story::new(&stage);
    for round in 0..rounds(12) {
        let answers = AtomicU32::new(0);
        let wanted = 1 + round % u32::try_from(BURST.len()).expect("few");
        let delay_us = u64::from(round).wrapping_mul(6_364_136_223_846_793_005) % DELAY_US_MAX;
        let is_time = || {
            let is_time = answers.load(Ordering::Relaxed) >= wanted;
            if is_time {
                std::thread::sleep(Duration::from_micros(delay_us));
            }
            is_time
        };
        let daemon = stage.start();
        killed_when(daemon, is_time, || {
            for ask in BURST {
                if story.ask(ask) == Asked::Unanswered {
                    return;
                }
                answers.fetch_add(1, Ordering::Relaxed);
            }
        });
        let daemon = stage.start();
        // A paused connection recreates nothing.
        assert_eq!(story.ask(RESUMED), Asked::Promised);
        story.check();
        drop(daemon);
    }
    assert!(story.commands.len() > 20, "too little was promised");
    stage.assert_no_panic();
}
