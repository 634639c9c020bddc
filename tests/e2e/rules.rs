//! Rules of a user: the binary, failing runs, and two receivers.

use super::commands::{done, done_with};
use super::notifications::{Receiver, stage, wait_for};
use super::stage::REPOSITORY;
use hookherd::simulator::RunSpec;
use serde_json::Value;

const RULES: &str = r#"
[[rules]]
name = "main is severe"
when.branches = ["main"]
then.severity = "critical"
then.sinks = ["pager"]

[[rules]]
name = "the bot"
when.branches = ["renovate/*"]
then.sinks = []

[[rules]]
then.sinks = ["chat"]
then.remind = true

[quiet_hours]
time_zone = "Asia/Tokyo"
spans = [{ from = "00:00", to = "00:00" }]
"#;

/// All day is quiet: what is severe is sent, and nothing else until the rules change.
#[test]
fn a_user_routes_incidents_by_rules_and_sees_what_they_do() {
    let (chat, pager) = (Receiver::start(), Receiver::start());
    let mut stage = stage(&chat);
    let allowed = format!("{},{}", chat.address, pager.address);
    stage.set("HOOKHERD__SINKS__ALLOW", &allowed);
    let daemon = stage.start();
    let (ann, _) = stage.ann_connected();
    stage.set("HOOKHERD_TOKEN", &ann);
    for (name, receiver) in [("chat", &chat), ("pager", &pager)] {
        done_with(&stage, &["sinks", "add", "webhook", name], &receiver.url());
    }
    let set = done_with(&stage, &["rules", "set", "-"], RULES);
    assert_eq!(set, "set 3 rules, version 1");
    let play = |number: u64, branch: &str| {
        let spec = RunSpec {
            branch: branch.to_owned(),
            ..RunSpec::new(number, "failure")
        };
        stage.simulator.github().play_run(REPOSITORY, &spec);
    };
    for (number, branch) in [(1, "renovate/x"), (2, "topic"), (3, "main")] {
        play(number, branch);
    }
    let came = wait_for(&stage, &pager, 1);
    let incident = &came[0].json()["data"]["incident"];
    assert_eq!(
        (&incident["branch"], &incident["severity"]),
        (&"main".into(), &"critical".into())
    );
    stage.wait_until("all three to be opened", || {
        stage.list(&ann, "incidents").len() == 3
    });
    let hour = |it: &Value, name: &str| it[name].as_str().unwrap()[..13].to_owned();
    stage.wait_until("the message about the topic to be put off", || {
        let waiting = stage.list(&ann, "notifications?state=waiting");
        let is_put_off = |it: &Value| hour(it, "due_at") != hour(it, "created_at");
        waiting
            .iter()
            .any(|it| it["kind"] == "opened" && is_put_off(it))
    });
    assert!(chat.came().is_empty(), "it is quiet");

    let id = incident["id"].as_str().unwrap();
    let tried = done(&stage, &["rules", "test", id]);
    for part in [
        "main is severe",
        "branches",
        "rule 1 names other sinks",
        "critical (rule 1)",
    ] {
        assert!(tried.contains(part), "{part}: {tried}");
    }
    let json = done(&stage, &["--json", "rules", "test", id]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["remind_rule"], 3);

    // The rules are there after a restart, and shown so that they can be set again.
    drop(daemon);
    let _daemon = stage.start();
    let shown = done(&stage, &["rules", "show"]);
    let set = done_with(&stage, &["rules", "set", "-"], &shown);
    assert_eq!(set, "set 3 rules, version 2");
    let outdated = stage.run_with(&["rules", "set", "-"], &shown);
    assert_eq!(outdated.status.code(), Some(1), "{outdated:?}");
    let bad = shown.replace("Asia/Tokyo", "Tokyo");
    let bad = stage.run_with(
        &["rules", "set", "-"],
        &bad.replace("\"version\": 1", "\"version\": 2"),
    );
    let words = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(words.contains("quiet_hours.time_zone"), "{words}");
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_its_rule_and_its_field() {
    let mut stage = stage(&Receiver::start());
    let _daemon = stage.start();
    let (ann, _) = stage.ann_connected();
    stage.set("HOOKHERD_TOKEN", &ann);
    for (text, says) in [
        (
            "[[rules]]\nname = \"nightly\"\n",
            "standard input: rule 1 (nightly): missing field `then`.",
        ),
        (
            "[[rules]]\nthen = { remind = true }\n[[rules]]\nthen = { delay_seconds = -1 }\n",
            "standard input: rule 2, then.delay_seconds: expected a whole number",
        ),
        (
            "[[rules]]\nname = \"a\"\nthen = { sinks = [\"gone\"] }\n",
            "standard input: rule 1 (a), then.sinks: no sink `gone`",
        ),
        ("[[rules]]\nthen = \n", "standard input: line 2, column "),
    ] {
        for command in [
            &["rules", "set", "-"][..],
            &["rules", "test", "inc_x", "--file", "-"],
        ] {
            let bad = stage.run_with(command, text);
            let words = String::from_utf8_lossy(&bad.stderr).into_owned();
            assert!(words.contains(says) && !words.contains("\\n"), "{words}");
        }
    }
}
