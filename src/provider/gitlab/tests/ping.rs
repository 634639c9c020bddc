//! Test deliveries: GitLab sends one before it answers.

use super::*;
use crate::domain::lifecycle::Failure;
use crate::domain::pace::HOLD_MAX;
use crate::provider::{Pinged, ProviderError};
use std::collections::BTreeSet;
use std::time::Duration;

/// A server whose hook 9 hears `events`, with these answers to tests by trigger.
async fn testing(events: &[&str], answers: &[(&'static str, u16, Value)]) -> Server {
    let mut ours = hook(9, URL);
    for event in wire::EVENTS {
        ours[event] = json!(events.contains(&event));
    }
    let answers = answers.to_vec();
    serving(move |seen| {
        if seen.path == format!("{HOOKS}/9") {
            return answer(200, &ours);
        }
        let trigger = seen.path.strip_prefix("/projects/380/hooks/9/test/");
        let found = answers.iter().find(|(name, _, _)| Some(*name) == trigger);
        let (_, status, body) = found.expect("a trigger that the test knows");
        answer(*status, body)
    })
    .await
}

fn lacks(what: &str) -> (u16, Value) {
    let text = format!("Ensure the project has {what}.");
    (422, json!({"message": text}))
}

async fn ping(server: &Server) -> Result<Pinged, ProviderError> {
    gitlab(server).ping(&access(), &target(), HookId(9)).await
}

fn tests(server: &Server) -> usize {
    let is_test = |line: &&String| line.starts_with("POST");
    server.lines().iter().filter(is_test).count()
}

#[tokio::test]
async fn the_first_event_that_the_project_can_show_is_sent() {
    let created = json!({"message": "201 Created"});
    let (status, body) = lacks("at least one commit");
    let (status2, body2) = lacks("merge requests");
    let answers = [
        ("push_events", status, body),
        ("merge_requests_events", status2, body2),
        ("pipeline_events", 201, created),
    ];
    let events = ["push_events", "merge_requests_events", "pipeline_events"];
    let server = testing(&events, &answers).await;
    assert_eq!(ping(&server).await.unwrap(), Pinged::Sent);
    assert_eq!(tests(&server), 3);
    // Only what the hook hears is asked for.
    let server = testing(&["pipeline_events"], &answers).await;
    assert_eq!(ping(&server).await.unwrap(), Pinged::Sent);
    assert_eq!(tests(&server), 1);
}

#[tokio::test]
async fn a_project_with_nothing_to_show_cannot_be_tested() {
    let (status, body) = lacks("CI pipelines");
    let server = testing(&["pipeline_events"], &[("pipeline_events", status, body)]).await;
    assert_eq!(ping(&server).await.unwrap(), Pinged::Untestable);
    // Nor a hook that hears only what GitLab has no test for.
    let server = testing(&["deployment_events"], &[]).await;
    assert_eq!(ping(&server).await.unwrap(), Pinged::Untestable);
    assert_eq!(tests(&server), 0);
    // Nor an installation that is too old.
    let no_route = json!({"error": "404 Not Found"});
    let server = testing(&["push_events"], &[("push_events", 404, no_route)]).await;
    assert_eq!(ping(&server).await.unwrap(), Pinged::Untestable);
}

#[tokio::test]
async fn an_answer_of_ours_that_gitlab_does_not_like_is_a_failure() {
    for message in ["Hook execution failed", "", "404 page not found"] {
        let answers = [("push_events", 422, json!({"message": message}))];
        let server = testing(&["push_events"], &answers).await;
        let error = ping(&server).await.unwrap_err();
        assert_eq!(error.code.as_str(), "test_delivery_failed");
        assert_eq!(error.failure, Failure::Rejected);
        assert!(!error.may_have_acted);
    }
    let server = serving(|_| answer(404, &json!({"message": "404 Not found"}))).await;
    assert_eq!(ping(&server).await.unwrap_err().code.as_str(), "no_access");
}

#[tokio::test]
async fn no_more_than_five_tests_a_minute_are_asked_for() {
    let created = json!({"message": "201 Created"});
    let server = testing(&["push_events"], &[("push_events", 201, created)]).await;
    let (gitlab, access, target) = (gitlab(&server), access(), target());
    for _ in 0..5 {
        gitlab.ping(&access, &target, HookId(9)).await.unwrap();
    }
    let error = gitlab.ping(&access, &target, HookId(9)).await.unwrap_err();
    assert_eq!(error.code.as_str(), "rate_limited");
    let Failure::Retryable { after: Some(after) } = error.failure else {
        panic!("{error:?}");
    };
    assert!((50..=60).contains(&after.as_secs()), "{after:?}");
    assert_eq!(tests(&server), 5);
    // Everything else goes on.
    gitlab.repository(&access, &target).await.unwrap().unwrap();
}

/// Another process has asked, or this one before it was killed.
#[tokio::test]
async fn the_limit_of_tests_is_none_of_the_tokens() {
    let often = json!({"message": {"error": "This endpoint has been requested too many times."}});
    let server = testing(&["push_events"], &[("push_events", 429, often)]).await;
    let (gitlab, access, target) = (gitlab(&server), access(), target());
    let error = gitlab.ping(&access, &target, HookId(9)).await.unwrap_err();
    let after = Some(Duration::from_mins(1));
    assert_eq!(error.failure, Failure::Retryable { after });
    assert_eq!((error.code.as_str(), error.hold), ("rate_limited", None));
    gitlab.repository(&access, &target).await.unwrap().unwrap();
}

/// A GitLab with 429 for the path that ends so, with this wait, and nothing else.
async fn limiting(root: &'static str, path: &'static str, wait: &'static str) -> Server {
    let often = json!({"message": {"error": "This endpoint has been requested too many times."}});
    let mut ours = hook(9, URL);
    ours["push_events"] = json!(true);
    serving(move |seen| {
        let asked = seen.path.strip_prefix(root).expect("below the root");
        if asked.starts_with(path) {
            return with(429, &[("Retry-After", wait)], &often);
        }
        answer(200, &ours)
    })
    .await
}

#[tokio::test]
async fn the_wait_for_another_test_is_bounded_whatever_is_said() {
    for (wait, expected) in [
        ("0", Duration::from_secs(1)),
        ("18446744073709551615", HOLD_MAX),
        ("7", Duration::from_secs(7)),
    ] {
        let server = limiting("", "/projects/380/hooks/9/test/", wait).await;
        let failure = ping(&server).await.unwrap_err().failure;
        let after = Some(expected);
        assert_eq!(failure, Failure::Retryable { after }, "{wait}");
    }
}

/// An installation may be below a path of any name: other limits are the token's as ever.
#[tokio::test]
async fn a_gitlab_below_a_path_named_test_has_its_limits_all_the_same() {
    let server = limiting("/test/resend", "/projects/380", "7").await;
    let gitlab = gitlab_at(&format!("{}/test/resend", server.url), |_| ());
    let error = gitlab.repository(&access(), &target()).await.unwrap_err();
    assert_eq!(error.code.as_str(), "rate_limited");
    assert_eq!(error.hold, Some(Duration::from_secs(7)));
}

#[test]
fn every_trigger_is_an_event_of_ours_and_is_tried_once() {
    let known: BTreeSet<_> = wire::EVENTS.into_iter().collect();
    let tried: BTreeSet<_> = hooks::TRIGGERS.into_iter().collect();
    assert_eq!(tried.len(), hooks::TRIGGERS.len());
    assert!(tried.is_subset(&known));
}
