//! Lists: pages are followed, filters narrow, JSON is JSON also for nothing.

use super::super::commands::{done, done_with, json, with_ann};
use super::super::stage::REPOSITORY;
use super::Connected;
use hookherd::simulator::RunSpec;
use serde_json::Value;

fn count(value: &Value, field: &str) -> usize {
    value[field].as_array().unwrap().len()
}

#[test]
fn pages_are_followed_up_to_the_limit_and_more_is_told() {
    let connected = &Connected::new();
    let Connected { stage, id, .. } = connected;
    for number in 0..130 {
        connected.push(number);
    }
    let pushes = ["deliveries", "--json", "--event", "push", "--limit"];
    let of = |limit: &str| {
        let words: Vec<&str> = pushes.iter().copied().chain([limit]).collect();
        json(&done(stage, &words))
    };
    stage.wait_until("all pushes", || count(&of("10000"), "items") == 130);
    let part = of("110");
    assert_eq!(count(&part, "items"), 110);
    let cursor = part["next_cursor"].as_str().unwrap();
    let words: Vec<&str> = pushes
        .iter()
        .copied()
        .chain(["50", "--cursor", cursor])
        .collect();
    let rest = json(&done(stage, &words));
    assert_eq!(count(&rest, "items"), 20);
    assert_eq!(rest["next_cursor"], Value::Null);
    let all = of("10000");
    assert_eq!(count(&all, "items"), 130);
    assert_eq!(all["next_cursor"], Value::Null);
    assert_eq!(all["items"][0]["repository_full_name"], REPOSITORY);

    // A table that is cut says so beside it.
    let output = stage.run(&["deliveries", "--connection", "octo/app"]);
    let (table, note) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert_eq!(table.lines().count(), 51, "{table}");
    assert!(
        note.contains("more deliveries than these 50 exist: see --limit"),
        "{note}"
    );
    let head = table.lines().next().unwrap();
    assert!(
        head.contains("REPOSITORY") && head.contains("OUTCOME"),
        "{head}"
    );
    let row = table.lines().nth(1).unwrap();
    assert!(
        row.contains(REPOSITORY) && row.contains("push") && row.contains("Z  "),
        "{row}"
    );
    for wrong in ["0", "10001", "-1", "many"] {
        let output = stage.run(&["deliveries", "--limit", wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
    for (words, found) in [
        (vec!["--repository", "octo/*"], true),
        (
            vec!["--repository", "https://github.com/octo/app/pulls"],
            true,
        ),
        (
            vec!["--connection", id.as_str(), "--state", "processed"],
            true,
        ),
        (vec!["--provider", "github", "--outcome", "pong"], true),
        (vec!["--provider", "gitlab"], false),
        (vec!["--outcome", "dead_letter"], false),
    ] {
        let words: Vec<&str> = ["deliveries", "--json"].into_iter().chain(words).collect();
        stage.wait_until("what was asked for", || {
            (count(&json(&done(stage, &words)), "items") > 0) == found
        });
    }
    let wrong = stage.run(&["deliveries", "--outcome", "nonsense"]);
    assert!(
        String::from_utf8_lossy(&wrong.stderr).contains("bad_query"),
        "{wrong:?}"
    );
}

#[test]
fn what_is_empty_is_json_all_the_same() {
    let (stage, _daemon) = with_ann();
    for (words, field) in [
        (&["connections"][..], "connections"),
        (&["incidents"], "items"),
        (&["deliveries"], "items"),
        (&["runs"], "items"),
        (&["credential", "list"], "items"),
    ] {
        let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        let found = json(&done(&stage, &words));
        assert_eq!(found[field], serde_json::json!([]), "{words:?}");
        // For people there is the head of the table, and nothing below it.
        assert_eq!(
            done(&stage, &words[..words.len() - 1]).lines().count(),
            1,
            "{words:?}"
        );
    }
    assert_eq!(json(&done(&stage, &["connections", "--json"]))["total"], 0);
}

#[test]
fn runs_incidents_repositories_and_totals_are_shown() {
    let Connected { stage, .. } = &Connected::new();
    let github = stage.simulator.github();
    github.add_repository("octo/other", "octo");
    github.archive("octo/other");
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    stage.wait_until("the incident", || {
        done(stage, &["incidents", "--status", "open"]).contains(REPOSITORY)
    });
    let runs = [
        "runs",
        "--repository",
        "octo/app",
        "--conclusion",
        "failure",
        "--json",
    ];
    let runs = json(&done(stage, &runs));
    let run = runs["items"][0]["id"].as_str().unwrap();
    assert_eq!(count(&runs, "items"), 1);
    let told = done(
        stage,
        &["runs", "--connection", "octo/app", "--branch", "main"],
    );
    assert!(
        told.contains("failure") && told.contains(REPOSITORY),
        "{told}"
    );
    let told = done(stage, &["runs", "show", run]);
    assert!(told.contains(&format!("ID: {run}")), "{told}");
    let none = done(
        stage,
        &[
            "runs",
            "--status",
            "queued",
            "--provider",
            "github",
            "--json",
        ],
    );
    assert_eq!(count(&json(&none), "items"), 0);

    let list = [
        "incidents",
        "--json",
        "--connection",
        "octo/app",
        "--provider",
        "github",
    ];
    let incidents = json(&done(stage, &list));
    let incident = incidents["items"][0]["id"].as_str().unwrap();
    for (words, status) in [("acknowledge", "acknowledged"), ("resolve", "resolved")] {
        let told = json(&done(stage, &["incidents", words, incident, "--json"]));
        assert_eq!(told["status"], status);
    }
    assert!(done(stage, &["incidents", "show", incident]).contains("Resolution: manual"));
    let none = [
        "incidents",
        "--status",
        "open",
        "--repository",
        "octo/*",
        "--json",
    ];
    assert_eq!(count(&json(&done(stage, &none)), "items"), 0);

    let told = done(stage, &["repositories", "github"]);
    let row = |name: &str| {
        let found = told.lines().find(|line| line.starts_with(name));
        found.unwrap_or_else(|| panic!("{name}: {told}")).to_owned()
    };
    assert!(row("octo/app").contains("false") && row("octo/other").contains("true"));
    let part = json(&done(
        stage,
        &["repositories", "github", "--limit", "1", "--json"],
    ));
    assert_eq!(count(&part, "items"), 1);
    assert!(part["next_cursor"].is_string());
    let none = stage.run(&["repositories", "gitlab"]);
    assert!(
        String::from_utf8_lossy(&none.stderr).contains("no_credential"),
        "{none:?}"
    );

    let stats = json(&done(stage, &["stats", "--json"]));
    assert_eq!(stats["connections_by_status"]["active"], 1);
    assert!(done(stage, &["stats"]).contains("Connections total: 1"));
    let told = done(stage, &["whoami"]);
    assert!(
        told.contains("Name: ann") && told.contains("Admin: false"),
        "{told}"
    );
}

#[test]
fn a_report_shows_what_broke() {
    let Connected { stage, .. } = &Connected::new();
    let github = stage.simulator.github();
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    stage.wait_until("the incident", || {
        done(stage, &["incidents", "--status", "open"]).contains(REPOSITORY)
    });
    let ever = ["report", "--since", "2000-01-01", "--until", "2100-01-01"];
    let report = json(&done(stage, &[&ever[..], &["--json"]].concat()));
    assert_eq!(report["broken"][0]["repository"], "octo/app", "{report}");
    let told = done(stage, &[&ever[..], &["--markdown"]].concat());
    assert!(told.contains("- `octo/app`: `"), "{told}");
    let never = ["report", "--since", "1h", "--until", "2h"];
    let never = stage.run(&never);
    assert!(!never.status.success(), "{never:?}");
}

#[test]
fn a_delivery_is_shown_with_every_digit_and_processed_again() {
    let connected = &Connected::new();
    let stage = &connected.stage;
    connected.push(1);
    let mut id = String::new();
    stage.wait_until("the delivery", || {
        let list = json(&done(stage, &["deliveries", "--event", "push", "--json"]));
        id = list["items"][0]["id"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        !id.is_empty()
    });
    let told = done(stage, &["deliveries", "show", &id]);
    assert!(
        told.contains("Payload: {") && told.contains("x-github-delivery: "),
        "{told}"
    );
    assert_eq!(
        json(&done(stage, &["deliveries", "show", &id, "--json"]))["id"],
        id.as_str()
    );
    let told = json(&done(stage, &["deliveries", "replay", &id, "--json"]));
    assert_eq!(told["delivery_id"], id.as_str());
    for words in [
        ["show", "../users"],
        ["replay", ".."],
        ["show", "dlv_1"],
        ["show", ""],
    ] {
        let output = stage.run(&["deliveries", words[0], words[1]]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {told}");
        assert!(
            told.contains("not an id") || told.contains("not_found"),
            "{words:?}: {told}"
        );
    }
}

#[test]
fn many_connections_are_listed_whole() {
    let (stage, _daemon) = with_ann();
    let gitlab = stage.simulator.gitlab();
    let token = gitlab.add_user("octo");
    for number in 0..3 {
        gitlab.add_project(&format!("octo/deep/app-{number}"), "octo");
    }
    done_with(&stage, &["credential", "add", "gitlab"], &token);
    let connect = [
        "connect",
        "gitlab",
        "--match",
        "octo/deep/*",
        "--yes",
        "--json",
    ];
    let results = json(&done(&stage, &connect));
    assert_eq!(count(&results, "results"), 3);
    let of = |words: &[&str]| {
        let words: Vec<&str> = ["connections", "--json"]
            .iter()
            .chain(words)
            .copied()
            .collect();
        count(&json(&done(&stage, &words)), "connections")
    };
    assert_eq!(of(&[]), 3);
    assert_eq!(of(&["--limit", "2"]), 2);
    assert_eq!(of(&["--owner", "octo/deep"]), 3);
    assert_eq!(of(&["--repository", "octo/deep/app-1"]), 1);
    assert_eq!(of(&["--repository", "*-2", "--provider", "gitlab"]), 1);
    assert_eq!(of(&["--provider", "github"]), 0);
    assert_eq!(of(&["--status", "failed"]), 0);
    let host = stage.simulator.address().to_string();
    assert_eq!(of(&["--host", &host]), 3);
    let clash = stage.run(&["connections", "octo/deep/app-1", "--status", "active"]);
    assert_eq!(clash.status.code(), Some(2), "{clash:?}");
}
