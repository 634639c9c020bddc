//! Stories of GitHub beyond its Actions, with the whole daemon.

use crate::daemon::Daemon;
use hookherd::simulator::{CheckSpec, RunSpec, Simulator, SimulatorConfig, StatusSpec};
use reqwest::Method;
use serde_json::json;

const REPOSITORY: &str = "octo/app";

/// A GitHub, and a daemon that looks after its repository.
struct Scene {
    simulator: Simulator,
    daemon: Daemon,
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
        Self { simulator, daemon }
    }
}

#[actix_web::test]
async fn other_ci_is_followed_beside_actions_and_mended_by_its_own_alone() {
    let scene = Scene::set().await;
    let (github, daemon) = (scene.simulator.github(), &scene.daemon);
    github.status(REPOSITORY, &StatusSpec::new(1, "failure"));
    let mut failed = CheckSpec::new(11, "failure");
    failed.app = "another-ci".into();
    github.check_run(REPOSITORY, &failed);
    github.check_suite(REPOSITORY, &failed);
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    let open = async |count: usize| {
        let incidents = daemon.incidents().await;
        incidents.iter().filter(|i| i["status"] == "open").count() == count
    };
    daemon
        .until("each has an incident of its own", async || open(3).await)
        .await;
    github.play_run(REPOSITORY, &RunSpec::new(2, "success"));
    daemon
        .until("a run mends what runs told", async || open(2).await)
        .await;
    // Of two commits of one second a status does not tell which is the later one.
    github.advance_clock(std::time::Duration::from_secs(2));
    let mut passed = CheckSpec::new(12, "success");
    passed.app = "another-ci".into();
    github.check_suite(REPOSITORY, &passed);
    github.status(REPOSITORY, &StatusSpec::new(2, "success"));
    daemon
        .until("and the others mend what they told", async || open(0).await)
        .await;
    let incidents = daemon.incidents().await;
    assert_eq!(incidents.len(), 3);
    assert!(incidents.iter().all(|i| i["resolution"] == "passed"));
    scene.daemon.stop().await;
}
