//! Jobs, suites, check runs and statuses.

use super::{decode, decode_run, run, run_of};
use crate::domain::event::Event;
use crate::domain::run::{Conclusion, Family, Position, RunEvent, RunStatus, Twin};
use crate::domain::samples::failed_job as failed;
use crate::domain::time::Timestamp;
use serde_json::{Value, json};

const SHA: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

pub(super) fn job() -> Value {
    json!({
        "action": "completed",
        "workflow_job": {
            "id": 71, "run_id": 9001, "run_attempt": 2, "name": "linters", "workflow_name": "CI",
            "status": "completed", "conclusion": "failure", "head_branch": "main", "head_sha": SHA,
            "created_at": "2026-11-24T10:00:00Z", "started_at": "2026-11-24T10:00:02Z",
            "completed_at": "2026-11-24T10:05:00Z"
        },
        "repository": {"id": 1001, "full_name": "o/r"}, "sender": {"login": "cat"}
    })
}

fn suite_part() -> Value {
    json!({
        "id": 5, "head_branch": "main", "head_sha": SHA, "status": "completed",
        "conclusion": "failure", "head_commit": {"message": "Fix it\n\nReally"},
        "created_at": "2026-11-24T10:00:00Z", "updated_at": "2026-11-24T10:02:05Z",
        "app": {"id": 29310, "slug": "linter", "name": "Octo Linter"}
    })
}

fn repository() -> Value {
    json!({
        "id": 1001, "full_name": "o/r", "default_branch": "main",
        "html_url": "https://github.example/o/r"
    })
}

pub(super) fn suite() -> Value {
    json!({
        "action": "completed", "check_suite": suite_part(), "repository": repository(),
        "sender": {"login": "cat"}
    })
}

pub(super) fn check() -> Value {
    let mut suite = suite_part();
    suite["conclusion"] = json!(null);
    suite["updated_at"] = json!("2026-11-24T10:02:04Z");
    json!({
        "action": "completed",
        "check_run": {
            "id": 72, "name": "Octo Lint", "conclusion": "timed_out", "check_suite": suite,
            "app": {"id": 29310, "slug": "linter"}
        },
        "repository": repository(), "sender": {"login": "cat"}
    })
}

fn branch(name: &str, head: &str) -> Value {
    json!({"name": name, "commit": {"sha": head}, "protected": false})
}

pub(super) fn status() -> Value {
    json!({
        "id": 6, "sha": SHA, "context": "ci/build", "state": "failure",
        "target_url": "https://ci.example/1", "created_at": "2026-11-24T10:01:00+00:00",
        "updated_at": "2026-11-24T10:01:00+00:00",
        "commit": {
            "author": {"login": "cat"},
            "commit": {
                "message": "Fix it\n\nReally",
                "author": {"date": "2026-11-24T09:00:00Z"},
                "committer": {"date": "2026-11-24T10:00:00Z"}
            }
        },
        "branches": [branch("topic", SHA), branch("main", SHA), branch("old", "f95f")],
        "repository": repository(), "sender": {"login": "bot"}
    })
}

fn told(event: &str, body: &Value) -> RunEvent {
    run_of(decode(event, body.to_string()))
}

#[test]
fn a_job_tells_what_failed_in_which_attempt_and_is_no_verdict() {
    let event = told("workflow_job", &job());
    let (number, attempt) = (0, 2);
    assert_eq!(event.position, Position { number, attempt });
    assert_eq!(
        (event.provider_run_id, event.family),
        (9001, Family::Actions)
    );
    assert_eq!(event.status, RunStatus::InProgress);
    assert_eq!(event.failed_jobs, [failed(71, "linters", "failure")]);
    assert_eq!(event.facts.workflow_name, "CI");
    assert_eq!(event.facts.author.as_deref(), Some("cat"));
    assert!(
        decode_run(&run()).position > event.position,
        "a run counts for more"
    );
    let reasons = [
        "success",
        "skipped",
        "cancelled",
        "neutral",
        "action_required",
    ];
    for conclusion in reasons.map(Value::from).into_iter().chain([json!(null)]) {
        let mut body = job();
        body["workflow_job"]["conclusion"] = conclusion.clone();
        assert_eq!(told("workflow_job", &body).failed_jobs, [], "{conclusion}");
    }
    let mut old = job();
    old["workflow_job"]["run_attempt"] = json!(null);
    assert_eq!(told("workflow_job", &old).position.attempt, 1);
}

#[test]
fn a_suite_is_a_run_whose_attempts_are_told_by_time() {
    let event = told("check_suite", &suite());
    assert_eq!((event.provider_run_id, event.family), (5, Family::Checks));
    let (number, attempt) = (5, 126);
    assert_eq!(event.position, Position { number, attempt });
    assert_eq!(event.status, RunStatus::Completed(Conclusion::Failure));
    let facts = event.facts;
    assert_eq!(
        (facts.workflow_key.as_str(), facts.workflow_name.as_str()),
        ("29310", "Octo Linter")
    );
    assert_eq!(facts.branch.as_deref(), Some("main"));
    assert_eq!(facts.commit_message.as_deref(), Some("Fix it"));
    let page = format!("https://github.example/o/r/commit/{SHA}/checks");
    assert_eq!(facts.url, Some(page));
    let mut fork = suite();
    fork["check_suite"]["head_branch"] = json!(null);
    assert_eq!(told("check_suite", &fork).facts.branch, None);
    for conclusion in Conclusion::ALL {
        let mut body = suite();
        body["check_suite"]["conclusion"] = json!(conclusion.as_str());
        let told = told("check_suite", &body).status;
        assert_eq!(told, RunStatus::Completed(conclusion));
    }
}

#[test]
fn a_suite_that_is_asked_for_again_shows_its_last_verdict_and_has_none() {
    for action in ["requested", "rerequested", "novel"] {
        let mut body = suite();
        body["action"] = json!(action);
        assert_eq!(
            told("check_suite", &body).status,
            RunStatus::Queued,
            "{action}"
        );
        let mut body = check();
        body["action"] = json!("rerequested");
        assert_eq!(told("check_run", &body).failed_jobs, []);
    }
}

#[test]
fn a_check_run_is_a_job_of_its_suites_run() {
    let event = told("check_run", &check());
    let of_suite = told("check_suite", &suite());
    assert_eq!(event.provider_run_id, of_suite.provider_run_id);
    assert_eq!(event.facts.workflow_key, of_suite.facts.workflow_key);
    let (number, attempt) = (0, 125);
    assert_eq!(event.position, Position { number, attempt });
    assert_eq!(event.status, RunStatus::InProgress);
    assert_eq!(event.failed_jobs, [failed(72, "Octo Lint", "timed_out")]);
    let mut passed = check();
    passed["check_run"]["conclusion"] = json!("success");
    assert_eq!(told("check_run", &passed).failed_jobs, []);
}

#[test]
fn what_actions_keeps_of_its_own_runs_is_known_by_its_app_and_told_apart_by_its_suite() {
    let table = [
        ("check_suite", suite(), "/check_suite/app", json!("slug")),
        ("check_suite", suite(), "/check_suite/app", json!("id")),
        (
            "check_run",
            check(),
            "/check_run/check_suite/app",
            json!("slug"),
        ),
        (
            "check_run",
            check(),
            "/check_run/check_suite/app",
            json!("id"),
        ),
    ];
    for (name, mut body, path, by) in table {
        let app = body.pointer_mut(path).unwrap();
        *app = match by.as_str() {
            Some("slug") => json!({"slug": "github-actions"}),
            _ => json!({"id": 15368, "name": "GitHub Actions"}),
        };
        let event = told(name, &body);
        assert_eq!(event.twin, Twin::OfRun, "{path} by {by}");
        assert!(event.facts.workflow_key.ends_with("/5"), "{path} by {by}");
    }
    assert_eq!(told("check_suite", &suite()).twin, Twin::None);
}

#[test]
fn a_status_is_put_in_order_by_its_commit_and_then_by_its_time() {
    let event = told("status", &status());
    assert_eq!(event.family, Family::Statuses);
    assert_eq!(event.position.number, 1_795_514_400 << 20 | 0xec26c);
    assert_eq!(event.position.attempt, 61);
    assert_eq!(event.updated_at, Timestamp(1_795_514_460_000));
    assert_eq!(event.facts.workflow_key, "ci/build");
    assert_eq!(event.facts.author.as_deref(), Some("cat"));
    assert_eq!(event.facts.url.as_deref(), Some("https://ci.example/1"));
    assert!(event.position.number < 1 << 53, "exact in JSON");
    // A commit that says it was made later than its status.
    let mut future = status();
    future["commit"]["commit"]["committer"]["date"] = json!("2099-01-01T00:00:00Z");
    let event = told("status", &future);
    assert_eq!(
        (event.position.number >> 20, event.position.attempt),
        (1_795_514_460, 1)
    );
    for missing in ["sha", "context", "state", "commit"] {
        let mut body = status();
        body[missing] = json!(null);
        let event = decode("status", body.to_string()).unwrap().event;
        assert_eq!(event, Event::Ignored, "{missing}");
    }
}

#[test]
fn statuses_of_one_context_on_one_commit_are_one_run() {
    let id = |path: &str, value: &str| {
        let mut body = status();
        *body.pointer_mut(path).unwrap() = json!(value);
        told("status", &body).provider_run_id
    };
    assert_eq!(id("/state", "pending"), id("/state", "success"));
    assert_ne!(id("/context", "ci/build"), id("/context", "ci/test"));
    assert_ne!(
        id("/sha", SHA),
        id("/sha", "f95f852bd8fca8fcc58a9a2d6c842781e32a215e")
    );
    let table = [
        ("pending", RunStatus::InProgress),
        ("success", RunStatus::Completed(Conclusion::Success)),
        ("failure", RunStatus::Completed(Conclusion::Failure)),
        ("error", RunStatus::Completed(Conclusion::Failure)),
        ("novel", RunStatus::Completed(Conclusion::Unknown)),
    ];
    for (state, expected) in table {
        let mut body = status();
        body["state"] = json!(state);
        assert_eq!(told("status", &body).status, expected, "{state}");
    }
}

#[test]
fn a_status_is_about_the_branches_whose_head_it_is() {
    let table = [
        (
            json!([branch("topic", SHA), branch("main", SHA)]),
            Some("main"),
        ),
        (
            json!([branch("b", SHA), branch("a", SHA), branch("main", "f9")]),
            Some("a"),
        ),
        (
            json!([branch("topic", "f9"), branch("main", "f9")]),
            Some("main"),
        ),
        (
            json!([branch("topic", "f9"), branch("old", "f9")]),
            Some("old"),
        ),
        (json!([1, null, {"name": 5}, branch("a", SHA)]), Some("a")),
        (json!([]), None),
        (json!({"main": 1}), None),
    ];
    for (branches, expected) in table {
        let mut body = status();
        body["branches"] = branches.clone();
        let found = told("status", &body).facts.branch;
        assert_eq!(found.as_deref(), expected, "{branches}");
    }
    let mut long = status();
    let other = branch("other", "f9");
    long["branches"] = json!(vec![other; 5000]);
    assert_eq!(told("status", &long).facts.branch.as_deref(), Some("other"));
}

#[test]
fn a_new_name_is_a_reason_to_look_and_other_changes_are_history() {
    let event = |name: &str, action: &str| {
        let body = json!({"action": action, "hook_id": 3, "repository": {"id": 1}});
        decode(name, body.to_string()).unwrap().event
    };
    for action in ["renamed", "transferred", "deleted"] {
        assert_eq!(event("repository", action), Event::LookNow, "{action}");
    }
    for action in ["created", "edited", "archived", "privatized"] {
        assert_eq!(event("repository", action), Event::Recorded, "{action}");
    }
    assert_eq!(event("repository", "novel"), Event::Ignored);
    assert_eq!(event("meta", "deleted"), Event::LookNow);
    assert_eq!(event("meta", "edited"), Event::Ignored);
}
