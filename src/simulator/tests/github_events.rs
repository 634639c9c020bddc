//! Events of GitHub that are not of runs alone.

use super::receiver::{Receiver, Seen};
use super::*;
use serde_json::{Value, json};

const REPO: &str = "octo/repo";

struct Lab {
    simulator: Simulator,
    receiver: Receiver,
}

impl Lab {
    async fn new(events: &[&str]) -> Self {
        let ((simulator, http), receiver) = (start(), Receiver::start());
        let token = simulator.github().add_user("ann");
        simulator.github().add_repository(REPO, "ann");
        let config = json!({ "url": receiver.url("a"), "content_type": "json" });
        let body = json!({ "config": config, "events": events });
        let url = format!("{}/repos/{REPO}/hooks", simulator.api_url());
        let request = http.post(url).bearer_auth(token).json(&body);
        assert_eq!(request.send().await.unwrap().status(), 201);
        Self {
            simulator,
            receiver,
        }
    }

    fn heard(&self, event: &str) -> Vec<Value> {
        assert!(self.simulator.wait_quiet(Duration::from_secs(10)));
        let mut seen = self.receiver.seen();
        seen.retain(|seen| seen.header("x-github-event") == Some(event));
        seen.iter().map(Seen::json).collect()
    }
}

#[tokio::test]
async fn jobs_come_with_their_run_and_are_others_in_another_attempt() {
    let lab = Lab::new(&["workflow_run", "workflow_job"]).await;
    let mut spec = RunSpec::new(1, "failure");
    spec.jobs = vec![
        RunJobSpec::new("unit", "failure"),
        RunJobSpec::new("lint", "success"),
    ];
    lab.simulator.github().play_run(REPO, &spec);
    let over = |attempt: u32| {
        let mut jobs = lab.heard("workflow_job");
        jobs.retain(|job| job["action"] == "completed");
        jobs.retain(|job| job["workflow_job"]["run_attempt"] == attempt);
        jobs.sort_by_key(|job| job["workflow_job"]["id"].as_u64());
        jobs
    };
    assert_eq!(lab.heard("workflow_run").len(), 3);
    assert_eq!(lab.heard("workflow_job").len(), 6);
    let first = over(1);
    assert_eq!(first[0]["workflow_job"]["conclusion"], "failure");
    assert_eq!(first[0]["workflow_job"]["run_id"], spec.run_id);
    assert_eq!(first[1]["workflow_job"]["name"], "lint");
    spec.attempt = 2;
    lab.simulator.github().play_run(REPO, &spec);
    assert_eq!(
        lab.heard("workflow_run").len(),
        5,
        "it is not requested again"
    );
    assert_ne!(
        over(2)[0]["workflow_job"]["id"],
        first[0]["workflow_job"]["id"]
    );
}

#[tokio::test]
async fn checks_statuses_and_deployments_say_how_it_went() {
    let events = ["check_suite", "check_run", "status", "deployment_status"];
    let lab = Lab::new(&events).await;
    let github = lab.simulator.github();
    let mut check = CheckSpec::new(5, "failure");
    github.check_suite(REPO, &check);
    check.branch = None;
    github.check_run(REPO, &check);
    github.status(REPO, &StatusSpec::new(6, "error"));
    github.deployment_status(REPO, "production", "failure");
    let suite = lab.heard("check_suite").remove(0);
    assert_eq!(suite["action"], "completed");
    assert_eq!(suite["check_suite"]["conclusion"], "failure");
    assert_eq!(suite["check_suite"]["head_branch"], "main");
    let mut runs = lab.heard("check_run");
    runs.sort_by_key(|run| run["action"].to_string());
    let of = |run: &Value| {
        (
            run["check_run"]["status"].clone(),
            run["check_run"]["conclusion"].clone(),
        )
    };
    assert_eq!(of(&runs[0]), (json!("completed"), json!("failure")));
    assert_eq!(of(&runs[1]), (json!("in_progress"), Value::Null));
    assert_eq!(
        runs[0]["check_run"]["check_suite"]["head_branch"],
        Value::Null
    );
    let status = lab.heard("status").remove(0);
    assert_eq!(status["state"], "error");
    assert_eq!(status["branches"][0]["name"], "main");
    let deployed = lab.heard("deployment_status").remove(0);
    assert_eq!(deployed["deployment_status"]["state"], "failure");
    assert_eq!(deployed["deployment"]["environment"], "production");
}

#[tokio::test]
async fn who_moves_tells_those_who_want_to_hear_of_it() {
    let lab = Lab::new(&["repository"]).await;
    lab.simulator.github().rename(REPO, "octo/new");
    let renamed = lab.heard("repository").remove(0);
    assert_eq!(renamed["action"], "renamed");
    assert_eq!(renamed["changes"]["repository"]["name"]["from"], "repo");
    assert_eq!(renamed["repository"]["full_name"], "octo/new");
    lab.simulator.github().rename("octo/new", "bob/new");
    let moved = lab.heard("repository").remove(1);
    assert_eq!(moved["action"], "transferred");
    assert_eq!(moved["changes"]["owner"]["from"]["user"]["login"], "octo");
    lab.simulator.github().push("bob/new");
    assert!(lab.heard("push").is_empty(), "nobody asked for it");
}
