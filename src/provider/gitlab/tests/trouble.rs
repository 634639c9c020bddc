//! Stories in which something goes wrong.

use super::*;
use crate::domain::lifecycle::Failure;
use crate::provider::scripted::{plain, rounded};
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_looked_up_and_never_repeated() {
    for lost in [
        Reply::Drop,
        Reply::Hang,
        Reply::Cut,
        answer(502, &json!({})),
        answer(201, &json!({"id": "no"})),
    ] {
        let posts = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&posts);
        let reply = lost.clone();
        let server = serving(move |seen| match seen.method.as_str() {
            "POST" => {
                count.fetch_add(1, Ordering::SeqCst);
                reply.clone()
            }
            "GET" if count.load(Ordering::SeqCst) > 0 => answer(200, &json!([hook(50, URL)])),
            "GET" => answer(200, &json!([])),
            _ => answer(200, &old_hook(50, URL)),
        })
        .await;
        let gitlab = gitlab_at(&server.url, |c| c.call_timeout = Duration::from_millis(300));
        let ensured = gitlab.ensure(&access(), &target(), &spec()).await.unwrap();
        assert_eq!((ensured.hook, ensured.created), (HookId(50), true));
        assert_eq!(ensured.proof, Proof::Token, "what the last write reports");
        assert_eq!(posts.load(Ordering::SeqCst), 1, "{lost:?}");
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
            "no_access",
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
            "status 500",
        ),
        (
            plain(429, &[("retry-after", "7")], "Retry later\n"),
            after(7),
            "rate_limited",
            "7 seconds",
        ),
        (
            plain(429, &reset, "Retry later\n"),
            after(91),
            "rate_limited",
            "91",
        ),
        (
            plain(429, &[], "Retry later\n"),
            after(60),
            "rate_limited",
            "60",
        ),
        (
            plain(403, &[], "Forbidden\n"),
            after(600),
            "rate_limited",
            "600",
        ),
        (answer(418, &json!({})), rejected, "rejected", "status 418"),
    ]
}

#[tokio::test]
async fn refusals_are_told_apart() {
    for (reply, failure, code, words) in refusals() {
        let shown = format!("{reply:?}");
        let acted = shown.contains("500");
        let server = serving(move |seen| match seen.method.as_str() {
            "POST" => reply.clone(),
            _ => answer(200, &json!([])),
        })
        .await;
        let error = gitlab(&server).ensure(&access(), &target(), &spec()).await;
        let error = error.unwrap_err();
        assert_eq!(
            (rounded(error.failure), error.code),
            (failure, code),
            "{shown}"
        );
        assert_eq!(error.may_have_acted, acted, "{shown}");
        assert!(error.message.contains(words), "{shown}: {error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("topsecret") && !shown.contains("ssss"));
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
    let (access, target, spec) = (access(), target(), spec());
    let gitlab = gitlab(&server);
    for error in [
        gitlab
            .check(&access, &target, HookId(9), &spec)
            .await
            .unwrap_err(),
        gitlab.delete(&access, &target, URL).await.unwrap_err(),
        gitlab.ensure(&access, &target, &spec).await.unwrap_err(),
    ] {
        assert_eq!(
            (error.failure, error.code),
            (Failure::NoAccess, "no_access")
        );
        assert!(error.message.contains("role below Maintainer"), "{error}");
    }
}

#[tokio::test]
async fn the_last_calls_of_a_window_are_noticed() {
    let server = Server::start(|_| {
        let headers = [("ratelimit-remaining", "1"), ("ratelimit-reset", "1000600")];
        with(200, &headers, &project())
    })
    .await;
    let gitlab = gitlab(&server);
    gitlab.repository(&access(), &target()).await.unwrap();
    let error = gitlab.repository(&access(), &target()).await;
    // The next call would have to wait for longer than a call may.
    assert!(error.is_err_and(|e| e.code == "rate_limited") || server.seen().len() == 2);
}

#[tokio::test]
async fn delete_takes_all_of_ours_and_none_is_fine() {
    let (access, target) = (access(), target());
    let server = listing(json!([
        hook(9, URL),
        hook(3, "https://o.example/"),
        hook(8, URL)
    ]))
    .await;
    gitlab(&server).delete(&access, &target, URL).await.unwrap();
    let deleted = [format!("DELETE {HOOKS}/8"), format!("DELETE {HOOKS}/9")];
    assert_eq!(server.lines()[2..], deleted);
    let server = listing(json!([])).await;
    gitlab(&server).delete(&access, &target, URL).await.unwrap();
}

#[tokio::test]
async fn an_archived_project_is_left_alone() {
    let server = Server::start(|_| {
        let mut archived = project();
        archived["archived"] = json!(true);
        answer(200, &archived)
    })
    .await;
    let (access, target, spec) = (access(), target(), spec());
    let gitlab = gitlab(&server);
    for error in [
        gitlab.ensure(&access, &target, &spec).await.unwrap_err(),
        gitlab
            .repair(&access, &target, HookId(9), &spec)
            .await
            .unwrap_err(),
    ] {
        assert_eq!(error.code, "repository_archived");
    }
    assert_eq!(server.lines(), [PROJECT, PROJECT]);
}
