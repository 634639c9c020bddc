//! Whose code it was, and what kind of run: GitHub.

use super::story;
use crate::domain::incident::Resolution;
use serde_json::{Value, json};

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// A run of the workflow `CI` that ended, with other fields as given.
pub(super) fn run(number: u64, conclusion: &str, fields: &Value) -> Value {
    let mut run = json!({
        "id": 9000 + number, "workflow_id": 77, "name": "CI", "run_number": number,
        "run_attempt": 1, "event": "push", "status": "completed", "conclusion": conclusion,
        "head_branch": "main", "head_sha": A,
        "html_url": "https://github.example/o/r/actions/runs/9001",
        "created_at": format!("2026-11-28T10:{number:02}:00Z"),
        "updated_at": format!("2026-11-28T10:{number:02}:30Z"),
        "head_repository": {"id": 1001}
    });
    for (name, value) in fields.as_object().unwrap() {
        run[name] = value.clone();
    }
    json!({
        "action": "completed", "workflow_run": run,
        "repository": {"id": 1001, "full_name": "o/r", "default_branch": "main"}
    })
}

fn push(number: u64, conclusion: &str) -> Value {
    run(number, conclusion, &json!({}))
}

/// A pull request from a fork's branch of this name.
pub(super) fn fork(number: u64, conclusion: &str, id: u64, name: &str, branch: &str) -> Value {
    let head = json!({"id": id, "full_name": name, "fork": true});
    let fields = json!({"event": "pull_request", "head_branch": branch, "head_repository": head});
    run(number, conclusion, &fields)
}

const RUN: &str = "workflow_run";

#[actix::test]
async fn a_forks_pull_request_from_its_main_says_nothing_of_ours() {
    let scene = story(&[
        (RUN, push(1, "failure"), &["CI on main"]),
        (
            RUN,
            fork(2, "success", 5555, "x/r", "main"),
            &["CI on main"],
        ),
        (RUN, push(3, "success"), &[]),
    ])
    .await;
    assert!(matches!(scene.ends()[..], [Some(Resolution::Passed(_))]));
    let title = "CI on fork x/main (pull request)";
    let scene = story(&[(RUN, fork(2, "failure", 5555, "x/r", "main"), &[title])]).await;
    let incident = &scene.incidents()[0];
    let ci = incident.ci.as_ref().unwrap();
    assert_eq!(ci.head.as_deref(), Some("x/r"));
}

#[actix::test]
async fn forks_are_told_apart_by_their_ids_alone() {
    let title = "CI on fork x/main (pull request)";
    let renamed = "CI on fork y/main (pull request)";
    story(&[
        (RUN, fork(1, "failure", 5555, "x/r", "main"), &[title]),
        // Another fork of the same owner, and another one that has taken the name.
        (RUN, fork(2, "success", 6666, "x/r2", "main"), &[title]),
        (RUN, fork(3, "success", 7777, "x/r", "main"), &[title]),
        (RUN, push(4, "success"), &[title]),
        (RUN, fork(5, "success", 5555, "x/r", "topic"), &[title]),
        // The fork was renamed.
        (RUN, fork(6, "failure", 5555, "y/r", "main"), &[renamed]),
        (RUN, fork(7, "success", 5555, "z/r", "main"), &[]),
    ])
    .await;
}

#[actix::test]
async fn of_a_deleted_fork_only_the_commit_is_known() {
    let gone = |number, conclusion, sha: &str| {
        let fields = json!({
            "event": "pull_request", "head_repository": null, "head_sha": sha,
            "pull_requests": [],
        });
        run(number, conclusion, &fields)
    };
    let open = "CI on commit aaaaaaa";
    story(&[
        (RUN, gone(1, "failure", A), &[open]),
        (RUN, gone(2, "success", B), &[open]),
        (RUN, push(3, "success"), &[open]),
        (RUN, gone(4, "success", A), &[]),
    ])
    .await;
}

#[actix::test]
async fn a_run_stays_where_it_was_when_less_is_told_of_it_later() {
    let of_pull = |attempt: u32, conclusion, pulls: Value, head: Value| {
        let fields = json!({
            "event": "pull_request", "run_attempt": attempt, "head_branch": "topic",
            "pull_requests": pulls, "head_repository": head,
        });
        run(1, conclusion, &fields)
    };
    let ours = json!([{"number": 12, "base": {"repo": {"id": 1001}}}]);
    story(&[
        (
            RUN,
            of_pull(1, "failure", ours, json!({"id": 1001})),
            &["CI on #12"],
        ),
        (RUN, of_pull(2, "success", json!([]), json!(null)), &[]),
    ])
    .await;
}

#[actix::test]
async fn a_schedule_is_mended_by_a_scheduled_run_and_a_push_by_a_push() {
    let scheduled = |number, conclusion| run(number, conclusion, &json!({"event": "schedule"}));
    let open = "CI on main (schedule)";
    let mut without_head = push(2, "success");
    without_head["workflow_run"]["head_repository"] = json!(null);
    story(&[
        (RUN, scheduled(1, "failure"), &[open]),
        (RUN, without_head, &[open]),
        (RUN, scheduled(3, "success"), &[]),
        (RUN, push(4, "failure"), &["CI on main"]),
        (RUN, scheduled(5, "success"), &["CI on main"]),
        (RUN, push(6, "success"), &[]),
    ])
    .await;
}

type Make<'a> = &'a dyn Fn(u64, &'static str) -> Value;

#[actix::test]
async fn each_kind_of_run_is_mended_by_its_own_alone() {
    let of = |trigger: &'static str| {
        move |number, conclusion| run(number, conclusion, &json!({"event": trigger}))
    };
    let pull = |trigger: &'static str, pull: u64| {
        move |number, conclusion| {
            let pulls = json!([{"number": pull}]);
            run(
                number,
                conclusion,
                &json!({"event": trigger, "pull_requests": pulls}),
            )
        }
    };
    let kinds: [(Make<'_>, &str); 11] = [
        (&of("push"), "CI on main"),
        (&of("schedule"), "CI on main (schedule)"),
        (&of("workflow_dispatch"), "CI on main (manual)"),
        (
            &of("repository_dispatch"),
            "CI on main (repository_dispatch)",
        ),
        (&of("workflow_run"), "CI on main (workflow_run)"),
        (&of("dynamic"), "CI on main (dynamic)"),
        (&of("release"), "CI on main (release)"),
        (&pull("pull_request", 12), "CI on #12"),
        (&pull("pull_request", 13), "CI on #13"),
        (
            &pull("pull_request_target", 12),
            "CI on #12 (pull_request_target)",
        ),
        (
            &|number, conclusion| fork(number, conclusion, 5, "x/r", "main"),
            { "CI on fork x/main (pull request)" },
        ),
    ];
    for (nth, (fails, title)) in kinds.iter().enumerate() {
        let mut events = vec![(RUN, fails(1, "failure"), vec![*title])];
        for (other, (passes, _)) in kinds.iter().enumerate() {
            if other != nth {
                events.push((RUN, passes(2 + other as u64, "success"), vec![*title]));
            }
        }
        events.push((RUN, fails(30, "success"), vec![]));
        let events: Vec<_> = events
            .iter()
            .map(|(event, body, open)| (*event, body.clone(), open.as_slice()))
            .collect();
        story(&events).await;
    }
}

#[actix::test]
async fn a_workflow_is_known_by_its_id_or_path_and_never_by_a_name() {
    let named = |number, conclusion, name: &str| run(number, conclusion, &json!({"name": name}));
    story(&[
        (
            RUN,
            named(1, "failure", "Fix the parser"),
            &["Fix the parser on main"],
        ),
        (RUN, named(2, "success", "Another commit's title"), &[]),
    ])
    .await;
    let at = |number, conclusion, path: &str| {
        let fields = json!({"workflow_id": null, "path": path, "name": "CI"});
        run(number, conclusion, &fields)
    };
    story(&[
        (
            RUN,
            at(1, "failure", ".github/workflows/ci.yml"),
            &["CI on main"],
        ),
        (
            RUN,
            at(2, "success", ".github/workflows/lint.yml"),
            &["CI on main"],
        ),
        (RUN, at(3, "success", ".github/workflows/ci.yml@main"), &[]),
    ])
    .await;
}

fn status(sha: &str, state: &str, minute: u32, branches: &Value) -> Value {
    json!({
        "id": minute, "sha": sha, "context": "ci/jenkins", "state": state,
        "description": format!("told at {minute}"), "target_url": "https://ci.example/1",
        "commit": {"commit": {"message": "m", "committer": {"date": "2026-11-28T10:00:00Z"}}},
        "branches": branches, "updated_at": format!("2026-11-28T10:{minute:02}:00Z"),
        "repository": {"id": 1001, "full_name": "o/r", "default_branch": "main"}
    })
}

#[actix::test]
async fn a_status_without_a_branch_is_mended_by_the_same_commit_alone() {
    let none = json!([]);
    let open = "ci/jenkins on commit aaaaaaa";
    let of_main = json!([{"name": "main", "commit": {"sha": B}}]);
    story(&[
        ("status", status(A, "failure", 1, &none), &[open]),
        ("status", status(B, "success", 2, &none), &[open]),
        ("status", status(B, "success", 3, &of_main), &[open]),
        ("status", status(A, "success", 4, &none), &[]),
    ])
    .await;
}

#[actix::test]
async fn a_suite_without_a_branch_is_mended_by_the_same_commit_alone() {
    let suite = |id: u64, sha: &str, conclusion: &str, branch: Value| {
        json!({
            "action": "completed",
            "check_suite": {
                "id": id, "head_branch": branch, "head_sha": sha, "status": "completed",
                "conclusion": conclusion, "created_at": "2026-11-28T10:00:00Z",
                "updated_at": format!("2026-11-28T10:{id:02}:00Z"),
                "app": {"id": 29310, "slug": "buildkite", "name": "Buildkite"}
            },
            "repository": {"id": 1001, "full_name": "o/r", "default_branch": "main"}
        })
    };
    let open = "Buildkite on commit aaaaaaa";
    let suites = "check_suite";
    story(&[
        (suites, suite(1, A, "failure", json!(null)), &[open]),
        (suites, suite(2, B, "success", json!(null)), &[open]),
        (suites, suite(3, B, "success", json!("main")), &[open]),
        (suites, suite(4, A, "success", json!(null)), &[]),
    ])
    .await;
}

#[actix::test]
async fn a_status_that_is_posted_again_counts_once_until_it_began_again() {
    let main = json!([{"name": "main", "commit": {"sha": A}}]);
    let open: &[&str] = &["ci/jenkins on main"];
    let status = |state, minute| ("status", status(A, state, minute, &main), open);
    let scene = story(&[status("failure", 1), status("failure", 2)]).await;
    let first = scene.incidents()[0].clone();
    assert_eq!(first.occurrences, 1);
    assert_eq!(first.first_seen_at, first.last_seen_at);
    let scene = story(&[
        status("failure", 1),
        status("error", 2),
        status("pending", 3),
        status("failure", 4),
        status("failure", 5),
    ])
    .await;
    assert_eq!(scene.incidents()[0].occurrences, 2);
}

#[actix::test]
async fn a_suite_that_completes_again_counts_once_and_keeps_its_jobs() {
    let suite = |minute: u32| {
        json!({
            "id": 5, "head_branch": "main", "head_sha": A, "status": "completed",
            "conclusion": "failure", "created_at": "2026-11-28T10:00:00Z",
            "updated_at": format!("2026-11-28T10:{minute:02}:00Z"),
            "app": {"id": 29310, "slug": "buildkite", "name": "Buildkite"}
        })
    };
    let repository = json!({"id": 1001, "full_name": "o/r", "default_branch": "main"});
    let completed = |minute| {
        let suite = suite(minute);
        json!({"action": "completed", "check_suite": suite, "repository": repository})
    };
    let check = |id: u64, minute| {
        let run = json!({
            "id": id, "name": format!("job {id}"), "conclusion": "failure",
            "check_suite": suite(minute),
        });
        json!({"action": "completed", "check_run": run, "repository": repository})
    };
    let open: &[&str] = &["Buildkite on main"];
    let scene = story(&[
        ("check_run", check(71, 1), &[]),
        ("check_suite", completed(2), open),
        ("check_run", check(72, 3), open),
        ("check_suite", completed(4), open),
    ])
    .await;
    let incident = &scene.incidents()[0];
    assert_eq!(incident.occurrences, 1);
    let jobs = &incident.ci.as_ref().unwrap().failed_jobs;
    assert_eq!(jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [71, 72]);
}

#[actix::test]
async fn the_author_falls_back_and_blank_is_absent() {
    let table = [
        (
            json!({"triggering_actor": {"login": "cat"}, "actor": {"login": "octo"}}),
            "cat",
        ),
        (
            json!({"triggering_actor": {"login": " "}, "actor": {"login": "octo"}}),
            "octo",
        ),
        (
            json!({"actor": {"login": ""}, "head_commit": {"author": {"name": "Ann"}}}),
            "Ann",
        ),
        (
            json!({"actor": null, "head_commit": {"author": {"name": "  "}}}),
            "sender",
        ),
        (json!({}), "sender"),
    ];
    for (fields, author) in table {
        let mut body = run(1, "failure", &fields);
        body["sender"] = json!({"login": "sender"});
        let scene = story(&[(RUN, body, &["CI on main"])]).await;
        let ci = scene.incidents()[0].ci.clone().unwrap();
        assert_eq!(ci.author.as_deref(), Some(author), "{fields}");
    }
}
