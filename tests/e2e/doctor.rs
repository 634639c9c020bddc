//! `hookherd doctor`: what it finds, and that it finds what is wrong.

use super::stage::{ADMIN, REPOSITORY, Stage, files, master_key};
use serde_json::Value;

/// What was found of each thing, and whether all will do.
fn examined(stage: &Stage) -> (bool, Vec<(String, String)>) {
    let output = stage.run(&["--json", "doctor"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], output.status.success(), "{output:?}");
    assert_eq!(output.status.code(), Some(i32::from(report["ok"] == false)));
    let text = |f: &Value, key: &str| f[key].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    let findings = findings.map(|f| (text(f, "what"), text(f, "verdict")));
    (report["ok"] == true, findings.collect())
}

#[track_caller]
fn assert_found(stage: &Stage, what: &str, verdict: &str) {
    let (is_ok, findings) = examined(stage);
    let found = findings.iter().find(|(thing, _)| thing == what);
    assert_eq!(
        found.map(|(_, v)| v.as_str()),
        Some(verdict),
        "{what}: {findings:?}"
    );
    assert!(!is_ok || verdict != "FAILED");
}

#[test]
fn a_machine_is_examined_without_a_daemon_and_without_a_trace() {
    let mut stage = Stage::new();
    let (is_ok, findings) = examined(&stage);
    assert!(!is_ok, "the public address is nobody's yet: {findings:?}");
    let bad: Vec<_> = findings.iter().filter(|(_, v)| v == "FAILED").collect();
    assert_eq!(bad, [&("public address".to_owned(), "FAILED".to_owned())]);
    assert!(!stage.data_dir().exists());

    drop(stage.start());
    let before = files(&stage.data_dir());
    assert_found(&stage, "store", "ok");
    stage.set("OAUTH_TOKEN_ENCRYPTION_KEY", &master_key(2));
    assert_found(&stage, "master key", "FAILED");
    stage.unset("OAUTH_TOKEN_ENCRYPTION_KEY");
    assert_found(&stage, "master key", "FAILED");
    assert!(
        files(&stage.data_dir()) == before,
        "looking changes nothing"
    );

    stage.set("OAUTH_TOKEN_ENCRYPTION_KEY", &master_key(1));
    let host = stage.simulator.address().to_string();
    assert_found(&stage, &format!("provider {host}"), "ok");
    stage.set("HOOKHERD__PROVIDERS__GITHUB__API_URL", "http://127.0.0.1:1");
    assert_found(&stage, "provider 127.0.0.1:1", "FAILED");
    std::fs::write(stage.path("file"), "").unwrap();
    stage.set("HOOKHERD__SERVER__DATA_DIR", "file/data");
    assert_found(&stage, "data directory", "FAILED");
    stage.set("HOOKHERD__SERVER__LISTEN", "everywhere");
    assert_found(&stage, "configuration", "FAILED");
}

#[test]
fn a_running_daemon_is_examined_with_its_credentials_and_connections() {
    let mut stage = Stage::new();
    let github = stage.simulator.github();
    let daemon = stage.start();
    stage.set("HOOKHERD_TOKEN", ADMIN);
    assert_found(&stage, "credentials", "warning");
    assert_found(&stage, "public address", "warning");
    let token = github.add_user("octo");
    github.add_repository(REPOSITORY, "octo");
    let id = stage.connect(ADMIN, &token, REPOSITORY);
    stage.wait_for_status(ADMIN, &id, "active");
    let (is_ok, findings) = examined(&stage);
    assert!(is_ok, "{findings:?}");
    let host = stage.simulator.address().to_string();
    let credential = format!("credential of octo at {host} (github)");
    assert_found(&stage, &credential, "ok");
    assert_found(&stage, "connections", "ok");

    // A user's machine: nothing but the address of the daemon and a token.
    let host = stage.simulator.address().to_string();
    stage.unset("OAUTH_TOKEN_ENCRYPTION_KEY");
    let (_, findings) = examined(&stage);
    assert!(
        findings.iter().all(|(what, _)| what != "master key"),
        "{findings:?}"
    );
    github.revoke_token(&token);
    assert_found(&stage, &format!("provider {host}"), "FAILED");
    stage.set("HOOKHERD_TOKEN", "hhk_wrong");
    assert_found(&stage, "daemon", "FAILED");
    drop(daemon);
    assert_found(&stage, "daemon", "FAILED");
}

#[test]
fn what_signing_in_needs_is_examined_without_signing_in() {
    let mut stage = Stage::new();
    let host = stage.simulator.address().to_string();
    let client = format!("sign-in with gitlab at {host}");
    stage.set("GITLAB_OAUTH_CLIENT_ID", "client");
    assert_found(&stage, &client, "warning");
    stage.set("GITLAB_OAUTH_CLIENT_SECRET", "a-secret-of-a-client");
    assert_found(&stage, &client, "ok");
    let told = stage.run(&["doctor"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let back = stage.url("/api/v2/oauth/gitlab/callback");
    assert!(told.contains(&back), "{told}");
    assert!(!told.contains("a-secret-of-a-client"), "{told}");
    stage.set("HOOKHERD__PROVIDERS__GITLAB__WEB_URL", "http://127.0.0.1:1");
    assert_found(&stage, &client, "FAILED");

    stage.set("GITHUB_APP_ID", "4242");
    stage.set(
        "GITHUB_APP_PRIVATE_KEY",
        include_str!("../fixtures/app/key.pem"),
    );
    assert_found(&stage, "GitHub App", "ok");
    stage.set("GITHUB_APP_PRIVATE_KEY", "no key at all");
    assert_found(&stage, "GitHub App", "FAILED");
}
