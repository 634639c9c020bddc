//! The API's description against the daemon that it describes: schemathesis makes requests of it,
//! good and bad ones, and holds every answer against it.

use crate::daemon::{Daemon, TOKEN};
use crate::tools;
use hookherd::simulator::{RunSpec, Simulator, SimulatorConfig};
use reqwest::Method;
use serde_json::{Value, json};
use std::process::Command;

/// Objects of every kind, so that requests about them find some; and the id of a connection to
/// GitLab, which has other names of events.
async fn populated(simulator: &Simulator) -> (Daemon, String) {
    let token = simulator.github().add_user("ann");
    for name in ["ann/app", "ann/other"] {
        simulator.github().add_repository(name, "ann");
    }
    let (name, api_url) = ("schemathesis-daemon", simulator.api_url());
    let gitlab = [(
        "HOOKHERD__PROVIDERS__GITLAB__API_URL",
        &*simulator.gitlab_api_url(),
    )];
    let daemon = Daemon::start_with(name, &api_url, &token, &gitlab).await;
    daemon.connect("ann/app").await;
    let run = RunSpec::new(1, "failure");
    simulator.github().play_run("ann/app", &run);
    let is_open = |answer: &Value| answer["items"].as_array()?.first().cloned();
    let incidents = "/api/v2/incidents";
    daemon.wait_for(incidents, "incident", is_open).await;
    let token = simulator.gitlab().add_user("ann");
    simulator.gitlab().add_project("ann/app", "ann");
    let credential = json!({ "provider": "gitlab", "token": token });
    let path = "/api/v2/credentials";
    daemon.must(Method::POST, path, Some(&credential)).await;
    let wanted = json!({ "provider": "gitlab", "repository_full_name": "ann/app" });
    let path = "/api/v2/repositories/connect";
    let connection = daemon.must(Method::POST, path, Some(&wanted)).await;
    let id = connection["id"].as_str().expect("an id").to_owned();
    (daemon, id)
}

/// Runs schemathesis with some more lines of configuration; what it reports.
async fn fuzz(daemon: &mut Daemon, name: &str, more: &str, args: &[&str]) -> String {
    let (here, out) = (tools::source_dir(), tools::out_dir());
    let config = out.join(format!("{name}.toml"));
    let common = std::fs::read_to_string(here.join("schemathesis.toml")).expect("it is committed");
    std::fs::write(&config, format!("{common}\n{more}")).expect("target is writable");
    let mut fuzz = Command::new("python3");
    fuzz.args(["-m", "schemathesis.cli", "--config-file"])
        .arg(config)
        .args(["run", &format!("{}/api/v2/openapi.json", daemon.url())])
        .args(["--workers", "2", "--max-failures", "20", "--no-color"])
        .args(args)
        .env("PYTHONPATH", out.join("schemathesis"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("HOOKS", here.join("clients/codes.py"))
        .env("TOKEN", TOKEN)
        .current_dir(&out);
    let output = tokio::task::spawn_blocking(move || fuzz.output().expect("python3 is there"));
    let output = output.await.expect("it was waited for");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    std::fs::write(out.join(format!("{name}.log")), &said).expect("target is writable");
    daemon.assert_alive();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    said
}

#[tokio::test]
async fn requests_that_fit_the_description_are_understood_and_answers_fit_it() {
    tools::require();
    let simulator = Simulator::start(&SimulatorConfig::default()).expect("loopback has free ports");
    let (mut daemon, gitlab) = populated(&simulator).await;
    // First what is asked of the connection to GitLab: later it may be disconnected.
    let operation = "PatchConnection";
    let fixed = format!(
        "[[operations]]\ninclude-operation-id = \"{operation}\"\n\
         parameters = {{ \"path.id\" = \"{gitlab}\" }}\n"
    );
    let only = ["--include-operation-id", operation];
    let said = fuzz(&mut daemon, "schemathesis-gitlab", &fixed, &only).await;
    assert!(said.contains("Tested: 1"), "{said}");
    let path = format!("/api/v2/repositories/connections/{gitlab}/commands");
    let commands = daemon.must(Method::GET, &path, None).await;
    let commands = commands["items"].as_array().expect("a list");
    assert!(!commands.is_empty(), "some requests were accepted: {said}");
    let said = fuzz(&mut daemon, "schemathesis", "", &[]).await;
    assert!(
        said.contains("Tested: 4"),
        "nearly all operations were tried:\n{said}"
    );
}
