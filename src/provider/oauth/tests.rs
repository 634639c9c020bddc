//! Token requests and their answers, told to a scripted server.

use super::*;
use crate::domain::repo::ProviderKind;
use crate::provider::http::HttpConfig;
use crate::provider::tests::scripted::{Reply, Server, plain};

/// A server that answers every request with the same; `SELF` in it is its own address.
async fn answering(status: u16, body: &str) -> Server {
    let body = body.to_owned();
    Server::start(move |seen| {
        let (_, host) = seen.head.split_once("host: ").unwrap();
        let own = format!("http://{}", host.lines().next().unwrap());
        let headers: &[_] = match status {
            429 => &[("retry-after", "18446744073709551615")],
            _ => &[],
        };
        plain(status, headers, &body.replace("SELF", &own))
    })
    .await
}

fn client(provider: ProviderKind, url: &str) -> OauthClient {
    let (secret, url): (_, Url) = (secret("client-secret-canary"), url.parse().unwrap());
    let config = HttpConfig::new(url.clone());
    OauthClient::new(provider, &url, &config, "our-client".into(), Some(secret)).unwrap()
}

fn secret(text: &str) -> OauthSecret {
    OauthSecret::new(text.into()).unwrap()
}

const BACK: &str = "https://hooks.example/api/v2/oauth/gitlab/callback";

#[tokio::test]
async fn a_code_is_exchanged_once_with_verifier_and_exact_redirect() {
    let tokens = r#"{"access_token":"at","refresh_token":"rt","expires_in":7200,"scope":"api"}"#;
    let server = answering(200, tokens).await;
    let client = client(ProviderKind::Gitlab, &server.url);
    let (code, verifier) = (secret("the-code"), secret("the-verifier"));
    let tokens = client.exchange(&code, &verifier, BACK).await.unwrap();
    assert_eq!(tokens.access.expose(), "at");
    assert_eq!(tokens.refresh.unwrap().expose(), "rt");
    assert_eq!(tokens.lives, Some(Duration::from_hours(2)));
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    let (head, body) = seen[0].raw.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /oauth/token HTTP/1.1"), "{head}");
    assert!(head.contains("accept: application/json"), "{head}");
    let sent: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    let expected = [
        ("client_id", "our-client"),
        ("client_secret", "client-secret-canary"),
        ("grant_type", "authorization_code"),
        ("code", "the-code"),
        ("redirect_uri", BACK),
        ("code_verifier", "the-verifier"),
    ];
    let expected: Vec<(String, String)> = expected.map(|(n, v)| (n.into(), v.into())).to_vec();
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn a_refusal_is_told_apart_from_trouble_and_from_not_knowing() {
    use GrantFailure::{Misconfigured, Refused, Retryable, Unknown};
    let longest = Some(Duration::from_hours(2));
    let json = |error: &str| format!(r#"{{"error":"{error}","error_description":"canary-words"}}"#);
    let table = [
        // GitHub answers errors with 200.
        (200, json("bad_refresh_token"), Refused),
        (200, json("bad_verification_code"), Refused),
        (400, json("invalid_grant"), Refused),
        (401, json("invalid_client"), Misconfigured),
        (200, json("incorrect_client_credentials"), Misconfigured),
        (200, json("redirect_uri_mismatch"), Misconfigured),
        (404, "Not Found".into(), Misconfigured),
        // An error that nobody here knows ends no grant.
        (400, json("canary"), Misconfigured),
        (302, String::new(), Misconfigured),
        // No wish keeps us away until the grant is over.
        (429, "Retry later".into(), Retryable { after: longest }),
        (200, json("canary"), Unknown),
        (200, "<html>".into(), Unknown),
        (200, r#"{"access_token":""}"#.into(), Unknown),
        (200, r#"{"access_token":"a b"}"#.into(), Unknown),
        (500, json("server_error"), Unknown),
        (502, String::new(), Unknown),
        // An error counts, whatever else is said.
        (
            200,
            r#"{"access_token":"t","error":"invalid_grant"}"#.into(),
            Refused,
        ),
    ];
    for (status, body, failure) in table {
        let server = answering(status, &body).await;
        let client = client(ProviderKind::Github, &server.url);
        let refresh = ProviderToken::new("rt-canary".into()).unwrap();
        let error = client.refresh(&refresh, BACK).await.unwrap_err();
        assert_eq!(error.failure, failure, "{status} {body}");
        let shown = format!("{error:?} {error}");
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(server.seen().len(), 1, "never twice");
    }
}

#[tokio::test]
async fn what_may_have_been_done_is_unknown_and_what_was_not_sent_is_not() {
    let refresh = ProviderToken::new("rt".into()).unwrap();
    for reply in [Reply::Drop, Reply::Cut] {
        let server = Server::start(move |_| reply.clone()).await;
        let client = client(ProviderKind::Gitlab, &server.url);
        let error = client.refresh(&refresh, BACK).await.unwrap_err();
        assert_eq!(error.failure, GrantFailure::Unknown);
        let body = server.seen().remove(0).raw;
        assert!(body.contains("redirect_uri="), "GitLab wants it repeated");
    }
    let client = client(ProviderKind::Gitlab, "http://127.0.0.1:9");
    let error = client.refresh(&refresh, BACK).await.unwrap_err();
    assert_eq!(error.failure, GrantFailure::Retryable { after: None });
}

#[tokio::test]
async fn a_device_code_is_shown_only_when_it_leads_to_the_provider_itself() {
    let begin = async |uri: &str, user_code: &str| {
        let body = format!(
            r#"{{"device_code":"dc","user_code":"{user_code}","verification_uri":"{uri}",
            "expires_in":900,"interval":5}}"#
        );
        let server = answering(200, &body).await;
        client(ProviderKind::Github, &server.url)
            .device_begin()
            .await
    };
    let code = begin("SELF/login/device", "ABCD-1234").await.unwrap();
    assert_eq!(code.user_code, "ABCD-1234");
    assert_eq!(code.interval, Duration::from_secs(5));
    for (uri, user_code) in [
        ("https://evil.example/login/device", "ABCD-1234"),
        ("javascript:alert(1)", "ABCD-1234"),
        ("SELF/login/device", "a b"),
        ("SELF/login/device", ""),
    ] {
        let error = begin(uri, user_code).await.unwrap_err();
        assert_eq!(error.failure, GrantFailure::Unknown, "{uri}");
    }
}

#[tokio::test]
async fn a_device_is_told_every_state_of_its_code() {
    let json = |error: &str| format!(r#"{{"error":"{error}"}}"#);
    let poll = async |body: String| {
        let server = answering(200, &body).await;
        let client = client(ProviderKind::Github, &server.url);
        client.device_poll(&secret("dc")).await
    };
    let pending = poll(json("authorization_pending")).await;
    assert!(matches!(pending, Ok(DevicePoll::Pending)));
    let slower = poll(json("slow_down")).await;
    assert!(matches!(slower, Ok(DevicePoll::SlowDown)));
    let denied = poll(json("access_denied")).await;
    assert!(matches!(denied, Ok(DevicePoll::Denied)));
    let expired = poll(json("expired_token")).await;
    assert!(matches!(expired, Ok(DevicePoll::Expired)));
    let disabled = poll(json("device_flow_disabled")).await.unwrap_err();
    assert_eq!(disabled.failure, GrantFailure::Misconfigured);
    let granted = poll(r#"{"access_token":"gho_x","expires_in":"28800"}"#.into()).await;
    let Ok(DevicePoll::Granted(tokens)) = granted else {
        panic!("{granted:?}");
    };
    assert_eq!(tokens.lives, Some(Duration::from_hours(8)));
    assert!(tokens.refresh.is_none());
}

#[test]
fn the_page_of_consent_has_state_challenge_and_exact_redirect() {
    let client = client(ProviderKind::Github, "https://ghe.example/");
    let url = client.authorize_url("st&te", "chall", BACK);
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let get = |name: &str| {
        let found = pairs.iter().find(|(n, _)| n == name);
        found.map(|(_, v)| v.as_str())
    };
    assert!(
        url.as_str()
            .starts_with("https://ghe.example/login/oauth/authorize?")
    );
    assert_eq!(get("state"), Some("st&te"));
    assert_eq!(get("code_challenge"), Some("chall"));
    assert_eq!(get("code_challenge_method"), Some("S256"));
    assert_eq!(get("redirect_uri"), Some(BACK));
    assert!(!url.as_str().contains("secret"));
    assert!(client.is_issuer("https://ghe.example") && !client.is_issuer("https://evil.example"));
}
