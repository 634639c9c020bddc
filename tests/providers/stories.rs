//! Stories of GitLab, with the whole daemon.

use crate::daemon::{ADMIN, Daemon, Stage};
use hookherd::simulator::{
    Fault, JobSpec, Misbehaviour, Miscarriage, PipelineSpec, Simulator, SimulatorConfig,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const PROJECT: &str = "group/sub/app";

/// A GitLab, and a daemon that checks its project.
struct Scene {
    stage: Stage,
    daemon: Daemon,
    connection: Value,
    token: String,
}

fn add_project(gitlab: &Simulator) -> String {
    let token = gitlab.gitlab().add_user("ann");
    gitlab.gitlab().add_project(PROJECT, "ann");
    token
}

fn wish() -> Value {
    json!({ "provider": "gitlab", "repository_full_name": PROJECT })
}

impl Scene {
    fn set(version: (u16, u16)) -> Self {
        Self::set_with(version, "1s")
    }

    fn set_with(version: (u16, u16), check_interval: &str) -> Self {
        let stage = Stage::checking(check_interval);
        let token = add_project(&stage.simulator);
        stage.simulator.gitlab().set_version(version.0, version.1);
        let daemon = stage.start();
        stage.add_credential(ADMIN, "gitlab", &token);
        let connection = stage.connect(&wish());
        Self {
            stage,
            daemon,
            connection,
            token,
        }
    }

    fn end(self) {
        assert!(self.daemon.terminate().success());
    }

    fn hook(&self) -> hookherd::simulator::ProjectHookView {
        let mut hooks = self.stage.simulator.gitlab().hooks(PROJECT);
        assert_eq!(hooks.len(), 1, "{hooks:?}");
        hooks.remove(0)
    }

    /// Whether the newest delivery was answered so.
    fn answered(&self, status: u16) -> bool {
        let deliveries = self.stage.simulator.gitlab().deliveries(PROJECT);
        deliveries.last().and_then(|d| d.status) == Some(status)
    }
}

#[test]
fn a_failed_pipeline_is_an_incident_with_its_jobs_and_a_retry_resolves_it() {
    let scene = Scene::set((19, 1));
    let (gitlab, stage) = (scene.stage.simulator.gitlab(), &scene.stage);
    assert_eq!(scene.connection["repository_full_name"], PROJECT);
    assert_eq!(scene.connection["owner_name"], "group/sub");
    let mut spec = PipelineSpec::new(7, "failed");
    let mut lint = JobSpec::new("lint", "failed");
    lint.may_fail = true;
    spec.jobs.extend([lint, JobSpec::new("build", "success")]);
    gitlab.play_pipeline(PROJECT, &spec);
    let incident = stage.incident("failure", "open");
    assert_eq!(incident["branch"], "main");
    assert_eq!(incident["workflow_name"], "Pipeline");
    let jobs = incident["failed_jobs"].as_array().expect("a list");
    assert_eq!(jobs.len(), 1, "one may fail, and one did not: {jobs:?}");
    assert_eq!(
        (&jobs[0]["name"], &jobs[0]["stage"]),
        (&json!("unit"), &json!("test"))
    );
    let run = incident["run_id"].as_str().expect("a run");
    let path = format!("workflows/runs/{run}");
    let run = stage.get(&path);
    assert_eq!(run["conclusion"], "failure");
    // A child pipeline that succeeds says nothing about its parent.
    let child = PipelineSpec::new(8, "success").started_by(PROJECT, 7, 1);
    gitlab.play_pipeline(PROJECT, &child);
    let runs = || stage.get("workflows/runs");
    stage.wait_until("the child has ended", || {
        runs()["items"][0]["conclusion"] == "success"
    });
    assert_eq!(stage.incidents()[0]["status"], "open");
    gitlab.retry_pipeline(PROJECT, 7, "success");
    let resolved = stage.incident("failure", "resolved");
    assert_eq!(resolved["id"], incident["id"]);
    assert_eq!(stage.incidents().len(), 1);
    scene.end();
}

#[test]
fn scenario_12_a_hook_that_gitlab_disabled_is_enabled_again_by_a_test_delivery() {
    let scene = Scene::set((19, 1));
    let (gitlab, stage) = (scene.stage.simulator.gitlab(), &scene.stage);
    gitlab.set_auto_disabling(true);
    let first = scene.hook();
    // Four deliveries in a row that we must refuse.
    for _ in 0..4 {
        let faults = scene.stage.simulator.faults();
        faults.next_delivery(Miscarriage::WrongSecret);
        gitlab.push(PROJECT);
        let refused = || scene.answered(401);
        stage.wait_until("the delivery is refused", refused);
        assert!(scene.stage.simulator.wait_quiet(Duration::from_secs(10)));
    }
    let incident = stage.incident("hook_disabled", "resolved");
    assert_eq!(incident["source"], "health");
    let hook = scene.hook();
    assert_eq!((hook.id, hook.alert_status), (first.id, "executable"));
    let connection = stage.again(&scene.connection);
    assert_eq!(connection["webhook_status"], "active", "{connection}");
    assert_eq!(connection["health"]["is_disabled"], false);
    // And it delivers.
    gitlab.play_pipeline(PROJECT, &PipelineSpec::new(7, "failed"));
    stage.incident("failure", "open");
    scene.end();
}

#[test]
fn scenario_12_a_hook_that_gitlab_disabled_for_good_and_cannot_test_is_made_anew() {
    let scene = Scene::set((19, 1));
    let (gitlab, stage) = (scene.stage.simulator.gitlab(), &scene.stage);
    gitlab.set_auto_disabling(true);
    let first = scene.hook();
    let faults = scene.stage.simulator.faults();
    faults.push(Fault {
        operation: "gitlab.test_hook".into(),
        misbehaviour: Misbehaviour::FailBefore(422),
        times: u32::MAX,
        after: 0,
    });
    // Forty failures, each after the ban for the one before has ended.
    for _ in 0..40 {
        faults.next_delivery(Miscarriage::WrongSecret);
        gitlab.push(PROJECT);
        assert!(scene.stage.simulator.wait_quiet(Duration::from_secs(10)));
        gitlab.advance_clock(Duration::from_hours(25));
    }
    let anew = || {
        let hooks = gitlab.hooks(PROJECT);
        hooks.len() == 1 && hooks[0].id != first.id
    };
    stage.wait_until("the hook is made anew", anew);
    faults.clear();
    let incident = stage.incident("hook_disabled", "resolved");
    assert_eq!(incident["severity"], "critical");
    assert_eq!(scene.hook().alert_status, "executable");
    scene.end();
}

#[test]
fn an_old_gitlab_proves_itself_by_token_until_it_is_upgraded() {
    let scene = Scene::set((18, 11));
    let (gitlab, stage) = (scene.stage.simulator.gitlab(), &scene.stage);
    let hook = scene.hook();
    assert!(hook.token.is_some() && hook.signing_token.is_none());
    gitlab.play_pipeline(PROJECT, &PipelineSpec::new(7, "failed"));
    stage.incident("failure", "open");

    gitlab.set_version(19, 1);
    let signs = || scene.hook().signing_token.is_some();
    stage.wait_until("the hook gets a signing token", signs);
    assert_eq!(scene.hook().token, hook.token);
    let settled = || {
        let connection = stage.again(&scene.connection);
        let events = stage.get("deliveries?limit=1");
        connection["webhook_status"] == "active" && events["items"].is_array()
    };
    stage.wait_until("the daemon knows", settled);
    // From now on a bare token is worth nothing.
    let refused = || {
        let faults = scene.stage.simulator.faults();
        faults.next_delivery(Miscarriage::ShaOneOnly);
        gitlab.push(PROJECT);
        assert!(scene.stage.simulator.wait_quiet(Duration::from_secs(10)));
        scene.answered(401)
    };
    stage.wait_until("the bare token is refused", refused);
    gitlab.retry_pipeline(PROJECT, 7, "success");
    stage.incident("failure", "resolved");
    scene.end();
}

/// No check comes along: what is refused is the only sign of it.
#[test]
fn a_signing_token_lost_by_hand_is_written_again_before_gitlab_gives_up() {
    let scene = Scene::set_with((19, 1), "1h");
    let (gitlab, stage) = (scene.stage.simulator.gitlab(), &scene.stage);
    gitlab.set_auto_disabling(true);
    let hook = scene.hook();
    let api = scene.stage.simulator.gitlab_api_url();
    let path = PROJECT.replace('/', "%2F");
    let url = format!("{api}/projects/{path}/hooks/{}", hook.id);
    let cleared = json!({ "url": hook.url, "token": hook.token, "signing_token": "" });
    let written = stage.request(Method::PUT, &url);
    let written = written.bearer_auth(&scene.token).json(&cleared);
    let answer = stage.send(written).expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(scene.hook().signing_token, None);
    for _ in 0..3 {
        gitlab.push(PROJECT);
        assert!(scene.stage.simulator.wait_quiet(Duration::from_secs(10)));
        assert!(scene.answered(401));
    }
    let signs = || scene.hook().signing_token == hook.signing_token;
    stage.wait_until("the signing token is back", signs);
    assert_eq!(scene.hook().alert_status, "executable");
    gitlab.play_pipeline(PROJECT, &PipelineSpec::new(7, "failed"));
    stage.incident("failure", "open");
    scene.end();
}

#[test]
fn what_was_signed_long_ago_is_taken_and_has_no_effect() {
    let scene = Scene::set((19, 1));
    let (gitlab, stage) = (scene.stage.simulator.gitlab(), &scene.stage);
    let mut spec = PipelineSpec::new(7, "failed");
    (spec.steps, spec.jobs) = (Vec::new(), Vec::new());
    scene
        .stage
        .simulator
        .faults()
        .next_delivery(Miscarriage::Stale);
    gitlab.play_pipeline(PROJECT, &spec);
    let taken = || scene.answered(200);
    stage.wait_until("the late delivery is answered", taken);
    let page = stage.get("deliveries?limit=1");
    assert_eq!(page["items"][0]["outcome"], "stale");
    assert!(stage.incidents().is_empty());
    // Sent again it is signed again, under the same id: it is not processed yet.
    let deliveries = gitlab.deliveries(PROJECT);
    gitlab.resend(PROJECT, deliveries.last().expect("the late one").id);
    stage.incident("failure", "open");
    gitlab.resend(PROJECT, deliveries.last().expect("the late one").id);
    let repeated = || {
        let found = gitlab.deliveries(PROJECT);
        found.len() == deliveries.len() + 2 && scene.answered(200)
    };
    stage.wait_until("the third is answered", repeated);
    assert_eq!(stage.incidents()[0]["occurrences"], 1);
    scene.end();
}

#[test]
fn scenario_15_a_moved_project_is_followed_with_the_same_hook_until_it_is_disconnected() {
    let scene = Scene::set((19, 1));
    let (gitlab, stage) = (scene.stage.simulator.gitlab(), &scene.stage);
    let (moved, hook) = ("other/place/app", scene.hook().id);
    gitlab.rename(PROJECT, moved);
    let follows = || {
        let connection = stage.again(&scene.connection);
        connection["repository_full_name"] == moved
    };
    stage.wait_until("the new name is known", follows);
    gitlab.play_pipeline(moved, &PipelineSpec::new(7, "failed"));
    stage.incident("failure", "open");
    let ids: Vec<u64> = gitlab.hooks(moved).iter().map(|hook| hook.id).collect();
    assert_eq!(ids, [hook]);
    stage.disconnect(&scene.connection);
    let gone = || gitlab.hooks(moved).is_empty();
    stage.wait_until("the hook is gone", gone);
    scene.end();
}

/// A daemon that does not know the project yet.
fn unconnected() -> (Stage, Daemon) {
    let stage = Stage::checking("1h");
    let token = add_project(&stage.simulator);
    let daemon = stage.start();
    stage.add_credential(ADMIN, "gitlab", &token);
    (stage, daemon)
}

/// Plays a pipeline with a child, which has a child of its own that ends so.
fn play_generations(simulator: &Simulator, first: u64, status: &str) {
    let mut last = PipelineSpec::new(first + 2, status).started_by(PROJECT, first + 1, 501 + first);
    last.jobs = vec![JobSpec::new("deep", status)];
    let child = PipelineSpec::new(first + 1, "success").started_by(PROJECT, first, 500 + first);
    for spec in [PipelineSpec::new(first, "success"), child, last] {
        simulator.gitlab().play_pipeline(PROJECT, &spec);
        assert!(simulator.wait_quiet(Duration::from_secs(10)));
    }
}

#[test]
fn the_child_of_a_child_that_was_found_by_listing_is_resolved_by_the_next_one() {
    let (stage, daemon) = unconnected();
    play_generations(&stage.simulator, 20, "failed");
    stage.connect(&wish());
    stage.incident("failure", "open");
    play_generations(&stage.simulator, 30, "success");
    stage.incident("failure", "resolved");
    assert_eq!(stage.incidents().len(), 1);
    assert!(daemon.terminate().success());
}

/// Pipelines of one commit, of which only the last is looked up when the project is connected.
#[test]
fn the_children_of_earlier_nightly_pipelines_open_no_incident_at_a_first_connect() {
    let (stage, daemon) = unconnected();
    let gitlab = stage.simulator.gitlab();
    for (id, status) in [(1, "failed"), (11, "success")] {
        let mut nightly = PipelineSpec::new(id, "success");
        (nightly.source, nightly.commit) = ("schedule".into(), Some(1));
        gitlab.play_pipeline(PROJECT, &nightly);
        let child = PipelineSpec::new(id + 1, status).started_by(PROJECT, id, 500 + id);
        gitlab.play_pipeline(PROJECT, &child);
    }
    let connection = stage.connect(&wish());
    stage.wait_until("it is reconciled", || {
        stage.again(&connection)["health"]["gaps"]["reconciled_at"].is_string()
    });
    // What follows is processed after what was found.
    let mut topic = PipelineSpec::new(30, "failed");
    topic.ref_name = "topic".into();
    gitlab.play_pipeline(PROJECT, &topic);
    stage.wait_until("the next incident", || {
        let all = stage.incidents();
        all.iter().any(|incident| incident["branch"] == "topic")
    });
    let all = stage.incidents();
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(daemon.terminate().success());
}

#[test]
fn several_gitlabs_are_looked_after_at_once_and_each_gets_its_own_token_only() {
    let mut stage = Stage::checking("1s");
    let second = Simulator::start(&SimulatorConfig::default()).expect("a simulator");
    stage.set(
        "HOOKHERD__PROVIDERS__GITLAB__MORE_API_URLS",
        &second.gitlab_api_url(),
    );
    let daemon = stage.start();
    let hosts = [&stage.simulator, &second].map(|it| it.address().to_string());
    for (gitlab, host) in [&stage.simulator, &second].into_iter().zip(&hosts) {
        let token = add_project(gitlab);
        let body = json!({ "provider": "gitlab", "host": host, "token": token });
        stage.call(ADMIN, "POST credentials", &body);
    }
    for (gitlab, host) in [&stage.simulator, &second].into_iter().zip(&hosts) {
        let mut wish = wish();
        wish["host"] = json!(host);
        let connection = stage.connect(&wish);
        assert_eq!(connection["host"], *host);
        assert_eq!(gitlab.gitlab().hooks(PROJECT).len(), 1);
    }
    let spec = PipelineSpec::new(7, "failed");
    second.gitlab().play_pipeline(PROJECT, &spec);
    let incident = stage.incident("failure", "open");
    let connection = stage.again(&json!({ "id": incident["connection_id"] }));
    assert_eq!(connection["host"], hosts[1]);
    assert!(daemon.terminate().success());
}
