//! Every reason for which a provider runs CI, against every other: none mends what another failed,
//! and each is mended by itself.

use super::github::run;
use super::gitlab::pipeline;
use super::{Scene, story};
use serde_json::{Value, json};

/// GitLab's sources of pipelines, and one that there is not yet. `parent_pipeline` and `pipeline`
/// without the parent that they are from are kinds of their own, too.
const SOURCES: [&str; 18] = [
    "push",
    "web",
    "trigger",
    "schedule",
    "api",
    "external",
    "pipeline",
    "chat",
    "webide",
    "merge_request_event",
    "external_pull_request_event",
    "ondemand_dast_scan",
    "ondemand_dast_validation",
    "security_orchestration_policy",
    "container_registry_push",
    "duo_workflow",
    "pipeline_execution_policy_schedule",
    "of_a_newer_version",
];

/// What sets off workflow runs at GitHub.
const EVENTS: [&str; 22] = [
    "push",
    "schedule",
    "workflow_dispatch",
    "pull_request",
    "pull_request_target",
    "pull_request_review",
    "pull_request_review_comment",
    "repository_dispatch",
    "workflow_run",
    "dynamic",
    "release",
    "issues",
    "issue_comment",
    "discussion",
    "deployment",
    "deployment_status",
    "page_build",
    "registry_package",
    "watch",
    "create",
    "delete",
    "of_a_newer_version",
];

async fn each_by_itself(
    event: &str,
    reasons: &[&str],
    told: impl Fn(u64, &str, &str) -> Value,
    (failed, passed): (&str, &str),
) {
    for reason in reasons {
        let scene = Scene::set().await;
        scene.tell(event, &told(1, failed, reason)).await;
        let open = scene.open();
        assert_eq!(open.len(), 1, "{reason}");
        let others = reasons.iter().filter(|other| *other != reason);
        for (number, other) in (2..).zip(others) {
            scene.tell(event, &told(number, passed, other)).await;
            assert_eq!(scene.open(), open, "{other} mends {reason}");
        }
        scene.tell(event, &told(50, passed, reason)).await;
        assert!(scene.open().is_empty(), "{reason} does not mend itself");
    }
}

#[actix::test]
async fn each_source_of_pipelines_is_mended_by_itself_alone() {
    let told = |id, status: &str, source: &str| {
        let mut body = pipeline(id, status, &json!({"source": source}));
        if source == "merge_request_event" {
            body["merge_request"] = json!({"iid": 4, "source_branch": "main"});
        }
        body
    };
    each_by_itself("Pipeline Hook", &SOURCES, told, ("failed", "success")).await;
}

#[actix::test]
async fn each_event_that_sets_off_runs_is_mended_by_itself_alone() {
    let told =
        |number, conclusion: &str, event: &str| run(number, conclusion, &json!({"event": event}));
    each_by_itself("workflow_run", &EVENTS, told, ("failure", "success")).await;
}

/// What is no verdict changes nothing, whatever it is called and however it is told of.
#[actix::test]
async fn what_is_no_verdict_neither_opens_nor_mends() {
    let scene = Scene::set().await;
    let of = |number, attempt: u64, conclusion: Value, action: &str| {
        let fields = json!({"run_attempt": attempt, "conclusion": conclusion});
        let mut body = run(number, "", &fields);
        body["action"] = json!(action);
        body
    };
    let nothing = [
        json!("neutral"),
        json!("skipped"),
        json!("stale"),
        json!("cancelled"),
        json!("action_required"),
        json!("of_a_newer_version"),
        json!(null),
        json!(""),
        json!(7),
    ];
    for (number, conclusion) in (1..).zip(&nothing) {
        for action in ["requested", "in_progress", "completed"] {
            let body = of(number, 1, conclusion.clone(), action);
            scene.tell("workflow_run", &body).await;
            assert!(scene.open().is_empty(), "{conclusion} {action}");
        }
    }
    let failed = of(20, 2, json!("failure"), "completed");
    scene.tell("workflow_run", &failed).await;
    for (number, conclusion) in (21..).zip(&nothing) {
        for action in ["requested", "in_progress", "completed"] {
            let body = of(number, 1, conclusion.clone(), action);
            scene.tell("workflow_run", &body).await;
            assert_eq!(scene.open().len(), 1, "{conclusion} {action}");
        }
    }
    // The first attempt of the same run, told late: it passed before the second one failed.
    let first = of(20, 1, json!("success"), "completed");
    scene.tell("workflow_run", &first).await;
    assert_eq!(scene.open().len(), 1);
    let third = of(20, 3, json!("success"), "completed");
    scene.tell("workflow_run", &third).await;
    assert!(scene.open().is_empty());
}

/// A tag may be called like the default branch: that it goes says nothing of the branch.
#[actix::test]
async fn a_tag_that_is_called_like_the_default_branch_ends_nothing_of_it() {
    let schedule = |id, status| pipeline(id, status, &json!({"source": "schedule"}));
    let gone = |name: &str| {
        json!({
            "object_kind": "tag_push", "ref": format!("refs/tags/{name}"), "after": "0".repeat(40),
            "project": {"id": 380, "path_with_namespace": "g/p", "default_branch": "main"}
        })
    };
    let red: &[&str] = &["Scheduled pipeline on main (schedule)"];
    story(&[
        ("Pipeline Hook", schedule(1, "failed"), red),
        ("Tag Push Hook", gone("main"), red),
        ("Tag Push Hook", gone("v1"), red),
        ("Pipeline Hook", schedule(2, "success"), &[]),
    ])
    .await;
}
