//! Runs and their jobs.

use super::{named, time};
use crate::simulator::state::github::State;
use serde_json::{Value, json};

/// A run to be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSpec {
    /// Its workflow.
    pub workflow: String,
    /// Its branch.
    pub branch: String,
    /// What sets it off: `push`, `pull_request`, `schedule`, `merge_group`, ...
    pub event: String,
    /// The fork that its code is from, when it is not the repository's own.
    pub fork: Option<String>,
    /// The provider's id of the run.
    pub run_id: u64,
    /// Its number.
    pub number: u64,
    /// Its attempt.
    pub attempt: u32,
    /// How it ends.
    pub conclusion: String,
    /// The pull request that it is for, from a branch of the repository's own.
    pub pull_request: Option<u64>,
    /// Its jobs, whose events are sent along.
    pub jobs: Vec<RunJobSpec>,
}

impl RunSpec {
    /// The first attempt of run `number` of the workflow `CI` on `main`.
    pub fn new(number: u64, conclusion: &str) -> Self {
        Self {
            workflow: "CI".into(),
            branch: "main".into(),
            event: "push".into(),
            fork: None,
            run_id: 900_000 + number,
            number,
            attempt: 1,
            conclusion: conclusion.into(),
            pull_request: None,
            jobs: Vec::new(),
        }
    }

    /// The same for a pull request from a branch of the repository's own.
    #[must_use]
    pub fn for_pull_request(mut self, number: u64, branch: &str) -> Self {
        self.event = "pull_request".into();
        self.pull_request = Some(number);
        self.branch = branch.into();
        self
    }

    /// The same for a pull request from a fork's branch. GitHub sends no number of these.
    #[must_use]
    pub fn of_fork(mut self, fork: &str, branch: &str) -> Self {
        self.event = "pull_request".into();
        self.fork = Some(fork.into());
        self.branch = branch.into();
        self
    }
}

/// The repository that a run's code is from: short, and with an id of its own for a fork.
pub(super) fn head_repository(repository: &Value, fork: Option<&str>) -> Value {
    let Some(fork) = fork else {
        return repository.clone();
    };
    let id = fork
        .bytes()
        .fold(7_u64, |n, b| n * 31 % 1_000_003 + u64::from(b));
    let mut head = repository.clone();
    head["id"] = json!(5_000_000 + id);
    head["full_name"] = json!(fork);
    head["fork"] = json!(true);
    head
}

/// A job of a run.
#[derive(serde::Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct RunJobSpec {
    /// Its name.
    pub name: String,
    /// How it ends.
    pub conclusion: String,
    /// Its log; without one there is none.
    #[serde(default)]
    pub log: Option<String>,
}

impl RunJobSpec {
    /// A job that ends so.
    pub fn new(name: &str, conclusion: &str) -> Self {
        Self {
            name: name.into(),
            conclusion: conclusion.into(),
            log: None,
        }
    }

    /// The same with a log.
    #[must_use]
    pub fn with_log(mut self, log: &str) -> Self {
        self.log = Some(log.into());
        self
    }
}

/// The pull request of a run as the run lists it. Those of forks are not listed.
fn listed(repository: &Value, spec: &RunSpec) -> Value {
    let Some(number) = spec.pull_request else {
        return json!([]);
    };
    let short = json!({
        "id": repository["id"], "url": repository["url"], "name": repository["name"],
    });
    let url = repository["url"].as_str().unwrap_or_default();
    json!([{
        "id": 40_000 + number, "number": number, "url": format!("{url}/pulls/{number}"),
        "head": {
            "ref": spec.branch, "sha": format!("{:040x}", spec.run_id), "repo": short,
        },
        "base": { "ref": "main", "sha": "f".repeat(40), "repo": short },
    }])
}

/// An event, what it is about, and the payload.
pub(crate) type Event = (&'static str, &'static str, Value);

/// The events of a run and its jobs, in the order in which the provider sends them.
pub(crate) fn run_events(state: &State, full_name: &str, spec: &RunSpec) -> Vec<Event> {
    let mut events = Vec::new();
    let of_run = |events: &mut Vec<Event>, action, status, conclusion| {
        let order = events.len() as u64;
        let body = run_event(state, full_name, spec, (action, status, conclusion), order);
        events.push(("workflow_run", action, body));
    };
    let of_jobs = |events: &mut Vec<Event>, status| {
        let bodies = job_events(state, full_name, spec, status);
        events.extend(
            bodies
                .into_iter()
                .map(|body| ("workflow_job", status, body)),
        );
    };
    // A repeated run is not requested again.
    if spec.attempt == 1 {
        of_run(&mut events, "requested", "queued", None);
    }
    of_jobs(&mut events, "queued");
    of_run(&mut events, "in_progress", "in_progress", None);
    of_jobs(&mut events, "in_progress");
    of_jobs(&mut events, "completed");
    let conclusion = Some(spec.conclusion.as_str());
    of_run(&mut events, "completed", "completed", conclusion);
    events
}

fn run_event(
    state: &State,
    full_name: &str,
    spec: &RunSpec,
    (action, status, conclusion): (&str, &str, Option<&str>),
    order: u64,
) -> Value {
    let (repository, sender) = named(state, full_name);
    let base = format!("{}/repos/{full_name}/actions", state.api_url());
    let workflow_id = spec
        .workflow
        .bytes()
        .fold(7_u64, |n, b| n * 31 % 1_000_003 + u64::from(b));
    let path = format!(".github/workflows/{}.yml", spec.workflow.to_lowercase());
    let sha = format!("{:040x}", spec.run_id);
    let updated = time(state.now_s() + order);
    let created_at_s = state.created_at_s(full_name, spec.run_id);
    let created = time(created_at_s.unwrap_or(state.now_s()));
    let mut event = json!({
        "action": action,
        "workflow": {
            "id": workflow_id, "node_id": "W_1", "name": spec.workflow, "path": path,
            "state": "active", "created_at": time(1_700_000_000), "updated_at": time(1_700_000_000),
            "url": format!("{base}/workflows/{workflow_id}"), "badge_url": "",
            "html_url": format!("{}/{full_name}/blob/main/{path}", state.api_url()),
        },
        "workflow_run": {
            "id": spec.run_id, "node_id": "WFR_1", "workflow_id": workflow_id,
            "name": spec.workflow, "path": path, "display_title": "Change something",
            "run_number": spec.number, "run_attempt": spec.attempt, "event": spec.event,
            "status": status, "conclusion": conclusion, "head_branch": spec.branch,
            "head_sha": sha, "check_suite_id": spec.run_id + 1, "check_suite_node_id": "CS_1",
            "html_url": format!("{}/{full_name}/actions/runs/{}", state.api_url(), spec.run_id),
            "pull_requests": listed(&repository, spec),
            "created_at": created, "run_started_at": time(state.now_s()),
            "updated_at": updated, "actor": sender, "triggering_actor": sender,
            "previous_attempt_url": null, "repository": repository,
            "head_repository": head_repository(&repository, spec.fork.as_deref()),
            "head_commit": {
                "id": sha, "tree_id": sha, "message": "Change something\n\nFor a reason.",
                "timestamp": time(state.now_s()),
                "author": { "name": "Ann", "email": "ann@example.org" },
                "committer": { "name": "Ann", "email": "ann@example.org" },
            },
        },
        "repository": repository, "sender": sender,
    });
    let run = format!("{base}/runs/{}", spec.run_id);
    let of_run = &mut event["workflow_run"];
    for part in ["jobs", "logs", "artifacts", "cancel", "rerun"] {
        of_run[format!("{part}_url")] = json!(format!("{run}/{part}"));
    }
    of_run["url"] = json!(run);
    of_run["workflow_url"] = json!(format!("{base}/workflows/{workflow_id}"));
    let suite = spec.run_id + 1;
    let suite = format!("{}/repos/{full_name}/check-suites/{suite}", state.api_url());
    of_run["check_suite_url"] = json!(suite);
    event
}

/// The event of each job of a run that gets to `status`: `queued`, `in_progress`, `completed`.
fn job_events(state: &State, full_name: &str, run: &RunSpec, status: &str) -> Vec<Value> {
    let jobs = (0..).zip(&run.jobs);
    jobs.map(|(at, job)| job_event(state, full_name, run, (at, job), status))
        .collect()
}

/// The logs of the jobs that have one, by their ids.
pub(crate) fn job_logs(run: &RunSpec) -> impl Iterator<Item = (u64, String)> {
    let jobs = (0..).zip(&run.jobs);
    jobs.filter_map(|(at, job)| Some((job_id(run, at), job.log.clone()?)))
}

/// The id of a job, by its place in the run.
fn job_id(run: &RunSpec, at: u64) -> u64 {
    run.run_id * 1000 + u64::from(run.attempt) * 50 + at
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
    let id = job_id(run, at);
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
