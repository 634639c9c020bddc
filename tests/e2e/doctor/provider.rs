//! What is configured of a provider, held against what the provider says.

use super::Report;
use crate::cli::fake;
use crate::stage::Stage;
use hookherd::simulator::{Misbehaviour, Refusal};
use serde_json::json;
use std::time::{Duration, SystemTime};

const API_URL: &str = "HOOKHERD__PROVIDERS__GITHUB__API_URL";
const GITLAB_URL: &str = "HOOKHERD__PROVIDERS__GITLAB__API_URL";
const CA_FILE: &str = "HOOKHERD__PROVIDERS__GITHUB__CA_FILE";

/// The host and port of a URL.
fn host(url: &str) -> &str {
    url.split('/').nth(2).unwrap()
}

/// The API's answer without a token, at this time of its own.
fn unauthorized(at: SystemTime) -> String {
    let at = time::OffsetDateTime::from(at);
    let date = at.format(&time::format_description::well_known::Rfc2822);
    let date = date.unwrap().replace("+0000", "GMT");
    let body = json!({ "message": "Requires authentication" });
    fake::json(401, &format!("date: {date}\r\n"), &body)
}

#[track_caller]
fn api_fails(stage: &Stage, url: &str, part: &str) {
    let what = format!("provider {} (github)", host(url));
    Report::of(stage).has(&what, "FAILED", part);
}

#[test]
fn an_api_url_that_leads_to_something_else_is_told_as_what_it_is() {
    let mut stage = Stage::new();
    for (answer, part) in [
        (
            fake::http(200, "content-type: text/html\r\n", "<html>Sign in</html>"),
            "a web page",
        ),
        (
            fake::http(200, "", "hello"),
            "has no such API route (HTTP 200)",
        ),
        (
            fake::json(404, "", &json!({ "error": "404 Not Found" })),
            "(HTTP 404)",
        ),
        (
            fake::http(302, "location: https://elsewhere.example/\r\n", ""),
            "redirects to a URL outside its API",
        ),
        (fake::http(403, "", "Forbidden"), "HTTP 403"),
        (
            fake::http(502, "", "Bad Gateway"),
            "is unavailable (HTTP 502)",
        ),
    ] {
        let (url, asked) = fake::server(vec![answer]);
        stage.set(API_URL, &url);
        api_fails(&stage, &url, part);
        let asked = asked.recv().unwrap().to_ascii_lowercase();
        assert!(
            !asked.contains("authorization"),
            "no token is shown: {asked}"
        );
    }
    stage.set(API_URL, "http://127.0.0.1:1");
    api_fails(&stage, "http://127.0.0.1:1", "refuses connections");
    stage.set(API_URL, "https://no-such-host.invalid");
    api_fails(&stage, "https://no-such-host.invalid", "");
    // Too many requests without a token are answered by the API itself.
    let (url, _asked) = fake::server(vec![fake::http(429, "", "Retry later")]);
    stage.set(API_URL, &url);
    let what = format!("provider {} (github)", host(&url));
    Report::of(&stage).has(&what, "ok", "is an API");

    // GitLab's own words for it.
    let (url, _asked) = fake::server(vec![fake::http(404, "", "Not Found")]);
    stage.set(GITLAB_URL, &url);
    let what = format!("provider {} (gitlab)", host(&url));
    Report::of(&stage).has(&what, "FAILED", "providers.gitlab.api_url");
}

#[test]
fn a_certificate_that_is_not_trusted_is_told_with_what_to_do() {
    let fixture = |name: &str| {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls");
        dir.join(name).to_str().unwrap().to_owned()
    };
    let read = |name: &str| std::fs::read(fixture(name)).unwrap();
    let answer = || unauthorized(SystemTime::now());
    let mut stage = Stage::new();
    let serve = |address: &str, name: &str| {
        let (certificate, key) = (read(&format!("{name}.pem")), read(&format!("{name}.key")));
        let port = fake::tls(address, &certificate, &key, answer());
        format!("https://{address}:{port}")
    };
    let good = serve("127.0.0.1", "server");
    stage.set(API_URL, &good);
    api_fails(
        &stage,
        &good,
        "Set providers.github.ca_file to the issuer's PEM file",
    );
    stage.set(CA_FILE, &fixture("ca.pem"));
    let what = format!("provider {} (github)", host(&good));
    Report::of(&stage).has(&what, "ok", "is an API");
    let other = serve("127.0.0.2", "server");
    stage.set(API_URL, &other);
    api_fails(&stage, &other, "is for another name");
    let plain = stage.simulator.api_url().replace("http://", "https://");
    stage.set(API_URL, &plain);
    api_fails(&stage, &plain, "does not speak TLS");
    stage.set(CA_FILE, &fixture("authority.pem"));
    let authority = serve("127.0.0.1", "authority");
    stage.set(API_URL, &authority);
    api_fails(&stage, &authority, "that of a certificate authority");
    stage.set(CA_FILE, "no-such-file.pem");
    api_fails(&stage, &authority, "ca_file");
}

#[test]
fn a_clock_that_differs_from_the_providers_is_told_by_how_much() {
    let mut stage = Stage::new();
    let now = SystemTime::now();
    for (at, verdict, part) in [
        (now, "ok", "agrees"),
        (
            now + Duration::from_mins(2),
            "warning",
            "seconds behind 127.0.0.1",
        ),
        (
            now - Duration::from_hours(2),
            "FAILED",
            "seconds ahead of 127.0.0.1",
        ),
    ] {
        let (url, _asked) = fake::server(vec![unauthorized(at)]);
        stage.set(API_URL, &url);
        Report::of(&stage).has("clock", verdict, part);
    }
}

#[test]
fn an_oauth_client_is_held_against_what_the_provider_knows() {
    let mut stage = Stage::new();
    let at = stage.simulator.address().to_string();
    for (kind, name) in [("github", "GITHUB"), ("gitlab", "GITLAB")] {
        let what = format!("sign-in with {kind} at {at}");
        let back = stage.url(&format!("/api/v2/oauth/{kind}/callback"));
        let (id, secret) = ("our-client", Some("a-secret-of-a-client"));
        match kind {
            "github" => stage.simulator.github().add_application(id, secret, &back),
            _ => stage.simulator.gitlab().add_application(id, secret, &back),
        }
        Report::of(&stage).is_silent_on(&what);
        let (id_name, secret_name) = (
            format!("{name}_OAUTH_CLIENT_ID"),
            format!("{name}_OAUTH_CLIENT_SECRET"),
        );
        stage.set(&id_name, "our-client");
        stage.set(&secret_name, "a-secret-of-a-client");
        Report::of(&stage).has(
            &what,
            "ok",
            &format!("its redirect URL there must be {back}"),
        );
        let told = stage.run(&["doctor"]);
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(
            told.contains(&back) && !told.contains("a-secret-of-a-client"),
            "{told}"
        );
        let part = format!("Check providers.{kind}.oauth.client_id and client_secret");
        stage.set(&secret_name, "another-secret");
        Report::of(&stage).has(&what, "FAILED", &part);
        stage.set(&secret_name, "a-secret-of-a-client");
        stage.set(&id_name, "no-client");
        Report::of(&stage).has(&what, "FAILED", &part);
        let web_url = format!("HOOKHERD__PROVIDERS__{name}__WEB_URL");
        let (page, _asked) = fake::server(vec![fake::http(200, "", "<html>welcome</html>")]);
        stage.set(&web_url, &page);
        Report::of(&stage).has(&what, "FAILED", &format!("providers.{kind}.web_url"));
        stage.set(&web_url, "http://127.0.0.1:1");
        Report::of(&stage).has(&what, "FAILED", "127.0.0.1:1");
        stage.unset(&web_url);
        stage.unset(&id_name);
        stage.unset(&secret_name);
    }
}

#[test]
fn a_client_without_a_secret_lets_devices_in_and_nobody_else() {
    let mut stage = Stage::new();
    let what = format!("sign-in with gitlab at {}", stage.simulator.address());
    let back = stage.url("/api/v2/oauth/gitlab/callback");
    stage
        .simulator
        .gitlab()
        .add_application("our-client", None, &back);
    stage.set("GITLAB_OAUTH_CLIENT_ID", "our-client");
    Report::of(&stage).has(&what, "warning", "only device sign-in works");
    stage.set("GITLAB_OAUTH_CLIENT_ID", "no-client");
    Report::of(&stage).has(&what, "FAILED", "client_id");
}

#[test]
fn an_app_is_held_against_what_github_knows() {
    const KEY: &str = include_str!("../../fixtures/app/key.pem");
    const PUBLIC: &str = include_str!("../../fixtures/app/public.pem");
    let mut stage = Stage::new();
    let what = format!("GitHub App at {}", stage.simulator.address());
    assert!(stage.simulator.github().add_app(4242, "herd", PUBLIC));
    Report::of(&stage).is_silent_on(&what);
    stage.set("GITHUB_APP_ID", "4242");
    stage.set("GITHUB_APP_PRIVATE_KEY", KEY);
    Report::of(&stage).has(&what, "ok", "as herd; the private key is valid");
    stage.set("GITHUB_APP_ID", "4243");
    Report::of(&stage).has(&what, "FAILED", "there is no such App");
    stage.set("GITHUB_APP_ID", "4242");
    let output = std::process::Command::new("openssl")
        .args(["genrsa", "2048"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let anothers = String::from_utf8(output.stdout).unwrap();
    stage.set("GITHUB_APP_PRIVATE_KEY", &anothers);
    let part = "the private key belongs to another App than 4242";
    Report::of(&stage).has(&what, "FAILED", part);
    stage.set("GITHUB_APP_PRIVATE_KEY", "no key at all");
    Report::of(&stage).has(&what, "FAILED", "providers.github.app.private_key");
    stage.set("GITHUB_APP_PRIVATE_KEY", KEY);
    let misbehaviour = Misbehaviour::Refuse(Refusal::IpAllowList);
    stage.simulator.faults().next("app", misbehaviour);
    Report::of(&stage).has(&what, "FAILED", "IP allow list");

    // One that may not do what it is for, and one that GitHub does not know.
    let poor = json!({ "id": 4242, "slug": "poor", "permissions": { "metadata": "read" } });
    let none = json!({ "message": "Integration not found" });
    for (answer, part) in [
        (
            fake::json(200, "", &poor),
            "permission Webhooks (read and write)",
        ),
        (fake::json(404, "", &none), "GitHub has no App with this id"),
    ] {
        let (url, _asked) = fake::server(vec![unauthorized(SystemTime::now()), answer]);
        stage.set(API_URL, &url);
        Report::of(&stage).has(&format!("GitHub App at {}", host(&url)), "FAILED", part);
    }
}
