//! Hooks at the provider, as a user meets them: limits, missing rights, two users of one
//! repository.

use super::stage::{REPOSITORY, Stage};
use hookherd::simulator::{Fault, Misbehaviour, RunSpec};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CONNECT: &str = "POST /api/v2/repositories/connect";

/// Hooks of others, until the provider takes no more for this event.
fn fill_with_hooks(stage: &Stage, token: &str, repository: &str) {
    let url = format!("{}/repos/{repository}/hooks", stage.simulator.api_url());
    for n in 0..20 {
        let body = json!({
            "name": "web", "active": true, "events": ["push"],
            "config": { "url": format!("https://other.example/{n}"), "content_type": "json" },
        });
        let status = stage.post_elsewhere(&url, token, &body);
        assert_eq!(status, 201);
    }
}

#[test]
fn a_webhook_that_never_was_is_not_said_to_be_deleted() {
    let mut stage = Stage::new();
    let github = stage.simulator.github();
    let _daemon = stage.start();
    let ann = stage.add_user("ann");
    stage.set("HOOKHERD_TOKEN", &ann);
    let token = github.add_user("octo");
    github.add_user("boss");
    github.add_repository("octo/locked", "octo");
    github.set_admin("octo", "octo/locked", false);
    let locked = stage.connect(&ann, &token, "octo/locked");
    stage.wait_for_status(&ann, &locked, "failed");
    let output = stage.run(&["disconnect", "octo/locked"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("No webhook had been created"), "{said}");

    github.set_admin("octo", "octo/locked", true);
    let id = stage.connect(&ann, &token, "octo/locked");
    stage.wait_for_status(&ann, &id, "active");
    let output = stage.run(&["--json", "disconnect", "octo/locked"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&said["webhook_deleted"], &said["webhook_outcome"]),
        (&json!(true), &json!("deleted"))
    );
    assert!(github.hooks("octo/locked").is_empty());
}

#[test]
fn twenty_hooks_and_missing_rights_are_told_clearly_and_end_by_themselves() {
    let stage = Stage::new();
    let github = stage.simulator.github();
    let _daemon = stage.start();
    let ann = stage.add_user("ann");
    let token = github.add_user("octo");
    github.add_user("boss");
    github.add_repository("octo/full", "octo");
    fill_with_hooks(&stage, &token, "octo/full");
    let full = stage.connect(&ann, &token, "octo/full");
    stage.wait_for_status(&ann, &full, "failed");
    let error = stage.connection(&ann, &full)["last_error"].clone();
    assert_eq!(error["code"], "hook_limit_reached");
    assert!(error["message"].as_str().unwrap().contains("20"), "{error}");
    assert_eq!(github.hooks("octo/full").len(), 20);

    github.add_repository("octo/locked", "octo");
    github.set_admin("octo", "octo/locked", false);
    let wish = json!({ "repository_full_name": "octo/locked" });
    let answer = stage.call(&ann, CONNECT, &wish);
    let locked = answer.field("id");
    stage.wait_for_status(&ann, &locked, "failed");
    let error = stage.connection(&ann, &locked)["last_error"].clone();
    assert_eq!(error["code"], "no_access");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("admin:repo_hook"),
        "{error}"
    );

    // A person corrects it at the provider; nothing has to be done here.
    let first = github.hooks("octo/full")[0].id;
    github.delete_hook_by_hand("octo/full", first);
    github.set_admin("octo", "octo/locked", true);
    for id in [&full, &locked] {
        stage.wait_for_status(&ann, id, "active");
        assert_eq!(stage.connection(&ann, id)["last_error"], Value::Null);
    }
}

#[test]
fn the_provider_is_not_asked_again_before_it_said() {
    let stage = Stage::new();
    let _daemon = stage.start();
    let (ann, token) = stage.ann_and_octo();
    let wait = Duration::from_secs(2);
    let limited = Misbehaviour::RateLimitedSecondary {
        retry_after_s: wait.as_secs(),
    };
    stage.simulator.faults().next("create_hook", limited);
    let begun = Instant::now();
    let id = stage.connect(&ann, &token, REPOSITORY);
    let error = stage.connection(&ann, &id)["last_error"].clone();
    assert_eq!(error["code"], "rate_limited", "{error}");
    stage.wait_for_status(&ann, &id, "active");
    assert!(begun.elapsed() >= wait);
    assert_eq!(stage.simulator.requests("create_hook"), 2);
}

#[test]
fn scenario_07_two_users_of_one_repository_have_a_hook_and_a_history_each() {
    let stage = Stage::new();
    let github = stage.simulator.github();
    let _daemon = stage.start();
    let users = [stage.add_user("ann"), stage.add_user("bob")];
    let token = github.add_user("octo");
    github.add_repository(REPOSITORY, "octo");
    let ids = users
        .each_ref()
        .map(|user| stage.connect(user, &token, REPOSITORY));
    for (user, id) in users.iter().zip(&ids) {
        stage.wait_for_status(user, id, "active");
    }
    let hooks = github.hooks(REPOSITORY);
    assert_eq!(hooks.len(), 2);
    assert_ne!(hooks[0].secret, hooks[1].secret);
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    let guids = users.each_ref().map(|user| {
        stage.wait_until("the incident", || stage.list(user, "incidents").len() == 1);
        let all = stage.list(user, "deliveries?limit=100");
        let guid = |d: &Value| d["provider_delivery_id"].as_str().map(str::to_owned);
        let of_runs = all.iter().filter(|d| d["event"] == "workflow_run");
        let mut guids: Vec<_> = of_runs.filter_map(guid).collect();
        guids.sort();
        guids
    });
    assert_eq!(guids[0], guids[1], "the same events, for each of them");
    // What one does is nothing to the other.
    let line = format!("DELETE /api/v2/repositories/connections/{}", ids[0]);
    stage.call(&users[0], &line, &Value::Null);
    stage.wait_until("one hook", || github.hooks(REPOSITORY).len() == 1);
    github.play_run(REPOSITORY, &RunSpec::new(2, "success"));
    stage.wait_until("the end of the incident", || {
        stage.list(&users[1], "incidents")[0]["status"] == "resolved"
    });
    assert_eq!(
        stage.connection(&users[1], &ids[1])["webhook_status"],
        "active"
    );
}

/// A user leaves the hook at the provider, which continues to send: from the answer to the
/// disconnect on nothing is taken, and nothing of the connection is left to be processed.
#[test]
fn what_comes_for_a_connection_that_was_just_removed_is_refused_and_leaves_nothing() {
    let stage = Stage::new();
    let github = stage.simulator.github();
    let _daemon = stage.start();
    let (ann, id) = stage.ann_connected();
    let pushes = |count| (0..count).for_each(|_| github.push(REPOSITORY));
    // They are on their way while the connection is removed.
    pushes(30);
    stage.wait_until("a delivery", || github.deliveries(REPOSITORY).len() > 5);
    let line = format!("DELETE /api/v2/repositories/connections/{id}?delete_webhook=false");
    stage.call(&ann, &line, &Value::Null);
    pushes(10);
    assert!(stage.simulator.wait_quiet(Duration::from_secs(20)));
    let statuses = github.deliveries(REPOSITORY).into_iter().map(|d| d.status);
    let statuses: Vec<_> = statuses.map(|status| status.expect("an answer")).collect();
    // Those under way overtake each other; what was sent afterwards is refused.
    let (before, after) = statuses.split_at(statuses.len() - 10);
    assert!(before.iter().any(|status| *status < 300), "{statuses:?}");
    let is_refused = |status: &u16| *status == 401;
    assert!(
        before
            .iter()
            .all(|status| *status < 300 || is_refused(status))
            && after.iter().all(is_refused),
        "{statuses:?}"
    );
    let connection = format!("GET /api/v2/repositories/connections/{id}");
    assert_eq!(stage.ask(&ann, &connection, None).status, 404);
    stage.wait_until("nothing to be left", || {
        let all = stage.list(&ann, "deliveries?limit=100&state=received");
        all.is_empty()
    });
}

/// The answer to the creation is lost, the list cannot be read, and a person edits the hook's URL
/// meanwhile: only its greeting shows which one is ours.
#[test]
fn a_hook_is_known_by_its_greeting_when_all_else_is_lost() {
    let stage = Stage::new();
    let github = stage.simulator.github();
    let _daemon = stage.start();
    let (ann, token) = stage.ann_and_octo();
    let faults = stage.simulator.faults();
    faults.next("create_hook", Misbehaviour::ActThenDrop);
    faults.push(Fault {
        operation: "list_hooks".into(),
        misbehaviour: Misbehaviour::FailBefore(503),
        times: u32::MAX,
        after: 1,
    });
    let id = stage.connect(&ann, &token, REPOSITORY);
    let made = github.hooks(REPOSITORY)[0].clone();
    stage.wait_until("the greeting", || {
        let deliveries = stage.list(&ann, "deliveries");
        deliveries.iter().any(|d| d["outcome"] == "pong")
    });
    github.edit_hook_url_by_hand(REPOSITORY, made.id, "https://elsewhere.example/");
    faults.clear();
    let made_id = made.id.to_string();
    stage.wait_until("the hook to be known", || {
        stage.connection(&ann, &id)["webhook_id"] == made_id
    });
    let hooks = github.hooks(REPOSITORY);
    assert_eq!((hooks.len(), &hooks[0].url), (1, &made.url), "{hooks:?}");
    assert_eq!(stage.simulator.requests("create_hook"), 1);
}
