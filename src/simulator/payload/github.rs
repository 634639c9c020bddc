//! Payloads as GitHub makes them.

mod checks;
mod ends;
mod runs;

pub use checks::{CheckSpec, StatusSpec};
pub(crate) use checks::{check_run, check_suite, commit_status, deployment_status};
pub use ends::PullSpec;
pub(crate) use ends::{deletion, pull_request_ended};
pub(crate) use runs::{Event, job_logs, run_events};
pub use runs::{RunJobSpec, RunSpec};

use crate::simulator::state::github::{Hook, RATE_LIMIT, State};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub(crate) fn time(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(0);
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(&Rfc3339).unwrap_or_default()
}

/// The end of a token, as its header says it.
pub(crate) fn expiration(at_s: u64) -> String {
    let text = time(at_s).replace('T', " ");
    text.replace('Z', " UTC")
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
pub(crate) fn repository(state: &State, id: u64, login: &str) -> Value {
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
pub(crate) fn account(state: &State, login: &str) -> Value {
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
pub(crate) fn rate_limit(state: &State) -> Value {
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
pub(crate) fn hook(state: &State, repository: u64, hook: &Hook) -> Value {
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

pub(crate) fn ping(state: &State, id: u64, of: &Hook) -> Value {
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

pub(crate) fn push(state: &State, full_name: &str) -> Value {
    let (repository, sender) = named(state, full_name);
    let after = format!("{:040x}", state.attempts.len() + 1);
    json!({
        "ref": "refs/heads/main", "before": "0".repeat(40), "after": after, "created": false,
        "deleted": false, "forced": false, "base_ref": null, "compare": "", "commits": [],
        "head_commit": null, "pusher": { "name": sender["login"], "email": null },
        "repository": repository, "sender": sender,
    })
}

pub(crate) fn pull_request(state: &State, full_name: &str) -> Value {
    let (repository, sender) = named(state, full_name);
    let number = state.attempts.len() + 1;
    json!({
        "action": "opened", "number": number,
        "pull_request": { "id": number, "number": number, "title": "A change", "state": "open" },
        "repository": repository, "sender": sender,
    })
}

/// The repository has another name, or another owner.
pub(crate) fn moved(state: &State, full_name: &str, old_name: &str) -> Value {
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
