//! `hookherd credential`, `login`, `user` and `token` from end to end.

use super::super::commands::{done, done_with, failed, json, with_ann};
use super::super::stage::{ADMIN, Stage};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn credentials_are_added_shared_listed_and_removed() {
    let (stage, _daemon) = with_ann();
    let github = stage.simulator.github();
    let token = github.add_user("octo");
    std::fs::write(stage.path("provider-token"), format!("\n{token}\r\n")).unwrap();
    let words = [
        "credential",
        "add",
        "github",
        "--from",
        "provider-token",
        "--json",
    ];
    let stored = json(&done(&stage, &words));
    let id = stored["id"].as_str().unwrap();
    assert_eq!(stored["account"]["login"], "octo");
    // Blanks and line ends around a token are mistakes.
    let again = done_with(
        &stage,
        &["credential", "add", "GitHub"],
        &format!("  {token} \n\n"),
    );
    assert!(again.contains("for octo"), "{again}");
    assert!(done(&stage, &["credential", "share", id]).ends_with("is shared"));
    let list = json(&done(&stage, &["credential", "list", "--json"]));
    assert!(
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|c| c["is_shared"] == true)
    );
    assert!(done(&stage, &["credential", "share", id, "--off"]).contains("no longer"));
    for text in ["two\ntokens", "with blank", "tök"] {
        let output = stage.run_with(&["credential", "add", "github"], text);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}: {told}");
        assert!(told.contains("standard input cannot be used"), "{told}");
        assert!(
            !told.contains(text),
            "what was given is not repeated: {told}"
        );
    }
    failed(
        &stage,
        &["credential", "remove", "../users"],
        "is not an id",
    );
    failed(&stage, &["credential", "share", ".."], "is not an id");
    failed(&stage, &["credential", "remove", "crd_1"], "not_found");
    assert_eq!(
        stage.run(&["credential", "add", "gitea"]).status.code(),
        Some(2)
    );
    let removed = done(&stage, &["credential", "remove", id, "--json"]);
    assert!(json(&removed).is_object(), "{removed}");
    let app = ["credential", "app", "github", "--installation", "1"];
    failed(&stage, &app, "forbidden");
}

#[test]
fn a_person_signs_in_on_the_terminal() {
    let mut stage = Stage::new();
    stage.set("GITHUB_OAUTH_CLIENT_ID", "client");
    stage.set("GITHUB_OAUTH_CLIENT_SECRET", "a-secret-of-a-client");
    let web = stage.simulator.web_url();
    stage.set("HOOKHERD__PROVIDERS__GITHUB__WEB_URL", &web);
    let github = stage.simulator.github();
    github.add_application(
        "client",
        Some("a-secret-of-a-client"),
        &stage.url("/api/v2/oauth/github/callback"),
    );
    github.set_device_interval(1);
    github.add_user("octo");
    let _daemon = stage.start();
    stage.set("HOOKHERD_TOKEN", ADMIN);
    let mut command = stage.command(&["login", "github", "--json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    told.read_line(&mut line).unwrap();
    let code = line.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(line.starts_with("Open "), "{line}");
    assert!(github.approve_device(&code, "octo"), "{line}");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let stored: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(stored["account"]["login"], "octo");
    failed(&stage, &["login", "gitlab"], "oauth_not_configured");
}
