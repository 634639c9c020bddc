//! Texts that cannot be decoded cost their field and nothing else.

use super::Scene;
use super::gitlab::pipeline;
use crate::domain::delivery::Outcome;
use crate::domain::incident::IncidentSource;
use serde_json::json;

/// A failed run with this text as its commit's message, byte for byte, and this in a field that
/// nobody needs.
fn body(message: &[u8], field: &[u8]) -> Vec<u8> {
    let parts: [&[u8]; 5] = [
        br#"{"action": "completed", "workflow_run": {"id": 9001, "workflow_id": 77, "name": "CI",
            "run_number": 1, "run_attempt": 1, "event": "push", "status": "completed",
            "conclusion": "failure", "head_branch": "main", "head_sha": "aaaa",
            "updated_at": "2026-11-28T10:00:00Z", "head_commit": {"message": ""#,
        message,
        br#""}}, "number": "#,
        field,
        br#", "repository": {"id": 1001, "full_name": "o/r", "default_branch": "main"}}"#,
    ];
    parts.concat()
}

async fn told(body: &[u8]) -> Option<String> {
    let scene = Scene::set().await;
    let outcome = scene.tell_raw("workflow_run", body).await;
    assert!(matches!(outcome, Outcome::Run { .. }), "{outcome:?}");
    assert_eq!(scene.open(), ["CI failed: CI on main"]);
    scene.incidents()[0].ci.clone().unwrap().commit_message
}

#[actix::test]
async fn half_an_emoji_and_stray_bytes_are_replaced() {
    let table: [(&[u8], &str); 9] = [
        (br"fix \ud83d", "fix \u{fffd}"),
        (br"fix \ude00 it", "fix \u{fffd} it"),
        (br"fix \ud83d\ud83d\ude00", "fix \u{fffd}\u{1f600}"),
        (br"fix \ud83dx \uD83D\u0041", "fix \u{fffd}x \u{fffd}A"),
        (b"fix \xff it", "fix \u{fffd} it"),
        (b"fix \xc3", "fix \u{fffd}"),
        (br"fix \x41", "fix \u{fffd}x41"),
        (b"fix\0it", "fix\u{fffd}it"),
        (
            br#"whole \ud83d\ude00 \" \\ud83d"#,
            "whole \u{1f600} \" \\ud83d",
        ),
    ];
    for (message, expected) in table {
        let message = told(&body(message, b"1")).await;
        assert_eq!(message.as_deref(), Some(expected));
    }
}

#[actix::test]
async fn numbers_that_are_none_are_absent() {
    let numbers: [&[u8]; 8] = [
        b"1e999",
        b"-1e999",
        b"99999999999999999999999999",
        b"NaN",
        b"-Infinity",
        b"0x10",
        b"007",
        b"1.",
    ];
    for number in numbers {
        let message = told(&body(b"fix", number)).await;
        assert_eq!(message.as_deref(), Some("fix"));
    }
}

/// What identifies a run may be gone with such a number, and the run may have failed.
#[actix::test]
async fn a_run_whose_number_is_none_is_not_read() {
    let run = String::from_utf8(body(b"fix", b"1")).unwrap();
    let pipeline = pipeline(31, "failed", &json!({})).to_string();
    let hidden = [
        ("workflow_run", &run, "9001", "1e999"),
        ("workflow_run", &run, "9001", "NaN"),
        (
            "workflow_run",
            &run,
            "\"run_number\": 1",
            "\"run_number\": 0x10",
        ),
        ("Pipeline Hook", &pipeline, "\"id\":31", "\"id\":1e999"),
        ("Pipeline Hook", &pipeline, "\"id\":31", "\"id\":NaN"),
    ];
    for (event, whole, part, instead) in hidden {
        let body = whole.replacen(part, instead, 1);
        assert_ne!(body, *whole);
        let scene = Scene::set().await;
        let outcome = scene.tell_raw(event, body.as_bytes()).await;
        assert!(matches!(outcome, Outcome::DeadLetter { .. }), "{outcome:?}");
        assert_eq!(scene.incidents()[0].failure_type, "delivery_unreadable");
    }
}

#[actix::test]
async fn a_mark_of_order_before_a_body_is_no_part_of_it() {
    for mark in [&b"\xef\xbb\xbf"[..], b"\xef\xbb\xbf \n"] {
        let message = told(&[mark, &body(b"fix", b"1")].concat()).await;
        assert_eq!(message.as_deref(), Some("fix"));
    }
}

#[actix::test]
async fn a_body_that_cannot_be_read_is_told_and_quotes_nothing() {
    let whole = body(b"hunter2", b"1");
    let deep = [&b"{\"workflow_run\":"[..], &b"[".repeat(200_000)].concat();
    let bodies: [&[u8]; 5] = [
        &whole[..whole.len() - 3],
        b"",
        b"null",
        br#"{"action": "a", "action": "b", "message": "hunter2 \ud83d"}"#,
        &deep,
    ];
    for bytes in bodies {
        let scene = Scene::set().await;
        let outcome = scene.tell_raw("workflow_run", bytes).await;
        assert!(matches!(outcome, Outcome::DeadLetter { .. }), "{outcome:?}");
        let incidents = scene.incidents();
        assert_eq!(incidents.len(), 1);
        assert_eq!(incidents[0].source, IncidentSource::Health);
        assert_eq!(incidents[0].failure_type, "delivery_unreadable");
        assert!(!incidents[0].title.contains("hunter2"));
    }
}
