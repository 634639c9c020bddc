//! Checks, statuses and deployments, for those whose CI is not Actions.

use super::{named, time};
use crate::simulator::state::github::State;
use serde_json::{Value, json};

/// A check of some app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckSpec {
    /// Its id, and that of its suite.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The app that checks.
    pub app: String,
    /// The branch; a push in a fork has none.
    pub branch: Option<String>,
    /// The commit.
    pub sha: String,
    /// How it ends.
    pub conclusion: String,
}

impl CheckSpec {
    /// A check named `build` of the app `buildbot` on `main`.
    pub fn new(id: u64, conclusion: &str) -> Self {
        Self {
            id,
            name: "build".into(),
            app: "buildbot".into(),
            branch: Some("main".into()),
            sha: format!("{id:040x}"),
            conclusion: conclusion.into(),
        }
    }
}

/// A status of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSpec {
    /// Its id.
    pub id: u64,
    /// What it is about.
    pub context: String,
    /// The branch whose head the commit is.
    pub branch: String,
    /// The commit.
    pub sha: String,
    /// `pending`, `success`, `failure` or `error`.
    pub state: String,
}

impl StatusSpec {
    /// A status of `ci/build` on `main`.
    pub fn new(id: u64, state: &str) -> Self {
        Self {
            id,
            context: "ci/build".into(),
            branch: "main".into(),
            sha: format!("{id:040x}"),
            state: state.into(),
        }
    }
}

fn app(state: &State, name: &str) -> Value {
    let owner = state.user_json(name);
    json!({
        "id": 4000 + name.len(), "node_id": "A_1", "slug": name, "name": name, "owner": owner,
        "description": null, "external_url": format!("{}/apps/{name}", state.api_url()),
        "html_url": format!("{}/apps/{name}", state.api_url()), "permissions": {}, "events": [],
        "created_at": time(1_700_000_000), "updated_at": time(1_700_000_000),
    })
}

fn suite(state: &State, full_name: &str, spec: &CheckSpec) -> Value {
    let now = time(state.now_s());
    let url = format!(
        "{}/repos/{full_name}/check-suites/{}",
        state.api_url(),
        spec.id
    );
    json!({
        "id": spec.id, "node_id": "CS_1", "head_branch": spec.branch, "head_sha": spec.sha,
        "status": "completed", "conclusion": spec.conclusion, "url": url,
        "check_runs_url": format!("{url}/check-runs"), "before": "0".repeat(40),
        "after": spec.sha, "pull_requests": [], "app": app(state, &spec.app),
        "latest_check_runs_count": 1, "created_at": now, "updated_at": now,
        "head_commit": {
            "id": spec.sha, "tree_id": spec.sha, "message": "Change something",
            "timestamp": now, "author": { "name": "Ann", "email": "ann@example.org" },
            "committer": { "name": "Ann", "email": "ann@example.org" },
        },
    })
}

/// A suite is completed.
pub(crate) fn check_suite(state: &State, full_name: &str, spec: &CheckSpec) -> Value {
    let (repository, sender) = named(state, full_name);
    json!({
        "action": "completed", "check_suite": suite(state, full_name, spec),
        "repository": repository, "sender": sender,
    })
}

/// A check is `created`, or `completed`.
pub(crate) fn check_run(state: &State, full_name: &str, spec: &CheckSpec, action: &str) -> Value {
    let (repository, sender) = named(state, full_name);
    let is_over = action == "completed";
    let now = time(state.now_s());
    let base = format!(
        "{}/repos/{full_name}/check-runs/{}",
        state.api_url(),
        spec.id
    );
    json!({
        "action": action,
        "check_run": {
            "id": spec.id, "node_id": "CR_1", "name": spec.name, "head_sha": spec.sha,
            "external_id": "", "url": base, "details_url": base,
            "html_url": format!("{}/{full_name}/runs/{}", state.api_url(), spec.id),
            "status": if is_over { "completed" } else { "in_progress" },
            "conclusion": is_over.then_some(&spec.conclusion), "started_at": now,
            "completed_at": is_over.then_some(&now), "pull_requests": [],
            "output": {
                "title": null, "summary": null, "text": null, "annotations_count": 0,
                "annotations_url": format!("{base}/annotations"),
            },
            "check_suite": suite(state, full_name, spec), "app": app(state, &spec.app),
        },
        "repository": repository, "sender": sender,
    })
}

/// A commit gets a status.
pub(crate) fn commit_status(state: &State, full_name: &str, spec: &StatusSpec) -> Value {
    let (repository, sender) = named(state, full_name);
    let now = time(state.now_s());
    let url = format!("{}/repos/{full_name}/commits/{}", state.api_url(), spec.sha);
    let person = json!({ "name": "Ann", "email": "ann@example.org", "date": now });
    json!({
        "id": spec.id, "sha": spec.sha, "name": full_name, "context": spec.context,
        "state": spec.state, "description": null, "target_url": "https://ci.example.org/1",
        "avatar_url": null, "created_at": now, "updated_at": now,
        "commit": {
            "sha": spec.sha, "node_id": "C_1", "url": url, "html_url": url,
            "author": sender, "committer": sender, "parents": [],
            "commit": {
                "author": person, "committer": person, "message": "Change something",
                "comment_count": 0, "url": url,
            },
        },
        "branches": [{
            "name": spec.branch, "protected": false, "commit": { "sha": spec.sha, "url": url },
        }],
        "repository": repository, "sender": sender,
    })
}

/// A deployment gets a status.
pub(crate) fn deployment_status(
    state: &State,
    full_name: &str,
    environment: &str,
    status: &str,
) -> Value {
    let (repository, sender) = named(state, full_name);
    let id = state.ground.fresh();
    let now = time(state.now_s());
    let url = format!("{}/repos/{full_name}/deployments/{id}", state.api_url());
    json!({
        "action": "created",
        "deployment_status": {
            "id": id + 1, "node_id": "DS_1", "state": status, "environment": environment,
            "description": "", "target_url": "", "log_url": "", "environment_url": "",
            "creator": sender, "created_at": now, "updated_at": now, "deployment_url": url,
            "url": format!("{url}/statuses/{}", id + 1), "repository_url": repository["url"],
        },
        "deployment": {
            "id": id, "node_id": "D_1", "sha": format!("{id:040x}"), "ref": "main",
            "task": "deploy", "environment": environment, "original_environment": environment,
            "description": null, "payload": {}, "creator": sender, "created_at": now,
            "updated_at": now, "url": url, "statuses_url": format!("{url}/statuses"),
            "repository_url": repository["url"], "production_environment": true,
            "transient_environment": false,
        },
        "check_run": null, "workflow_run": null, "repository": repository, "sender": sender,
    })
}
