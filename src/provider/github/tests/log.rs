//! The delivery log, in the shapes of GitHub's API description.

use super::*;
use crate::domain::time::Timestamp;
use crate::provider::{LogRead, LoggedPayload, Logs, Redelivered, Unsent};

const LOG: &str = "/repos/o/r/hooks/9/deliveries";

/// The example of GitHub's API description for a list, and attempts that failed.
fn list() -> Value {
    json!([
        {
            "id": 12_345_678, "guid": "0b989ba4-242f-11e5-81e1-c7b6966d2516",
            "delivered_at": "2019-06-03T00:57:16Z", "redelivery": false, "duration": 0.27,
            "status": "OK", "status_code": 200, "event": "issues", "action": "opened",
            "installation_id": 123, "repository_id": 456, "throttled_at": "2019-06-03T00:57:16Z"
        },
        {
            "id": 123_456_789, "guid": "0b989ba4-242f-11e5-81e1-c7b6966d2516",
            "delivered_at": "2019-06-04T00:57:16Z", "redelivery": true, "duration": 0.28,
            "status": "Invalid HTTP Response: 503", "status_code": 503, "event": "issues",
            "action": "opened", "installation_id": null, "repository_id": 456
        },
        {
            "id": 1, "guid": "g", "delivered_at": "2019-06-04T00:57:16Z", "redelivery": false,
            "duration": 10.0, "status": "timed out", "status_code": 0, "event": "ping",
            "action": null, "installation_id": null, "repository_id": null
        },
    ])
}

async fn read(server: &Server, cursor: Option<&str>) -> Result<LogRead, ProviderError> {
    let (access, target) = (access(), target());
    github(server)
        .delivery_log(&access, &target, HookId(9), cursor)
        .await
}

#[tokio::test]
async fn the_documented_log_is_read_with_its_cursor_and_without_a_filter() {
    let server = serving(|seen| {
        let next = "<https://api.github.com/x?per_page=100&cursor=v1_120%26>; rel=\"next\"";
        match seen.path.strip_prefix(LOG) {
            Some("?per_page=100") => with(200, &[("link", next)], &list()),
            Some("?per_page=100&cursor=v1_120%26") => answer(200, &json!([])),
            _ => answer(404, &json!({})),
        }
    })
    .await;
    let Ok(LogRead::Page(page)) = read(&server, None).await else {
        panic!("it is no page");
    };
    let [ok, failed, silent] = &page.attempts[..] else {
        panic!("{page:?}");
    };
    assert_eq!((ok.attempt, ok.status), (12_345_678, Some(200)));
    assert_eq!(
        ok.delivery_id.as_deref(),
        Some("0b989ba4-242f-11e5-81e1-c7b6966d2516")
    );
    assert_eq!(ok.at, Some(Timestamp(1_559_523_436_000)));
    assert_eq!(
        (ok.event.as_str(), ok.action.as_deref()),
        ("issues", Some("opened"))
    );
    assert!(ok.was_answered() && !ok.is_redelivery);
    assert_eq!(ok.payload, LoggedPayload::Separate);
    assert_eq!((failed.status, failed.is_redelivery), (Some(503), true));
    assert!(!failed.was_answered() && !silent.was_answered());
    assert_eq!((silent.status, silent.action.as_deref()), (None, None));
    assert_eq!(page.next.as_deref(), Some("v1_120&"));
    let Ok(LogRead::Page(last)) = read(&server, page.next.as_deref()).await else {
        panic!("it is no page");
    };
    assert_eq!((last.attempts.len(), last.next), (0, None));
    // The repository was not looked up.
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn an_expired_cursor_is_lost_and_the_same_answer_without_one_is_an_error() {
    for status in [400, 422] {
        let server =
            serving(move |_| answer(status, &json!({"message": "Validation Failed"}))).await;
        assert_eq!(read(&server, Some("v1_1")).await, Ok(LogRead::CursorLost));
        read(&server, None).await.unwrap_err();
    }
}

/// The detail of GitHub's API description, with this payload.
fn detail(payload: &Value) -> Value {
    let mut detail = list()[0].clone();
    detail["url"] = json!("https://www.example.com");
    detail["request"] = json!({
        "headers": {
            "X-GitHub-Delivery": "0b989ba4-242f-11e5-81e1-c7b6966d2516",
            "X-Hub-Signature-256": "sha256=6dcb09b5b57875f334f61aebed695e2e4193db5e",
            "Accept": "*/*", "X-GitHub-Hook-ID": "42", "User-Agent": "GitHub-Hookshot/b8c71d8",
            "X-GitHub-Event": "issues", "X-GitHub-Hook-Installation-Target-ID": "123",
            "X-GitHub-Hook-Installation-Target-Type": "repository",
            "content-type": "application/json",
            "X-Hub-Signature": "sha1=a84d88e7554fc1fa21bcbc4efae3c782a70d2b9d",
            "X-Github-Encoded-Secret": "c2VjcmV0"
        },
        "payload": payload
    });
    detail["response"] = json!({"headers": {"Content-Type": "text/html"}, "payload": "ok"});
    detail
}

async fn payload(server: &Server) -> Option<crate::domain::delivery::Payload> {
    let (access, target) = (access(), target());
    let github = github(server);
    let read = github.logged_payload(&access, &target, HookId(9), 7).await;
    read.unwrap()
}

#[tokio::test]
async fn a_payload_comes_with_its_headers_and_without_secrets() {
    let sent = json!({"action": "opened", "issue": {"body": "foo"}});
    let shown = sent.clone();
    let server = serving(move |seen| {
        assert_eq!(seen.path, format!("{LOG}/7"));
        answer(200, &detail(&shown))
    })
    .await;
    let read = payload(&server).await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&read.body).unwrap(), sent);
    let names: Vec<&str> = read.headers.iter().map(|(name, _)| name.as_str()).collect();
    let kept = [
        "x-github-event",
        "x-github-delivery",
        "x-github-hook-id",
        "x-github-hook-installation-target-id",
        "x-github-hook-installation-target-type",
        "user-agent",
        "content-type",
    ];
    assert_eq!(names, kept);
}

#[tokio::test]
async fn a_payload_that_was_not_kept_or_is_too_large_is_none() {
    let server = serving(|_| answer(200, &detail(&Value::Null))).await;
    assert_eq!(payload(&server).await, None);
    let server = serving(|_| answer(200, &json!({"id": 7, "request": null}))).await;
    assert_eq!(payload(&server).await, None);
    let filler = "x".repeat(9 << 20);
    let server = serving(move |_| answer(200, &detail(&json!({ "filler": filler })))).await;
    assert_eq!(payload(&server).await, None);
}

#[tokio::test]
async fn a_redelivery_is_requested_once_and_a_refusal_is_a_result() {
    for (status, expected) in [
        (202, Redelivered::Sent),
        (422, Redelivered::Refused(Unsent::Rejected)),
        (400, Redelivered::Refused(Unsent::Rejected)),
    ] {
        let server = serving(move |_| answer(status, &json!({}))).await;
        let (access, target) = (access(), target());
        let sent = github(&server)
            .redeliver(&access, &target, HookId(9), 7)
            .await;
        assert_eq!(sent, Ok(expected));
        assert_eq!(server.lines(), [format!("POST {LOG}/7/attempts")]);
    }
    let server = serving(|_| Reply::Drop).await;
    let (access, target) = (access(), target());
    let sent = github(&server)
        .redeliver(&access, &target, HookId(9), 7)
        .await;
    assert!(sent.unwrap_err().may_have_acted);
    assert_eq!(server.lines().len(), 1, "it is not repeated");
}
