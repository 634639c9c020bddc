//! What GitHub says when it refuses, word for word, and what we make of it.

use super::{answer, ensure, repository, serving, with};
use crate::domain::lifecycle::Failure;
use crate::provider::ProviderError;
use crate::provider::tests::scripted::{Reply, Server, plain};
use serde_json::{Value, json};

/// What looking the repository up makes of an answer.
async fn looked_up(reply: Reply) -> ProviderError {
    let server = Server::start(move |_| reply.clone()).await;
    let found = repository(&server).await;
    found.unwrap_err()
}

fn says(message: &str) -> Value {
    json!({"message": message, "documentation_url": "https://docs.github.com/rest"})
}

/// Status, what GitHub says, the code that it gets, and words of ours.
const SAID: [(u16, &str, &str, &str); 11] = [
    (
        403,
        "Although you appear to have the correct authorization credentials, the `o` \
             organization has an IP allow list enabled, and your IP address is not permitted to \
             access this resource.",
        "ip_not_allowed",
        "IP allow list",
    ),
    (
        403,
        "`o` forbids access via a personal access token (classic). Please use a GitHub App, \
             OAuth App, or a personal access token with fine-grained permissions.",
        "token_forbidden",
        "classic",
    ),
    (
        403,
        "The 'o' organization forbids access via a fine-grained personal access tokens if \
             the token's lifetime is greater than 366 days. Please adjust your token's lifetime.",
        "token_forbidden",
        "expires earlier",
    ),
    (
        403,
        "`o` forbids access via a fine-grained personal access token.",
        "token_forbidden",
        "this kind of token",
    ),
    (
        403,
        "Although you appear to have the correct authorization credentials, the `o` \
             organization has enabled OAuth App access restrictions, meaning that data access to \
             third-parties is limited.",
        "app_restricted",
        "restricts OAuth apps",
    ),
    (
        403,
        "Sorry. Your account was suspended.",
        "account_suspended",
        "suspended",
    ),
    (
        403,
        "This installation has been suspended",
        "account_suspended",
        "installation",
    ),
    (
        403,
        "Repository access blocked",
        "repository_blocked",
        "blocked",
    ),
    (
        451,
        "Repository access blocked",
        "repository_blocked",
        "blocked",
    ),
    (
        403,
        "Resource not accessible by personal access token",
        "insufficient_scope",
        "HTTP 403",
    ),
    (403, "Forbidden", "no_access", "HTTP 403"),
];

#[tokio::test]
async fn each_refusal_is_told_as_what_it_is() {
    for (status, message, code, words) in SAID {
        let error = looked_up(answer(status, &says(message))).await;
        assert_eq!(error.code.as_str(), code, "{message}");
        assert!(error.message.contains(words), "{error}");
        let blocked = code == "repository_blocked";
        assert_eq!(error.failure == Failure::Rejected, blocked, "{message}");
        assert!(!error.message.contains("not found"), "{error}");
    }
}

#[tokio::test]
async fn single_sign_on_is_told_with_its_url() {
    let message = "Resource protected by organization SAML enforcement. You must grant your \
                   Personal Access token access to this organization.";
    let server = Server::start(move |seen| {
        let host = seen.head.split("host: ").nth(1).unwrap();
        let host = host.lines().next().unwrap();
        let sso = format!("required; url=http://{host}/orgs/o/sso?authorization_request=AZ");
        with(403, &[("x-github-sso", &sso)], &says(message))
    })
    .await;
    let error = repository(&server).await.unwrap_err();
    assert_eq!(error.code.as_str(), "sso_required");
    let url = format!("{}/orgs/o/sso?authorization_request=AZ", server.url);
    let own = error.clone().shown(true).message;
    assert!(own.contains("SSO") && own.contains(&url), "{own}");
    // Whoever only shares in the credential is not shown its owner's request.
    let others = error.shown(false);
    assert!(
        !others.message.contains("http") && others.link.is_none(),
        "{others:?}"
    );
    // Without a URL, or with one of another host, it is told all the same.
    for header in ["required", "required; url=https://evil.example/sso"] {
        let error = looked_up(with(403, &[("x-github-sso", header)], &says("x"))).await;
        assert_eq!((error.code.as_str(), error.link), ("sso_required", None));
    }
    let error = looked_up(answer(403, &says(message))).await;
    assert_eq!(error.code.as_str(), "sso_required");
}

#[tokio::test]
async fn a_scope_that_is_missing_is_named() {
    for (scopes, code) in [
        ("read:org, gist", "insufficient_scope"),
        ("", "insufficient_scope"),
        ("repo", "no_access"),
    ] {
        let server = serving(move |_| with(404, &[("x-oauth-scopes", scopes)], &says("Not Found")));
        let server = server.await;
        let error = ensure(&server).await.unwrap_err();
        assert_eq!(error.code.as_str(), code, "{scopes}");
        assert_eq!(error.failure, Failure::NoAccess);
        assert!(error.message.contains("admin:repo_hook"), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_the_api_is_told_as_a_wrong_url() {
    let page = |status| {
        let html = [("content-type", "text/html; charset=utf-8")];
        plain(
            status,
            &html,
            "<!DOCTYPE html><html><body>Sign in</body></html>",
        )
    };
    let not_found = answer(404, &says("Not Found"));
    for reply in [
        page(200),
        page(404),
        page(401),
        page(403),
        page(406),
        not_found,
    ] {
        let error = looked_up(reply.clone()).await;
        assert_eq!(error.code.as_str(), "wrong_api_url", "{reply:?}");
        assert!(error.message.contains("https://HOST/api/v3"), "{error}");
        assert!(
            matches!(error.failure, Failure::Retryable { .. }),
            "no credential dies of it"
        );
    }
    // A repository that is not there is just that, where the API is.
    let server = Server::start(|seen| match seen.path.as_str() {
        "/user" => answer(200, &json!({"id": 5, "login": "ann"})),
        _ => answer(404, &says("Not Found")),
    })
    .await;
    assert_eq!(repository(&server).await.unwrap(), None);
}
