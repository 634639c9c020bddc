//! Our App: its own tokens checked with the public key, and what it asks of GitHub.

use super::{access, answer, github_at};
use crate::domain::lifecycle::Failure;
use crate::domain::time::Clock;
use crate::provider::Hooks;
use crate::provider::github::{GithubApp, KeyError};
use crate::provider::oauth::Apps;
use crate::provider::tests::scripted::{Noon, Seen, Server};
use data_encoding::BASE64URL_NOPAD;
use rustls::SignatureScheme;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use std::sync::Arc;

const KEY: &str = include_str!("../../../../tests/fixtures/app/key.pem");
const PUBLIC: &[u8] = include_bytes!("../../../../tests/fixtures/app/public.pem");
/// Bytes of a 2048 bit public key as PKCS#1 has it: the tail of the SPKI form.
const PUBLIC_KEY_BYTES: usize = 270;

fn app(server: &Server) -> GithubApp {
    let github = Arc::new(github_at(&server.url, |_| ()));
    GithubApp::new(github, access().instance, "12345", KEY).unwrap()
}

fn bearer(seen: &Seen) -> String {
    // The head is kept in lower case; the token is not looked at there.
    let line = seen
        .raw
        .lines()
        .find(|l| l.to_lowercase().starts_with("authorization:"));
    line.unwrap().rsplit(' ').next().unwrap().to_owned()
}

fn verified(token: &str) -> (Value, Value) {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("{token}");
    };
    let bytes = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).unwrap();
    let spki = SubjectPublicKeyInfoDer::from_pem_slice(PUBLIC).unwrap();
    let key = &spki[spki.len() - PUBLIC_KEY_BYTES..];
    let provider = rustls::crypto::ring::default_provider();
    let schemes = provider.signature_verification_algorithms.mapping;
    let scheme = schemes
        .iter()
        .find(|(scheme, _)| *scheme == SignatureScheme::RSA_PKCS1_SHA256);
    let algorithm = scheme.unwrap().1[0];
    let signed = format!("{header}.{claims}");
    algorithm
        .verify_signature(key, signed.as_bytes(), &bytes(signature))
        .expect("the public key fits");
    let forged = algorithm.verify_signature(key, b"other", &bytes(signature));
    assert!(forged.is_err(), "the test can fail");
    let json = |part: &str| serde_json::from_slice(&bytes(part)).unwrap();
    (json(header), json(claims))
}

#[tokio::test]
async fn an_app_says_who_it_is_with_a_short_token_that_its_key_signed() {
    let server = Server::start(|_| {
        let expires_at = "1970-01-12T14:46:40Z"; // an hour after noon
        answer(
            201,
            &json!({"token": format!("ghs_{}", "x".repeat(1500)), "expires_at": expires_at}),
        )
    })
    .await;
    let token = app(&server)
        .installation_token(77, access().errand)
        .await
        .unwrap();
    assert!(token.token.expose().len() > 1500, "any length");
    assert_eq!(token.expires_at.0 - Noon.now().0, 3_600_000);
    assert_eq!(server.lines(), ["POST /app/installations/77/access_tokens"]);
    let (header, claims) = verified(&bearer(&server.seen()[0]));
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT"}));
    let now = Noon.now().0 / 1000;
    assert_eq!(
        claims,
        json!({"iat": now - 60, "exp": now + 480, "iss": "12345"})
    );
}

#[tokio::test]
async fn an_installation_is_known_by_its_account_and_its_rights() {
    let server = Server::start(|_| {
        answer(
            200,
            &json!({"account": {"id": 9, "login": "acme"},
                "permissions": {"repository_hooks": "write", "metadata": "read"}}),
        )
    })
    .await;
    let found = app(&server)
        .installation(77, access().errand)
        .await
        .unwrap();
    assert_eq!(
        (found.account.id, found.account.login.as_str()),
        (9, "acme")
    );
    assert_eq!(found.rights, ["metadata:read", "repository_hooks:write"]);
}

#[tokio::test]
async fn a_refused_app_is_no_refused_installation() {
    let suspended = "This installation has been suspended";
    for (status, message, failure) in [
        (401, "canary", Failure::Rejected),
        (404, "canary", Failure::Unauthorized),
        (403, suspended, Failure::Unauthorized),
        // An allow list, or whatever else: no word that the installation is over.
        (
            403,
            "canary: the `o` organization has an IP allow list",
            Failure::NoAccess,
        ),
        (403, "canary", Failure::NoAccess),
        (500, "canary", Failure::Retryable { after: None }),
    ] {
        let body = json!({ "message": message });
        let server = Server::start(move |_| answer(status, &body)).await;
        let error = app(&server)
            .installation_token(77, access().errand)
            .await
            .unwrap_err();
        assert_eq!(error.failure, failure, "{status}");
        assert!(!error.message.contains("canary"));
    }
}

#[tokio::test]
async fn the_repositories_of_an_installation_have_a_list_of_their_own() {
    let server = Server::start(|_| {
        answer(
            200,
            &json!({"total_count": 1, "repositories": [super::repo()]}),
        )
    })
    .await;
    let mut access = access();
    access.token = crate::domain::secret::ProviderToken::new("ghs_x".into()).unwrap();
    let github = github_at(&server.url, |_| ());
    let (found, has_more) = github.repositories(&access, 1).await.unwrap();
    assert_eq!((found.len(), has_more), (1, false));
    assert!(server.lines()[0].starts_with("GET /installation/repositories?"));
}

#[tokio::test]
async fn what_is_no_key_of_an_app_is_refused_without_repeating_it() {
    let server = Server::start(|_| answer(200, &json!({}))).await;
    let github = Arc::new(github_at(&server.url, |_| ()));
    for pem in [
        "",
        "canary",
        include_str!("../../../../tests/fixtures/tls/server.key"),
    ] {
        let error = GithubApp::new(Arc::clone(&github), access().instance, "1", pem).unwrap_err();
        assert_eq!(error, KeyError);
    }
}
