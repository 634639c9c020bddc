//! How severe a failure is, by the branch that it is on.

use super::github::{fork, run};
use super::gitlab::{merge_request, pipeline};
use super::{Scene, story};
use crate::domain::incident::Severity;
use serde_json::{Value, json};

/// The severity of the incident that this opens.
async fn severity(event: &str, body: Value) -> Severity {
    let scene = Scene::set().await;
    scene.tell(event, &body).await;
    let incidents = scene.incidents();
    assert_eq!(incidents.len(), 1, "{body}");
    incidents[0].severity
}

#[actix::test]
async fn at_github_the_default_branch_is_known_and_what_is_not_merged_is_less_severe() {
    for (fields, expected) in [
        (json!({}), Severity::Error),
        (json!({"event": "schedule"}), Severity::Error),
        (json!({"head_branch": "fix-7"}), Severity::Warning),
        (json!({"head_branch": "7-fix-login"}), Severity::Warning),
        (
            json!({"event": "pull_request", "head_branch": "main"}),
            Severity::Warning,
        ),
        // It may be a tag.
        (json!({"head_branch": "v1.2.3"}), Severity::Error),
        (
            json!({"event": "release", "head_branch": "release/2.0"}),
            Severity::Error,
        ),
    ] {
        let found = severity("workflow_run", run(1, "failure", &fields)).await;
        assert_eq!(found, expected, "{fields}");
    }
    let found = severity("workflow_run", fork(1, "failure", 5555, "x/r", "main")).await;
    assert_eq!(found, Severity::Warning);
    let mut unknown = run(1, "failure", &json!({"head_branch": "fix-7"}));
    unknown["repository"] = json!({"id": 1001, "full_name": "o/r"});
    assert_eq!(severity("workflow_run", unknown).await, Severity::Error);
}

#[actix::test]
async fn at_gitlab_protected_branches_are_known_too() {
    for (fields, expected) in [
        (json!({}), Severity::Error),
        (json!({"ref": "fix-7"}), Severity::Warning),
        (json!({"ref": "fix-7", "tag": true}), Severity::Error),
        (
            json!({"ref": "stage", "protected_ref": true}),
            Severity::Error,
        ),
        (
            json!({"ref": "stage", "protected_ref": false}),
            Severity::Warning,
        ),
    ] {
        let mut body = pipeline(1, "failed", &fields);
        body["project"]["default_branch"] = "main".into();
        let found = severity("Pipeline Hook", body).await;
        assert_eq!(found, expected, "{fields}");
    }
    let mut body = merge_request(1, "failed", 7, 380, "stage");
    body["project"]["default_branch"] = "main".into();
    body["object_attributes"]["protected_ref"] = true.into();
    assert_eq!(severity("Pipeline Hook", body).await, Severity::Warning);
}

/// The branch that a workflow failed on is made the default branch.
#[actix::test]
async fn an_incident_keeps_the_severity_with_which_it_was_opened() {
    let on_side = run(1, "failure", &json!({"head_branch": "next"}));
    let mut on_default = run(2, "failure", &json!({"head_branch": "next"}));
    on_default["repository"]["default_branch"] = "next".into();
    let title = "CI on next";
    let scene = story(&[
        ("workflow_run", on_side, &[title]),
        ("workflow_run", on_default, &[title]),
    ])
    .await;
    let incident = &scene.incidents()[0];
    assert_eq!(
        (incident.severity, incident.occurrences),
        (Severity::Warning, 2)
    );
}
