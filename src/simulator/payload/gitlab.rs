//! Payloads as GitLab makes them.

mod ci;
mod spec;

pub(crate) use ci::{deployment, play, repeat};
pub(crate) use spec::DEFAULT_BRANCH;
pub use spec::{JobSpec, MergeRequestSpec, ParentSpec, PipelineSpec};

use crate::simulator::state::gitlab::{Project, State};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// The commit that is not there.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

fn moment(seconds: u64) -> OffsetDateTime {
    let seconds = i64::try_from(seconds).unwrap_or(0);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A time as payloads write it: `2026-11-24 10:00:00 UTC`.
pub(crate) fn time(seconds: u64) -> String {
    let at = moment(seconds);
    let (date, clock) = (at.date(), at.to_hms());
    let (hours, minutes, seconds) = clock;
    format!("{date} {hours:02}:{minutes:02}:{seconds:02} UTC")
}

/// A time as the API writes it.
pub(crate) fn api_time(seconds: u64) -> String {
    let at = moment(seconds);
    let (date, (hours, minutes, seconds)) = (at.date(), at.to_hms());
    format!("{date}T{hours:02}:{minutes:02}:{seconds:02}.000Z")
}

/// The last part of a path, and the groups before it.
pub(crate) fn parts(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The login that owns a project, for payloads that need a user.
fn actor(project: &Project) -> &str {
    project
        .members
        .keys()
        .next()
        .map_or("ghost", String::as_str)
}

/// A project as payloads show it.
fn project(state: &State, project: &Project) -> Value {
    let (base, path) = (state.ground.url(), &project.path);
    let (namespace, name) = parts(path);
    json!({
        "id": project.id, "name": name, "description": null, "avatar_url": null,
        "web_url": format!("{base}/{path}"), "git_ssh_url": format!("git@127.0.0.1:{path}.git"),
        "git_http_url": format!("{base}/{path}.git"), "namespace": namespace,
        "visibility_level": if project.is_public { 20 } else { 0 },
        "path_with_namespace": path, "default_branch": DEFAULT_BRANCH, "ci_config_path": null,
    })
}

/// A repository as older payloads show it.
fn repository(state: &State, project: &Project) -> Value {
    let (base, path) = (state.ground.url(), &project.path);
    let (_, name) = parts(path);
    json!({
        "name": name, "url": format!("git@127.0.0.1:{path}.git"), "description": null,
        "homepage": format!("{base}/{path}"), "git_http_url": format!("{base}/{path}.git"),
        "git_ssh_url": format!("git@127.0.0.1:{path}.git"),
        "visibility_level": if project.is_public { 20 } else { 0 },
    })
}

fn commit(state: &State, project: &Project, sha: &str) -> Value {
    let url = format!("{}/{}/-/commit/{sha}", state.ground.url(), project.path);
    json!({
        "id": sha, "message": "Change something\n\nFor a reason.", "title": "Change something",
        "timestamp": api_time(state.now_s()), "url": url,
        "author": { "name": "Ann", "email": "ann@example.org" },
        "added": [], "modified": ["README.md"], "removed": [],
    })
}

/// A push of one commit to a branch (`refs/heads/...`) or of a tag (`refs/tags/...`).
pub(crate) fn push(state: &State, of: &Project, reference: &str) -> Value {
    let is_tag = reference.starts_with("refs/tags/");
    let number = state.attempts.len() + 1;
    let (before, after) = if is_tag {
        (NO_COMMIT.to_owned(), format!("{number:040x}"))
    } else {
        (
            format!("{:040x}", number + 0xffff),
            format!("{number:040x}"),
        )
    };
    let kind = if is_tag { "tag_push" } else { "push" };
    let user = state.user_json(actor(of));
    json!({
        "object_kind": kind, "event_name": kind, "before": before, "after": after,
        "ref": reference, "ref_protected": true, "checkout_sha": after, "message": null,
        "user_id": user["id"], "user_name": user["name"], "user_username": user["username"],
        "user_email": user["email"], "user_avatar": null, "project_id": of.id,
        "project": project(state, of), "commits": [commit(state, of, &after)],
        "total_commits_count": 1, "push_options": {}, "repository": repository(state, of),
    })
}

/// A branch (`refs/heads/...`) or a tag (`refs/tags/...`) is deleted: a push of no commits to a
/// hash of zeros, with `checkout_sha` null and no time in it, as GitLab's documentation of push
/// and tag events says.
pub(crate) fn deletion(state: &State, of: &Project, reference: &str) -> Value {
    let mut body = push(state, of, reference);
    body["before"] = format!("{:040x}", state.attempts.len() + 0xffff).into();
    body["after"] = NO_COMMIT.into();
    body["checkout_sha"] = Value::Null;
    body["commits"] = json!([]);
    body["total_commits_count"] = json!(0);
    body
}

/// A merge request ends, by `merge` or `close` (GitLab's documentation of merge request events).
pub(crate) fn merge_request_ended(
    state: &State,
    of: &Project,
    (iid, source_branch): (u64, &str),
    action: &str,
) -> Value {
    let mut body = merge_request(state, of);
    let attributes = &mut body["object_attributes"];
    attributes["iid"] = iid.into();
    attributes["source_branch"] = source_branch.into();
    attributes["action"] = action.into();
    attributes["state"] = if action == "merge" {
        "merged"
    } else {
        "closed"
    }
    .into();
    body
}

/// A merge request is opened.
pub(crate) fn merge_request(state: &State, of: &Project) -> Value {
    let number = state.attempts.len() + 1;
    let url = format!(
        "{}/{}/-/merge_requests/{number}",
        state.ground.url(),
        of.path
    );
    let user = state.user_json(actor(of));
    let now = time(state.now_s());
    json!({
        "object_kind": "merge_request", "event_type": "merge_request", "user": user,
        "project": project(state, of), "repository": repository(state, of),
        "object_attributes": {
            "id": 7000 + number, "iid": number, "title": "A change", "description": "",
            "source_branch": "change", "target_branch": DEFAULT_BRANCH,
            "source_project_id": of.id, "target_project_id": of.id,
            "source": project(state, of), "target": project(state, of),
            "author_id": user["id"], "assignee_ids": [], "reviewer_ids": [],
            "created_at": now, "updated_at": now, "state": "opened", "action": "open",
            "merge_status": "unchecked", "detailed_merge_status": "not_open", "draft": false,
            "url": url, "last_commit": commit(state, of, &format!("{number:040x}")),
        },
        "labels": [], "changes": {}, "assignees": [], "reviewers": [],
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_written_as_gitlab_writes_them() {
        assert_eq!(super::time(1_795_514_400), "2026-11-24 10:00:00 UTC");
        assert_eq!(super::api_time(1_795_514_400), "2026-11-24T10:00:00.000Z");
    }
}
