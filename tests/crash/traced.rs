//! What the kernel sees, and what it says: the order of system calls, and an fdatasync that fails.

use super::daemon::{ADMIN, Daemon, REPOSITORY, Stage};
use super::disk::Disk;
use super::is_missing;
use super::ledger::Ledger;
use super::writer::{Job, Said, Writer};
use std::process::Command;
use std::time::Duration;

/// What says that from now on another delivery is in flight: the request that brings it, or that
/// a writer is done with the processing of the one before.
const BEGINS: [&str; 2] = ["\"POST /api/v2/webhooks", "\"@done "];
/// Deliveries that the daemon is watched with.
const DELIVERIES_TRACED: usize = 60;
/// How long an answer may take under strace.
const QUIET: Duration = Duration::from_secs(20);

pub(crate) fn strace_is_missing() -> bool {
    let works = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .status();
    is_missing("strace", works.is_ok_and(|status| status.success()))
}

/// With one delivery in flight, each acknowledgement must be preceded by a write to a segment and
/// an fdatasync of the same segment that returned 0 after it.
#[test]
fn every_acknowledgement_comes_after_the_fdatasync_of_what_it_acknowledges() {
    if strace_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let store = dir.path().join("store");
    let calls = "trace=pwrite64,fdatasync,write";
    let arguments = ["strace", "-f", "-qq", "-y", "-s", "40", "-e", calls, "-o"];
    let arguments: Vec<&str> = arguments.into_iter().chain(log.to_str()).collect();
    let job = Job {
        from: 0,
        width: 1,
        retains_little: false,
    };
    let mut writer = Writer::start_under(&arguments, &store, job);
    writer.wait_for_acknowledged(200);
    kill_traced(writer.pid());
    drop(writer.kill());
    let checked = check_order(&std::fs::read_to_string(&log).unwrap(), "@ack ");
    assert!(checked >= 200, "only {checked} acknowledgements were seen");
}

/// Starts a daemon that strace kills as it makes the nth system call of a kind.
pub(crate) fn spawn_to_die_at(stage: &Stage, call: &str, nth: u32) -> Daemon {
    let trace = format!("trace={call}");
    let fault = format!("inject={call}:signal=SIGKILL:when={nth}");
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e"];
    let arguments = strace.into_iter().chain([&*trace, "-e", &fault]);
    stage.spawn(&arguments.collect::<Vec<_>>(), &[])
}

/// strace dies of a kill without its child; so the child is killed first, if it lives.
pub(crate) fn kill_traced(strace: u32) {
    let children = format!("/proc/{strace}/task/{strace}/children");
    let children = std::fs::read_to_string(children).unwrap_or_default();
    for child in children.split_whitespace() {
        let pid = child.parse().ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.expect("the kernel lists numbers");
        match rustix::process::kill_process(pid, rustix::process::Signal::KILL) {
            // What was to kill it may have been faster.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => panic!("{pid:?} cannot be killed: {error}"),
        }
    }
}

/// How far the delivery in flight has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    Nothing,
    Written,
    Synced,
}

/// Goes through a log of system calls; `acknowledges` is how the text of an acknowledgement
/// begins. Returns how many acknowledgements were right.
fn check_order(log: &str, acknowledges: &str) -> usize {
    let acknowledges = format!("\"{acknowledges}");
    let (mut reached, mut checked) = (Reached::Nothing, 0);
    let lines: Vec<&str> = log.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        // A call that another thread interrupts is logged in two lines; it counts when it ends.
        let has_returned = !line.contains("<unfinished");
        if BEGINS.iter().any(|begins| line.contains(begins)) {
            reached = Reached::Nothing;
        } else if line.contains("pwrite64(") && line.contains(".segment>") {
            // The processing may be written already while the answer is on its way.
            if reached == Reached::Nothing {
                reached = Reached::Written;
            }
        } else if line.contains("fdatasync") && has_returned && line.ends_with("= 0") {
            if reached == Reached::Written {
                reached = Reached::Synced;
            }
        } else if line.contains(&acknowledges) {
            let before = &lines[number.saturating_sub(40)..=number];
            assert_eq!(
                reached,
                Reached::Synced,
                "acknowledged too early: {before:#?}"
            );
            checked += 1;
            reached = Reached::Nothing;
        }
    }
    checked
}

/// The same for the daemon: each answer 202 to a delivery comes after the fdatasync of what was
/// written since its request arrived. The next is sent when the one before was processed.
#[test]
fn the_daemon_answers_202_after_the_fdatasync_of_the_delivery() {
    if strace_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let stage = Stage::new();
    let calls = "trace=pwrite64,fdatasync,recvfrom,read,sendto,writev,write";
    let arguments = ["strace", "-f", "-qq", "-y", "-s", "40", "-e", calls, "-o"];
    let arguments: Vec<&str> = arguments.into_iter().chain(log.to_str()).collect();
    let daemon = stage.start_with(&arguments, &[]);
    stage.connect();
    // Else the ping of the new hook may still be on its way beside the first.
    assert!(stage.simulator.wait_quiet(QUIET));
    for _ in 0..DELIVERIES_TRACED {
        stage.simulator.github().push(REPOSITORY);
        assert!(stage.simulator.wait_quiet(QUIET));
        stage.wait_until("the delivery to be processed", || {
            let newest = stage.list(ADMIN, "deliveries?limit=5");
            newest.iter().all(|d| d["state"] == "processed")
        });
    }
    kill_traced(daemon.pid());
    daemon.kill();
    let checked = check_order(&std::fs::read_to_string(&log).unwrap(), "HTTP/1.1 202");
    assert_eq!(checked, DELIVERIES_TRACED);
}

#[test]
fn the_check_of_the_order_notices_a_wrong_one() {
    let write = "7 pwrite64(9</s/journal/01.segment>, \"..\", 40, 32) = 40\n";
    let sync = "7 fdatasync(9</s/journal/01.segment>) = 0\n";
    let failed = "7 fdatasync(9</s/journal/01.segment>) = -1 EIO (INJECTED)\n";
    let begun = "7 fdatasync(9</s/journal/01.segment> <unfinished ...>\n";
    let ended = "7 <... fdatasync resumed>) = 0\n";
    let ack = "8 write(2</dev/null>, \"@ack 1\\n\", 7) = 7\n";
    assert_eq!(check_order(&[write, sync, ack].concat(), "@ack "), 1);
    assert_eq!(
        check_order(&[write, begun, ended, ack].concat(), "@ack "),
        1
    );
    let request = "6 recvfrom(12<socket:[1]>, \"POST /api/v2/webhooks/gi\"..., 4096) = 900\n";
    for wrong in [
        vec![write, sync, request, ack],
        vec![write, ack],
        vec![sync, write, ack],
        vec![write, failed, ack],
        vec![write, begun, ack, ended],
        vec![write, sync, ack, ack],
    ] {
        let log = wrong.concat();
        assert!(
            std::panic::catch_unwind(|| check_order(&log, "@ack ")).is_err(),
            "{log}"
        );
    }
}

/// The kernel refuses one fdatasync. Nothing of that group may be acknowledged, the store continues
/// by itself, and a power cut afterwards takes nothing that was acknowledged before or after.
#[test]
fn a_failed_fdatasync_costs_nothing_acknowledged_even_when_the_power_is_cut_later() {
    if strace_is_missing() {
        return;
    }
    let Some(disk) = Disk::new(128) else { return };
    for nth in [2, 3, 9, 40] {
        let dir = disk.path().join(nth.to_string());
        let fault = format!("inject=fdatasync:error=EIO:when={nth}");
        let arguments = [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=fdatasync",
        ];
        let arguments: Vec<&str> = arguments.into_iter().chain(["-e", &fault]).collect();
        let job = Job {
            from: 0,
            width: 8,
            retains_little: false,
        };
        let mut writer = Writer::start_under(&arguments, &dir, job);
        let is_failed = |said: &Said| matches!(said, Said::Refused(why) if why.contains("failed"));
        writer.wait_until("the failure", |said| said.iter().any(is_failed));
        let had = acknowledged(&writer.heard());
        writer.wait_until("life after it", |said| acknowledged(said) > had + 100);
        let heard = writer.heard();
        disk.cut_power();
        kill_traced(writer.pid());
        drop(writer.kill());
        disk.restart();
        let mut ledger = Ledger::default();
        ledger.note(&heard);
        let report = ledger.check(&dir, job);
        assert_eq!(
            (report.damage, report.unreadable),
            (vec![], 0),
            "failure at {nth}"
        );
    }
}

fn acknowledged(said: &[Said]) -> usize {
    said.iter()
        .filter(|s| matches!(s, Said::Acknowledged(_)))
        .count()
}
