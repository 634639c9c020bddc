//! Deliveries: found by what is known of them, and processed again, one or many.

use super::super::commands::{done, json};
use super::super::stage::REPOSITORY;
use super::Connected;
use hookherd::simulator::RunSpec;
use serde_json::Value;

fn items(connected: &Connected, filters: &[&str]) -> Vec<Value> {
    let words: Vec<&str> = ["deliveries", "--json"]
        .iter()
        .chain(filters)
        .copied()
        .collect();
    let mut found = json(&done(&connected.stage, &words));
    match found["items"].take() {
        Value::Array(items) => items,
        other => panic!("{other}"),
    }
}

#[test]
fn deliveries_are_found_by_time_action_source_and_the_providers_id() {
    let connected = &Connected::new();
    let stage = &connected.stage;
    stage
        .simulator
        .github()
        .play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    let completed = [
        "--event",
        "workflow_run",
        "--action",
        "completed",
        "--state",
        "processed",
    ];
    stage.wait_until("the run", || items(connected, &completed).len() == 1);
    let found = &items(connected, &completed)[0];
    assert_eq!(
        (&found["source"], &found["attempts"]),
        (&"webhook".into(), &1.into())
    );
    let theirs = found["provider_delivery_id"].as_str().unwrap();
    let by_id = items(connected, &["--provider-delivery-id", theirs]);
    assert_eq!((by_id.len(), &by_id[0]["id"]), (1, &found["id"]));
    let at = found["received_at"].as_str().unwrap();
    assert_eq!(
        items(connected, &["--until", at, "--action", "completed"]).len(),
        0
    );
    let since = items(connected, &["--since", at, "--action", "completed"]);
    assert_eq!(since[0]["id"], found["id"]);
    assert_eq!(
        items(connected, &["--since", "1h"]).len(),
        items(connected, &[]).len()
    );
    assert_eq!(items(connected, &["--until", "2026-01-01"]).len(), 0);
    assert_eq!(items(connected, &["--source", "reconcile"]).len(), 0);
    let wrong = stage.run(&["deliveries", "--since", "yesterday"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}

/// What came while a connection was paused has had no effects.
#[test]
fn what_was_missed_while_paused_is_previewed_and_then_replayed() {
    let connected = &Connected::new();
    let stage = &connected.stage;
    let run = |words: &[&str]| done(stage, words);
    run(&["pause", REPOSITORY]);
    for number in 1..=3 {
        let conclusion = if number == 2 { "success" } else { "failure" };
        stage
            .simulator
            .github()
            .play_run(REPOSITORY, &RunSpec::new(number, conclusion));
    }
    let paused = ["--outcome", "paused"];
    let count = || items(connected, &["--outcome", "paused", "--action", "completed"]).len();
    stage.wait_until("the deliveries", || count() >= 3);
    run(&["resume", REPOSITORY]);

    let replay = |more: &[&str]| {
        let words: Vec<&str> = ["deliveries", "replay"]
            .iter()
            .chain(more)
            .copied()
            .collect();
        stage.run(&words)
    };
    let dry = replay(&[
        "--outcome",
        "paused",
        "--event",
        "workflow_run",
        "--dry-run",
    ]);
    assert!(dry.status.success(), "{dry:?}");
    let told = String::from_utf8(dry.stdout).unwrap();
    assert!(told.contains("would add run CI #1"), "{told}");
    assert!(
        told.contains("would open an incident (open): CI failed"),
        "{told}"
    );
    let incidents = || json(&done(stage, &["incidents", "--json"]))["items"].take();
    assert_eq!(
        incidents().as_array().unwrap().len(),
        0,
        "nothing has changed"
    );
    assert!(count() >= 3);

    // Neither by omission, nor without a yes.
    for (more, code, part) in [
        (&[][..], "usage", "--outcome dead_letter"),
        (&["--outcome", "paused"], "error", "use --yes"),
        (&["dlv_x", "--outcome", "paused"], "usage", "not both"),
    ] {
        let refused = replay(more);
        let words = String::from_utf8(refused.stderr).unwrap();
        assert!(
            !refused.status.success() && words.contains(part),
            "{code}: {words}"
        );
    }
    let replayed = replay(&["--outcome", "paused", "--yes"]);
    assert!(replayed.status.success(), "{replayed:?}");
    stage.wait_until("their effects", || items(connected, &paused).is_empty());
    let open = |incident: &Value| incident["status"] == "open";
    stage.wait_until("the incident of the last run", || {
        let found = incidents();
        found.as_array().unwrap().iter().filter(|i| open(i)).count() == 1
    });
    let again = replay(&["--outcome", "paused", "--yes", "--json"]);
    assert_eq!(
        json(&String::from_utf8(again.stdout).unwrap())["results"],
        Value::Array(vec![])
    );
}
