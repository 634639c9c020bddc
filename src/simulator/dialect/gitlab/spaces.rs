//! Groups and users as places of projects: shown, hidden, or not there.

use super::answer::error;
use super::asked::Asked;
use super::projects::may_see;
use crate::simulator::dialect::answer::{Answer, ok, value_of};
use crate::simulator::payload::gitlab::parts;
use crate::simulator::state::gitlab::{Project, State};
use serde_json::{Value, json};

/// Whether a project is in this group, or in one below it.
fn is_within(project: &Project, path: &str) -> bool {
    let (namespace, _) = parts(&project.path);
    let (start, rest) = namespace
        .split_at_checked(path.len())
        .unwrap_or((namespace, ""));
    start.eq_ignore_ascii_case(path) && (rest.is_empty() || rest.starts_with('/'))
}

fn is_user(state: &State, path: &str) -> bool {
    state
        .users
        .keys()
        .any(|name| name.eq_ignore_ascii_case(path))
}

/// A group is visible to the users who can see something in it. The namespace of a user is none.
pub(super) fn group(state: &State, asked: &Asked<'_>, path: &str) -> Answer {
    let mut within = state.projects.values().filter(|p| is_within(p, path));
    let is_seen = !is_user(state, path) && within.any(|p| may_see(p, &asked.login));
    if !is_seen {
        return error(404, "404 Group Not Found");
    }
    let web_url = format!("{}/groups/{path}", state.ground.url());
    let (_, name) = parts(path);
    ok(
        200,
        json!({
            "id": 1 + path.len(), "name": name, "path": name, "full_path": path,
            "full_name": path, "web_url": web_url, "visibility": "private", "parent_id": null,
        }),
    )
}

/// The users of a name: one or none.
pub(super) fn users(state: &State, asked: &Asked<'_>) -> Answer {
    let wanted = value_of(asked.query, "username").unwrap_or_default();
    let found = state
        .users
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(&wanted));
    let found = found.map(|(name, id)| json!({ "id": id, "username": name, "state": "active" }));
    ok(200, Value::Array(found.collect()))
}

/// Whether a name is taken, visible or not.
pub(super) fn exists(state: &State, path: &str) -> Answer {
    let is_group = state.projects.values().any(|p| is_within(p, path));
    let exists = is_group || is_user(state, path);
    ok(200, json!({ "exists": exists, "suggests": [] }))
}
