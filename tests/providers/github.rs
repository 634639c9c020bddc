//! Stories of GitHub beyond its Actions, with the whole daemon.

use crate::daemon::{ADMIN, Stage};
use hookherd::simulator::{CheckSpec, RunSpec, StatusSpec};
use serde_json::json;

const REPOSITORY: &str = "octo/app";

#[test]
fn other_ci_is_followed_beside_actions_and_mended_by_its_own_alone() {
    let stage = Stage::checking("1h");
    let github = stage.simulator.github();
    let token = github.add_user("octo");
    github.add_repository(REPOSITORY, "octo");
    let daemon = stage.start();
    stage.add_credential(ADMIN, "github", &token);
    stage.connect(&json!({ "repository_full_name": REPOSITORY }));
    github.status(REPOSITORY, &StatusSpec::new(1, "failure"));
    let mut failed = CheckSpec::new(11, "failure");
    failed.app = "another-ci".into();
    github.check_run(REPOSITORY, &failed);
    github.check_suite(REPOSITORY, &failed);
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    let open = |count: usize| {
        let incidents = stage.incidents();
        incidents.iter().filter(|i| i["status"] == "open").count() == count
    };
    stage.wait_until("an incident of each", || open(3));
    github.play_run(REPOSITORY, &RunSpec::new(2, "success"));
    stage.wait_until("the run's incident to be resolved", || open(2));
    // Of two commits of one second a status does not say which is the later one.
    github.advance_clock(std::time::Duration::from_secs(2));
    let mut passed = CheckSpec::new(12, "success");
    passed.app = "another-ci".into();
    github.check_suite(REPOSITORY, &passed);
    github.status(REPOSITORY, &StatusSpec::new(2, "success"));
    stage.wait_until("the others to be resolved", || open(0));
    let incidents = stage.incidents();
    assert_eq!(incidents.len(), 3);
    assert!(incidents.iter().all(|i| i["resolution"] == "passed"));
    assert!(daemon.terminate().success());
}
