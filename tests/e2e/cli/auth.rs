//! `hookherd auth`: the saved login, and what counts before it.

use super::super::commands::{done, done_with, failed, json};
use super::super::stage::{ADMIN, Stage};
use super::fake;
use std::os::unix::fs::PermissionsExt;

/// A stage with a place for a saved login, and nothing said or set.
fn stage() -> Stage {
    let mut stage = Stage::new();
    let config = stage.path("config").to_str().unwrap().to_owned();
    stage.set("XDG_CONFIG_HOME", &config);
    stage.unset("HOOKHERD_URL");
    stage
}

#[test]
fn a_login_is_tried_saved_used_and_forgotten() {
    let mut stage = stage();
    let _daemon = stage.start();
    let file = stage.path("config/hookherd/login.json");
    let url = stage.url("/");
    failed(&stage, &["whoami"], "hookherd auth login");
    // What does not work is not saved.
    let wrong = stage.run_with(&["auth", "login", "--url", &url], "hhk_wrong\n");
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    assert!(!file.exists());
    let none = stage.run_with(&["auth", "login", "--url", &url], " \n");
    assert!(
        String::from_utf8_lossy(&none.stderr).contains("empty"),
        "{none:?}"
    );

    let told = done_with(
        &stage,
        &["auth", "login", "--url", &url],
        &format!(" {ADMIN}\r\n"),
    );
    assert!(
        told.contains("as admin") && told.contains("login.json"),
        "{told}"
    );
    assert!(!told.contains(ADMIN));
    let mode = file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(done(&stage, &["whoami"]).contains("Name: admin"));
    let status = json(&done(&stage, &["auth", "status", "--json"]));
    assert_eq!(status["url_from"], "the saved login");
    assert_eq!(status["token_from"], "the saved login");
    assert_eq!(status["user"]["name"], "admin");
    assert!(done(&stage, &["auth", "status"]).contains("admin, an admin"));

    // It goes nowhere else.
    let (other, asked) = fake::server(vec![fake::json(200, "", &serde_json::json!({}))]);
    failed(
        &stage,
        &["whoami", "--url", &other],
        "the saved login is for",
    );
    stage.set("HOOKHERD_URL", &other);
    failed(&stage, &["whoami"], "but HOOKHERD_URL is");
    assert_eq!(asked.try_iter().count(), 0);
    stage.unset("HOOKHERD_URL");

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    failed(&stage, &["whoami"], "chmod 600");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let elsewhere = stage.path("elsewhere");
    std::fs::rename(&file, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
    failed(&stage, &["whoami"], "symbolic link");
    let forgotten = json(&done(&stage, &["auth", "logout", "--json"]));
    assert_eq!(forgotten["forgotten"], true);
    assert!(elsewhere.exists() && !file.exists());
    let forgotten = json(&done(&stage, &["auth", "logout", "--json"]));
    assert_eq!(forgotten["forgotten"], false);
    failed(&stage, &["whoami"], "no API token");
}

#[test]
fn options_count_before_variables_and_those_before_what_is_saved() {
    let mut stage = stage();
    let _daemon = stage.start();
    let url = stage.url("");
    let ann = stage.add_user("ann");
    std::fs::write(stage.path("ann"), format!("\n {ann} \n")).unwrap();
    let words = ["auth", "login", "--url", &url, "--token-file", "ann"];
    assert!(done(&stage, &words).contains("as ann"));
    let name = |stage: &Stage, words: &[&str]| {
        let words: Vec<&str> = words.iter().copied().chain(["whoami", "--json"]).collect();
        json(&done(stage, &words))["name"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(name(&stage, &[]), "ann");
    // Blanks and line ends around what is set are mistakes; an empty variable is none.
    stage.set("HOOKHERD_TOKEN", &format!("{ADMIN}\n"));
    stage.set("HOOKHERD_URL", &format!(" {url}/api/v2/\n"));
    assert_eq!(name(&stage, &[]), "admin");
    assert_eq!(name(&stage, &["--token-file", "ann"]), "ann");
    stage.set("HOOKHERD_URL", "http://127.0.0.1:1");
    assert_eq!(name(&stage, &["--url", &url]), "admin");
    // A login while something is set reports that it counts first.
    let output = stage.run_with(&["auth", "login", "--url", &url], &ann);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("HOOKHERD_TOKEN is set"), "{told}");
    stage.set("HOOKHERD_TOKEN", "");
    stage.set("HOOKHERD_URL", " ");
    assert_eq!(name(&stage, &[]), "ann");
    stage.set("HOOKHERD_TOKEN_FILE", "ann");
    assert_eq!(name(&stage, &[]), "ann");
    failed(
        &stage,
        &["whoami", "--token-file", "missing"],
        "cannot read missing",
    );
    std::fs::write(stage.path("two"), "hhk_1\nhhk_2\n").unwrap();
    failed(&stage, &["whoami", "--token-file", "two"], "one line");
    std::fs::write(stage.path("large"), "x".repeat(70_000)).unwrap();
    failed(&stage, &["whoami", "--token-file", "large"], "too large");
}
