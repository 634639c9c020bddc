//! The API's description against the daemon that it describes: schemathesis makes requests of it,
//! good and bad ones, and holds every answer against it.

use crate::daemon::{ADMIN, Daemon, Stage};
use crate::tools;
use hookherd::simulator::RunSpec;
use serde_json::json;
use std::process::Command;

/// Objects of every kind, so that requests about them find some; and the id of a connection to
/// GitLab, which has other names of events.
fn populated() -> (Stage, Daemon, String) {
    let mut stage = Stage::new();
    // It tries each operation with wrong tokens, and more of them than a stranger may in a minute.
    stage.set("HOOKHERD__LIMITS__WRONG_TOKENS_PER_MINUTE", "100000");
    let (github, gitlab) = (stage.simulator.github(), stage.simulator.gitlab());
    let token = github.add_user("ann");
    for name in ["ann/app", "ann/other"] {
        github.add_repository(name, "ann");
    }
    let daemon = stage.start();
    stage.add_credential(ADMIN, "github", &token);
    stage.connect("ann/app");
    github.play_run("ann/app", &RunSpec::new(1, "failure"));
    stage.wait_for_incident("open");
    stage.add_credential(ADMIN, "gitlab", &gitlab.add_user("ann"));
    gitlab.add_project("ann/app", "ann");
    let wish = json!({ "provider": "gitlab", "repository_full_name": "ann/app" });
    let connection = stage.call(ADMIN, "POST repositories/connect", &wish).json;
    let id = connection["id"].as_str().expect("an id").to_owned();
    (stage, daemon, id)
}

/// Runs schemathesis with some more lines of configuration; what it reports.
fn fuzz(stage: &Stage, name: &str, more: &str, args: &[&str]) -> String {
    let (here, out) = (tools::source_dir(), tools::out_dir());
    let config = out.join(format!("{name}.toml"));
    let common = std::fs::read_to_string(here.join("schemathesis.toml")).expect("it is committed");
    std::fs::write(&config, format!("{common}\n{more}")).expect("target is writable");
    let mut fuzz = Command::new("python3");
    fuzz.args(["-m", "schemathesis.cli", "--config-file"])
        .arg(config)
        .args(["run", &stage.url("/api/v2/openapi.json")])
        .args(["--workers", "2", "--max-failures", "20", "--no-color"])
        .args(args)
        .env("PYTHONPATH", out.join("schemathesis"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("HOOKS", here.join("clients/codes.py"))
        .env("TOKEN", ADMIN)
        .current_dir(&out);
    let output = fuzz.output().expect("python3 is there");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    std::fs::write(out.join(format!("{name}.log")), &said).expect("target is writable");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    said
}

#[test]
fn requests_that_fit_the_description_are_understood_and_answers_fit_it() {
    tools::require();
    let (stage, daemon, gitlab) = populated();
    // First what is asked of the connection to GitLab: later it may be disconnected.
    let operation = "PatchConnection";
    let fixed = format!(
        "[[operations]]\ninclude-operation-id = \"{operation}\"\n\
         parameters = {{ \"path.id\" = \"{gitlab}\" }}\n"
    );
    let only = ["--include-operation-id", operation];
    let said = fuzz(&stage, "schemathesis-gitlab", &fixed, &only);
    assert!(said.contains("Tested: 1"), "{said}");
    let path = format!("repositories/connections/{gitlab}/commands");
    let commands = stage.list(ADMIN, &path);
    assert!(!commands.is_empty(), "some requests were accepted: {said}");
    let said = fuzz(&stage, "schemathesis", "", &[]);
    let number = |label: &str| {
        let rest = said.split(label).nth(1).expect(label).trim_start();
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
        digits.unwrap_or_default().parse::<u32>().expect(label)
    };
    let (selected, tested) = (number("Operations: "), number("Tested: "));
    assert!(
        tested * 10 >= selected * 9,
        "nearly all operations were tried:\n{said}"
    );
    stage.end(daemon);
}
