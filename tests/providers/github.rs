//! Stories of GitHub beyond its Actions, with the whole daemon.

use crate::daemon::Daemon;
use hookherd::simulator::{CheckSpec, RunSpec, Simulator, SimulatorConfig, StatusSpec};
use reqwest::Method;
use serde_json::{Value, json};

const REPOSITORY: &str = "octo/app";

/// A GitHub, and a daemon that looks after its repository.
struct Scene {
    simulator: Simulator,
    daemon: Daemon,
    connection: Value,
}

impl Scene {
    async fn set() -> Self {
        let simulator = Simulator::start(&SimulatorConfig::default()).expect("a simulator");
        let token = simulator.github().add_user("octo");
        simulator.github().add_repository(REPOSITORY, "octo");
        let daemon = Daemon::start_github(&simulator.api_url()).await;
        let body = json!({ "provider": "github", "token": token });
        daemon.ask(Method::POST, "credentials", Some(body)).await;
        let body = json!({ "repository_full_name": REPOSITORY });
        let path = "repositories/connect";
        let connection = daemon.ask(Method::POST, path, Some(body)).await;
        assert_eq!(connection["webhook_status"], "active", "{connection}");
        Self {
            simulator,
            daemon,
            connection,
        }
    }

    /// The outcomes of the deliveries of an event, newest first.
    async fn outcomes(&self, event: &str) -> Vec<Value> {
        let page = self.daemon.ask(Method::GET, "deliveries", None).await;
        let items = page["items"].as_array().expect("a list");
        let of_event = items.iter().filter(|item| item["event"] == event);
        of_event.map(|item| item["outcome"].clone()).collect()
    }
}

#[actix_web::test]
async fn other_ci_is_followed_until_actions_are_heard_of_and_nothing_counts_twice() {
    let scene = Scene::set().await;
    let (github, daemon) = (scene.simulator.github(), &scene.daemon);
    // A CI that posts statuses only.
    github.status(REPOSITORY, &StatusSpec::new(1, "failure"));
    let by_status = daemon.incident("failure", "open").await;
    // It posts checks as well: those say more, and what the statuses had opened is over.
    let mut failed = CheckSpec::new(11, "failure");
    failed.app = "another-ci".into();
    github.check_run(REPOSITORY, &failed);
    github.check_suite(REPOSITORY, &failed);
    daemon
        .until("the checks have an incident of their own", async || {
            let incidents = daemon.incidents().await;
            incidents.len() == 2 && incidents[0]["failed_jobs"][0]["name"] == failed.name.as_str()
        })
        .await;
    let incidents = daemon.incidents().await;
    assert_eq!(incidents[1]["id"], by_status["id"]);
    assert_eq!(incidents[1]["status"], "resolved");
    assert_eq!(incidents[1]["resolution"], "superseded");
    github.status(REPOSITORY, &StatusSpec::new(2, "failure"));
    daemon
        .until("a status is kept without effects", async || {
            scene.outcomes("status").await[0] == "mirrored"
        })
        .await;
    // The repository moves to Actions.
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    daemon
        .until("the run's failure is the only open incident", async || {
            let incidents = daemon.incidents().await;
            let open = incidents.iter().filter(|i| i["status"] == "open");
            incidents.len() == 3 && open.count() == 1 && incidents[0]["status"] == "open"
        })
        .await;
    github.play_run(REPOSITORY, &RunSpec::new(2, "success"));
    daemon
        .until("a later run resolves it", async || {
            daemon.incidents().await[0]["status"] == "resolved"
        })
        .await;
    scene.daemon.stop().await;
}

#[actix_web::test]
async fn a_renamed_repository_is_followed_because_it_was_told_and_only_as_the_api_confirms() {
    let scene = Scene::set().await;
    let (github, daemon) = (scene.simulator.github(), &scene.daemon);
    let name = async || daemon.connection(&scene.connection).await["repository_full_name"].clone();
    // Somebody who knows the secret tells of a rename that never happened.
    let id = scene.connection["repository_id"].as_str().expect("an id");
    let id: u64 = id.parse().expect("a number");
    let forged = json!({
        "action": "renamed",
        "changes": { "repository": { "name": { "from": "app" } } },
        "repository": { "id": id, "full_name": "evil/app", "name": "app" },
    });
    github.emit(REPOSITORY, "repository", &forged);
    daemon
        .until("the forged rename is processed", async || {
            !scene.outcomes("repository").await.is_empty()
                && scene.simulator.requests("list_hooks") >= 2
        })
        .await;
    assert_eq!(name().await, REPOSITORY);
    github.rename(REPOSITORY, "octo/application");
    daemon
        .until("the new name is known", async || {
            name().await == "octo/application"
        })
        .await;
    github.play_run("octo/application", &RunSpec::new(1, "failure"));
    let incident = daemon.incident("failure", "open").await;
    assert_eq!(incident["repository_full_name"], "octo/application");
    assert_eq!(github.hooks("octo/application").len(), 1);
    scene.daemon.stop().await;
}
