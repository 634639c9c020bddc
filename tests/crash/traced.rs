//! What the kernel sees, and what it says: the order of system calls, and an fdatasync that fails.

use super::disk::Disk;
use super::is_missing;
use super::ledger::Ledger;
use super::writer::{Job, Said, Writer};
use std::process::Command;

fn strace_is_missing() -> bool {
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
    kill_traced(&writer);
    drop(writer.kill());
    let checked = check_order(&std::fs::read_to_string(&log).unwrap());
    assert!(checked >= 200, "only {checked} acknowledgements were seen");
}

/// strace dies of a kill without its child; so the child is killed first.
fn kill_traced(writer: &Writer) {
    let children = format!("/proc/{0}/task/{0}/children", writer.pid());
    for child in std::fs::read_to_string(children)
        .unwrap()
        .split_whitespace()
    {
        let pid = child.parse().ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.expect("the kernel lists numbers");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
}

/// How far the delivery in flight has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Nothing,
    Written,
    Synced,
}

fn check_order(log: &str) -> usize {
    let (mut stage, mut checked) = (Stage::Nothing, 0);
    for line in log.lines() {
        let is_segment = line.contains(".segment>");
        // A call that another thread interrupts is logged in two lines; it counts when it ends.
        let has_returned = !line.contains("<unfinished");
        if line.contains("pwrite64(") && is_segment {
            stage = Stage::Written;
        } else if line.contains("fdatasync") && has_returned && line.ends_with("= 0") {
            if stage == Stage::Written {
                stage = Stage::Synced;
            }
        } else if line.contains("write(2<") && line.contains("\"@ack ") {
            assert_eq!(stage, Stage::Synced, "acknowledged too early: {line}");
            checked += 1;
            stage = Stage::Nothing;
        }
    }
    checked
}

#[test]
fn the_check_of_the_order_notices_a_wrong_one() {
    let write = "7 pwrite64(9</s/journal/01.segment>, \"..\", 40, 32) = 40\n";
    let sync = "7 fdatasync(9</s/journal/01.segment>) = 0\n";
    let failed = "7 fdatasync(9</s/journal/01.segment>) = -1 EIO (INJECTED)\n";
    let begun = "7 fdatasync(9</s/journal/01.segment> <unfinished ...>\n";
    let ended = "7 <... fdatasync resumed>) = 0\n";
    let ack = "8 write(2</dev/null>, \"@ack 1\\n\", 7) = 7\n";
    assert_eq!(check_order(&[write, sync, ack].concat()), 1);
    assert_eq!(check_order(&[write, begun, ended, ack].concat()), 1);
    for wrong in [
        vec![write, ack],
        vec![sync, write, ack],
        vec![write, failed, ack],
        vec![write, begun, ack, ended],
        vec![write, sync, ack, ack],
    ] {
        let log = wrong.concat();
        assert!(
            std::panic::catch_unwind(|| check_order(&log)).is_err(),
            "{log}"
        );
    }
}

/// The kernel refuses one fdatasync. Nothing of that group may be acknowledged, the store goes on
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
        kill_traced(&writer);
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
