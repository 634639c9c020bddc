//! Limits and refusals.

use super::*;

#[tokio::test]
async fn limits_have_their_wait_in_any_of_githubs_forms() {
    const SECONDARY: &str = "You have exceeded a secondary rate limit.";
    let fake = Fake::default();
    let server = fake.serve().await;
    let sink = at(&server);
    // https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
    for (status, headers, words, seconds) in [
        (403, "retry-after: 30\r\n", SECONDARY, 30),
        (429, "retry-after: 30\r\n", SECONDARY, 30),
        (403, "", SECONDARY, 60),
        (429, "", "Too Many Requests", 60),
        (
            403,
            // 90 seconds after the time of the message.
            "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1700000120\r\n",
            "API rate limit exceeded",
            90,
        ),
        (
            429,
            "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 1600000000\r\n",
            "API rate limit exceeded",
            1,
        ),
        (
            403,
            "x-ratelimit-remaining: 0\r\n",
            "API rate limit exceeded",
            60,
        ),
    ] {
        fake.change(|state| state.refusals = vec![(status, headers, words)]);
        let receipt = sink.sent(&message()).await;
        let Receipt::Later { after, .. } = receipt else {
            panic!("{headers}: {receipt:?}");
        };
        assert_eq!(after, Some(Duration::from_secs(seconds)), "{headers}");
    }
    // Some remain: it is no limit.
    let some = "x-ratelimit-remaining: 4999\r\nx-ratelimit-reset: 1700000120\r\n";
    let words = "Resource not accessible by personal access token";
    fake.change(|state| state.refusals = vec![(403, some, words)]);
    let receipt = sink.sent(&message()).await;
    assert!(matches!(receipt, Receipt::Refused { .. }), "{receipt:?}");
    assert_eq!(fake.issues(), []);
}

#[tokio::test]
async fn refusals_have_their_reason_and_never_the_token() {
    let fake = Fake::default();
    let server = fake.serve().await;
    let nowhere = At::new(&server, SinkKind::GithubIssue, "/repos/octo/other", TOKEN);
    let stranger = At::new(&server, SinkKind::GithubIssue, PATH, "ghp_canary_2");
    for (sink, expected, words) in [
        (
            &nowhere,
            DisableReason::NotFound,
            "There is no such repository",
        ),
        (
            &stranger,
            DisableReason::Refused,
            "GitHub does not accept the token",
        ),
    ] {
        let receipt = sink.sent(&message()).await;
        let Receipt::Refused { reason, why } = receipt else {
            panic!("{receipt:?}");
        };
        assert_eq!(reason, expected);
        assert!(why.starts_with(words) && !why.contains("canary"), "{why}");
    }
    fake.change(|state| state.has_issues = false);
    for message in [message(), next(6, &resolved(), "1")] {
        let receipt = at(&server).sent(&message).await;
        let Receipt::Disabled { reason, why } = receipt else {
            panic!("{receipt:?}");
        };
        assert_eq!(reason, DisableReason::Gone);
        assert!(why.contains("Issues are disabled"), "{why}");
    }
}

/// Only where the issue would start the workflow: in its own repository.
#[tokio::test]
async fn the_failure_of_a_workflow_that_issues_start_makes_no_issue_that_would_start_it() {
    let fake = Fake::default();
    let server = fake.serve().await;
    let sink = at(&server);
    let about = |trigger: &str, repository: &str| {
        let mut message = message();
        message.incident.repository = repository.parse().ok();
        let ci = message.incident.ci.as_mut().unwrap();
        trigger.clone_into(&mut ci.trigger);
        message
    };
    for trigger in ["issues", "issue_comment", "label"] {
        let receipt = sink.sent(&about(trigger, "Octo/App")).await;
        let Receipt::Rejected { why } = receipt else {
            panic!("{receipt:?}");
        };
        assert!(why.contains("start it again"), "{why}");
    }
    assert_eq!(fake.asked(), Vec::<String>::new());
    // An issue that is there since the workflow failed for another reason is closed.
    sink.accepted(&about("push", "octo/app")).await;
    let mut end = about("issues", "octo/app");
    end.kind = NotificationKind::Resolved;
    assert_eq!(sink.accepted(&next(6, &end, "1")).await, "1");
    assert!(fake.0.lock().issues[0].is_closed);
    for (trigger, repository) in [("issues", "octo/other"), ("push", "octo/app")] {
        let receipt = sink.sent(&about(trigger, repository)).await;
        assert!(matches!(receipt, Receipt::Accepted { .. }), "{receipt:?}");
    }
}
