//! Jobs of a run.

use super::super::super::state::github::State;
use super::{RunSpec, named, time};
use serde_json::{Value, json};

/// A job of a run.
#[derive(serde::Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct RunJobSpec {
    /// Its name.
    pub name: String,
    /// How it ends.
    pub conclusion: String,
}

impl RunJobSpec {
    /// A job that ends so.
    pub fn new(name: &str, conclusion: &str) -> Self {
        Self {
            name: name.into(),
            conclusion: conclusion.into(),
        }
    }
}

/// The event of each job of a run that gets to `status`: `queued`, `in_progress`, `completed`.
pub(in super::super::super) fn job_events(
    state: &State,
    full_name: &str,
    run: &RunSpec,
    status: &str,
) -> Vec<Value> {
    let jobs = (0..).zip(&run.jobs);
    jobs.map(|(at, job)| job_event(state, full_name, run, (at, job), status))
        .collect()
}

fn job_event(
    state: &State,
    full_name: &str,
    run: &RunSpec,
    (at, job): (u64, &RunJobSpec),
    status: &str,
) -> Value {
    let (repository, sender) = named(state, full_name);
    let is_over = status == "completed";
    // Each attempt has jobs of its own.
    let id = run.run_id * 1000 + u64::from(run.attempt) * 50 + at;
    let api = format!("{}/repos/{full_name}/actions", state.api_url());
    let page = format!(
        "{}/{full_name}/actions/runs/{}",
        state.api_url(),
        run.run_id
    );
    let now = time(state.now_s());
    let result = is_over.then_some(job.conclusion.as_str());
    json!({
        "action": status,
        "workflow_job": {
            "id": id, "node_id": format!("J_{id}"), "run_id": run.run_id,
            "run_attempt": run.attempt, "run_url": format!("{api}/runs/{}", run.run_id),
            "workflow_name": run.workflow, "head_branch": run.branch,
            "head_sha": format!("{:040x}", run.run_id), "name": job.name, "status": status,
            "conclusion": result, "url": format!("{api}/jobs/{id}"),
            "html_url": format!("{page}/job/{id}"), "created_at": now, "started_at": now,
            "completed_at": is_over.then_some(&now), "labels": ["ubuntu-latest"],
            "check_run_url": format!("{}/repos/{full_name}/check-runs/{id}", state.api_url()),
            "runner_id": null, "runner_name": null, "runner_group_id": null,
            "runner_group_name": null,
            "steps": [{
                "name": "Test", "number": 1, "status": status, "conclusion": result,
                "started_at": now, "completed_at": is_over.then_some(&now),
            }],
        },
        "repository": repository, "sender": sender,
    })
}
