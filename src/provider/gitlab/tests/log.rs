//! The log of a hook's events, in the shapes of GitLab's documentation.

use super::*;
use crate::provider::tests::scripted::plain;
use crate::provider::{LogPage, LogRead, Logged, LoggedPayload, Logs};

const LOG: &str = "/projects/380/hooks/9/events";

/// The documented entry, with these changes.
fn entry(id: u64, changes: &Value) -> Value {
    let mut entry = json!({
        "id": id, "url": "https://example.net/", "trigger": "push_hooks",
        "request_headers": {
            "Content-Type": "application/json", "User-Agent": "GitLab/17.1.0-pre",
            "X-Gitlab-Event": "Push Hook", "X-Gitlab-Instance": "https://gitlab.example.com",
            "X-Gitlab-Webhook-UUID": "3c5c0404-c866-44bc-a5f6-452bb1bfc76e",
            "X-Gitlab-Event-UUID": "9cebe914-4827-408f-b014-cfa23a47a35f",
            "X-Gitlab-Token": "[REDACTED]"
        },
        "request_data": {
            "object_kind": "push", "event_name": "push", "ref": "refs/heads/main",
            "user_email": "[REDACTED]"
        },
        "response_headers": {"Content-Type": "text/html; charset=utf-8"},
        "response_body": "ok", "execution_duration": 1.09, "response_status": "200"
    });
    for (name, value) in changes.as_object().unwrap() {
        entry[name] = value.clone();
    }
    entry
}

async fn read(server: &Server, cursor: Option<&str>) -> LogPage {
    let (access, target) = (access(), target());
    let read = gitlab(server)
        .delivery_log(&access, &target, HookId(9), cursor)
        .await;
    match read {
        Ok(LogRead::Page(page)) => page,
        other => panic!("{other:?}"),
    }
}

async fn one(changes: Value) -> Logged {
    let server = serving(move |seen| {
        assert_eq!(seen.path, format!("{LOG}?per_page=20&page=1"));
        answer(200, &json!([entry(1, &changes)]))
    })
    .await;
    read(&server, None).await.attempts.remove(0)
}

#[tokio::test]
async fn the_documented_entry_is_read_without_its_token() {
    let logged = one(json!({})).await;
    assert_eq!((logged.attempt, logged.event.as_str()), (1, "Push Hook"));
    assert_eq!((logged.status, logged.was_answered()), (Some(200), true));
    assert_eq!((logged.delivery_id, logged.at), (None, None));
    let LoggedPayload::Listed(payload) = logged.payload else {
        panic!("it has a payload");
    };
    let body: Value = serde_json::from_slice(&payload.body).unwrap();
    assert_eq!(body["user_email"], "[REDACTED]");
    assert!(
        payload
            .headers
            .iter()
            .all(|(name, _)| !name.contains("token"))
    );
    assert_eq!(
        payload.headers[0],
        ("x-gitlab-event".to_owned(), "Push Hook".to_owned())
    );
}

#[tokio::test]
async fn ids_and_times_are_those_of_the_request() {
    let headers = json!({"Idempotency-Key": "a", "webhook-timestamp": "1744578123"});
    let logged = one(json!({ "request_headers": headers })).await;
    assert_eq!(logged.delivery_id.as_deref(), Some("a"));
    assert_eq!(logged.at, Some(Timestamp(1_744_578_123_000)));
    // Without the header the event is that of the body, or of the trigger.
    assert_eq!(logged.event, "Push Hook");
    let headers = json!({"webhook-id": "b", "idempotency-key": "a"});
    let logged = one(json!({ "request_headers": headers })).await;
    assert_eq!(logged.delivery_id.as_deref(), Some("b"));
    let other = json!({
        "request_headers": {}, "request_data": {"object_kind": "wiki_page"},
        "trigger": "wiki_page_hooks"
    });
    assert_eq!(one(other).await.event, "Wiki Page Hook");
}

#[tokio::test]
async fn results_are_texts_and_some_are_no_status() {
    for (status, expected) in [
        (json!("500"), Some(500)),
        (json!(404), Some(404)),
        (json!("internal error"), None),
        (json!("99999"), None),
        (json!(null), None),
    ] {
        let logged = one(json!({ "response_status": status })).await;
        assert_eq!(logged.status, expected);
    }
}

#[tokio::test]
async fn a_substitute_is_no_payload_and_a_body_with_its_word_is_one() {
    for lost in [json!({"oversize": true}), Value::Null] {
        let logged = one(json!({ "request_data": lost })).await;
        assert_eq!(logged.payload, LoggedPayload::Lost);
    }
    for whole in [
        json!({"oversize": true, "object_kind": "push"}),
        json!({"oversize": false}),
    ] {
        let logged = one(json!({ "request_data": whole })).await;
        assert!(
            matches!(logged.payload, LoggedPayload::Listed(_)),
            "{whole}"
        );
    }
}

#[tokio::test]
async fn a_page_that_is_too_large_is_read_in_smaller_ones() {
    // The third entry of page 1 alone is too large: of 20, and of 4, and by itself.
    let server = serving(|seen| {
        let large = plain(200, &[], &" ".repeat(9 << 20));
        let next = [("x-next-page", "x")];
        match seen.path.strip_prefix(LOG).unwrap() {
            "?per_page=20&page=1" | "?per_page=4&page=1" | "?per_page=1&page=3" => large,
            "?per_page=20&page=2" => answer(200, &json!([entry(1, &json!({}))])),
            path => {
                let number = path.rsplit_once('=').unwrap().1.parse::<u64>().unwrap();
                let size = if path.starts_with("?per_page=4") {
                    4
                } else {
                    1
                };
                let ids = (number - 1) * size..number * size;
                let entries: Vec<Value> = ids.map(|n| entry(100 - n, &json!({}))).collect();
                with(200, &next, &json!(entries))
            }
        }
    })
    .await;
    let (mut ids, mut unreadable, mut cursor) = (Vec::new(), 0, None);
    loop {
        let page = read(&server, cursor.as_deref()).await;
        ids.extend(page.attempts.iter().map(|logged| logged.attempt));
        unreadable += page.unreadable;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<u64> = (81..=100).rev().filter(|id| *id != 98).chain([1]).collect();
    assert_eq!((ids, unreadable), (expected, 1));
}
