//! Many connections at once, of both providers: `bulk` and `operations`.

use super::super::commands::{done, done_with, json, printed, with_ann};
use super::super::stage::{Daemon, Stage};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::process::Stdio;

const GITHUB: usize = 6;
const GITLAB: usize = 3;

/// Connections of Ann's to repositories of both providers.
fn connected(prepare: impl FnOnce(&mut Stage)) -> (Stage, Daemon, String) {
    let (mut stage, daemon) = with_ann();
    prepare(&mut stage);
    drop(daemon);
    let daemon = stage.start();
    let (github, gitlab) = (stage.simulator.github(), stage.simulator.gitlab());
    let token = github.add_user("octo");
    done_with(&stage, &["credential", "add", "github"], &token);
    let lab = gitlab.add_user("lab");
    done_with(&stage, &["credential", "add", "gitlab"], &lab);
    for n in 0..GITHUB {
        let name = format!("octo/r{n}");
        github.add_repository(&name, "octo");
        done(&stage, &["connect", "github", &name]);
    }
    for n in 0..GITLAB {
        let name = format!("group/p{n}");
        gitlab.add_project(&name, "lab");
        done(&stage, &["connect", "gitlab", &name]);
    }
    (stage, daemon, lab)
}

/// Runs a command that must fail. Returns what it says on standard error.
#[track_caller]
fn refused(stage: &Stage, words: &[&str]) -> String {
    let output = stage.run(words);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether a process has a handler for SIGINT, which is the second signal.
fn catches_interrupts(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    u64::from_str_radix(caught.unwrap().trim(), 16).unwrap() & 0b10 != 0
}

fn statuses(stage: &Stage, status: &str) -> usize {
    let list = done(stage, &["connections", "--json", "--status", status]);
    json(&list)["connections"].as_array().unwrap().len()
}

#[test]
fn many_connections_are_paused_resumed_and_rotated_and_their_events_changed() {
    let (stage, _daemon, _) = connected(|_| {});
    let plan = done(&stage, &["bulk", "pause", "--owner", "octo", "--dry-run"]);
    assert_eq!(plan.matches("octo/r").count(), GITHUB, "{plan}");
    assert!(plan.ends_with("6 to change, of 6 selected"), "{plan}");
    assert_eq!(
        statuses(&stage, "active"),
        GITHUB + GITLAB,
        "a dry run changes nothing"
    );

    let told = done(&stage, &["bulk", "pause", "--owner", "octo"]);
    assert!(told.ends_with("done: 6 applied, of 6"), "{told}");
    assert_eq!(statuses(&stage, "inactive"), GITHUB);
    let plan = json(&done(
        &stage,
        &["bulk", "resume", "--all", "--dry-run", "--json"],
    ));
    let changes = plan["plan"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| it["changes"] == true);
    assert_eq!(changes.count(), GITHUB);
    let told = done(&stage, &["bulk", "resume", "--all"]);
    assert!(
        told.ends_with("done: 6 applied, 3 unchanged, of 9"),
        "{told}"
    );

    let secrets = || -> Vec<_> {
        let github = stage.simulator.github();
        let hooks = |n| github.hooks(&format!("octo/r{n}")).remove(0).secret;
        (0..GITHUB).map(hooks).collect()
    };
    let before = secrets();
    let rotated = json(&done(&stage, &["bulk", "rotate-secret", "--all", "--json"]));
    assert_eq!(
        (&rotated["state"], &rotated["counts"]["applied"]),
        (&"done".into(), &9.into())
    );
    assert!(before.iter().zip(secrets()).all(|(old, new)| *old != new));

    let events = [
        "bulk",
        "set-events",
        "--match",
        "octo/r[01]",
        "--event",
        "push",
    ];
    assert!(done(&stage, &events).ends_with("2 applied, of 2"));
    assert_eq!(
        stage.simulator.github().hooks("octo/r0")[0].events,
        ["push"]
    );
}

#[test]
fn what_deletes_webhooks_is_asked_for_first_and_failures_are_listed() {
    let (stage, _daemon, lab) = connected(|_| {});
    let hook = || stage.simulator.gitlab().hooks("group/p0")[0].id;
    let before = hook();
    let told = refused(&stage, &["bulk", "recreate", "--provider", "gitlab"]);
    assert!(told.contains("use --yes for 3 connections"), "{told}");
    assert_eq!(hook(), before);
    done(
        &stage,
        &["bulk", "recreate", "--provider", "gitlab", "--yes"],
    );
    stage.wait_until("another hook", || {
        stage
            .simulator
            .gitlab()
            .hooks("group/p0")
            .iter()
            .any(|hook| hook.id != before)
    });

    stage.simulator.gitlab().revoke_token(&lab);
    let told = refused(&stage, &["bulk", "check", "--provider", "gitlab"]);
    assert!(told.contains("3 of 3 did not end as wanted"), "{told}");
    assert!(told.contains("group/p1: call failed"), "{told}");

    let told = refused(&stage, &["bulk", "disconnect", "--all"]);
    assert!(told.contains("use --yes for 9 connections"), "{told}");
    done(&stage, &["bulk", "disconnect", "--owner", "octo", "--yes"]);
    let hooks = |n| stage.simulator.github().hooks(&format!("octo/r{n}")).len();
    assert_eq!((0..GITHUB).map(hooks).sum::<usize>(), 0);
}

#[test]
fn operations_are_listed_followed_and_left_running_by_ctrl_c() {
    // The writes of a provider take their time.
    let (stage, _daemon, _) = connected(|stage| {
        stage.set("HOOKHERD__PROVIDERS__GITHUB__WRITE_PAUSE", "500ms");
    });
    let told = done(&stage, &["bulk", "ping", "--owner", "octo", "--no-wait"]);
    let id = told.split(':').next().unwrap().to_owned();
    assert!(
        told.contains(&format!("hookherd operations wait {id}")),
        "{told}"
    );
    let told = done(&stage, &["operations", "wait", &id, "--json"]);
    assert_eq!(json(&told)["state"], "done");
    assert!(done(&stage, &["operations", "list"]).contains(&id));
    assert!(done(&stage, &["operations", "show", &id]).contains("Applied: 6"));
    let told = refused(&stage, &["operations", "cancel", &id]);
    assert!(told.contains("ended or was cancelled"), "{told}");

    let mut command = stage.command(&["bulk", "rotate-secret", "--owner", "octo"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let newest = || json(&done(&stage, &["operations", "list", "--json"]))["items"][0].clone();
    stage.wait_until("the operation", || newest()["action"] == "rotate_secret");
    let running = newest()["id"].as_str().unwrap().to_owned();
    stage.wait_until("the command to catch Ctrl-C", || {
        catches_interrupts(child.id())
    });
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let beside = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        output.status.code(),
        Some(1),
        "{beside} {}",
        printed(&output)
    );
    assert!(
        beside.contains(&format!("hookherd operations cancel {running}")),
        "{beside}"
    );
    let told = done(&stage, &["operations", "wait", &running]);
    assert!(told.ends_with("done: 6 applied, of 6"), "{told}");
}

/// A selection is never everything by omission.
#[test]
fn an_empty_selection_is_wrong_usage() {
    let (stage, _daemon) = with_ann();
    for words in [&["bulk", "check"][..], &["bulk", "disconnect", "--yes"]] {
        let output = stage.run(words);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    let none: Value = json(&done(&stage, &["bulk", "check", "--all", "--json"]));
    assert_eq!(
        (&none["state"], &none["total"]),
        (&"done".into(), &0.into())
    );
    refused(
        &stage,
        &["operations", "show", "opr_00000000000000000000000000"],
    );
}
