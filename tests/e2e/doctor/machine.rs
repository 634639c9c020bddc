//! What is looked at without a daemon: configuration, disk, master key, public address.

use super::Report;
use crate::cli::fake;
use crate::stage::{Stage, files, master_key};
use std::process::{Command, Stdio};

#[test]
fn a_machine_is_examined_without_a_daemon_and_without_a_trace() {
    let mut stage = Stage::new();
    let report = Report::of(&stage);
    let host = stage.simulator.address().to_string();
    report
        .has("configuration", "ok", "understood")
        .has("data directory", "ok", "is writable")
        .has("disk", "ok", "MiB free")
        .has("master key", "ok", "valid")
        .has("store", "warning", "the first start creates it")
        .has("clock", "ok", "agrees with")
        .has(&format!("provider {host} (github)"), "ok", "is an API")
        .has(&format!("provider {host} (gitlab)"), "ok", "is an API")
        .has("public address", "FAILED", "the daemon must be running");
    assert_eq!(report.failed(), ["public address"]);
    assert!(!stage.data_dir().exists());

    // With a token for a daemon, but without a key, this machine is none that runs one.
    stage.unset("OAUTH_TOKEN_ENCRYPTION_KEY");
    stage.set("HOOKHERD_TOKEN", "hhk_of-somebody");
    Report::of(&stage)
        .is_silent_on("master key")
        .has("daemon", "FAILED", "");
}

#[test]
fn a_key_that_is_missing_unusable_or_anothers_is_told() {
    let mut stage = Stage::new();
    assert!(stage.start().terminate().success());
    let before = files(&stage.data_dir());
    Report::of(&stage).has("master key", "ok", "matches the store");
    for (key, words) in [
        (Some(master_key(2)), "does not match"),
        (Some("not-a-key".to_owned()), "not 32 bytes in base64"),
        (None, "no master key"),
    ] {
        match key {
            Some(key) => stage.set("OAUTH_TOKEN_ENCRYPTION_KEY", &key),
            None => stage.unset("OAUTH_TOKEN_ENCRYPTION_KEY"),
        }
        Report::of(&stage).has("master key", "FAILED", words);
    }
    assert!(
        files(&stage.data_dir()) == before,
        "looking changes nothing"
    );
}

#[test]
fn what_a_configuration_says_is_told_or_refused() {
    let mut stage = Stage::new();
    stage.set("HOOKHERD_COLOUR", "blue");
    Report::of(&stage).has("configuration", "warning", "HOOKHERD_COLOUR");
    stage.unset("HOOKHERD_COLOUR");
    std::fs::write(stage.path("file"), "").unwrap();
    stage.set("HOOKHERD__SERVER__DATA_DIR", "file/data");
    Report::of(&stage).has("data directory", "FAILED", "");
    stage.set("HOOKHERD__SERVER__LISTEN", "everywhere");
    let report = Report::of(&stage);
    report.has("configuration", "FAILED", "server.listen");
    assert_eq!(
        report.failed(),
        ["configuration"],
        "nothing else can be known"
    );
}

/// Runs `doctor` where a file system of this size, of which so much is taken, holds the data
/// directory: in a mount namespace of its own.
fn on_a_disk(stage: &Stage, size: &str, taken_kib: u32) -> Report {
    let dir = stage.path("small");
    std::fs::create_dir_all(&dir).unwrap();
    let script = format!(
        "mount -t tmpfs -o size={size} none small && mkdir small/data && \
         head -c {taken_kib}K /dev/zero > small/taken && exec \"$0\" --json doctor"
    );
    // The variables of the stage, for a program that begins with another one.
    let like = stage.command(&[]);
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .arg(env!("CARGO_BIN_EXE_hookherd"))
        .env_clear()
        .current_dir(stage.path("."))
        .stdin(Stdio::null());
    for (name, value) in like.get_envs() {
        command.envs(value.map(|value| (name, value)));
    }
    command.env("PATH", std::env::var_os("PATH").unwrap());
    command.env("HOOKHERD__SERVER__DATA_DIR", "small/data");
    Report::read(&command.output().unwrap())
}

#[test]
fn a_disk_that_is_full_or_nearly_so_is_told() {
    let stage = Stage::new();
    on_a_disk(&stage, "16m", 0).has("disk", "warning", "which is little");
    on_a_disk(&stage, "16m", 16_000).has("disk", "FAILED", "deliveries are refused");
}

#[test]
fn who_answers_at_the_public_address_is_asked() {
    const CERTIFICATE: &[u8] = include_bytes!("../../fixtures/tls/server.pem");
    const KEY: &[u8] = include_bytes!("../../fixtures/tls/server.key");
    let mut stage = Stage::new();
    let (url, _asked) = fake::server(vec![fake::http(200, "", "welcome")]);
    stage.set("WEBHOOK_BASE_URL", &url);
    Report::of(&stage).has(
        "public address",
        "FAILED",
        "Got HTTP 200, but not from Hookherd",
    );

    let alive = serde_json::json!({ "status": "ok" });
    let port = fake::tls("127.0.0.1", CERTIFICATE, KEY, fake::json(200, "", &alive));
    stage.set("WEBHOOK_BASE_URL", &format!("https://127.0.0.1:{port}"));
    Report::of(&stage).has("public address", "FAILED", "no response: ");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls/ca.pem");
    stage.set("SSL_CERT_FILE", root.to_str().unwrap());
    Report::of(&stage).has("public address", "ok", "https://");
}
