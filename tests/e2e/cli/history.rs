//! `hookherd history`: what a person did to a webhook, and the result.

use super::super::commands::{done, json};
use super::Connected;

#[test]
fn a_webhook_that_was_edited_and_deleted_by_hand_has_it_in_its_history() {
    let Connected { stage, .. } = &Connected::new();
    let github = stage.simulator.github();
    let hook = github.hooks("octo/app")[0].id;
    github.edit_hook_by_hand("octo/app", hook, &["push"]);
    done(stage, &["check", "octo/app"]);
    let health = || json(&done(stage, &["connections", "octo/app", "--json"]))["health"].clone();
    stage.wait_until("the proof", || health()["state"] == "healthy");
    assert!(health()["last_proof_by"].is_string() && health()["since"].is_string());
    assert_eq!(health()["reasons"], serde_json::json!([]));
    let kinds = || -> Vec<String> {
        let list = json(&done(stage, &["history", "octo/app", "--json"]));
        let items = list["items"].as_array().unwrap().iter().rev();
        let kind = |entry: &serde_json::Value| entry["kind"].as_str().unwrap().to_owned();
        items.map(kind).collect()
    };
    let repaired = ["created", "drifted", "repaired"];
    stage.wait_until("the repair", || kinds() == repaired);
    let hook = github.hooks("octo/app")[0].id;
    github.delete_hook_by_hand("octo/app", hook);
    done(stage, &["check", "octo/app"]);
    let all = ["created", "drifted", "repaired", "lost", "recreated"];
    stage.wait_until("the new hook", || kinds() == all);
    done(stage, &["pause", "octo/app"]);
    let paused = health();
    assert_eq!(paused["state"], "inactive");
    assert_eq!(paused["reasons"][0]["cause"], "paused");
    let entries = json(&done(stage, &["history", "octo/app", "--json"]));
    assert_eq!(paused["since"], entries["items"][0]["at"]);
    done(stage, &["resume", "octo/app"]);
    stage.wait_until("health again", || health()["state"] == "healthy");
    let said = done(stage, &["history", "octo/app"]);
    for word in ["drifted", "events", "check", "repair", "lost", "ensure"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let one = stage.run(&["history", "octo/app", "--limit", "1"]).stdout;
    let one = String::from_utf8(one).unwrap();
    assert!(one.contains("resumed") && !one.contains("drifted"), "{one}");
    assert_eq!(stage.run(&["history"]).status.code(), Some(2));
}
