//! The daemon is killed in the middle of bulk operations, again and again. Each connection gets its
//! command once, and the counts are right.

use super::daemon::{ADMIN, Stage};
use super::rounds;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Connections of each provider.
const GITHUB: usize = 40;
const GITLAB: usize = 15;
/// Items between two kills.
const STRIDE: u64 = 7;
const PAUSE: Duration = Duration::from_millis(2);

/// The secret and the id of the hook of every repository. Panics unless each has just one.
fn hooks(stage: &Stage) -> BTreeMap<String, (String, u64)> {
    let github = stage.simulator.github();
    let mut all = BTreeMap::new();
    for n in 0..GITHUB {
        let name = format!("octo/r{n}");
        let hooks = github.hooks(&name);
        let [hook] = &hooks[..] else {
            panic!("{name}: {hooks:?}");
        };
        let secret = hook.secret.clone().expect("ours have one");
        all.insert(name, (secret, hook.id));
    }
    let gitlab = stage.simulator.gitlab();
    for n in 0..GITLAB {
        let name = format!("group/p{n}");
        let hooks = gitlab.hooks(&name);
        let [hook] = &hooks[..] else {
            panic!("{name}: {hooks:?}");
        };
        all.insert(name, (format!("{hook:?}"), hook.id));
    }
    all
}

/// Connects everything, and returns the ids.
fn connect(stage: &Stage) -> Vec<String> {
    let (github, gitlab) = (stage.simulator.github(), stage.simulator.gitlab());
    stage.add_credential(ADMIN, "github", &github.add_user("octo"));
    stage.add_credential(ADMIN, "gitlab", &gitlab.add_user("lab"));
    let mut ids = Vec::new();
    let mut connect = |provider: &str, name: &str| {
        let body = json!({ "provider": provider, "repository_full_name": name });
        let answer = stage.call(ADMIN, "POST repositories/connect", &body);
        ids.push(answer.json["id"].as_str().expect("an id").to_owned());
    };
    for n in 0..GITHUB {
        let name = format!("octo/r{n}");
        github.add_repository(&name, "octo");
        connect("github", &name);
    }
    for n in 0..GITLAB {
        let name = format!("group/p{n}");
        gitlab.add_project(&name, "lab");
        connect("gitlab", &name);
    }
    for id in &ids {
        stage.wait_for_status(ADMIN, id, "active");
    }
    ids
}

/// Runs an operation to its end, with kills in between. Returns it, and the number of kills.
fn operate(stage: &Stage, body: &Value) -> (Value, u32) {
    let daemon = stage.start();
    let answer = stage.call(ADMIN, "POST repositories/bulk", body);
    assert_eq!(answer.status, 202, "{}", answer.text);
    let id = answer.json["operation"]["id"].as_str().expect("an id");
    let path = format!("operations/{id}");
    let deadline = Instant::now() + Duration::from_mins(3);
    let (mut daemon, mut kills, mut next) = (Some(daemon), 0, 1);
    loop {
        let now = stage.get(&path);
        if now["state"] == "done" {
            drop(daemon);
            return (now, kills);
        }
        assert!(Instant::now() < deadline, "{now}: {}", stage.end_of_log());
        if now["begun"].as_u64() >= Some(next) {
            next = now["begun"].as_u64().expect("a number") + STRIDE;
            daemon.take().expect("it runs").kill();
            kills += 1;
            daemon = Some(stage.start());
        }
        std::thread::sleep(PAUSE);
    }
}

fn commands_of(stage: &Stage, connection: &str, operation: &Value) -> Vec<Value> {
    let path = format!("repositories/connections/{connection}/commands?limit=100");
    let mut commands = stage.list(ADMIN, &path);
    commands.retain(|command| command["operation_id"] == operation["id"]);
    commands
}

#[test]
fn an_operation_survives_kills_and_asks_each_connection_once() {
    for _ in 0..rounds(1) {
        let mut stage = Stage::new();
        // A hook that is recreated several times in a row is not deleted on purpose by someone.
        stage.set("HOOKHERD__HEALTH__CHECK_INTERVAL", "1h");
        let daemon = stage.start();
        let ids = connect(&stage);
        assert!(daemon.terminate().success());
        for action in ["rotate_secret", "recreate"] {
            let before = hooks(&stage);
            let body = json!({ "action": action, "select": { "all": true } });
            let (operation, kills) = operate(&stage, &body);
            let total = ids.len();
            assert!(kills >= 4, "{action}: only {kills} kills");
            assert_eq!(operation["total"], total);
            assert_eq!(operation["begun"], total);
            assert_eq!(operation["ended"], total);
            let counts: u64 = ["applied", "call_failed"]
                .map(|outcome| operation["counts"][outcome].as_u64().expect("a number"))
                .iter()
                .sum();
            // A call that a kill cut off may have failed at its first repetition.
            assert_eq!(counts, total as u64, "{operation}");
            let _daemon = stage.start();
            for id in &ids {
                let commands = commands_of(&stage, id, &operation);
                let [command] = &commands[..] else {
                    panic!("{action} of {id} after {kills} kills: {commands:?}");
                };
                assert_eq!(command["kind"], action);
                assert_eq!(command["state"], "done");
                stage.wait_for_status(ADMIN, id, "active");
            }
            let after = hooks(&stage);
            for (name, (secret, hook)) in &before {
                let (new_secret, new_hook) = &after[name];
                if action == "recreate" {
                    assert_ne!(hook, new_hook, "{name}");
                } else {
                    assert_ne!(secret, new_secret, "{name}");
                    assert_eq!(hook, new_hook, "{name}");
                }
            }
        }
        stage.assert_no_panic();
    }
}
