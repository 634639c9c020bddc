//! Stories of GitLab, with the whole daemon.

use crate::daemon::Daemon;
use hookherd::simulator::{
    Fault, JobSpec, Misbehaviour, Miscarriage, PipelineSpec, Simulator, SimulatorConfig,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

const PROJECT: &str = "group/sub/app";

/// A GitLab, and a daemon that looks after its project.
struct Scene {
    gitlab: Simulator,
    daemon: Daemon,
    connection: Value,
    token: String,
}

fn host(gitlab: &Simulator) -> String {
    gitlab.address().to_string()
}

fn simulator() -> (Simulator, String) {
    let gitlab = Simulator::start(&SimulatorConfig::default()).expect("a simulator");
    let token = gitlab.gitlab().add_user("ann");
    gitlab.gitlab().add_project(PROJECT, "ann");
    (gitlab, token)
}

impl Scene {
    async fn set(version: (u16, u16)) -> Self {
        Self::set_with(version, "1s").await
    }

    async fn set_with(version: (u16, u16), check_interval: &str) -> Self {
        let (gitlab, token) = simulator();
        gitlab.gitlab().set_version(version.0, version.1);
        let gitlabs = [gitlab.gitlab_api_url()];
        let daemon = Daemon::start_checking(&gitlabs, check_interval).await;
        let host = host(&gitlab);
        daemon.add_credential(&host, &token).await;
        let connection = daemon.connect(&host, PROJECT).await;
        Self {
            gitlab,
            daemon,
            connection,
            token,
        }
    }

    fn hook(&self) -> hookherd::simulator::ProjectHookView {
        let mut hooks = self.gitlab.gitlab().hooks(PROJECT);
        assert_eq!(hooks.len(), 1, "{hooks:?}");
        hooks.remove(0)
    }

    /// Whether the newest delivery was answered so.
    fn answered(&self, status: u16) -> bool {
        let deliveries = self.gitlab.gitlab().deliveries(PROJECT);
        deliveries.last().and_then(|d| d.status) == Some(status)
    }
}

#[actix_web::test]
async fn a_failed_pipeline_is_an_incident_with_its_jobs_and_a_retry_resolves_it() {
    let scene = Scene::set((19, 1)).await;
    let (gitlab, daemon) = (scene.gitlab.gitlab(), &scene.daemon);
    assert_eq!(scene.connection["repository_full_name"], PROJECT);
    assert_eq!(scene.connection["owner_name"], "group/sub");
    let mut spec = PipelineSpec::new(7, "failed");
    let mut lint = JobSpec::new("lint", "failed");
    lint.may_fail = true;
    spec.jobs.extend([lint, JobSpec::new("build", "success")]);
    gitlab.play_pipeline(PROJECT, &spec);
    let incident = daemon.incident("failure", "open").await;
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
    let run = daemon.ask(Method::GET, &path, None).await;
    assert_eq!(run["conclusion"], "failure");
    // A child pipeline that succeeds says nothing about its parent.
    let child = PipelineSpec::new(8, "success").started_by(PROJECT, 7, 1);
    gitlab.play_pipeline(PROJECT, &child);
    let runs = async || daemon.ask(Method::GET, "workflows/runs", None).await;
    daemon
        .until("the child has ended", async || {
            runs().await["items"][0]["conclusion"] == "success"
        })
        .await;
    assert_eq!(daemon.incidents().await[0]["status"], "open");
    gitlab.retry_pipeline(PROJECT, 7, "success");
    let resolved = daemon.incident("failure", "resolved").await;
    assert_eq!(resolved["id"], incident["id"]);
    assert_eq!(daemon.incidents().await.len(), 1);
    scene.daemon.stop().await;
}

#[actix_web::test]
async fn a_hook_that_gitlab_disabled_is_enabled_again_by_a_test_delivery() {
    let scene = Scene::set((19, 1)).await;
    let (gitlab, daemon) = (scene.gitlab.gitlab(), &scene.daemon);
    gitlab.set_auto_disabling(true);
    let first = scene.hook();
    // Four deliveries in a row that we must refuse.
    for _ in 0..4 {
        let faults = scene.gitlab.faults();
        faults.next_delivery(Miscarriage::WrongSecret);
        gitlab.push(PROJECT);
        let refused = async || scene.answered(401);
        daemon.until("the delivery is refused", refused).await;
        assert!(scene.gitlab.wait_quiet(Duration::from_secs(10)));
    }
    let incident = daemon.incident("hook_disabled", "resolved").await;
    assert_eq!(incident["source"], "health");
    let hook = scene.hook();
    assert_eq!((hook.id, hook.alert_status), (first.id, "executable"));
    let connection = daemon.connection(&scene.connection).await;
    assert_eq!(connection["webhook_status"], "active", "{connection}");
    assert_eq!(connection["health"]["is_disabled"], false);
    // And it delivers.
    gitlab.play_pipeline(PROJECT, &PipelineSpec::new(7, "failed"));
    daemon.incident("failure", "open").await;
    scene.daemon.stop().await;
}

#[actix_web::test]
async fn a_hook_that_gitlab_disabled_for_good_and_cannot_test_is_made_anew() {
    let scene = Scene::set((19, 1)).await;
    let (gitlab, daemon) = (scene.gitlab.gitlab(), &scene.daemon);
    gitlab.set_auto_disabling(true);
    let first = scene.hook();
    let faults = scene.gitlab.faults();
    faults.push(Fault {
        operation: "gitlab.test_hook".into(),
        misbehaviour: Misbehaviour::FailBefore(422),
        times: u32::MAX,
        after: 0,
    });
    // Forty failures, each after the ban for the one before is over.
    for _ in 0..40 {
        faults.next_delivery(Miscarriage::WrongSecret);
        gitlab.push(PROJECT);
        assert!(scene.gitlab.wait_quiet(Duration::from_secs(10)));
        gitlab.advance_clock(Duration::from_hours(25));
    }
    let anew = async || {
        let hooks = gitlab.hooks(PROJECT);
        hooks.len() == 1 && hooks[0].id != first.id
    };
    daemon.until("the hook is made anew", anew).await;
    faults.clear();
    let incident = daemon.incident("hook_disabled", "resolved").await;
    assert_eq!(incident["severity"], "critical");
    assert_eq!(scene.hook().alert_status, "executable");
    scene.daemon.stop().await;
}

#[actix_web::test]
async fn an_old_gitlab_proves_itself_by_token_until_it_is_upgraded() {
    let scene = Scene::set((18, 11)).await;
    let (gitlab, daemon) = (scene.gitlab.gitlab(), &scene.daemon);
    let hook = scene.hook();
    assert!(hook.token.is_some() && hook.signing_token.is_none());
    gitlab.play_pipeline(PROJECT, &PipelineSpec::new(7, "failed"));
    daemon.incident("failure", "open").await;

    gitlab.set_version(19, 1);
    let signs = async || scene.hook().signing_token.is_some();
    daemon.until("the hook gets a signing token", signs).await;
    assert_eq!(scene.hook().token, hook.token);
    let settled = async || {
        let connection = daemon.connection(&scene.connection).await;
        let events = daemon.ask(Method::GET, "deliveries?limit=1", None).await;
        connection["webhook_status"] == "active" && events["items"].is_array()
    };
    daemon.until("the daemon knows", settled).await;
    // From now on a bare token is worth nothing.
    let refused = async || {
        let faults = scene.gitlab.faults();
        faults.next_delivery(Miscarriage::ShaOneOnly);
        gitlab.push(PROJECT);
        assert!(scene.gitlab.wait_quiet(Duration::from_secs(10)));
        scene.answered(401)
    };
    daemon.until("the bare token is refused", refused).await;
    gitlab.retry_pipeline(PROJECT, 7, "success");
    daemon.incident("failure", "resolved").await;
    scene.daemon.stop().await;
}

/// No check comes along: what is refused is the only sign of it.
#[actix_web::test]
async fn a_signing_token_lost_by_hand_is_written_again_before_gitlab_gives_up() {
    let scene = Scene::set_with((19, 1), "1h").await;
    let (gitlab, daemon) = (scene.gitlab.gitlab(), &scene.daemon);
    gitlab.set_auto_disabling(true);
    let hook = scene.hook();
    let http = reqwest::Client::builder().no_proxy().build().expect("one");
    let api = scene.gitlab.gitlab_api_url();
    let path = PROJECT.replace('/', "%2F");
    let url = format!("{api}/projects/{path}/hooks/{}", hook.id);
    let cleared = json!({ "url": hook.url, "token": hook.token, "signing_token": "" });
    let written = http.put(url).bearer_auth(&scene.token).json(&cleared);
    let answer = written.send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(scene.hook().signing_token, None);
    for _ in 0..3 {
        gitlab.push(PROJECT);
        assert!(scene.gitlab.wait_quiet(Duration::from_secs(10)));
        assert!(scene.answered(401));
    }
    let signs = async || scene.hook().signing_token == hook.signing_token;
    daemon.until("the signing token is back", signs).await;
    assert_eq!(scene.hook().alert_status, "executable");
    gitlab.play_pipeline(PROJECT, &PipelineSpec::new(7, "failed"));
    daemon.incident("failure", "open").await;
    scene.daemon.stop().await;
}

#[actix_web::test]
async fn what_was_signed_long_ago_is_taken_and_has_no_effect() {
    let scene = Scene::set((19, 1)).await;
    let (gitlab, daemon) = (scene.gitlab.gitlab(), &scene.daemon);
    let mut spec = PipelineSpec::new(7, "failed");
    (spec.steps, spec.jobs) = (Vec::new(), Vec::new());
    scene.gitlab.faults().next_delivery(Miscarriage::Stale);
    gitlab.play_pipeline(PROJECT, &spec);
    let taken = async || scene.answered(200);
    daemon.until("the late delivery is answered", taken).await;
    let page = daemon.ask(Method::GET, "deliveries?limit=1", None).await;
    assert_eq!(page["items"][0]["outcome"], "stale");
    assert!(daemon.incidents().await.is_empty());
    // Sent again it is signed anew, under the same id: nobody has processed it yet.
    let deliveries = gitlab.deliveries(PROJECT);
    gitlab.resend(PROJECT, deliveries.last().expect("the late one").id);
    daemon.incident("failure", "open").await;
    gitlab.resend(PROJECT, deliveries.last().expect("the late one").id);
    let repeated = async || {
        let found = gitlab.deliveries(PROJECT);
        found.len() == deliveries.len() + 2 && scene.answered(200)
    };
    daemon.until("the third is answered", repeated).await;
    assert_eq!(daemon.incidents().await[0]["occurrences"], 1);
    scene.daemon.stop().await;
}

#[actix_web::test]
async fn a_project_is_followed_when_it_moves_and_its_hook_goes_when_it_is_disconnected() {
    let scene = Scene::set((19, 1)).await;
    let (gitlab, daemon) = (scene.gitlab.gitlab(), &scene.daemon);
    let moved = "other/place/app";
    gitlab.rename(PROJECT, moved);
    let follows = async || {
        let connection = daemon.connection(&scene.connection).await;
        connection["repository_full_name"] == moved
    };
    daemon.until("the new name is known", follows).await;
    gitlab.play_pipeline(moved, &PipelineSpec::new(7, "failed"));
    daemon.incident("failure", "open").await;
    let id = scene.connection["id"].as_str().expect("an id");
    let path = format!("repositories/connections/{id}?delete_webhook=true");
    daemon.ask(Method::DELETE, &path, None).await;
    let gone = async || gitlab.hooks(moved).is_empty();
    daemon.until("the hook is gone", gone).await;
    scene.daemon.stop().await;
}

#[actix_web::test]
async fn several_gitlabs_are_looked_after_at_once_and_each_gets_its_own_token_only() {
    let (first, first_token) = simulator();
    let (second, second_token) = simulator();
    let urls = [first.gitlab_api_url(), second.gitlab_api_url()];
    let daemon = Daemon::start(&urls).await;
    for (gitlab, token) in [(&first, &first_token), (&second, &second_token)] {
        daemon.add_credential(&host(gitlab), token).await;
    }
    for gitlab in [&first, &second] {
        let connection = daemon.connect(&host(gitlab), PROJECT).await;
        assert_eq!(connection["host"], json!(host(gitlab)));
        assert_eq!(gitlab.gitlab().hooks(PROJECT).len(), 1);
    }
    second
        .gitlab()
        .play_pipeline(PROJECT, &PipelineSpec::new(7, "failed"));
    let incident = daemon.incident("failure", "open").await;
    let connection = incident["connection_id"].clone();
    let connection = daemon.connection(&json!({ "id": connection })).await;
    assert_eq!(connection["host"], json!(host(&second)));
    daemon.stop().await;
}
