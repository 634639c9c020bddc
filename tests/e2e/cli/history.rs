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
    let said = done(stage, &["history", "octo/app"]);
    for word in ["drifted", "events", "check", "repair", "lost", "ensure"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let one = stage.run(&["history", "octo/app", "--limit", "1"]).stdout;
    let one = String::from_utf8(one).unwrap();
    assert!(
        one.contains("recreated") && !one.contains("drifted"),
        "{one}"
    );
    assert_eq!(stage.run(&["history"]).status.code(), Some(2));
}
