//! The API's description against the daemon that it describes: schemathesis makes requests of it,
//! good and bad ones, and holds every answer against it.

use crate::daemon::{Daemon, TOKEN};
use crate::tools;
use hookherd::simulator::{RunSpec, Simulator, SimulatorConfig};
use std::path::Path;
use std::process::Command;

/// Objects of every kind, so that requests about them find some.
async fn populated(simulator: &Simulator) -> Daemon {
    let token = simulator.github().add_user("ann");
    for name in ["ann/app", "ann/other"] {
        simulator.github().add_repository(name, "ann");
    }
    let daemon = Daemon::start("schemathesis-daemon", &simulator.api_url(), &token).await;
    daemon.connect("ann/app").await;
    let run = RunSpec::new(1, "failure");
    simulator.github().play_run("ann/app", &run);
    let is_open = |answer: &serde_json::Value| answer["items"].as_array()?.first().cloned();
    let incidents = "/api/v2/incidents";
    daemon.wait_for(incidents, "incident", is_open).await;
    daemon
}

#[tokio::test]
async fn requests_that_fit_the_description_are_understood_and_answers_fit_it() {
    tools::require();
    let simulator = Simulator::start(&SimulatorConfig::default()).expect("loopback has free ports");
    let mut daemon = populated(&simulator).await;
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    let mut fuzz = Command::new("python3");
    fuzz.args(["-m", "schemathesis.cli"])
        .arg("--config-file")
        .arg(here.join("schemathesis.toml"))
        .args(["run", &format!("{}/api/v2/openapi.json", daemon.url())])
        .args(["--workers", "2", "--max-failures", "20", "--no-color"])
        .env("PYTHONPATH", tools::out_dir().join("schemathesis"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("HOOKS", here.join("clients/codes.py"))
        .env("TOKEN", TOKEN)
        .current_dir(tools::out_dir());
    let output = tokio::task::spawn_blocking(move || fuzz.output().expect("python3 is there"));
    let output = output.await.expect("it was waited for");
    let said = String::from_utf8_lossy(&output.stdout);
    std::fs::write(tools::out_dir().join("schemathesis.log"), said.as_bytes()).expect("writable");
    daemon.assert_alive();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    assert!(
        said.contains("Tested: 4"),
        "nearly all operations were tried:\n{said}"
    );
}
