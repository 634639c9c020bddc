//! Payloads as GitHub makes them.

mod checks;
mod ends;
mod jobs;

pub use checks::{CheckSpec, StatusSpec};
pub(in super::super) use checks::{check_run, check_suite, deployment_status, status};
pub use ends::PullSpec;
pub(in super::super) use ends::{deletion, pull_request_ended};
pub use jobs::RunJobSpec;
use jobs::job_events;

use super::super::state::github::{Hook, RATE_LIMIT, State};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

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
fn head_repository(repository: &Value, spec: &RunSpec) -> Value {
    let Some(fork) = &spec.fork else {
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

pub(in super::super) fn time(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(0);
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(&Rfc3339).unwrap_or_default()
}

/// Parts of a repository that are URLs below its own.
const URLS: &str = "\
    archive assignees blobs branches collaborators comments commits compare contents \
    contributors deployments downloads events forks git_commits git_refs git_tags hooks \
    issue_comment issue_events issues keys labels languages merges milestones notifications \
    pulls releases stargazers statuses subscribers subscription tags teams trees svn";

/// Counts that are not kept here.
const COUNTS: &str = "\
    forks_count forks stargazers_count watchers_count watchers size open_issues_count \
    open_issues network_count subscribers_count";
/// What a repository could have and has not.
const FLAGS: &str = "\
    has_projects has_wiki has_pages has_downloads has_discussions";

/// A repository as the API and the payloads show it to `login`.
pub(in super::super) fn repository(state: &State, id: u64, login: &str) -> Value {
    let Some(r) = state.repositories.get(&id) else {
        return Value::Null;
    };
    let (owner, name) = r.full_name.split_once('/').unwrap_or(("", &r.full_name));
    let url = format!("{}/repos/{}", state.api_url(), r.full_name);
    let is_admin = r.admins.contains(login);
    let mut value = json!({
        "id": r.id, "node_id": format!("R_{}", r.id), "name": name, "full_name": r.full_name,
        "owner": state.user_json(owner), "private": false, "fork": false, "url": url,
        "html_url": format!("{}/{}", state.api_url(), r.full_name), "description": null,
        "git_url": format!("git://127.0.0.1/{}.git", r.full_name),
        "ssh_url": format!("git@127.0.0.1:{}.git", r.full_name),
        "clone_url": format!("{}/{}.git", state.api_url(), r.full_name),
        "mirror_url": null, "homepage": null, "language": null,
        "license": null, "default_branch": "main", "topics": [], "visibility": "public",
        "has_issues": true, "archived": r.is_archived,
        "disabled": false, "pushed_at": time(state.now_s()), "created_at": time(1_700_000_000),
        "updated_at": time(state.now_s()),
        "permissions": {
            "admin": is_admin, "maintain": is_admin, "push": is_admin, "triage": is_admin,
            "pull": true,
        },
    });
    for name in COUNTS.split(' ') {
        value[name] = json!(0);
    }
    for name in FLAGS.split(' ') {
        value[name] = json!(false);
    }
    for part in URLS.split(' ') {
        value[format!("{part}_url")] = json!(format!("{url}/{part}"));
    }
    value
}

/// Counts of an account.
const ACCOUNT_COUNTS: &str = "\
    collaborators disk_usage followers following owned_private_repos private_gists \
    public_gists public_repos total_private_repos";

/// An account as it is shown to itself.
pub(in super::super) fn account(state: &State, login: &str) -> Value {
    let mut account = state.user_json(login);
    account["name"] = json!(login);
    account["two_factor_authentication"] = json!(true);
    for name in ["created_at", "updated_at"] {
        account[name] = json!(time(1_700_000_000));
    }
    for name in ["bio", "blog", "company", "email", "hireable", "location"] {
        account[name] = Value::Null;
    }
    for name in ACCOUNT_COUNTS.split(' ') {
        account[name] = json!(0);
    }
    account
}

/// The budgets. Only `core` means anything here.
pub(in super::super) fn rate_limit(state: &State) -> Value {
    let whole = json!({
        "limit": RATE_LIMIT, "used": 0, "remaining": RATE_LIMIT, "reset": state.now_s() + 3600,
    });
    json!({ "resources": { "core": whole, "search": whole }, "rate": whole })
}

fn named(state: &State, full_name: &str) -> (Value, Value) {
    let owner = full_name.split_once('/').map_or("", |(owner, _)| owner);
    let id = state.find(full_name).unwrap_or(0);
    (repository(state, id, owner), state.user_json(owner))
}

/// A hook as the API shows it: with a mask where the secret is.
pub(in super::super) fn hook(state: &State, repository: u64, hook: &Hook) -> Value {
    let name = state
        .repositories
        .get(&repository)
        .map_or("", |r| r.full_name.as_str());
    let url = format!("{}/repos/{name}/hooks/{}", state.api_url(), hook.id);
    let mut config = json!({
        "url": hook.url, "content_type": hook.content_type, "insecure_ssl": hook.insecure_ssl,
    });
    if hook.secret.is_some() {
        config["secret"] = json!("********");
    }
    let last_response = match &hook.last_response {
        None => json!({ "code": null, "status": "unused", "message": null }),
        Some((code, message)) => {
            let status = if code.is_some() { "active" } else { "error" };
            json!({ "code": code, "status": status, "message": message })
        }
    };
    json!({
        "type": "Repository", "id": hook.id, "name": "web", "active": hook.is_active,
        "events": hook.events, "config": config, "updated_at": time(hook.updated_at_s),
        "created_at": time(hook.created_at_s), "url": url, "test_url": format!("{url}/test"),
        "ping_url": format!("{url}/pings"), "deliveries_url": format!("{url}/deliveries"),
        "last_response": last_response,
    })
}

pub(in super::super) fn ping(state: &State, id: u64, of: &Hook) -> Value {
    let owner = state
        .repositories
        .get(&id)
        .and_then(|r| r.full_name.split_once('/'));
    let owner = owner.map_or("", |(owner, _)| owner);
    // Two pings are never the same body.
    let zen = format!("Speak like a human, ping {}.", state.attempts.len());
    json!({
        "zen": zen, "hook_id": of.id, "hook": hook(state, id, of),
        "repository": repository(state, id, owner), "sender": state.user_json(owner),
    })
}

pub(in super::super) fn push(state: &State, full_name: &str) -> Value {
    let (repository, sender) = named(state, full_name);
    let after = format!("{:040x}", state.attempts.len() + 1);
    json!({
        "ref": "refs/heads/main", "before": "0".repeat(40), "after": after, "created": false,
        "deleted": false, "forced": false, "base_ref": null, "compare": "", "commits": [],
        "head_commit": null, "pusher": { "name": sender["login"], "email": null },
        "repository": repository, "sender": sender,
    })
}

pub(in super::super) fn pull_request(state: &State, full_name: &str) -> Value {
    let (repository, sender) = named(state, full_name);
    let number = state.attempts.len() + 1;
    json!({
        "action": "opened", "number": number,
        "pull_request": { "id": number, "number": number, "title": "A change", "state": "open" },
        "repository": repository, "sender": sender,
    })
}

/// The repository has another name, or another owner.
pub(in super::super) fn moved(state: &State, full_name: &str, old_name: &str) -> Value {
    let (repository, sender) = named(state, full_name);
    let parts = |name: &str| {
        let (owner, name) = name.split_once('/').unwrap_or(("", name));
        (owner.to_owned(), name.to_owned())
    };
    let ((owner, _), (old_owner, name)) = (parts(full_name), parts(old_name));
    let (action, changes) = if owner == old_owner {
        (
            "renamed",
            json!({ "repository": { "name": { "from": name } } }),
        )
    } else {
        let from = json!({ "user": state.user_json(&old_owner) });
        ("transferred", json!({ "owner": { "from": from } }))
    };
    json!({
        "action": action, "changes": changes, "repository": repository, "sender": sender,
    })
}

/// An event, what it is about, and the payload.
pub(in super::super) type Event = (&'static str, &'static str, Value);

/// The events of a run and its jobs, in the order in which the provider sends them.
pub(in super::super) fn run_events(state: &State, full_name: &str, spec: &RunSpec) -> Vec<Event> {
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
    json!({
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
            "url": format!("{base}/runs/{}", spec.run_id),
            "pull_requests": ends::listed(&repository, spec),
            "created_at": time(state.now_s()), "run_started_at": time(state.now_s()),
            "updated_at": updated, "actor": sender, "triggering_actor": sender,
            "previous_attempt_url": null, "repository": repository,
            "head_repository": head_repository(&repository, spec),
            "head_commit": {
                "id": sha, "tree_id": sha, "message": "Change something\n\nFor a reason.",
                "timestamp": time(state.now_s()),
                "author": { "name": "Ann", "email": "ann@example.org" },
                "committer": { "name": "Ann", "email": "ann@example.org" },
            },
        },
        "repository": repository, "sender": sender,
    })
}
