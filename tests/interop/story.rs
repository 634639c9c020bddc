//! The whole story, between the daemon and our simulator, with GitHub's own description enforced
//! in between: what the daemon asks and what the simulator answers must both fit it.

use crate::daemon::Daemon;
use crate::tools::Tool;
use hookherd::simulator::{HookView, RunSpec, Simulator, SimulatorConfig};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const OWNER: &str = "alice";
const REPOSITORY: &str = "alice/app";
/// Longest wait for something to happen at the simulator.
const TIME_MAX: Duration = Duration::from_secs(30);

/// Waits until the repository's hooks are so.
async fn until(simulator: &Simulator, daemon: &Daemon, is_so: impl Fn(&[HookView]) -> bool) {
    let deadline = Instant::now() + TIME_MAX;
    loop {
        let hooks = simulator.github().hooks(REPOSITORY);
        if is_so(&hooks) {
            return;
        }
        assert!(Instant::now() < deadline, "{hooks:?}\n{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks for checks until the repository's hooks are so. One may not be enough: a check that is
/// asked for while another call is under way comes to nothing.
async fn check_until(
    simulator: &Simulator,
    daemon: &Daemon,
    connection: &str,
    is_so: impl Fn(&[HookView]) -> bool,
) {
    let path = format!("{connection}/check");
    let deadline = Instant::now() + TIME_MAX;
    while !is_so(&simulator.github().hooks(REPOSITORY)) {
        daemon.must(Method::POST, &path, None).await;
        assert!(Instant::now() < deadline, "{}", daemon.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Plays a run at the simulator, and waits until the newest incident has this status.
async fn run(simulator: &Simulator, daemon: &Daemon, spec: &RunSpec, status: &str) {
    simulator.github().play_run(REPOSITORY, spec);
    let is_so = |page: &Value| (page["items"][0]["status"] == status).then_some(());
    daemon.wait_for("/api/v2/incidents", status, is_so).await;
}

#[actix_web::test]
async fn the_whole_story_fits_githubs_description_on_both_sides() {
    let simulator = Simulator::start(&SimulatorConfig::default()).expect("loopback is there");
    let token = simulator.github().add_user(OWNER);
    simulator.github().add_repository(REPOSITORY, OWNER);
    let prism = Tool::prism_strict("prism-story", &simulator.api_url());
    let mut daemon = Daemon::start("daemon-story", prism.url(), &token).await;

    let listed = daemon
        .must(Method::GET, "/api/v2/repositories/github", None)
        .await;
    assert!(listed.to_string().contains(REPOSITORY), "{listed}");
    let connection = daemon.connect(REPOSITORY).await;
    let path = format!(
        "/api/v2/repositories/connections/{}",
        connection["id"].as_str().expect("an id")
    );
    let active = |c: &Value| (c["webhook_status"] == "active").then_some(());
    daemon.wait_for(&path, "active hook", active).await;
    until(&simulator, &daemon, |hooks| hooks.len() == 1).await;
    let first = simulator.github().hooks(REPOSITORY).remove(0);

    daemon
        .must(Method::POST, &format!("{path}/ping"), None)
        .await;
    run(&simulator, &daemon, &RunSpec::new(1, "failure"), "open").await;
    run(&simulator, &daemon, &RunSpec::new(2, "success"), "resolved").await;

    let events = json!({"webhook_events": ["push", "workflow_run"]});
    daemon.must(Method::PATCH, &path, Some(&events)).await;
    until(&simulator, &daemon, |hooks| {
        hooks[0].events == ["push", "workflow_run"]
    })
    .await;
    simulator
        .github()
        .edit_hook_by_hand(REPOSITORY, first.id, &["issues"]);
    check_until(&simulator, &daemon, &path, |hooks| {
        hooks[0].events == ["push", "workflow_run"]
    })
    .await;
    simulator.github().delete_hook_by_hand(REPOSITORY, first.id);
    check_until(&simulator, &daemon, &path, |hooks| {
        hooks.len() == 1 && hooks[0].id != first.id
    })
    .await;
    let second = simulator.github().hooks(REPOSITORY).remove(0);
    daemon.wait_for(&path, "active hook", active).await;
    daemon
        .must(Method::POST, &format!("{path}/rotate-secret"), None)
        .await;
    until(&simulator, &daemon, |hooks| {
        hooks[0].secret != second.secret
    })
    .await;
    daemon.wait_for(&path, "active hook", active).await;
    daemon
        .must(Method::POST, &format!("{path}/recreate"), None)
        .await;
    until(&simulator, &daemon, |hooks| {
        hooks.len() == 1 && hooks[0].id != second.id
    })
    .await;
    daemon.wait_for(&path, "active hook", active).await;
    run(&simulator, &daemon, &RunSpec::new(3, "failure"), "open").await;

    walk_the_rest(&simulator, &prism, &token).await;

    let delete = format!("{path}?delete_webhook=true");
    daemon.must(Method::DELETE, &delete, None).await;
    until(&simulator, &daemon, <[HookView]>::is_empty).await;
    daemon.assert_alive();
    // GitHub's description leaves "not modified" out. prism takes no offence, and neither do we.
    let mut violations = prism.violations();
    let not_described = "response Unable to match the returned status code";
    violations.retain(|violation| !violation.starts_with(not_described));
    assert_eq!(violations, Vec::<String>::new());
    let not_described = prism.violations().len();
    assert_eq!(
        not_described,
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
