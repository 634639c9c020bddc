//! Stories in which something goes wrong.

use super::*;
use crate::domain::id::HookId;
use crate::domain::lifecycle::Failure;
use crate::domain::secret::ProviderToken;
use crate::provider::Hooks;
use crate::provider::tests::scripted::{Reply, Server, json as answer, told, with};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_looked_up_and_never_repeated() {
    for lost in [
        Reply::Drop,
        Reply::Hang,
        Reply::Cut,
        answer(502, &json!({})),
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
            _ => answer(200, &json!({})),
        })
        .await;
        let github = github_at(&server.url, |c| c.call_timeout = Duration::from_millis(300));
        let ensured = github
            .ensure(&access(), &target(), None, &spec())
            .await
            .unwrap();
        assert_eq!((ensured.hook, ensured.created), (HookId(50), true));
        assert_eq!(posts.load(Ordering::SeqCst), 1, "{lost:?}");
    }
}

#[tokio::test]
async fn a_creation_that_vanishes_says_that_it_may_yet_happen() {
    let error = refused(Reply::Drop).await;
    assert!(error.may_have_acted);
    assert_eq!(error.failure, Failure::Retryable { after: None });
}

/// Status, headers, body; and what is made of them.
type Refusal<'a> = (u16, &'a [(&'a str, &'a str)], &'a Value, Failure, &'a str);

#[tokio::test]
async fn refusals_are_told_apart() {
    let exists = json!({"message": "Validation Failed", "errors": [
        {"message": "Hook already exists on this repository"}]});
    let limit = json!({"message": "Validation Failed", "errors": [
        {"message": "The \"push\" event cannot have more than 20 hooks"}]});
    let archived = json!({"message": "Repository was archived so is read-only."});
    let (retry, after) = (Failure::Retryable { after: None }, |s| Failure::Retryable {
        after: Some(Duration::from_secs(s)),
    });
    let table: [Refusal<'_>; 12] = [
        (401, &[], &json!({}), Failure::Unauthorized, "unauthorized"),
        (404, &[], &json!({}), Failure::NoAccess, "no_access"),
        (403, &[], &json!({}), Failure::NoAccess, "no_access"),
        (
            403,
            &[],
            &archived,
            Failure::Rejected,
            "repository_archived",
        ),
        (410, &[], &json!({}), Failure::Rejected, "rejected"),
        (422, &[], &limit, Failure::Rejected, "hook_limit_reached"),
        (422, &[], &exists, Failure::Rejected, "rejected"),
        (500, &[], &json!({}), retry, "provider_unavailable"),
        (
            403,
            &[("retry-after", "7")],
            &json!({}),
            after(7),
            "rate_limited",
        ),
        (429, &[], &json!({}), after(60), "rate_limited"),
        (
            403,
            &[
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "1000090"),
            ],
            &json!({}),
            after(91),
            "rate_limited",
        ),
        (
            403,
            &[],
            &json!({"message": "You have exceeded a secondary rate limit"}),
            after(60),
            "rate_limited",
        ),
    ];
    for (status, headers, body, failure, code) in table {
        let error = refused(with(status, headers, body)).await;
        assert_eq!(told(&error), (failure, code), "{status} {body}");
        assert_eq!(error.may_have_acted, status >= 500, "{status} {body}");
    }
}

#[tokio::test]
async fn no_wish_to_wait_is_for_ever_or_too_large_to_count_with() {
    for wish in ["86400", "18446744073709551615"] {
        let busy = with(503, &[("retry-after", wish)], &json!({}));
        let server = serving(move |_| busy.clone()).await;
        let error = ensure(&server).await;
        let after = Some(Duration::from_hours(2));
        assert_eq!(error.unwrap_err().failure, Failure::Retryable { after });
    }
}

/// GitHub counts a refused token's calls against our address, and says so in the same words.
#[tokio::test]
async fn what_is_left_to_a_refused_token_holds_nobody_up() {
    let headers = [
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1000090"),
    ];
    let refused = with(401, &headers, &json!({"message": "Bad credentials"}));
    let server = Server::start(move |_| refused.clone()).await;
    let github = github(&server);
    for _ in 0..3 {
        let error = github.repository(&access(), &target()).await.unwrap_err();
        assert_eq!(error.code.as_str(), "unauthorized");
    }
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn a_limited_token_sends_nothing_more_and_another_one_does() {
    let spent = [
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1000090"),
    ];
    for (status, headers) in [(429, &[("retry-after", "60")][..]), (403, &spent)] {
        let limited = with(status, headers, &json!({}));
        let server = Server::start(move |seen| {
            if seen.head.contains("ghp_topsecrettoken") {
                limited.clone()
            } else {
                answer(200, &repo())
            }
        })
        .await;
        let github = github(&server);
        for _ in 0..3 {
            let error = github.repository(&access(), &target()).await.unwrap_err();
            assert_eq!(error.code.as_str(), "rate_limited");
            assert!(!error.may_have_acted);
        }
        assert_eq!(server.lines().len(), 1);
        let mut other = access();
        other.token = ProviderToken::new("ghp_another".into()).unwrap();
        github.repository(&other, &target()).await.unwrap().unwrap();
    }
}

/// GitHub has windows for its search, for GraphQL and more beside that of its REST API.
#[tokio::test]
async fn what_is_left_of_another_resource_is_not_what_is_left_of_ours() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let is_first = asked.fetch_add(1, Ordering::SeqCst) == 0;
        let (resource, limit, left) = if is_first {
            ("core", "5000", "4000")
        } else {
            ("search", "30", "0")
        };
        let headers = [
            ("x-ratelimit-resource", resource),
            ("x-ratelimit-limit", limit),
            ("x-ratelimit-remaining", left),
            ("x-ratelimit-reset", "1000090"),
        ];
        with(200, &headers, &repo())
    })
    .await;
    let github = github(&server);
    for _ in 0..4 {
        let found = github.repository(&access(), &target()).await;
        assert!(found.unwrap().is_some());
        assert_eq!(github.limits().reads, Some(5000));
    }
    assert_eq!(server.lines().len(), 4);
}

#[tokio::test]
async fn a_refusal_by_another_resource_does_not_hold_the_token_until_the_end_of_its_window() {
    let headers = [
        ("x-ratelimit-resource", "graphql"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "1003600"),
    ];
    let message = json!({"message": "API rate limit exceeded for user ID 1."});
    let error = refused(with(403, &headers, &message)).await;
    let after = Some(Duration::from_mins(1));
    assert_eq!(told(&error), (Failure::Retryable { after }, "rate_limited"));
}

#[tokio::test]
async fn an_answer_of_any_length_takes_eight_mebibytes_at_most() {
    let huge = Reply::Answer(201, String::new(), " ".repeat(9 << 20));
    let error = refused(huge).await;
    assert!(error.may_have_acted, "it was sent, whatever the answer was");
    let huge = Reply::Answer(200, String::new(), " ".repeat(9 << 20));
    let server = Server::start(move |_| huge.clone()).await;
    let error = repository(&server).await;
    assert_eq!(error.unwrap_err().code.as_str(), "bad_answer");
}

#[tokio::test]
async fn three_redirects_are_followed_and_no_more() {
    for (hops, is_followed) in [(3, true), (4, false)] {
        let server = Server::start(move |seen| {
            let hop = seen
                .path
                .rsplit_once('-')
                .map_or(0, |(_, n)| n.parse().unwrap());
            if hop == hops {
                answer(200, &repo())
            } else {
                let next = format!("/repositories/hop-{}", hop + 1);
                with(302, &[("location", &next)], &json!({}))
            }
        })
        .await;
        let found = repository(&server).await;
        assert_eq!(found.is_ok(), is_followed);
        assert_eq!(server.lines().len(), 4);
    }
}

#[tokio::test]
async fn an_enterprise_server_is_asked_below_the_path_of_its_api() {
    let server = Server::start(|seen| match seen.line().as_str() {
        "GET /api/v3/repos/o/r" => answer(200, &repo()),
        "GET /api/v3/repos/o/r/hooks?per_page=100" => answer(200, &json!([])),
        "POST /api/v3/repos/o/r/hooks" => answer(201, &hook(50, URL)),
        _ => answer(404, &json!({})),
    })
    .await;
    for base in ["/api/v3", "/api/v3/"] {
        let github = github_at(&format!("{}{base}", server.url), |_| ());
        let ensured = github
            .ensure(&access(), &target(), None, &spec())
            .await
            .unwrap();
        assert_eq!(ensured.hook, HookId(50));
    }
}

#[tokio::test]
async fn a_token_never_goes_to_another_origin() {
    let thief = Server::start(|_| answer(200, &repo())).await;
    let stolen = format!("{}/repos/o/r", thief.url);
    let server = Server::start(move |_| with(302, &[("location", &stolen)], &json!({}))).await;
    let error = repository(&server).await.unwrap_err();
    assert_eq!(error.code.as_str(), "wrong_api_url");
    let page = format!("<{}/x>; rel=\"next\"", thief.url);
    let server = serving(move |_| with(200, &[("link", &page)], &json!([]))).await;
    ensure(&server).await.unwrap_err();
    assert!(thief.seen().is_empty());
}

#[tokio::test]
async fn a_redirect_leads_to_nothing_but_the_api() {
    for astray in [
        "/sign_in",
        "/api/v3/../../sign_in",
        "/api/v3x/repositories/1",
    ] {
        let server = Server::start(move |seen| match seen.path.as_str() {
            "/api/v3/repos/o/r" => with(302, &[("location", astray)], &json!({})),
            _ => answer(200, &repo()),
        })
        .await;
        let github = github_at(&format!("{}/api/v3", server.url), |_| ());
        let error = github.repository(&access(), &target()).await.unwrap_err();
        assert_eq!(error.code.as_str(), "wrong_api_url", "{astray}");
        assert!(
            error.message.contains("providers.github.api_url"),
            "{error}"
        );
        assert_eq!(server.seen().len(), 1, "{astray}");
    }
}

#[tokio::test]
async fn reads_are_repeated_briefly_and_lasting_trouble_is_told() {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tries);
    let server = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Drop,
        1 => answer(503, &json!({})),
        _ => answer(200, &repo()),
    })
    .await;
    repository(&server).await.unwrap().unwrap();
    assert_eq!(tries.load(Ordering::SeqCst), 3);
    for reply in [
        Reply::Cut,
        Reply::Drop,
        answer(500, &json!({})),
        answer(200, &json!("no")),
    ] {
        let server = Server::start(move |_| reply.clone()).await;
        let error = repository(&server).await.unwrap_err();
        assert_eq!(error.failure, Failure::Retryable { after: None });
        assert!(!error.may_have_acted);
    }
    // Nobody listens there.
    let error = github_at("http://127.0.0.1:1", |_| ());
    let error = error.repository(&access(), &target()).await.unwrap_err();
    assert_eq!(
        (error.code.as_str(), error.may_have_acted),
        ("provider_unreachable", false)
    );
}

#[tokio::test]
async fn not_found_is_no_access_and_never_gone() {
    let server = serving(|_| {
        with(
            404,
            &[("x-accepted-github-permissions", "repository_hooks=write")],
            &json!({}),
        )
    })
    .await;
    for error in [
        check(&server, 9).await.unwrap_err(),
        delete(&server, None).await.unwrap_err(),
        ensure(&server).await.unwrap_err(),
    ] {
        assert_eq!(told(&error), (Failure::NoAccess, "no_access"));
        assert!(error.message.contains("admin:repo_hook"));
        assert!(error.message.contains("repository_hooks=write"));
    }
}

#[tokio::test]
async fn an_archived_repository_is_left_alone() {
    let server = Server::start(|_| {
        let body = json!({"id": 1, "full_name": "o/r", "archived": true});
        answer(200, &body)
    })
    .await;
    for error in [
        ensure(&server).await.unwrap_err(),
        repair(&server, 9).await.unwrap_err(),
    ] {
        assert_eq!(told(&error), (Failure::Rejected, "repository_archived"));
    }
    assert_eq!(server.lines(), ["GET /repos/o/r", "GET /repos/o/r"]);
}
