//! What GitLab says when it refuses, word for word, and what we make of it.

use super::{access, answer, gitlab, repository, target};
use crate::domain::lifecycle::Failure;
use crate::provider::Hooks;
use crate::provider::tests::scripted::Server;
use serde_json::json;

#[tokio::test]
async fn each_refusal_is_told_as_what_it_is() {
    let blocked = "403 Forbidden - Your account has been blocked.";
    let deactivated = "403 Forbidden - Your account has been deactivated by your administrator. \
                       Please log back in from a web browser to reactivate your account";
    let terms = "403 Forbidden - You (@blocked) must accept the Terms of Service in order to \
                 perform this action. To accept these terms, please access GitLab from a web \
                 browser";
    let expired = "403 Forbidden - Your password expired. Please access GitLab from a web \
                   browser to update your password.";
    let table = [
        (
            json!({"error": "insufficient_scope", "error_description": "The request requires \
                higher privileges than provided by the access token.", "scope": "api"}),
            "insufficient_scope",
            "scope api",
        ),
        (
            json!({"error": "insufficient_granular_scope"}),
            "insufficient_scope",
            "scope api",
        ),
        (
            json!({"message": blocked}),
            "account_suspended",
            "is blocked",
        ),
        (
            json!({"message": deactivated}),
            "account_unready",
            "deactivated",
        ),
        (
            json!({"message": terms}),
            "account_unready",
            "terms of service",
        ),
        (json!({"message": expired}), "account_unready", "password"),
        (
            json!({"message": "403 Forbidden - two-factor authentication is required"}),
            "account_unready",
            "two-factor",
        ),
        (
            json!({"message": "403 Forbidden - SAML SSO session is required"}),
            "sso_required",
            "SSO",
        ),
        (json!({"message": "403 Forbidden"}), "no_access", "HTTP 403"),
    ];
    for (body, code, words) in table {
        let shown = body.to_string();
        let server = Server::start(move |_| answer(403, &body)).await;
        let error = repository(&server).await.unwrap_err();
        assert_eq!(error.code.as_str(), code, "{shown}");
        assert!(error.message.contains(words), "{error}");
        assert_eq!(error.failure, Failure::NoAccess, "{shown}");
        assert!(!error.message.contains("not found"), "{error}");
    }
}

#[tokio::test]
async fn an_address_without_an_api_is_told_as_such() {
    let server = Server::start(|_| answer(404, &json!({"error": "404 Not Found"}))).await;
    let gitlab = gitlab(&server);
    let looked_up = gitlab.repository(&access(), &target()).await.unwrap_err();
    let identified = gitlab.identity(&access()).await.unwrap_err();
    for error in [looked_up, identified] {
        assert_eq!(error.code.as_str(), "wrong_api_url");
        assert!(error.message.contains("https://HOST/api/v4"), "{error}");
    }
}
