//! The soak: deliveries come without a pause, and every few seconds something breaks: the daemon is
//! killed or stopped, its disk is full or hangs, the providers are down, connections are reset.
//! Nothing is lost, nothing counts twice, and neither memory nor disk grow.
//!
//! A minute, unless `HOOKHERD_SOAK_SECONDS` says so; `just soak` takes two hours.

use super::daemon::{ADMIN, Daemon, Ended, REPOSITORY, Stage};
use super::daemon_full::take_space;
use super::disk::Disk;
use hookherd::simulator::{DeliveryView, Fault, Misbehaviour, Miscarriage, PipelineSpec, RunSpec};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Seconds between two faults.
const SLOT: Duration = Duration::from_secs(10);
/// How long a fault lasts that does not end by itself.
const FAULT: Duration = Duration::from_secs(2);
/// GitLab's projects; and one repository at GitHub.
const PROJECTS: u64 = 6;
/// Branches of each: an incident counts no failure that arrives after 256 newer ones of its
/// workflow and branch, and what was missed may arrive minutes later.
const BRANCHES: u64 = 8;
/// Most that is played in a second: every restart reads ten minutes of GitLab's logs again, 20
/// deliveries a page.
const RATE_MAX: u64 = 15;
/// Of so many events one is GitHub's, which allows 5,000 calls an hour.
const GITHUB_EVERY: u64 = 15;
/// How long the last deliveries may take to be answered, and what was missed to be fetched.
const QUIET: Duration = Duration::from_mins(1);
const CATCH_UP: Duration = Duration::from_mins(5);
/// What the daemon may take, in MiB, at any time: memory, and disk with a history of 8 MiB. What
/// recognises the deliveries of half an hour, three of each event, takes some 30 MiB of disk and 50
/// of memory. Whether it grows beyond is another check.
const MEMORY_MAX: u64 = 256;
const DISK_MAX: u64 = 128;
const HISTORY: &str = "8MiB";
/// How long runs are kept, and what recognises a delivery: longer than the log is read back.
const RUNS_FOR: &str = "5m";
const GUARDS_FOR: &str = "30m";

fn seconds() -> u64 {
    let wish = std::env::var("HOOKHERD_SOAK_SECONDS").ok();
    wish.map_or(60, |text| text.parse().expect("a number of seconds"))
}

fn project(number: u64) -> String {
    format!("group/sub/app-{number}")
}

fn branch(number: u64) -> String {
    format!("branch-{}", number % BRANCHES)
}

/// What was played so far.
#[derive(Default)]
struct Played {
    runs: AtomicU64,
    pipelines: AtomicU64,
}

/// Plays the next event: each run and each pipeline fails, so that each counts once.
fn play(stage: &Stage, played: &Played) {
    let all = played.runs.load(Ordering::SeqCst) + played.pipelines.load(Ordering::SeqCst);
    if all.is_multiple_of(GITHUB_EVERY) {
        let number = played.runs.fetch_add(1, Ordering::SeqCst) + 1;
        let spec = RunSpec {
            branch: branch(number),
            ..RunSpec::new(number, "failure")
        };
        stage.simulator.github().play_run(REPOSITORY, &spec);
    } else {
        let number = played.pipelines.fetch_add(1, Ordering::SeqCst) + 1;
        let spec = PipelineSpec {
            ref_name: branch(number / PROJECTS),
            ..PipelineSpec::new(number, "failed")
        };
        let path = project(number % PROJECTS);
        stage.simulator.gitlab().play_pipeline(&path, &spec);
    }
}

fn connect(stage: &Stage) {
    stage.connect();
    let gitlab = stage.simulator.gitlab();
    let token = gitlab.add_user("ann");
    stage.add_credential(ADMIN, "gitlab", &token);
    // What GitLab drops is not in its log. The soak is about what is.
    gitlab.set_auto_disabling(false);
    gitlab.set_rate_limit(None);
    for number in 0..PROJECTS {
        let path = project(number);
        gitlab.add_project(&path, "ann");
        let wish = json!({ "provider": "gitlab", "repository_full_name": path });
        stage.call(ADMIN, "POST repositories/connect", &wish);
        stage.wait_until("the hook", || gitlab.hooks(&path).len() == 1);
    }
}

/// Half of what can be played, answered and stored in a second, at most [`RATE_MAX`].
fn half_load(stage: &Stage, played: &Played) -> u64 {
    const TRIAL: u64 = 60;
    let begun = Instant::now();
    for _ in 0..TRIAL {
        play(stage, played);
    }
    assert!(stage.simulator.wait_quiet(QUIET));
    let millis = u64::try_from(begun.elapsed().as_millis()).unwrap().max(1);
    (TRIAL * 1000 / millis / 2).clamp(1, RATE_MAX)
}

/// Plays at this rate until the end.
fn keep_playing(stage: &Stage, played: &Played, rate: u64, is_over: &AtomicBool) {
    let pause = Duration::from_millis(1000 / rate);
    while !is_over.load(Ordering::SeqCst) {
        play(stage, played);
        std::thread::sleep(pause);
    }
}

/// What goes wrong, in turn.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Killed,
    ProvidersDown,
    DiskHangs,
    Stopped,
    ConnectionsReset,
    DiskFull,
}

const TROUBLES: [Trouble; 6] = [
    Trouble::Killed,
    Trouble::ProvidersDown,
    Trouble::DiskHangs,
    Trouble::Stopped,
    Trouble::ConnectionsReset,
    Trouble::DiskFull,
];

impl Trouble {
    /// It begins and ends. Returns the daemon that runs then.
    fn strikes(self, stage: &Stage, disk: &Disk, daemon: Daemon) -> Daemon {
        let faults = stage.simulator.faults();
        match self {
            Self::Killed => {
                daemon.kill();
                return stage.start();
            }
            Self::Stopped => {
                assert!(daemon.terminate().success());
                return stage.start();
            }
            Self::ProvidersDown => {
                faults.outage(true);
                std::thread::sleep(FAULT);
                faults.outage(false);
            }
            Self::ConnectionsReset => {
                for _ in 0..20 {
                    faults.next_delivery(Miscarriage::Lost);
                }
                faults.push(Fault {
                    operation: "*".to_owned(),
                    misbehaviour: Misbehaviour::DropBefore,
                    times: 10,
                    after: 0,
                });
                std::thread::sleep(FAULT);
                faults.clear();
            }
            Self::DiskHangs => disk.hang(FAULT),
            Self::DiskFull => {
                let foreign = take_space(disk.path(), 0);
                std::thread::sleep(FAULT);
                std::fs::remove_file(foreign).unwrap();
            }
        }
        daemon
    }
}

/// What the daemon took at a moment, in MiB.
#[derive(Clone, Copy, Debug)]
struct Sample {
    memory: u64,
    disk: u64,
}

impl Sample {
    fn take(disk: &Disk, daemon: &Daemon) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let text = line.unwrap().trim().trim_end_matches(" kB");
        Self {
            memory: text.parse::<u64>().unwrap() >> 10,
            disk: disk.used() >> 20,
        }
    }
}

/// The greatest of a quarter of the samples.
fn most(samples: &[Sample], quarter: usize, of: fn(&Sample) -> u64) -> u64 {
    let all = samples.len();
    let part = &samples[all * quarter / 4..(all * (quarter + 1) / 4).max(1)];
    part.iter().map(of).max().unwrap_or_default()
}

/// What is taken in the end is what was taken in the middle.
fn check_flat(samples: &[Sample]) {
    for (what, of) in [
        ("memory", (|s: &Sample| s.memory) as fn(&Sample) -> u64),
        ("disk", |s| s.disk),
    ] {
        let (middle, end) = (most(samples, 1, of), most(samples, 3, of));
        println!("{what}: {middle} MiB in the second quarter, {end} MiB in the last");
        // What recognises deliveries fills up for half an hour: flat is what comes after it.
        if samples.len() >= 360 {
            assert!(end * 10 <= middle * 12, "{what} grows: {samples:?}");
        }
    }
}

/// The deliveries that the daemon has, by the provider's id: how often each was seen as a delivery
/// of its own.
#[derive(Default)]
struct Seen {
    ours: std::collections::BTreeSet<String>,
    theirs: BTreeMap<String, usize>,
    /// The most that were new at a time: the history has to hold more.
    most: usize,
}

impl Seen {
    fn look(&mut self, stage: &Stage) {
        let new = stage.stored_until(|id| self.ours.contains(id));
        self.most = self.most.max(new.len());
        for delivery in &new {
            let text = |key: &str| delivery[key].as_str().map(str::to_owned);
            assert_ne!(delivery["outcome"], "dead_letter", "{delivery}");
            if self.ours.insert(text("id").expect("an id")) {
                let guid = text("provider_delivery_id").expect("each has one");
                *self.theirs.entry(guid).or_default() += 1;
            }
        }
    }
}

/// All deliveries that a provider has tried to send.
fn sent(stage: &Stage) -> Vec<DeliveryView> {
    let mut all = stage.simulator.github().deliveries(REPOSITORY);
    for number in 0..PROJECTS {
        all.extend(stage.simulator.gitlab().deliveries(&project(number)));
    }
    all
}

/// How often CI has failed, by all incidents together: none is resolved, for nothing passes.
fn occurrences(stage: &Stage) -> u64 {
    let incidents = stage.list(ADMIN, "incidents?status=open&limit=100");
    assert!(incidents.len() < 100, "there may be more: {incidents:#?}");
    let of_ci = incidents.iter().filter(|i| i["source"] != "health");
    of_ci.filter_map(|i| i["occurrences"].as_u64()).sum()
}

/// All that was sent is there once, and each failure counts once.
fn check_all(stage: &Stage, seen: &mut Seen, played: &Played) {
    let (mut missing, deadline) = (Vec::new(), Instant::now() + CATCH_UP);
    // Nothing is played any more. Each look would hold up the simulators, whose logs are long.
    let sent = sent(stage);
    stage.wait_long("what was missed", CATCH_UP + QUIET, || {
        seen.look(stage);
        let is_missing = |d: &&DeliveryView| !seen.theirs.contains_key(&d.guid);
        missing = sent.iter().filter(is_missing).cloned().collect();
        missing.is_empty() || Instant::now() > deadline
    });
    let account = || {
        let connections = stage.get("repositories/connections");
        (
            seen.most,
            connections,
            stage.get("gaps"),
            stage.end_of_log(),
        )
    };
    assert!(missing.is_empty(), "{missing:?}; {:#?}", account());
    let twice: Vec<_> = seen
        .theirs
        .iter()
        .filter(|(_, times)| **times > 1)
        .collect();
    assert!(twice.is_empty(), "there twice: {twice:?}");
    let failed = played.runs.load(Ordering::SeqCst) + played.pipelines.load(Ordering::SeqCst);
    let (mut counted, deadline) = (0, Instant::now() + CATCH_UP);
    stage.wait_long("each failure to count", CATCH_UP + QUIET, || {
        counted = occurrences(stage);
        counted >= failed || Instant::now() > deadline
    });
    assert_eq!(counted, failed, "each failure counts once");
    let totals = stage.get("stats")["gaps"].clone();
    assert_eq!(totals["unrecoverable"], 0, "{totals}");
    println!(
        "{failed} failures, {} deliveries, at most {} at a look, {totals}",
        seen.theirs.len(),
        seen.most
    );
}

#[test]
fn nothing_is_lost_or_doubled_and_nothing_grows_while_something_breaks_every_ten_seconds() {
    let Some(disk) = Disk::new(256) else { return };
    let data_dir = disk.path().join("data");
    let mut stage = Stage::at(&data_dir);
    for (key, value) in [
        ("MAX_BYTES", HISTORY),
        ("HISTORY_MAX_AGE", RUNS_FOR),
        ("GUARDS_MAX_AGE", GUARDS_FOR),
    ] {
        stage.set(&format!("HOOKHERD__RETENTION__{key}"), value);
    }
    let mut daemon = Some(stage.start());
    connect(&stage);
    let (played, is_over) = (Played::default(), AtomicBool::new(false));
    let (mut seen, mut samples) = (Seen::default(), Vec::new());
    let rate = half_load(&stage, &played);
    let slots = (seconds() / SLOT.as_secs()).max(1);
    println!("{rate} events a second, {slots} faults");
    std::thread::scope(|scope| {
        let (stage, played, is_over) = (&stage, &played, &is_over);
        // Also when a check fails, or the scope would wait for ever.
        let _end = Ended(is_over);
        scope.spawn(move || keep_playing(stage, played, rate, is_over));
        for (number, trouble) in (0..slots).zip(TROUBLES.iter().cycle()) {
            let begun = Instant::now();
            println!("{number}: {trouble:?}");
            let now = daemon.take().expect("it runs");
            let now = trouble.strikes(stage, &disk, now);
            stage.wait_long("the daemon to be ready", QUIET, || {
                stage.readiness() == Some(200)
            });
            seen.look(stage);
            let sample = Sample::take(&disk, &now);
            let is_bounded = sample.memory <= MEMORY_MAX && sample.disk <= DISK_MAX;
            assert!(is_bounded, "{sample:?} after {samples:?}");
            samples.push(sample);
            daemon = Some(now);
            std::thread::sleep(SLOT.saturating_sub(begun.elapsed()));
        }
    });
    assert!(stage.simulator.wait_quiet(QUIET));
    check_all(&stage, &mut seen, &played);
    check_flat(&samples);
    stage.assert_no_panic();
    drop(daemon);
}
