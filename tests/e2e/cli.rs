//! Each command of the command line, as the real binary against a daemon and a simulator.

mod accounts;
mod alone;
mod apply;
mod auth;
mod bulk;
mod connect;
mod connections;
mod credentials;
mod deliveries;
pub(crate) mod fake;
mod forms;
mod forward;
mod history;
mod lists;
mod operations;
mod owners;
mod reach;
mod terminal;

use super::commands::{done, done_with, with_ann};
use super::stage::{Daemon, REPOSITORY, Stage};
use std::process::Command;

/// A daemon, a user of it whose token is in the environment, and a repository that is connected.
struct Connected {
    stage: Stage,
    _daemon: Daemon,
    /// The connection.
    id: String,
    /// The provider's id of the repository.
    repository: u64,
}

impl Connected {
    fn new() -> Self {
        let (stage, daemon) = with_ann();
        let github = stage.simulator.github();
        let token = github.add_user("octo");
        let repository = github.add_repository(REPOSITORY, "octo");
        done_with(&stage, &["credential", "add", "github"], &token);
        let connected = done(&stage, &["--json", "connect", "github", REPOSITORY]);
        let connected: serde_json::Value = serde_json::from_str(&connected).unwrap();
        let id = connected["id"].as_str().unwrap().to_owned();
        // It finds the latest runs, also those that are played now.
        stage.wait_until("the first reconcile", || {
            let now = stage.connection(&stage.variables["HOOKHERD_TOKEN"], &id);
            !now["health"]["gaps"]["reconciled_at"].is_null()
        });
        Self {
            id,
            stage,
            _daemon: daemon,
            repository,
        }
    }

    /// A push like no other.
    fn push(&self, number: usize) {
        let repository = serde_json::json!({ "id": self.repository, "full_name": REPOSITORY });
        let body = serde_json::json!({
            "ref": "refs/heads/main", "before": "0".repeat(40), "after": format!("{number:040x}"),
            "created": false, "deleted": false, "forced": false, "commits": [],
            "pusher": { "name": "octo" }, "repository": repository,
        });
        self.stage
            .simulator
            .github()
            .emit(REPOSITORY, "push", &body);
    }
}

/// The commands below one, with its path, as its help lists them.
fn below(path: &[String]) -> Vec<Vec<String>> {
    let output = Command::new(env!("CARGO_BIN_EXE_hookherd"))
        .args(path)
        .arg("--help")
        .output()
        .unwrap();
    assert!(output.status.success(), "{path:?}: {output:?}");
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("Examples:\n  hookherd "), "{path:?}: {help}");
    let Some((_, list)) = help.split_once("\nCommands:\n") else {
        return vec![path.to_vec()];
    };
    let names = list.lines().take_while(|line| !line.is_empty());
    let names = names.filter(|line| line.starts_with("  ") && !line.starts_with("    "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    let mut found: Vec<Vec<String>> = Vec::new();
    for name in names.filter(|name| *name != "help") {
        let path: Vec<String> = path.iter().cloned().chain([name.to_owned()]).collect();
        found.extend(below(&path));
    }
    // A command with commands below it may also be used by itself.
    if !path.is_empty() && !help.contains("<COMMAND>") {
        found.push(path.to_vec());
    }
    found
}

#[test]
fn every_command_has_help_with_examples_and_a_test_that_runs_it() {
    let commands = below(&[]);
    assert!(
        commands.len() > 35,
        "the walk finds the commands: {commands:?}"
    );
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e");
    let mut text = String::new();
    for (_, file) in super::stage::files(&root) {
        text.extend(String::from_utf8(file).unwrap().split_whitespace());
    }
    // `serve` is what every test starts.
    for path in commands {
        let words: Vec<String> = path.iter().map(|word| format!("\"{word}\"")).collect();
        let words = words.join(",");
        assert!(text.contains(&words), "no test runs {path:?}");
    }
}
