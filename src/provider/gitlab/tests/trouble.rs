//! Stories in which something goes wrong.

use super::*;
use crate::domain::lifecycle::Failure;
use crate::domain::time::Clock as _;
use crate::provider::dialect::Dialect as _;
use crate::provider::http::{Answer, literal};
use crate::provider::tests::scripted::{plain, told};
use crate::provider::ticket::Left;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[tokio::test]
async fn a_creation_whose_answer_cannot_be_read_is_looked_up() {
    for lost in [answer(502, &json!({})), answer(201, &json!({"id": "no"}))] {
        let posts = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&posts);
        let server = serving(move |seen| match (seen.method.as_str(), &lost) {
            ("POST", lost) => {
                count.fetch_add(1, Ordering::SeqCst);
                lost.clone()
            }
            ("GET", _) if count.load(Ordering::SeqCst) == 0 => answer(200, &json!([])),
            ("GET", _) => answer(200, &json!([hook(50, URL)])),
            _ => answer(200, &old_hook(50, URL)),
        })
        .await;
        let ensured = ensure(&server).await.unwrap();
        assert_eq!((ensured.hook, ensured.created), (HookId(50), true));
        assert_eq!(ensured.proof, Proof::Token, "what the last write reports");
        assert_eq!(posts.load(Ordering::SeqCst), 1);
    }
}

/// The answer to a creation, and what is made of it.
type Refusal = (Reply, Failure, &'static str, &'static str);

fn refusals() -> Vec<Refusal> {
    let after = |s| Failure::Retryable {
        after: Some(Duration::from_secs(s)),
    };
    let soon = Failure::Retryable { after: None };
    let scope = json!({"error": "insufficient_scope", "scope": "api"});
    let limit = json!({"message": {"base": ["Maximum number of project hooks (100) exceeded"]}});
    let forbidden = json!({"message": "403 Forbidden"});
    let reset = [("ratelimit-remaining", "0"), ("ratelimit-reset", "1000090")];
    let (denied, rejected) = (Failure::NoAccess, Failure::Rejected);
    vec![
        (
            answer(401, &json!({})),
            Failure::Unauthorized,
            "unauthorized",
            "refuses this token",
        ),
        (
            answer(403, &scope),
            denied,
            "insufficient_scope",
            "lacks the scope api",
        ),
        (answer(403, &forbidden), denied, "no_access", "Maintainer"),
        (answer(404, &json!({})), denied, "no_access", "scope api"),
        (
            answer(403, &json!({"message": "The project is archived"})),
            rejected,
            "repository_archived",
            "archived",
        ),
        (answer(422, &limit), rejected, "hook_limit_reached", "(100)"),
        (answer(400, &limit), rejected, "hook_limit_reached", "(100)"),
        (
            answer(422, &json!({"error": "Invalid url given"})),
            rejected,
            "rejected",
            "local network",
        ),
        (
            answer(500, &json!({})),
            soon,
            "provider_unavailable",
            "HTTP 500",
        ),
        (
            plain(429, &[("retry-after", "7")], "Retry later\n"),
            after(7),
            "rate_limited",
            "in 7 s.",
        ),
        (
            plain(429, &reset, "Retry later\n"),
            after(91),
            "rate_limited",
            "in 91 s.",
        ),
        (
            plain(429, &[], "Retry later\n"),
            after(60),
            "rate_limited",
            "in 60 s.",
        ),
        (
            plain(403, &[], "Forbidden\n"),
            after(600),
            "rate_limited",
            "in 600 s.",
        ),
        (answer(418, &json!({})), rejected, "rejected", "HTTP 418"),
    ]
}

#[tokio::test]
async fn refusals_are_told_apart() {
    for (reply, failure, code, words) in refusals() {
        let shown = format!("{reply:?}");
        let acted = shown.contains("500");
        let error = refused(reply).await;
        assert_eq!(told(&error), (failure, code), "{shown}");
        assert_eq!(error.may_have_acted, acted, "{shown}");
        assert!(error.message.contains(words), "{shown}: {error}");
    }
}

#[tokio::test]
async fn a_missing_role_is_named_and_never_taken_for_gone() {
    let server = Server::start(|seen| {
        if seen.line() == PROJECT {
            let mut low = project();
            low["permissions"] = json!({"project_access": {"access_level": 30}});
            answer(200, &low)
        } else {
            answer(404, &json!({"message": "404 Not found"}))
        }
    })
    .await;
    for error in [
        check(&server, 9).await.unwrap_err(),
        delete(&server, None).await.unwrap_err(),
        ensure(&server).await.unwrap_err(),
    ] {
        assert_eq!(told(&error), (Failure::NoAccess, "no_access"));
        assert!(error.message.contains("role below Maintainer"), "{error}");
    }
}

#[test]
fn what_is_left_of_a_window_is_read_from_gitlabs_headers() {
    let left = |headers: &[(&'static str, &'static str)]| {
        let headers = headers.iter().map(|(name, value)| literal(name, value));
        let answer = Answer {
            status: reqwest::StatusCode::OK,
            headers: headers.collect(),
            body: bytes::Bytes::new(),
            url: "http://127.0.0.1/".parse().unwrap(),
        };
        GitlabDialect::remaining(&answer, Noon.now())
    };
    let reset = ("ratelimit-reset", "1000600");
    let in_ten_minutes = Duration::from_secs(601);
    assert_eq!(
        left(&[("ratelimit-remaining", "7"), reset]),
        Some(Left {
            limit: None,
            remaining: 7,
            reset_in: in_ten_minutes
        })
    );
    assert_eq!(left(&[reset]), None);
    assert_eq!(left(&[("ratelimit-remaining", "many"), reset]), None);
    let whole = left(&[
        ("ratelimit-remaining", "7"),
        ("ratelimit-limit", "9"),
        reset,
    ]);
    assert_eq!(whole.and_then(|left| left.limit), Some(9));
}
