//! Webhooks that no connection keeps, by the command line: found, distinguished, removed.

use super::commands::{done, done_with, json, with_ann};
use super::stage::{Daemon, Stage};
use serde_json::{Value, json};

/// A hook key that no connection has.
const KEY: &str = "60rk4csm6mv3ee1sc5h66s35cskpgtba";

const REMOVE: [&str; 3] = ["doctor", "--orphans", "--remove"];

/// A person makes a hook at GitHub.
pub(super) fn by_hand(
    stage: &Stage,
    token: &str,
    repository: &str,
    url: &str,
    event: &str,
) -> String {
    let hooks = format!("{}/repos/{repository}/hooks", stage.simulator.api_url());
    let body = json!({
        "name": "web", "active": true, "events": [event],
        "config": { "url": url, "content_type": "json", "secret": "theirs" },
    });
    assert_eq!(stage.post_elsewhere(&hooks, token, &body), 201);
    let made = stage.simulator.github().hooks(repository);
    let made = made
        .iter()
        .find(|hook| hook.url == url)
        .expect("it was made");
    made.id.to_string()
}

/// The same at GitLab.
pub(super) fn by_hand_at_gitlab(stage: &Stage, token: &str, project: &str, url: &str) -> String {
    let path = project.replace('/', "%2F");
    let hooks = format!("{}/projects/{path}/hooks", stage.simulator.gitlab_api_url());
    let body = json!({ "url": url, "push_events": true, "pipeline_events": true });
    assert_eq!(stage.post_elsewhere(&hooks, token, &body), 201);
    let made = stage.simulator.gitlab().hooks(project);
    let made = made
        .iter()
        .find(|hook| hook.url == url)
        .expect("it was made");
    made.id.to_string()
}

/// `ann` with a credential for three repositories, the first of which is connected.
fn stage() -> (Stage, Daemon, String) {
    let (stage, daemon) = with_ann();
    let github = stage.simulator.github();
    let token = github.add_user("octo");
    for name in ["octo/app", "octo/lib", "octo/site"] {
        github.add_repository(name, "octo");
    }
    done_with(&stage, &["credential", "add", "github"], &token);
    done(&stage, &["connect", "github", "octo/app"]);
    (stage, daemon, token)
}

/// Runs `doctor --orphans`, which also says things beside its answer.
pub(super) fn doctor(stage: &Stage, words: &[&str]) -> Value {
    let words = [&["--json", "doctor", "--orphans"], words].concat();
    let output = stage.run(&words);
    assert!(output.status.success(), "{words:?}: {output:?}");
    json(&String::from_utf8(output.stdout).unwrap())
}

/// Runs a command that must fail and say so, whatever it shows before.
#[track_caller]
fn refused(stage: &Stage, words: &[&str], says: &str) {
    let output = stage.run(words);
    let line = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{words:?}: {line}");
    assert!(line.contains(says), "{words:?}: {line}");
}

/// The webhooks of a report, each as repository, id and standing.
fn standings(report: &Value) -> Vec<(String, String, String)> {
    let hooks = report["hooks"].as_array().unwrap().iter();
    let part = |hook: &Value, name: &str| hook[name].as_str().unwrap().to_owned();
    let mut all: Vec<_> = hooks
        .map(|h| {
            (
                part(h, "repository_full_name"),
                part(h, "webhook_id"),
                part(h, "standing"),
            )
        })
        .collect();
    all.sort();
    all
}

/// What a report should list.
fn expected(rows: &[(&str, &String, &str)]) -> Vec<(String, String, String)> {
    let rows = rows.iter();
    let mut rows: Vec<(String, String, String)> = rows
        .map(|(name, id, standing)| ((*name).into(), (*id).clone(), (*standing).into()))
        .collect();
    rows.sort();
    rows
}

#[test]
fn webhooks_without_a_connection_are_found_told_apart_and_removed_by_their_ids() {
    let (stage, _daemon, token) = stage();
    let here = stage.url("");
    let make = |repository, url: &str, event| by_hand(&stage, &token, repository, url, event);
    let old = make(
        "octo/app",
        &format!("{here}/old/hook?token=canary-theirs"),
        "push",
    );
    let ci = make("octo/app", "https://ci.example/canary-theirs", "push");
    make("octo/app", "https://chat.example/hook", "issues");
    let orphan = make(
        "octo/lib",
        &format!("{here}/api/v2/webhooks/github/{KEY}"),
        "push",
    );
    let former = format!("https://former.example/api/v2/webhooks/github/{KEY}");
    let former = make("octo/site", &former, "push");
    let ours = stage.simulator.github().hooks("octo/app")[0].url.clone();
    let copy = make("octo/site", &ours, "push");
    let report = doctor(&stage, &[]);
    let all = [
        ("octo/app", &old, "same_receiver"),
        ("octo/app", &ci, "same_events"),
        ("octo/lib", &orphan, "orphan"),
        ("octo/site", &former, "other_address"),
        ("octo/site", &copy, "misplaced"),
    ];
    assert_eq!(standings(&report), expected(&all));
    assert_eq!(report["repositories_read"], 3);
    assert_eq!(report["is_complete"], true);
    assert!(
        !report.to_string().contains("canary"),
        "secrets of others: {report}"
    );
    let connected = doctor(&stage, &["--connected-only"]);
    assert_eq!(standings(&connected), expected(&all[..2]));

    // Nothing without a word, nothing of others, nothing that is not there.
    refused(&stage, &[&REMOVE[..], &[&orphan]].concat(), "use --yes");
    refused(
        &stage,
        &[&REMOVE[..], &[&ci, "--yes"]].concat(),
        "is left alone",
    );
    refused(
        &stage,
        &[&REMOVE[..], &["999999", "--yes"]].concat(),
        "no webhook 999999",
    );
    let count = |name| stage.simulator.github().hooks(name).len();
    assert_eq!(
        (count("octo/app"), count("octo/lib"), count("octo/site")),
        (4, 1, 2)
    );
    let removed = doctor(&stage, &["--remove", &format!("{orphan},{copy}"), "--yes"]);
    let outcomes: Vec<_> = removed["results"].as_array().unwrap().iter().collect();
    assert!(outcomes.len() == 2 && outcomes.iter().all(|r| r["outcome"] == "removed"));
    assert_eq!(
        (count("octo/app"), count("octo/lib"), count("octo/site")),
        (4, 0, 1)
    );
    doctor(&stage, &["--remove", "other_address", "--yes"]);
    assert_eq!(count("octo/site"), 0);
    let left = doctor(&stage, &[]);
    assert_eq!(standings(&left), expected(&all[..2]));
}

#[test]
fn what_another_server_answers_or_another_user_has_connected_is_not_removed_by_mistake() {
    let (mut stage, _daemon, token) = stage();
    let here = stage.url("");
    // Another user's connection to the same repository is no user's orphan.
    let ann = stage.variables["HOOKHERD_TOKEN"].clone();
    let bob = stage.add_user("bob");
    stage.set("HOOKHERD_TOKEN", &bob);
    done_with(&stage, &["credential", "add", "github"], &token);
    done(&stage, &["connect", "github", "octo/lib"]);
    stage.set("HOOKHERD_TOKEN", &ann);
    assert_eq!(standings(&doctor(&stage, &[])), []);
    let hook = stage.simulator.github().hooks("octo/lib").remove(0);
    let print = hookherd::domain::standing::Fingerprint::of(
        hookherd::domain::id::HookId(hook.id),
        Some(&hook.url),
    );
    let body = json!({
        "repository_full_name": "octo/lib", "webhook_id": hook.id.to_string(),
        "fingerprint": print.to_string(),
    });
    let line = "POST /api/v2/hooks/github/remove";
    let refused = stage.ask_in_secret(&ann, line, Some(&body.to_string()));
    assert_eq!(
        refused.field("code"),
        "hook_not_free",
        "by a client of the API, either"
    );

    // A hook of another Hookherd behind the same address: its deliveries are answered. The answer
    // of this one to an unknown key is 401.
    let unknown = format!("{here}/api/v2/webhooks/github/{KEY}");
    let orphan = by_hand(&stage, &token, "octo/site", &unknown, "push");
    stage.simulator.github().push("octo/site");
    stage.wait_until("an answer", || {
        let sent = stage.simulator.github().deliveries("octo/site");
        sent.iter()
            .any(|sent| sent.event == "push" && sent.status == Some(401))
    });
    let report = doctor(
        &stage,
        &["--repository", "octo/site", "--provider", "github"],
    );
    assert_eq!(report["hooks"][0]["last_answer_status"], 401);
    assert_eq!(report["hooks"][0]["standing"], "orphan");
    doctor(&stage, &["--remove", &orphan, "--yes"]);
    assert!(stage.simulator.github().hooks("octo/site").is_empty());
}

#[test]
fn webhooks_at_gitlab_are_told_apart_and_removed_alike() {
    let (stage, _daemon) = with_ann();
    let gitlab = stage.simulator.gitlab();
    let token = gitlab.add_user("ann");
    for project in ["group/sub/app", "group/other"] {
        gitlab.add_project(project, "ann");
    }
    done_with(&stage, &["credential", "add", "gitlab"], &token);
    done(&stage, &["connect", "gitlab", "group/sub/app"]);
    let here = stage.url("");
    let make = |project, url: &str| by_hand_at_gitlab(&stage, &token, project, url);
    let old = make("group/sub/app", &format!("{here}/gitlab-hook"));
    let events = make("group/sub/app", "https://ci.example/hook");
    let orphan = make(
        "group/other",
        &format!("{here}/api/v2/webhooks/gitlab/{KEY}"),
    );
    let report = doctor(&stage, &["--provider", "gitlab"]);
    let row = |name: &str, id: &String, standing: &str| (name.into(), id.clone(), standing.into());
    let mut all = vec![
        row("group/other", &orphan, "orphan"),
        row("group/sub/app", &old, "same_receiver"),
        row("group/sub/app", &events, "same_events"),
    ];
    all.sort();
    assert_eq!(standings(&report), all);
    doctor(
        &stage,
        &["--remove", &format!("{orphan},same_receiver"), "--yes"],
    );
    assert!(gitlab.hooks("group/other").is_empty());
    let left: Vec<_> = gitlab.hooks("group/sub/app");
    assert_eq!(left.len(), 2, "ours, and the other receiver's");
}

#[test]
fn a_search_that_the_provider_stops_says_where_it_continues() {
    let (stage, _daemon, _) = stage();
    let github = stage.simulator.github();
    github.add_user("boss");
    github.set_admin("octo", "octo/lib", false);
    let report = doctor(&stage, &[]);
    let unread = report["unread"].as_array().unwrap();
    assert_eq!(unread.len(), 1, "{report}");
    assert_eq!(unread[0]["repository_full_name"], "octo/lib");
    assert_eq!(
        (&report["repositories_read"], &report["is_complete"]),
        (&json!(2), &json!(true))
    );
    stage.simulator.faults().outage(true);
    let words = ["doctor", "--orphans"];
    refused(
        &stage,
        &words,
        "continue with `hookherd doctor --orphans --provider github --host",
    );
    stage.simulator.faults().outage(false);
    let host = stage.simulator.address().to_string();
    let from = ["--provider", "github", "--host", &host, "--from", "start"];
    assert_eq!(doctor(&stage, &from)["repositories_read"], 2);
    let from = [&words[..], &from[..4], &["--from", "nonsense"]].concat();
    refused(&stage, &from, "bad_cursor");
}
