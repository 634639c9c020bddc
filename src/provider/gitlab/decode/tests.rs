//! What GitLab sends, and what it should never send.

mod lanes;
mod verify;

use super::*;
use crate::domain::samples::Same;
use crate::provider::tests::deliveries::{self, decoded, is_unreadable, no_field_is_needed};
use proptest::prelude::*;
use serde_json::{Value, json};

fn decoder() -> GitlabDecode {
    GitlabDecode::new(&Same(9))
}

fn pipeline() -> Value {
    json!({
        "object_kind": "pipeline",
        "object_attributes": {
            "id": 31, "iid": 3, "name": null, "ref": "main", "tag": false, "sha": "b".repeat(40),
            "source": "push", "status": "failed", "detailed_status": "failed",
            "created_at": "2026-11-24 10:00:00 UTC", "finished_at": "2026-11-24 10:04:00 UTC",
            "url": "https://gitlab.example/g/p/-/pipelines/31"
        },
        "merge_request": null,
        "user": {"id": 1, "username": "ann", "email": "[REDACTED]"},
        "project": {
            "id": 380, "path_with_namespace": "g/s/p", "web_url": "https://gitlab.example/g/s/p"
        },
        "commit": {"id": "b".repeat(40), "message": "Fix it\n\nLong story", "title": "Fix it"},
        "builds": [
            {
                "id": 378, "stage": "test", "name": "unit", "status": "failed",
                "failure_reason": "script_failure", "allow_failure": false, "manual": false,
                "created_at": "2026-11-24 10:00:00 UTC", "started_at": "2026-11-24 10:00:05 UTC",
                "finished_at": "2026-11-24 10:03:58 UTC"
            },
            {
                "id": 379, "stage": "test", "name": "flaky", "status": "failed",
                "failure_reason": "script_failure", "allow_failure": true
            },
            {"id": 380, "stage": "build", "name": "all", "status": "success"}
        ]
    })
}

fn decode(event: &str, body: impl AsRef<[u8]>) -> Result<Decoded, DecodeError> {
    decoded(&decoder(), event, body)
}

fn run_of(body: &Value) -> RunEvent {
    deliveries::run_of(decode("Pipeline Hook", body.to_string()))
}

/// A pipeline in this state, with other attributes as given.
fn with_status(status: &str, attributes: &Value) -> Value {
    let mut body = pipeline();
    body["object_attributes"]["status"] = json!(status);
    for (name, value) in attributes.as_object().unwrap() {
        body["object_attributes"][name] = value.clone();
    }
    body
}

#[test]
fn a_pipeline_is_read_as_gitlab_describes_it() {
    let decoded = decode("Pipeline Hook", pipeline().to_string()).unwrap();
    assert_eq!(decoded.repository, Some(RepositoryId(380)));
    assert_eq!(decoded.full_name.unwrap().as_str(), "g/s/p");
    assert_eq!(decoded.action.as_deref(), Some("failed"));
    let run = run_of(&pipeline());
    assert_eq!(run.provider_run_id, 31);
    assert_eq!((run.position.number, run.position.attempt), (31, 241));
    assert_eq!(run.status, RunStatus::Completed(Conclusion::Failure));
    assert_eq!(run.updated_at, Timestamp(1_795_514_640_000));
    assert_eq!(run.family, Family::Pipelines);
    let failed = FailedJob {
        id: 378,
        name: "unit".into(),
        stage: Some("test".into()),
        reason: Some("script_failure".into()),
    };
    assert_eq!(run.failed_jobs, [failed], "allowed failures are left out");
    let facts = run.facts;
    assert_eq!(
        (facts.workflow_key.as_str(), facts.workflow_name.as_str()),
        ("branch", "Pipeline")
    );
    assert_eq!(facts.branch.as_deref(), Some("main"));
    assert_eq!(facts.commit_message.as_deref(), Some("Fix it"));
    assert_eq!(facts.author.as_deref(), Some("ann"));
    assert_eq!(facts.trigger, "push");
    assert!(facts.url.unwrap().ends_with("/pipelines/31"));
}

#[test]
fn every_state_of_a_pipeline_means_what_it_says() {
    let done = RunStatus::Completed;
    let table = [
        ("created", RunStatus::Queued),
        ("waiting_for_resource", RunStatus::Queued),
        ("preparing", RunStatus::Queued),
        ("waiting_for_callback", RunStatus::Queued),
        ("pending", RunStatus::Queued),
        ("running", RunStatus::InProgress),
        ("success", done(Conclusion::Success)),
        ("failed", done(Conclusion::Failure)),
        ("canceling", RunStatus::InProgress),
        ("canceled", done(Conclusion::Cancelled)),
        ("skipped", done(Conclusion::Skipped)),
        ("manual", RunStatus::Queued),
        ("scheduled", RunStatus::Queued),
        ("novel", RunStatus::Queued),
    ];
    for (name, status) in table {
        let run = run_of(&with_status(name, &json!({})));
        assert_eq!(run.status, status, "{name}");
        let has_failed = status == done(Conclusion::Failure);
        assert_eq!(!run.failed_jobs.is_empty(), has_failed, "{name}");
    }
}

#[test]
fn a_retry_is_a_later_attempt_and_a_repetition_the_same_one() {
    let attempt = |body: &Value| run_of(body).position.attempt;
    let failed = attempt(&pipeline());
    assert_eq!(failed, attempt(&pipeline()));
    // While it runs, the latest moment counts that is told of it or of one of its jobs.
    let started = json!({"finished_at": null, "started_at": "2026-11-24T10:00:05.000Z"});
    let mut running = with_status("running", &started);
    running["builds"][0]["finished_at"] = json!(null);
    assert_eq!(attempt(&running), 6);
    running["builds"][0]["finished_at"] = json!("2026-11-24 10:03:58 UTC");
    assert!(attempt(&running) < failed);
    // The retry: GitLab still tells when it ended before, and shows the new job.
    let mut retried = with_status("running", &json!({}));
    retried["builds"][0]["id"] = json!(401);
    retried["builds"][0]["created_at"] = json!("2026-11-24 10:30:00 UTC");
    let again = attempt(&retried);
    assert!(again > failed);
    let passed = with_status(
        "success",
        &json!({"finished_at": "2026-11-24 10:33:00 UTC"}),
    );
    assert!(attempt(&passed) > again);
    // Nothing to go by, and a pipeline of more than a century.
    let blank = json!({"created_at": null, "finished_at": null});
    let mut body = with_status("canceled", &blank);
    body["builds"] = json!([]);
    assert_eq!(attempt(&body), 1);
    let old = json!({"created_at": "1800-01-01 00:00:00 UTC"});
    assert_eq!(attempt(&with_status("failed", &old)), u32::MAX);
}

#[test]
fn a_merge_requests_pipeline_belongs_to_its_source_branch() {
    let mut body = pipeline();
    body["object_attributes"]["ref"] = json!("refs/merge-requests/1/head");
    assert_eq!(
        run_of(&body).facts.branch.unwrap(),
        "refs/merge-requests/1/head"
    );
    body["merge_request"] = json!({"source_branch": "topic"});
    assert_eq!(run_of(&body).facts.branch.unwrap(), "topic");
    body["object_attributes"]["ref"] = json!(null);
    assert_eq!(run_of(&body).facts.branch.unwrap(), "topic");
}

#[test]
fn moments_are_read_in_both_forms_and_nothing_else() {
    let at = |text: &str| any_moment(&Loose::Text(text.to_owned().into()));
    let expected = Some(Timestamp(1_795_514_640_000));
    for good in [
        "2026-11-24 10:04:00 UTC",
        "2026-11-24T10:04:00Z",
        "2026-11-24T10:04:00.000Z",
        "2026-11-24T11:04:00+01:00",
        "2026-11-24 11:04:00 +0100",
    ] {
        assert_eq!(at(good), expected, "{good}");
    }
    for bad in [
        "",
        "now",
        "2026-11-24",
        "2026-11-24 10:04:00",
        "2026-11-24 10:04:00 CEST",
        " ",
    ] {
        assert_eq!(at(bad), None, "{bad}");
    }
}

#[test]
fn a_page_is_made_up_for_versions_that_tell_none_and_scripts_are_no_pages() {
    let mut body = pipeline();
    body["object_attributes"]["url"] = json!("javascript:alert(1)");
    let url = run_of(&body).facts.url.unwrap();
    assert_eq!(url, "https://gitlab.example/g/s/p/-/pipelines/31");
    body["project"]["web_url"] = json!("javascript:alert(1)");
    assert_eq!(run_of(&body).facts.url, None);
}

#[test]
fn a_body_must_have_what_its_event_name_promises() {
    for (n, (name, kind)) in KINDS.iter().enumerate() {
        for (k, (_, other)) in KINDS.iter().enumerate() {
            let mut body = pipeline();
            body["object_kind"] = json!(other);
            let event = decode(name, body.to_string()).unwrap().event;
            assert_eq!(event != Event::Ignored, n == k, "{name} with {kind}");
        }
        assert!(decoder().is_known_event(name));
    }
    for name in ["System Hook", "Issue Hook", "pipeline", "novel"] {
        let event = decode(name, pipeline().to_string()).unwrap().event;
        assert_eq!(event, Event::Ignored, "{name}");
        assert!(!decoder().is_known_event(name));
    }
    let push = r#"{"object_kind":"push","ref":"refs/heads/main","project_id":380}"#;
    let push = decode("Push Hook", push).unwrap();
    assert_eq!(
        (push.event, push.repository),
        (Event::Recorded, Some(RepositoryId(380)))
    );
    let job = decode(
        "Job Hook",
        r#"{"object_kind":"build","build_status":"failed"}"#,
    )
    .unwrap();
    assert_eq!(job.action.as_deref(), Some("failed"));
}

#[test]
fn only_gitlabs_own_names_of_events_can_be_subscribed_to() {
    for name in decoder().default_events() {
        assert!(decoder().is_event_name(name), "{name}");
    }
    for bad in ["*", "push", "workflow_run", "repository_update_events", ""] {
        assert!(!decoder().is_event_name(bad), "{bad}");
    }
}

#[test]
fn what_is_no_object_or_says_a_field_twice_is_an_error_that_quotes_nothing() {
    let rows = [
        ("", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ("payload=%7B%7D", "not a JSON object"),
        ("{\"hunter2\":", "not valid JSON"),
        ("{\"project\":{\"id\":1,\"id\":2}}", "twice"),
        ("{\"builds\":[{\"id\":1,\"id\":2}]}", "twice"),
        (
            "{\"object_kind\":\"push\",\"object_kind\":\"pipeline\"}",
            "twice",
        ),
    ];
    is_unreadable(&decoder(), "Pipeline Hook", &rows);
}

#[test]
fn deep_and_wide_bombs_are_read_or_refused_and_never_overflow() {
    let deep = format!("{{\"builds\":{}}}", "[".repeat(200_000));
    decode("Pipeline Hook", deep).unwrap_err();
    let closed = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let _ = decode("Push Hook", closed);
    let mut wide = pipeline();
    let job = json!({"id": 1, "name": "j", "status": "failed"});
    wide["builds"] = json!(vec![job; 20_000]);
    assert_eq!(run_of(&wide).failed_jobs.len(), FAILED_JOBS_MAX);
}

#[test]
fn no_field_is_needed_so_much_that_its_loss_or_change_is_an_error() {
    no_field_is_needed(&decoder(), "Pipeline Hook", &pipeline(), 46);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        event in "Pipeline Hook|Push Hook|.*",
        body in proptest::collection::vec(any::<u8>(), 0..300),
        cut in 0_usize..1500,
    ) {
        let _ = decode(&event, &body);
        let whole = pipeline().to_string().into_bytes();
        let mut mixed = whole[..cut.min(whole.len())].to_vec();
        mixed.extend_from_slice(&body);
        let _ = decode(&event, &mixed);
    }
}
