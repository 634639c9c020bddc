//! The whole story, between the daemon and our simulator, with GitHub's own description enforced
//! in between: what the daemon asks and what the simulator answers must both fit it.

use crate::daemon::{ADMIN, Stage};
use crate::tools::Tool;
use hookherd::simulator::{Hook, RunJobSpec, RunSpec, Simulator};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

const OWNER: &str = "alice";
const REPOSITORY: &str = "alice/app";
/// Longest wait for something to happen at the simulator.
const TIME_MAX: Duration = Duration::from_secs(30);

/// Waits until the repository's hooks are so.
fn until(stage: &Stage, is_so: impl Fn(&[Hook]) -> bool) {
    let github = stage.simulator.github();
    stage.wait_until("the hooks", || is_so(&github.hooks(REPOSITORY)));
}

/// Asks for checks until the repository's hooks are so. One may not be enough: a check that is
/// asked for while another call is in progress comes to nothing.
fn check_until(stage: &Stage, connection: &str, is_so: impl Fn(&[Hook]) -> bool) {
    let github = stage.simulator.github();
    stage.wait_until("the hooks", || {
        stage.must(&format!("POST {connection}/check"));
        is_so(&github.hooks(REPOSITORY))
    });
}

/// Plays a run at the simulator, and waits until the newest incident has this status.
fn run(stage: &Stage, spec: &RunSpec, status: &str) {
    stage.simulator.github().play_run(REPOSITORY, spec);
    stage.wait_for_incident(status);
}

/// Events are changed, the hook is vandalised and deleted by hand, gets a new secret, and is
/// recreated on request.
fn meddle(stage: &Stage, id: &str, path: &str, first: u64) {
    let github = stage.simulator.github();
    let is_active = || stage.wait_for_status(ADMIN, id, "active");
    let events = json!({"webhook_events": ["push", "workflow_run"]});
    stage.call(ADMIN, &format!("PATCH {path}"), &events);
    until(stage, |hooks| hooks[0].events == ["push", "workflow_run"]);
    github.edit_hook_by_hand(REPOSITORY, first, &["issues"]);
    check_until(stage, path, |hooks| {
        hooks[0].events == ["push", "workflow_run"]
    });
    github.delete_hook_by_hand(REPOSITORY, first);
    check_until(stage, path, |hooks| {
        hooks.len() == 1 && hooks[0].id != first
    });
    let second = github.hooks(REPOSITORY).remove(0);
    is_active();
    stage.must(&format!("POST {path}/rotate-secret"));
    until(stage, |hooks| hooks[0].secret != second.secret);
    is_active();
    stage.must(&format!("POST {path}/recreate"));
    until(stage, |hooks| hooks.len() == 1 && hooks[0].id != second.id);
    is_active();
}

/// Waits until the newest incident, which was opened again, is explained with what came since the
/// run that passed, and looks at each part of it.
fn explained(stage: &Stage) {
    let newest = stage.list(ADMIN, "incidents").remove(0);
    let id = newest["id"].as_str().expect("an id");
    let explanation = stage.wait_for(&format!("incidents/{id}"), "an explanation", |incident| {
        let explanation = &incident["explanation"];
        let is_there =
            explanation["state"] == "explained" && explanation["last_passed"].is_object();
        is_there.then(|| explanation.clone())
    });
    let job = &explanation["failed_jobs"][0];
    assert_eq!(
        (&job["name"], &job["log_missing"]),
        (&json!("unit"), &json!("off"))
    );
    assert!(explanation["commit"].is_object(), "{explanation}");
    assert!(
        explanation["commits"][0]["sha"].is_string(),
        "{explanation}"
    );
}

#[test]
fn the_whole_story_fits_githubs_description_on_both_sides() {
    let mut stage = Stage::new();
    let token = stage.simulator.github().add_user(OWNER);
    stage.simulator.github().add_repository(REPOSITORY, OWNER);
    let prism = Tool::prism_strict("prism-story", &stage.simulator.api_url());
    stage.set("HOOKHERD__PROVIDERS__GITHUB__API_URL", prism.url());
    // GitHub redirects to a log; prism follows by itself, and what comes is not described.
    stage.set("HOOKHERD__INCIDENTS__LOG_EXCERPTS", "false");
    let daemon = stage.start();
    stage.add_credential(ADMIN, "github", &token);

    let listed = stage.must("GET repositories/github");
    assert!(listed.to_string().contains(REPOSITORY), "{listed}");
    let id = stage.connect(REPOSITORY);
    let path = format!("repositories/connections/{id}");
    until(&stage, |hooks| hooks.len() == 1);
    let first = stage.simulator.github().hooks(REPOSITORY).remove(0);

    stage.must(&format!("POST {path}/ping"));
    run(&stage, &RunSpec::new(1, "failure"), "open");
    run(&stage, &RunSpec::new(2, "success"), "resolved");

    meddle(&stage, &id, &path, first.id);
    let job = RunJobSpec::new("unit", "failure");
    let third = RunSpec {
        jobs: vec![job],
        ..RunSpec::new(3, "failure")
    };
    run(&stage, &third, "open");
    explained(&stage);

    let rest = walk_the_rest(&stage.simulator, &prism, &token);
    stage.runtime.block_on(rest);

    stage.must(&format!("DELETE {path}?delete_webhook=true"));
    until(&stage, <[Hook]>::is_empty);
    stage.end(daemon);
    // GitHub's description leaves "not modified" out. prism takes no offence, and neither do we.
    let mut violations = prism.violations();
    let not_described = "response Unable to match the returned status code";
    violations.retain(|violation| !violation.starts_with(not_described));
    assert_eq!(violations, Vec::<String>::new());
    // Nor does it have the "not found" of a log whose hook is gone: one was deleted meanwhile.
    let of_a_log = |violation: &&String| violation.ends_with("200,400,422");
    let violations = prism.violations();
    let not_described = violations.iter().filter(|violation| !of_a_log(violation));
    assert_eq!(
        not_described.count(),
        prism.log().matches("has returned 304").count()
    );
}

/// What the simulator offers beyond what the daemon asked of it in this story.
async fn walk_the_rest(simulator: &Simulator, prism: &Tool, token: &str) {
    assert!(simulator.wait_quiet(TIME_MAX));
    let hook = simulator.github().hooks(REPOSITORY).remove(0).id;
    let delivery = simulator.github().deliveries(REPOSITORY).pop();
    let delivery = delivery.expect("runs were delivered").id;
    let hook = format!("repos/{REPOSITORY}/hooks/{hook}");
    let (get, post) = (Method::GET, Method::POST);
    for (method, path, status) in [
        (&get, "rate_limit".to_owned(), 200),
        (&get, hook.clone(), 200),
        (&get, format!("{hook}/deliveries?per_page=5"), 200),
        (&get, format!("{hook}/deliveries/{delivery}"), 200),
        (&post, format!("{hook}/deliveries/{delivery}/attempts"), 202),
        (&get, format!("repos/{REPOSITORY}/hooks/1"), 404),
        (&get, "repos/alice/nothing".to_owned(), 404),
    ] {
        let url = format!("{}/{path}", prism.url());
        let ask = crate::client::plain().request(method.clone(), url);
        let ask = ask.bearer_auth(token).header("user-agent", "interop");
        let answer = ask.send().await.expect("an answer");
        let answered = answer.status().as_u16();
        let text = answer.text().await.expect("a text");
        assert_eq!(answered, status, "{path}: {text}");
    }
}
