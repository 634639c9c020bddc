//! What is done to one connection, named in any way that people know.

use super::super::commands::{done, done_with, failed, json};
use super::super::stage::{ADMIN, REPOSITORY};
use super::Connected;
use hookherd::simulator::Misbehaviour;
use serde_json::Value;

#[test]
fn a_repository_is_named_in_any_way_that_people_know() {
    let Connected { stage, id, .. } = &Connected::new();
    let host = stage.simulator.address().to_string();
    let name = host.split(':').next().unwrap();
    for text in [
        id.clone(),
        "octo/app".into(),
        " Octo/APP.git/\n".into(),
        format!("http://{host}/octo/app"),
        format!("https://{host}/octo/app.git/?tab=readme#x"),
        format!("http://{host}/octo/app/pull/12/files"),
        format!("{host}/octo/app"),
        format!("git@{name}:octo/app.git"),
        format!("ssh://git@{name}:22/octo/app.git"),
    ] {
        let found = json(&done(stage, &["connections", &text, "--json"]));
        assert_eq!(found["id"], id.as_str(), "{text}");
    }
    for (text, says) in [
        ("https://github.com/octo/app", "no connection to"),
        ("nobody/nothing", "name one as OWNER/REPO"),
        ("../users", "is not a repository"),
        ("..", "no connection to"),
        ("", "is not a repository"),
        ("con_01krjbjp8f0000000000000000", "not_found"),
    ] {
        let output = stage.run(&["disconnect", text]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}: {told}");
        assert!(told.contains(says), "{text}: {told}");
    }
    // What is spelt nearly so is shown.
    let output = stage.run(&["pause", "octo/ap"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("did you mean") && told.contains(id), "{told}");
    let output = stage.run(&["pause", "app", "--json"]);
    let told: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(told["code"], "not_connected");
    assert_eq!(told["candidates"][0]["id"], id.as_str());
    assert!(
        done(stage, &["connections"]).contains("active"),
        "nothing was paused"
    );
}

#[test]
fn a_name_that_is_connected_twice_is_told_with_the_list_and_nothing_happens() {
    let Connected { stage, id, .. } = &Connected::new();
    let gitlab = stage.simulator.gitlab();
    let token = gitlab.add_user("octo");
    gitlab.add_project(REPOSITORY, "octo");
    done_with(stage, &["credential", "add", "gitlab"], &token);
    let second = json(&done(stage, &["connect", "gitlab", REPOSITORY, "--json"]));
    let second = second["id"].as_str().unwrap();
    let output = stage.run(&["pause", "OCTO/app"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    for part in [id, second, "github", "gitlab", "several connections match"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let output = stage.run(&["disconnect", "octo/app", "--json"]);
    let told: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(told["code"], "ambiguous");
    assert_eq!(told["candidates"].as_array().unwrap().len(), 2, "{told}");
    let list = json(&done(
        stage,
        &["connections", "--json", "--status", "active"],
    ));
    assert_eq!(list["connections"].as_array().unwrap().len(), 2, "{list}");
    done(stage, &["pause", second]);
    let list = json(&done(
        stage,
        &["connections", "--json", "--provider", "gitlab"],
    ));
    assert_eq!(list["connections"][0]["webhook_status"], "inactive");
}

#[test]
fn hooks_are_checked_pinged_made_anew_and_given_a_new_secret() {
    let Connected { stage, id, .. } = &Connected::new();
    let github = stage.simulator.github();
    let hook = || github.hooks(REPOSITORY).remove(0);
    let first = hook();
    github.delete_hook_by_hand(REPOSITORY, first.id);
    let told = done(stage, &["check", "octo/app"]);
    assert!(told.starts_with("octo/app: webhook checked"), "{told}");
    stage.wait_until("the hook to be there again", || {
        github.hooks(REPOSITORY).len() == 1
    });
    stage.wait_until("the connection to be active", || {
        done(stage, &["connections"]).contains("active")
    });
    let pings = || {
        let all = github.deliveries(REPOSITORY);
        all.iter()
            .filter(|delivery| delivery.event == "ping")
            .count()
    };
    let before = pings();
    let told = done(stage, &["ping", "octo/app"]);
    assert!(
        told.contains("test delivery received; webhook active"),
        "{told}"
    );
    assert_eq!(pings(), before + 1);
    let before = hook();
    let told = json(&done(stage, &["recreate", id, "--json"]));
    assert_eq!(told["webhook_id"], hook().id.to_string(), "{told}");
    assert_ne!(hook().id, before.id);
    let before = hook().secret;
    let told = done(stage, &["rotate-secret", "octo/app"]);
    let says = "secret rotated; the old secret is accepted until proven unused; webhook active";
    assert!(told.contains(says), "{told}");
    assert_ne!(hook().secret, before, "it is waited for");
    let told = done(stage, &["rotate-secret", "octo/app", "--no-wait"]);
    assert!(told.contains("secret rotation started"), "{told}");
    assert!(told.contains("hookherd commands show cmd_"), "{told}");

    // What the provider refuses is reported as such, and `--no-wait` does not stay to hear it.
    for command in ["check", "ping", "recreate", "rotate-secret"] {
        failed(stage, &[command, "nobody/nothing"], "no connection to");
        assert_eq!(stage.run(&[command]).status.code(), Some(2), "{command}");
    }
    stage.wait_until("the connection to be active", || {
        done(stage, &["connections"]).contains("active")
    });
    github.set_admin("octo", REPOSITORY, false);
    let output = stage.run(&["check", "octo/app"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("check failed"), "{told}");
    done(stage, &["check", "octo/app", "--no-wait"]);
}

#[test]
fn a_command_is_shown_with_who_asked_when_and_its_outcome() {
    let Connected { stage, id, .. } = &Connected::new();
    let user = json(&done(stage, &["whoami", "--json"]))["id"].clone();
    let shown = json(&done(stage, &["check", "octo/app", "--json"]));
    let asked = shown["command"]["id"].as_str().unwrap();
    let show = |id: &str| json(&done(stage, &["commands", "show", id, "--json"]));
    let command = show(asked);
    assert_eq!(command, shown["command"], "it has ended");
    assert_eq!(command["connection_id"], id.as_str());
    assert_eq!(command["asked_by"], user);
    assert_eq!(
        (&command["kind"], &command["state"]),
        (&"check".into(), &"done".into())
    );
    let told = done(stage, &["commands", "show", asked]);
    for line in [
        format!("ID: {asked}"),
        format!("Outcome: {}", command["outcome"].as_str().unwrap()),
        format!("Asked by: {}", user.as_str().unwrap()),
        "Kind: check".to_owned(),
        "State: done".to_owned(),
    ] {
        assert!(told.lines().any(|found| found == line), "{line}: {told}");
    }
    assert!(
        told.contains("\nAsked: 20") && told.contains("\nEnded: 20"),
        "{told}"
    );

    let list = json(&done(stage, &["commands", "list", "octo/app", "--json"]));
    assert_eq!(list["items"][0], command, "the newest is the first");
    let told = done(stage, &["commands", "list", "octo/app"]);
    assert!(told.starts_with("ID") && told.contains(asked), "{told}");

    // The provider does not answer: who no longer waits learns where to look.
    stage.simulator.faults().next("*", Misbehaviour::Hang);
    let told = done(stage, &["check", "octo/app", "--timeout", "300ms"]);
    let (words, later) = told.split_once('\n').expect(&told);
    assert!(words.starts_with("octo/app: check started"), "{told}");
    let id = later.rsplit(' ').next().unwrap();
    assert_eq!(
        later,
        format!("to see the result later: hookherd commands show {id}")
    );
    assert_eq!(show(id)["kind"], "check");

    failed(
        stage,
        &["commands", "show", "cmd_01krjbjp8f0000000000000000"],
        "not_found",
    );
    failed(stage, &["commands", "show", "../users"], "not");
    failed(
        stage,
        &["commands", "list", "nobody/nothing"],
        "no connection to",
    );
    for words in [
        &["commands"][..],
        &["commands", "list"],
        &["commands", "show"],
        &["check", "octo/app", "--timeout", "soon"],
        &["check", "octo/app", "--timeout", "1s", "--no-wait"],
    ] {
        assert_eq!(stage.run(words).status.code(), Some(2), "{words:?}");
    }
}

#[test]
fn a_connection_is_paused_resumed_and_left_with_its_webhook_in_place() {
    let Connected { stage, .. } = &mut Connected::new();
    let github = stage.simulator.github();
    let told = done(stage, &["pause", "https://127.0.0.1/octo/app"]);
    assert!(
        told.starts_with("paused octo/app; webhook inactive"),
        "{told}"
    );
    let paused = json(&done(stage, &["pause", "octo/app", "--json"]));
    assert_eq!(paused["is_enabled"], false);
    let told = done(stage, &["resume", "octo/app"]);
    assert!(told.starts_with("resumed octo/app"), "{told}");
    let gone = json(&done(
        stage,
        &["disconnect", "octo/app", "--keep-webhook", "--json"],
    ));
    assert_eq!(gone["webhook_deleted"], false);
    assert_eq!(github.hooks(REPOSITORY).len(), 1, "it was asked for");
    failed(stage, &["disconnect", "octo/app"], "no connection to");
    // Who has connections is removed when it is said what becomes of them, in options.
    done(stage, &["connect", "github", "octo/app"]);
    stage.set("HOOKHERD_TOKEN", ADMIN);
    let says = "ann has 1 connection. Pass";
    failed(stage, &["user", "remove", "ann"], says);
    failed(
        stage,
        &["user", "remove", "ann"],
        "--disconnect and --keep-webhooks",
    );
}
