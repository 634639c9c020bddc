//! Why a daemon cannot be reached: the true reason, and what to do.

use super::super::commands::{done, failed};
use super::super::stage::{ADMIN, Stage};
use super::fake;
use serde_json::json;
use std::time::Instant;

const CERTIFICATE: &[u8] = include_bytes!("../../fixtures/tls/server.pem");
const KEY: &[u8] = include_bytes!("../../fixtures/tls/server.key");
const AUTHORITY: &[u8] = include_bytes!("../../fixtures/tls/authority.pem");
const AUTHORITY_KEY: &[u8] = include_bytes!("../../fixtures/tls/authority.key");
const EXPIRED: &[u8] = include_bytes!("../../fixtures/tls/expired.pem");
const EXPIRED_KEY: &[u8] = include_bytes!("../../fixtures/tls/expired.key");

fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.set("HOOKHERD_TOKEN", ADMIN);
    stage
}

/// What is said of a daemon at this address, with this code.
#[track_caller]
fn says(stage: &Stage, url: &str, code: &str, words: &str) {
    failed(stage, &["whoami", "--url", url], words);
    let output = stage.run(&["whoami", "--json", "--url", url]);
    let told: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(told["code"], code, "{url}: {told}");
    assert!(output.stdout.is_empty());
}

fn fixture(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls");
    path.join(name).to_str().unwrap().to_owned()
}

#[test]
fn what_is_no_address_and_who_is_not_there() {
    let stage = stage();
    says(
        &stage,
        "hooks.example.org",
        "bad_url",
        "such as https://hooks.example.org",
    );
    says(
        &stage,
        "ftp://hooks.example.org",
        "bad_url",
        "http:// or https://",
    );
    says(
        &stage,
        "http://127.0.0.1:1",
        "connection_refused",
        "is it running?",
    );
    says(
        &stage,
        "http://no-such-name.invalid",
        "name_not_found",
        "no-such-name.invalid not found",
    );
    failed(&stage, &["whoami", "--url", " "], "is empty");
}

#[test]
fn who_answers_and_is_no_hookherd() {
    let stage = stage();
    let server = |answer: String| fake::server(vec![answer]);
    let (url, _asked) = server(fake::http(
        200,
        "content-type: text/html\r\n",
        "<html>hello",
    ));
    says(
        &stage,
        &url,
        "not_hookherd",
        "not from Hookherd (text/html)",
    );
    let deep = format!("{url}/deep/");
    says(&stage, &deep, "not_hookherd", "ends in /deep");
    let (url, _asked) = server(fake::http(502, "content-type: text/html\r\n", "<html>bad"));
    says(&stage, &url, "not_hookherd", "cannot reach the daemon");
    let to = "location: https://hooks.example.org/\r\n";
    let (url, asked) = server(fake::http(301, to, ""));
    says(
        &stage,
        &url,
        "not_hookherd",
        "redirects to https://hooks.example.org/",
    );
    assert_eq!(asked.try_iter().count(), 2, "no redirect is followed");
    let (url, _asked) = server("SSH-2.0-OpenSSH_9.2\r\n".to_owned());
    says(&stage, &url, "not_http", "does not speak HTTP");
    let (url, _asked) = server(String::new());
    says(&stage, &url, "connection_closed", "without a response");
}

#[test]
fn what_is_wrong_with_tls() {
    let mut stage = stage();
    let whoami = fake::json(
        200,
        "",
        &json!({"id": "usr_1", "name": "ann", "is_admin": false}),
    );
    let port = fake::tls("127.0.0.1", CERTIFICATE, KEY, whoami.clone());
    let good = format!("https://localhost:{port}");
    says(&stage, &good, "tls_unknown_issuer", "SSL_CERT_FILE");
    let plain = fake::server(vec![whoami.clone()]).0;
    let as_tls = plain.replace("http://", "https://");
    says(&stage, &as_tls, "tls_failed", "does not use TLS");

    stage.set("SSL_CERT_FILE", &fixture("ca.pem"));
    let told = done(&stage, &["whoami", "--url", &good]);
    assert!(told.contains("Name: ann"), "{told}");
    let port = fake::tls("127.0.0.2", CERTIFICATE, KEY, whoami.clone());
    let url = format!("https://127.0.0.2:{port}");
    says(&stage, &url, "tls_name_mismatch", "not valid for 127.0.0.2");
    // What `openssl req -x509` makes is an authority's, whether it is trusted or not.
    let port = fake::tls("127.0.0.1", AUTHORITY, AUTHORITY_KEY, whoami.clone());
    let url = format!("https://localhost:{port}");
    says(&stage, &url, "tls_authority", "CA:TRUE");
    stage.set("SSL_CERT_FILE", &fixture("authority.pem"));
    says(&stage, &url, "tls_authority", "CA:TRUE");
    // A file that is not there, or holds nothing, is no reason to blame the certificate.
    stage.set("SSL_CERT_FILE", "nowhere.pem");
    says(&stage, &good, "ssl_cert_file", "cannot read nowhere.pem");
    stage.set("SSL_CERT_FILE", &fixture("server.key"));
    says(
        &stage,
        &good,
        "ssl_cert_file",
        "contains no PEM certificate",
    );
    stage.set("SSL_CERT_FILE", &fixture("expired-ca.pem"));
    let port = fake::tls("127.0.0.1", EXPIRED, EXPIRED_KEY, whoami);
    let url = format!("https://localhost:{port}");
    says(&stage, &url, "tls_expired", "has expired");
}

#[test]
fn who_asks_to_wait_is_obeyed_for_a_while() {
    let stage = stage();
    let whoami = fake::json(
        200,
        "",
        &json!({"id": "usr_1", "name": "ann", "is_admin": false}),
    );
    let problem = json!({"code": "overloaded", "detail": "too much is going on"});
    let wait = |seconds: u32| fake::json(503, &format!("retry-after: {seconds}\r\n"), &problem);
    let (url, asked) = fake::server(vec![wait(1), whoami]);
    let begun = Instant::now();
    let output = stage.run(&["whoami", "--url", &url]);
    assert!(output.status.success(), "{output:?}");
    assert!(begun.elapsed().as_secs() >= 1, "it waits");
    let note = String::from_utf8(output.stderr).unwrap();
    assert!(
        note.contains("asks to retry after 1 s (overloaded)"),
        "{note}"
    );
    assert_eq!(asked.try_iter().count(), 2);
    // A request to wait for too long is reported at once.
    let (url, asked) = fake::server(vec![wait(3600)]);
    failed(&stage, &["whoami", "--url", &url], "Try again in 3600 s.");
    assert_eq!(asked.try_iter().count(), 1);
}
