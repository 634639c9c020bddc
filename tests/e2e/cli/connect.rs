//! `hookherd connect`: one by name or URL, many by a plan.

use super::super::commands::{done, done_with, failed, json, with_ann};
use super::super::stage::Stage;
use hookherd::simulator::{Fault, Misbehaviour};
use serde_json::Value;

fn stage() -> (Stage, super::super::stage::Daemon) {
    let (stage, daemon) = with_ann();
    let github = stage.simulator.github();
    let token = github.add_user("octo");
    for name in ["acme/api", "acme/web", "octo/app"] {
        github.add_repository(name, "octo");
    }
    done_with(&stage, &["credential", "add", "github"], &token);
    (stage, daemon)
}

#[test]
fn a_repository_is_connected_by_its_url_and_what_does_not_fit_is_told() {
    let (stage, _daemon) = stage();
    let host = stage.simulator.address().to_string();
    let url = format!("http://{host}/Acme/API.git/");
    let told = done(&stage, &["connect", "github", &url, "--event", "push"]);
    assert!(told.contains("webhook active"), "{told}");
    let hooks = stage.simulator.github().hooks("acme/api");
    assert_eq!(hooks[0].events, ["push"]);
    failed(
        &stage,
        &["connect", "github", "acme/api"],
        "already_connected",
    );
    // A host that is another one's, and a provider for which there is no token: what to do is
    // said in commands.
    failed(
        &stage,
        &["connect", "github", "https://github.com/acme/api"],
        &format!("github.com is not configured. Configured: {host}"),
    );
    failed(
        &stage,
        &["connect", "gitlab", "acme/api"],
        "`hookherd credential add PROVIDER < token.txt`",
    );
    failed(
        &stage,
        &["connect", "github", "acme"],
        "expected OWNER/REPO",
    );
    failed(
        &stage,
        &["connect", "github", "acme/none"],
        "repository_not_found",
    );
    let other = ["connect", "github", url.as_str(), "--host", "ghe.example"];
    failed(&stage, &other, "omit one of them");
    failed(
        &stage,
        &["connect", "github", "https://github.com/acme/web"],
        "unknown_provider",
    );
    let paused = ["connect", "GitHub", "acme/web", "--no-webhook", "--json"];
    assert_eq!(json(&done(&stage, &paused))["webhook_status"], "inactive");

    // The arguments stand in the order in which they are taken.
    let swapped = stage.run(&["connect", "octo/app", "github"]);
    let told = String::from_utf8(swapped.stderr).unwrap();
    assert_eq!(swapped.status.code(), Some(2), "{told}");
    assert!(told.contains("the provider comes first"), "{told}");
    let help = done(&stage, &["connect", "--help"]);
    let usage = "Usage: hookherd connect [OPTIONS] <PROVIDER> <OWNER/REPO>";
    assert!(help.contains(usage), "{help}");
    let wrong = stage.run(&["connect", "octo/app", "github", "--json"]);
    let told: Value = serde_json::from_slice(&wrong.stderr).unwrap();
    assert_eq!(
        (told["code"].as_str(), wrong.status.code()),
        (Some("usage"), Some(2))
    );
}

/// Waits for the first reconciles of what was connected: they look at repositories, too, and would
/// take a fault that is not for them.
fn first_reconciles(stage: &Stage, told: &str) {
    let words = told.split(|c: char| c != '_' && !c.is_ascii_alphanumeric());
    let ids: Vec<&str> = words.filter(|word| word.starts_with("con_")).collect();
    assert!(!ids.is_empty(), "{told}");
    let token = &stage.variables["HOOKHERD_TOKEN"];
    stage.wait_until("the first reconciles", || {
        let is_done = |id: &&str| {
            let now = stage.connection(token, id);
            !now["health"]["gaps"]["reconciled_at"].is_null()
        };
        ids.iter().all(is_done)
    });
}

#[test]
fn many_are_connected_in_numbered_lines_and_nothing_found_is_an_error() {
    let (stage, _daemon) = stage();
    let none = stage.run(&["connect", "github", "--org", "acmee", "--yes"]);
    let told = String::from_utf8(none.stderr).unwrap();
    assert_eq!(none.status.code(), Some(1), "{told}");
    assert!(
        told.contains("no user or organisation acmee") && told.contains("acme, octo"),
        "{told}"
    );
    // One that is there, and of whose repositories none is within reach.
    stage.simulator.github().add_user("lonely");
    let none = stage.run(&["connect", "github", "--org", "lonely", "--yes"]);
    let told = String::from_utf8(none.stderr).unwrap();
    assert!(told.contains("any repository of `lonely`"), "{told}");
    let none = stage.run(&["connect", "github", "--match", "x/*", "--yes", "--json"]);
    let told: Value = serde_json::from_slice(&none.stderr).unwrap();
    assert_eq!(told["code"], "no_repositories");
    assert_eq!(told["owners"], serde_json::json!(["acme", "octo"]));
    failed(
        &stage,
        &["connect", "github", "--match", "[", "--yes"],
        "--match [",
    );
    let plan = json(&done(
        &stage,
        &["connect", "github", "--all", "--dry-run", "--json"],
    ));
    assert_eq!(plan["plan"].as_array().unwrap().len(), 3);

    let told = done(&stage, &["connect", "github", "--org", "ACME", "--yes"]);
    let lines: Vec<&str> = told.lines().collect();
    assert!(
        told.contains("1 of 2: connected acme/api as con_"),
        "{told}"
    );
    assert!(
        told.contains("2 of 2: connected acme/web as con_"),
        "{told}"
    );
    assert_eq!(lines.last(), Some(&"2 connected, 0 failed"));
    first_reconciles(&stage, &told);
    // Again there is nothing to do, which is no error, and still JSON.
    let again = ["connect", "github", "--org", "acme", "--yes", "--json"];
    assert_eq!(
        json(&done(&stage, &again)),
        serde_json::json!({ "results": [] })
    );
    let told = done(&stage, &["connect", "github", "--org", "acme", "--yes"]);
    assert!(told.ends_with("0 to connect, of 2 found"), "{told}");
    // One that fails does not keep the others from their turn.
    stage.simulator.github().add_repository("octo/gone", "octo");
    stage.simulator.github().add_repository("octo/then", "octo");
    let github = stage.simulator.github();
    stage.simulator.faults().push(Fault {
        operation: "repository".into(),
        misbehaviour: Misbehaviour::NotFoundForPermission,
        times: 1,
        after: 0,
    });
    let output = stage.run(&["connect", "github", "--org", "octo", "--yes"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("failed octo/app") && told.ends_with("2 connected, 1 failed\n"));
    assert_eq!(github.hooks("octo/then").len(), 1);
}
