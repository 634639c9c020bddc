//! What GitHub sends, and what it should never send.

mod ci;

use super::*;
use crate::domain::run::{Conclusion, RunStatus};
use crate::domain::samples::{Same, secret};
use crate::domain::time::Timestamp;
use crate::provider::signature::github_sign;
use crate::provider::tests::deliveries::{
    Headers, decoded, is_unreadable, no_field_is_needed, run_of,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn decoder() -> GithubDecode {
    GithubDecode::new(&Same(9))
}

fn signed(body: &[u8], secret: &HookSecret) -> Headers {
    Headers(BTreeMap::from([
        ("x-github-event", "workflow_run".into()),
        ("x-github-delivery", "72d3162e-cc78-11e3".into()),
        ("x-hub-signature-256", github_sign(secret, body)),
        ("x-github-encoded-secret", "c2VjcmV0".into()),
        ("user-agent", "GitHub-Hookshot/044aadd".into()),
    ]))
}

fn inbound<'a>(headers: &'a Headers, body: &'a [u8]) -> Inbound<'a> {
    Inbound {
        headers,
        body,
        received_at: Timestamp(0),
    }
}

fn verify(headers: &Headers, body: &[u8], secrets: &[HookSecret]) -> Result<Verified, VerifyError> {
    decoder().verify(inbound(headers, body), secrets, Proof::Unknown)
}

fn run() -> Value {
    json!({
        "action": "completed",
        "workflow": {"id": 77, "name": "CI", "path": ".github/workflows/ci.yml"},
        "workflow_run": {
            "id": 9001, "workflow_id": 77, "name": "CI", "path": ".github/workflows/ci.yml",
            "display_title": "fix parser", "run_number": 42, "run_attempt": 2, "event": "push",
            "status": "completed", "conclusion": "failure", "head_branch": "main",
            "head_sha": "a".repeat(40), "html_url": "https://github.example/o/r/actions/runs/9001",
            "head_commit": {"message": "Fix the parser\n\nLong story"},
            "actor": {"login": "octo"}, "triggering_actor": {"login": "cat"},
            "created_at": "2026-11-24T09:59:00Z", "run_started_at": "2026-11-24T10:00:00Z",
            "updated_at": "2026-11-24T12:05:00+02:00"
        },
        "repository": {"id": 1001, "full_name": "o/r"}
    })
}

fn decode(event: &str, body: impl AsRef<[u8]>) -> Result<Decoded, DecodeError> {
    decoded(&decoder(), event, body)
}

fn decode_run(body: &Value) -> RunEvent {
    run_of(decode("workflow_run", body.to_string()))
}

#[test]
fn a_signed_delivery_is_verified_and_only_known_headers_are_kept() {
    let headers = signed(b"{}", &secret('a'));
    let verified = verify(&headers, b"{}", &[secret('b'), secret('a')]).unwrap();
    assert_eq!(verified.provider_delivery_id(), "72d3162e-cc78-11e3");
    assert_eq!(verified.event(), "workflow_run");
    assert!(!verified.is_ping());
    let names: Vec<_> = verified.headers().iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["x-github-event", "x-github-delivery", "user-agent"]);
}

#[track_caller]
fn refuses(headers: &Headers, body: &[u8], secrets: &[HookSecret]) {
    let refused = verify(headers, body, secrets).unwrap_err();
    assert_eq!(refused, VerifyError::BadSignature);
}

#[test]
fn what_is_not_signed_by_a_known_secret_is_refused() {
    let good = signed(b"{}", &secret('a'));
    refuses(&good, b"{ }", &[secret('a')]);
    refuses(&good, b"{}", &[]);
    // Not even the stand-in secret opens the door.
    let nobodys = decoder().nobodys;
    let forged = signed(b"{}", &nobodys);
    refuses(&forged, b"{}", &[]);
    // The SHA-1 signature alone is worth nothing.
    let mut old = signed(b"{}", &secret('a'));
    old.0.remove("x-hub-signature-256");
    old.0.insert(
        "x-hub-signature",
        "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59".into(),
    );
    refuses(&old, b"{}", &[secret('a')]);
}

#[test]
fn event_and_delivery_id_must_be_given_and_short() {
    for (name, bad) in [
        ("x-github-event", String::new()),
        ("x-github-event", "e".repeat(101)),
        ("x-github-event", "two words".into()),
        ("x-github-delivery", String::new()),
        ("x-github-delivery", "d".repeat(129)),
    ] {
        let mut headers = signed(b"{}", &secret('a'));
        headers.0.insert(name, bad);
        let refused = verify(&headers, b"{}", &[secret('a')]).unwrap_err();
        assert_eq!(refused, VerifyError::BadHeader(name));
        headers.0.remove(name);
        let refused = verify(&headers, b"{}", &[secret('a')]).unwrap_err();
        assert_eq!(refused, VerifyError::BadHeader(name));
    }
    let mut number = signed(b"{}", &secret('a'));
    number.0.insert("x-github-delivery", "12345".into());
    verify(&number, b"{}", &[secret('a')]).unwrap();
}

#[test]
fn a_claim_comes_from_the_headers_or_else_from_the_body() {
    let claim = |headers: &Headers, body: &str| {
        let body = body.as_bytes();
        decoder().claim(inbound(headers, body))
    };
    let target = |kind: &str| {
        Headers(BTreeMap::from([
            ("x-github-hook-installation-target-type", kind.to_owned()),
            ("x-github-hook-installation-target-id", "5".into()),
        ]))
    };
    let id = |n| Some(Claim::Repository(RepositoryId(n)));
    let body = r#"{"repository":{"full_name":"o/r","id":7}}"#;
    assert_eq!(claim(&target("repository"), body), id(5));
    assert_eq!(claim(&target("organization"), body), id(7));
    assert_eq!(claim(&Headers::default(), body), id(7));
    let named = claim(&Headers::default(), r#"{"repository":{"full_name":"o/r"}}"#);
    assert_eq!(named, Some(Claim::Name("o/r".parse().unwrap())));
    for nothing in [
        "",
        "[]",
        "{}",
        r#"{"repository":"o/r"}"#,
        "{\"repository\":{",
    ] {
        assert_eq!(claim(&Headers::default(), nothing), None, "{nothing}");
    }
}

#[test]
fn a_run_is_read_as_github_describes_it() {
    let decoded = decode("workflow_run", run().to_string()).unwrap();
    assert_eq!(decoded.repository, Some(RepositoryId(1001)));
    assert_eq!(decoded.full_name.unwrap().as_str(), "o/r");
    let event = decode_run(&run());
    assert_eq!(event.provider_run_id, 9001);
    assert_eq!(
        event.position,
        Position {
            number: 42,
            attempt: 2
        }
    );
    assert_eq!(event.status, RunStatus::Completed(Conclusion::Failure));
    assert_eq!(event.updated_at, Timestamp(1_795_514_700_000));
    let facts = event.facts;
    assert_eq!(facts.workflow_key, "77");
    assert_eq!(facts.branch.as_deref(), Some("main"));
    assert_eq!(facts.commit_message.as_deref(), Some("Fix the parser"));
    assert_eq!(facts.author.as_deref(), Some("cat"));
    assert_eq!(facts.trigger, "push");
    assert!(facts.url.unwrap().ends_with("/runs/9001"));
}

#[test]
fn the_conclusion_decides_and_then_the_status_and_then_the_action() {
    let unknown = RunStatus::Completed(Conclusion::Unknown);
    let table = [
        ("completed", json!("queued"), json!(null), RunStatus::Queued),
        (
            "requested",
            json!("completed"),
            json!("action_required"),
            RunStatus::Completed(Conclusion::ActionRequired),
        ),
        ("completed", json!("completed"), json!(null), unknown),
        ("completed", json!("completed"), json!("novel"), unknown),
        ("completed", json!(null), json!(null), unknown),
        (
            "in_progress",
            json!("in_progress"),
            json!(null),
            RunStatus::InProgress,
        ),
        (
            "requested",
            json!("waiting"),
            json!(null),
            RunStatus::Queued,
        ),
        ("novel", json!("novel"), json!(7), RunStatus::Queued),
    ];
    for (action, status, conclusion, expected) in table {
        let mut body = run();
        body["action"] = json!(action);
        body["workflow_run"]["status"] = status.clone();
        body["workflow_run"]["conclusion"] = conclusion.clone();
        let found = decode_run(&body).status;
        assert_eq!(found, expected, "{action} {status} {conclusion}");
    }
    for conclusion in Conclusion::ALL {
        let mut body = run();
        body["workflow_run"]["conclusion"] = json!(conclusion.as_str());
        assert_eq!(decode_run(&body).status, RunStatus::Completed(conclusion));
    }
}

#[test]
fn awkward_values_become_harmless_ones() {
    let mut body = run();
    let part = &mut body["workflow_run"];
    part["head_branch"] = json!(null);
    part["html_url"] = json!("javascript:alert(1)");
    part["head_commit"] = json!(null);
    part["display_title"] = json!("a\u{7}b\u{202e}c\n".to_owned() + &"\u{e4}".repeat(900));
    part["workflow_id"] = json!("77");
    part["path"] = json!(".github/workflows/ci.yml@main");
    part["run_attempt"] = json!(u64::MAX);
    part["triggering_actor"] = json!([1]);
    body["workflow"] = json!(null);
    let event = decode_run(&body);
    assert_eq!(event.position.attempt, u32::MAX);
    assert_eq!(event.facts.branch, None);
    assert_eq!(event.facts.url, None);
    let title = event.facts.commit_message.unwrap();
    assert!(title.starts_with("abc \u{e4}"), "{title}");
    assert!((500..=TITLE_BYTES_MAX).contains(&title.len()));
    assert_eq!(event.facts.workflow_key, ".github/workflows/ci.yml");
    assert_eq!(event.facts.author.as_deref(), Some("octo"));
}

#[test]
fn a_body_must_have_what_its_event_name_promises() {
    let run = run().to_string();
    let ping = r#"{"zen":"z","hook_id":3,"repository":{"id":1}}"#;
    let push = r#"{"ref":"refs/heads/main"}"#;
    let pull = r#"{"action":"opened","pull_request":{"number":1}}"#;
    let [job, suite, check, status] = [ci::job(), ci::suite(), ci::check(), ci::status()];
    let [job, suite, check, status] = [job, suite, check, status].map(|body| body.to_string());
    let deployment = r#"{"action":"created","deployment_status":{"state":"failure"}}"#;
    let repository = r#"{"action":"renamed","repository":{"id":1}}"#;
    let meta = r#"{"action":"deleted","hook_id":3,"repository":{"id":1}}"#;
    let names = [
        "push",
        "pull_request",
        "workflow_run",
        "workflow_job",
        "check_suite",
        "check_run",
        "status",
        "deployment_status",
        "ping",
        "meta",
        "repository",
    ];
    let bodies = [
        push, pull, &run, &job, &suite, &check, &status, deployment, ping, meta, repository,
    ];
    for (n, name) in names.iter().enumerate() {
        for (b, body) in bodies.iter().enumerate() {
            let event = decode(name, body).unwrap().event;
            // A ping and the last word of a hook that was deleted both name the hook; and that,
            // like every `deleted`, could be a repository's.
            let is_like = matches!((*name, *body), ("ping" | "repository", b) if b == meta);
            assert_eq!(
                event != Event::Ignored,
                n == b || is_like,
                "{name} with {body}"
            );
        }
        assert!(decoder().is_known_event(name));
    }
    for name in decoder().default_events() {
        assert!(decoder().is_known_event(name) && decoder().is_event_name(name));
    }
    let answered = decode("ping", ping).unwrap().event;
    assert_eq!(
        answered,
        Event::Pong {
            hook: Some(HookId(3))
        }
    );
    assert_eq!(decode("novel", &run).unwrap().event, Event::Ignored);
    assert!(!decoder().is_known_event("novel"));
}

/// A sink of the kind `github_issue` opens issues, comments on them and may make a label. If that
/// had an effect here, it could go round in a circle.
#[test]
fn what_we_do_to_issues_is_not_subscribed_to_and_has_no_effect() {
    for (event, action) in [
        ("issues", "opened"),
        ("issues", "closed"),
        ("issues", "reopened"),
        ("issues", "labeled"),
        ("issue_comment", "created"),
        ("label", "created"),
    ] {
        assert!(!decoder().default_events().contains(&event), "{event}");
        // A user may subscribe to it.
        let body = json!({
            "action": action,
            "issue": { "number": 1, "state": "open", "title": "CI failed", "body": "x" },
            "comment": { "body": "x" },
            "label": { "name": "hookherd" },
            "repository": { "id": 1001, "full_name": "o/r" },
        });
        let found = decode(event, body.to_string()).unwrap().event;
        assert_eq!(found, Event::Ignored, "{event} {action}");
    }
}

#[test]
fn what_is_no_object_or_says_a_field_twice_is_an_error_that_quotes_nothing() {
    let rows = [
        ("", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ("{\"hunter2\":", "not valid JSON"),
        (
            "{\"workflow_run\":{\"id\":1,\"id\":2}}",
            "a field occurs twice",
        ),
        ("{\"repository\":{\"id\":1},\"repository\":{}}", "twice"),
        ("payload=%7B%7D&payload=%7B%7D", "two payloads"),
        ("payload=hunter2", "not a JSON object"),
    ];
    is_unreadable(&decoder(), "workflow_run", &rows);
    // A field that we do not use may be given as often as anybody likes.
    decode("push", r#"{"a":1,"a":2,"ref":"r"}"#).unwrap();
}

#[test]
fn a_form_holds_the_same_as_its_json() {
    let form: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("payload", &run().to_string())
        .finish();
    assert_eq!(
        decode("workflow_run", form),
        decode("workflow_run", run().to_string())
    );
}

#[test]
fn deep_and_wide_bombs_are_read_or_refused_and_never_overflow() {
    let deep = format!("{{\"a\":{}}}", "[".repeat(200_000));
    decode("push", deep).unwrap_err();
    let closed = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let _ = decode("push", closed);
    let used = format!("{{\"zen\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let _ = decode("ping", used);
    let wide = (0..200_000).fold(String::new(), |all, n| all + &format!("\"k{n}\":{n},"));
    let wide = format!("{{{wide}\"ref\":\"r\"}}");
    assert_eq!(decode("push", wide).unwrap().event, Event::Recorded);
    let _ = decode("push", r#"{"ref":1e999}"#);
    let _ = decode("push", r#"{"ref":"\ud800"}"#);
}

#[test]
fn no_field_is_needed_so_much_that_its_loss_or_change_is_an_error() {
    for (event, body, fields) in [
        ("workflow_run", run(), 26),
        ("workflow_job", ci::job(), 15),
        ("check_suite", ci::suite(), 15),
        ("check_run", ci::check(), 15),
        ("status", ci::status(), 15),
    ] {
        no_field_is_needed(&decoder(), event, &body, fields);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        event in "ping|push|workflow_run|workflow_job|check_suite|check_run|status|.*",
        body in proptest::collection::vec(any::<u8>(), 0..300),
        cut in 0_usize..700,
    ) {
        let _ = decode(&event, &body);
        let headers = Headers::default();
        let _ = decoder().claim(inbound(&headers, &body));
        let whole = run().to_string().into_bytes();
        let mut mixed = whole[..cut.min(whole.len())].to_vec();
        mixed.extend_from_slice(&body);
        let _ = decode(&event, &mixed);
    }
}
