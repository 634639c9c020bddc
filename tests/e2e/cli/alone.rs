//! Commands that need no daemon.

use super::super::commands::{done, json};
use super::super::stage::{ADMIN, Stage};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn the_simulator_answers_until_it_is_interrupted() {
    let stage = Stage::new();
    let mut command = stage.command(&["simulate", "--listen", "127.0.0.1:0"]);
    command.stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut told = BufReader::new(child.stdout.take().unwrap());
    told.read_line(&mut line).unwrap();
    let url = line
        .split_whitespace()
        .find(|word| word.starts_with("http://"));
    let url = url
        .unwrap_or_else(|| panic!("{line}"))
        .trim_end_matches(',');
    assert_eq!(stage.get_elsewhere(&format!("{url}/versions")).status, 401);
    let pid = i32::try_from(child.id()).ok();
    let pid = pid.and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
    let taken = stage.simulator.address().to_string();
    let output = stage.run(&["simulate", "--listen", &taken]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        stage.run(&["simulate", "--listen", "here"]).status.code(),
        Some(2)
    );
}

#[test]
fn the_demo_plays_to_its_end() {
    let stage = Stage::new();
    let told = done(&stage, &["demo", "--exit"]);
    assert!(told.contains("Every step passed."), "{told}");
}

#[test]
fn a_store_is_verified_exported_and_imported() {
    let mut stage = Stage::new();
    let daemon = stage.start();
    stage.set("HOOKHERD_TOKEN", ADMIN);
    done(&stage, &["user", "add", "ann"]);
    assert!(daemon.terminate().success());
    let verified = json(&done(&stage, &["store", "verify", "--json"]));
    assert_eq!(verified["sound"], true);
    let exported = json(&done(&stage, &["store", "export", "backup.bin", "--json"]));
    assert!(exported["bytes"].as_u64().unwrap() > 0);
    let import = ["store", "--data-dir", "copy", "import", "backup.bin"];
    assert!(done(&stage, &import).contains("Sound: true"));
    let copy = ["store", "verify", "--data-dir", "copy", "--json"];
    assert_eq!(json(&done(&stage, &copy))["sound"], true);
    assert_eq!(
        json(&done(&stage, &["keygen", "--json"]))["key"]
            .as_str()
            .unwrap()
            .len(),
        44
    );
}
