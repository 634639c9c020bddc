//! The command line against a running daemon: what it prints, and how it ends.

use super::stage::{ADMIN, REPOSITORY, Stage};
use data_encoding::BASE64;
use hookherd::simulator::RunSpec;
use serde_json::Value;
use std::process::Output;

pub(super) fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs a command that must do what it is asked, and returns what it prints.
#[track_caller]
pub(super) fn done(stage: &Stage, words: &[&str]) -> String {
    done_with(stage, words, "")
}

#[track_caller]
pub(super) fn done_with(stage: &Stage, words: &[&str], input: &str) -> String {
    let output = stage.run_with(words, input);
    assert!(output.status.success(), "{words:?}: {output:?}");
    assert!(output.stderr.is_empty(), "{words:?}: {output:?}");
    printed(&output)
}

pub(super) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

/// A daemon with a user `ann`, whose token is in the environment.
pub(super) fn with_ann() -> (Stage, super::stage::Daemon) {
    let mut stage = Stage::new();
    let daemon = stage.start();
    stage.set("HOOKHERD_TOKEN", ADMIN);
    let first = done(&stage, &["user", "add", "ann"]);
    let second = done(&stage, &["token", "create", "--user", "ann"]);
    assert_ne!(first, second);
    for token in [&first, &second] {
        assert!(
            token.starts_with("hhk_") && !token.contains('\n'),
            "{token}"
        );
        assert_eq!(
            stage.call(token, "GET /api/v2/whoami", &Value::Null).json["name"],
            "ann"
        );
    }
    stage.set("HOOKHERD_TOKEN", &first);
    (stage, daemon)
}

#[test]
fn the_main_job_by_commands_alone() {
    let (stage, _daemon) = with_ann();
    let github = stage.simulator.github();
    let token = github.add_user("octo");
    github.add_repository(REPOSITORY, "octo");
    let stored = done_with(&stage, &["credential", "add", "github"], &token);
    assert!(stored.contains("octo"), "{stored}");
    let connected = json(&done(&stage, &["--json", "connect", "github", REPOSITORY]));
    let id = connected["id"].as_str().unwrap();
    assert_eq!(connected["webhook_status"], "active");
    assert!(done(&stage, &["connections"]).contains(REPOSITORY));
    assert_eq!(
        json(&done(&stage, &["connections", id, "--json"]))["id"],
        id
    );

    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    let incidents = || json(&done(&stage, &["--json", "incidents"]))["items"].clone();
    stage.wait_until("the incident", || incidents()[0]["status"] == "open");
    let incident = incidents()[0]["id"].as_str().unwrap().to_owned();
    done(&stage, &["incidents", "acknowledge", &incident]);
    assert_eq!(incidents()[0]["status"], "acknowledged");
    done(&stage, &["incidents", "assign", &incident, "ann"]);
    done(&stage, &["incidents", "mute", &incident, "--for", "2h"]);
    let note = "seen \u{1b}[31mbefore";
    done(&stage, &["incidents", "note", &incident, note]);
    assert!(!incidents()[0]["assignee_id"].is_null());
    assert!(!incidents()[0]["muted_until"].is_null());
    done(&stage, &["incidents", "unassign", &incident]);
    done(&stage, &["incidents", "unmute", &incident]);
    done(&stage, &["incidents", "resolve", &incident]);
    let timeline = done(&stage, &["incidents", "timeline", &incident]);
    for what in [
        "opened",
        "acknowledged",
        "muted",
        "seen [31mbefore",
        "manual",
    ] {
        assert!(timeline.contains(what), "{what}: {timeline}");
    }
    let timeline = json(&done(
        &stage,
        &["--json", "incidents", "timeline", &incident],
    ));
    assert_eq!(timeline["entries"].as_array().unwrap().len(), 8);
    assert!(done(&stage, &["--json", "incidents", "--flaky=false"]).contains(&incident));
    assert!(!done(&stage, &["--json", "incidents", "--flaky"]).contains(&incident));
    assert!(done(&stage, &["incidents"]).contains("resolved"));
    assert!(done(&stage, &["incidents", "show", &incident]).contains(&incident));
    let deliveries = json(&done(&stage, &["deliveries", "--json"]))["items"].clone();
    let delivery = deliveries[0]["id"].as_str().unwrap();
    assert!(done(&stage, &["deliveries", "show", delivery]).contains("x-github-delivery"));
    done(&stage, &["deliveries", "replay", delivery]);

    done(&stage, &["pause", id]);
    assert!(done(&stage, &["connections"]).contains("inactive"));
    assert!(done(&stage, &["resume", id]).contains("resumed"));
    done(&stage, &["disconnect", id]);
    stage.wait_until("no hook", || github.hooks(REPOSITORY).is_empty());
    assert!(!done(&stage, &["connections"]).contains(REPOSITORY));
    let list = json(&done(&stage, &["--json", "credential", "list"]));
    let credential = list["items"][0]["id"].as_str().unwrap();
    done(&stage, &["credential", "remove", credential]);
}

#[test]
fn many_repositories_are_connected_after_a_plan_and_none_twice() {
    let (stage, _daemon) = with_ann();
    let github = stage.simulator.github();
    let token = github.add_user("octo");
    for name in ["acme/api", "acme/web", "acme/old", "other/api"] {
        github.add_repository(name, "octo");
    }
    github.archive("acme/old");
    done_with(&stage, &["credential", "add", "github"], &token);
    let plan = done(&stage, &["connect", "github", "--org", "acme", "--dry-run"]);
    for (name, intent) in [("acme/api", "connect"), ("acme/old", "skip: archived")] {
        let says_so = |line: &str| line.starts_with(name) && line.ends_with(intent);
        assert!(plan.lines().any(says_so), "{plan}");
    }
    assert!(!plan.contains("other/api"), "{plan}");
    // Without a terminal the user must have agreed before.
    let asked = stage.run(&["connect", "github", "--all"]);
    assert_eq!(asked.status.code(), Some(1), "{asked:?}");
    assert!(String::from_utf8_lossy(&asked.stderr).contains("--yes"));
    assert!(printed(&asked).contains("other/api"), "the plan is shown");
    assert!(github.hooks("acme/api").is_empty());
    done(&stage, &["connect", "github", "acme/web"]);
    let told = done(&stage, &["connect", "github", "--match", "acme/*", "--yes"]);
    assert!(told.ends_with("1 connected, 0 failed"), "{told}");
    let again = done(&stage, &["--json", "connect", "github", "--all", "--yes"]);
    let again = json(&again);
    let names: Vec<_> = again["results"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 1, "only what was left: {again}");
    for name in ["acme/api", "acme/web", "other/api"] {
        assert_eq!(github.hooks(name).len(), 1, "{name}");
    }
    assert!(github.hooks("acme/old").is_empty());
}

/// Runs a command that must fail with one line that says this.
#[track_caller]
pub(super) fn failed(stage: &Stage, words: &[&str], says: &str) {
    let output = stage.run(words);
    let line = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{words:?}: {line}");
    assert_eq!(line.lines().count(), 1, "{words:?}: {line}");
    assert!(
        line.starts_with("hookherd: ") && line.contains(says),
        "{words:?}: {line}"
    );
    assert!(output.stdout.is_empty(), "{words:?}: {output:?}");
}

#[test]
fn what_fails_is_status_1_and_one_line_and_what_is_misused_is_status_2() {
    let (mut stage, daemon) = with_ann();
    failed(&stage, &["connect", "github", REPOSITORY], "no_credential");
    let id = "con_01krjbjp8f0000000000000000";
    failed(&stage, &["disconnect", id], "not_found");
    failed(&stage, &["disconnect", "con_1"], "name one as OWNER/REPO");
    failed(&stage, &["user", "add", "bob"], "forbidden");
    failed(
        &stage,
        &["credential", "add", "github"],
        "no token on standard input",
    );
    for words in [
        &["connect", "github"][..],
        &["connect", "gitea", REPOSITORY],
        &["nonsense"],
        &["store"],
        &["incidents", "--status", "closed"],
        &["incidents", "--limit", "0"],
        &[],
    ] {
        assert_eq!(stage.run(words).status.code(), Some(2), "{words:?}");
    }
    stage.set("HOOKHERD_TOKEN", "hhk_wrong");
    failed(&stage, &["connections"], "unauthenticated");
    stage.unset("HOOKHERD_TOKEN");
    failed(&stage, &["connections"], "hookherd auth login");
    std::fs::write(stage.path("token"), "hhk_wrong\n").unwrap();
    stage.set("HOOKHERD_TOKEN_FILE", "token");
    failed(&stage, &["connections"], "unauthenticated");
    drop(daemon);
    failed(&stage, &["connections"], "is it running?");
}

#[test]
fn what_needs_no_daemon_works_without() {
    let stage = Stage::new();
    let keys = [done(&stage, &["keygen"]), done(&stage, &["keygen"])];
    assert_ne!(keys[0], keys[1]);
    for key in keys {
        let bytes = BASE64.decode(key.as_bytes()).unwrap();
        assert_eq!(bytes.len(), 32);
    }
    assert!(
        json(&done(&stage, &["openapi"]))["openapi"]
            .as_str()
            .unwrap()
            .starts_with("3.1")
    );
    for shell in ["bash", "zsh", "fish"] {
        assert!(done(&stage, &["completions", shell]).contains("hookherd"));
    }
    assert!(done(&stage, &["man"]).contains("hookherd"));
    let pages = tempfile::tempdir().unwrap();
    done(&stage, &["man", "--dir", pages.path().to_str().unwrap()]);
    let page = std::fs::read_to_string(pages.path().join("hookherd-token-revoke.1")).unwrap();
    assert!(page.contains("hookherd token revoke"), "{page}");
    assert!(done(&stage, &["--version"]).contains(env!("CARGO_PKG_VERSION")));
}
