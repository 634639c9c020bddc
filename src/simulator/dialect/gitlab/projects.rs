//! Projects: by number, by path, and where they went.

use super::answer::{error, moved, page};
use super::asked::Asked;
use crate::simulator::dialect::answer::{Answer, number, ok, value_of};
use crate::simulator::payload::gitlab::{DEFAULT_BRANCH, api_time, parts};
use crate::simulator::state::gitlab::{GUEST, Project, State};
use serde_json::{Value, json};

fn level(project: &Project, login: &str) -> Option<u32> {
    project.members.get(login).copied()
}

pub(super) fn may_see(project: &Project, login: &str) -> bool {
    project.is_public || level(project, login).is_some_and(|level| level >= GUEST)
}

/// The project that is meant, or where it is now. What one may not see is not there.
pub(super) fn find(state: &State, asked: &Asked<'_>, wanted: &str) -> Result<u64, Answer> {
    let nothing = || error(404, "404 Project Not Found");
    let by_number = wanted.parse().ok();
    let visible = |id: &u64| {
        let project = state.projects.get(id);
        project.is_some_and(|project| may_see(project, &asked.login))
    };
    if let Some(id) = by_number.or_else(|| state.find(wanted)) {
        return Some(id).filter(visible).ok_or_else(nothing);
    }
    let old = state.old_paths.get(&wanted.to_ascii_lowercase());
    let id = old.filter(|id| visible(id)).ok_or_else(nothing)?;
    let mut url = format!("{}/api/v4/projects/{id}", state.ground.url());
    for part in asked.rest {
        url = format!("{url}/{part}");
    }
    if !asked.query.is_empty() {
        url = format!("{url}?{}", asked.query);
    }
    Err(moved(&url))
}

fn shown(state: &State, project: &Project, login: &str) -> Value {
    let (base, path) = (state.ground.url(), &project.path);
    let (namespace, name) = parts(path);
    let (_, group) = parts(namespace);
    let spaced = |path: &str| path.replace('/', " / ");
    let kind = if state.users.contains_key(namespace) {
        "user"
    } else {
        "group"
    };
    let access = level(project, login);
    let access = access.map(|l| json!({ "access_level": l, "notification_level": 3 }));
    json!({
        "id": project.id, "description": null, "name": name, "path": name,
        "name_with_namespace": spaced(path), "path_with_namespace": path,
        "created_at": api_time(1_700_000_000), "default_branch": DEFAULT_BRANCH,
        "tag_list": [], "topics": [], "avatar_url": null, "forks_count": 0, "star_count": 0,
        "ssh_url_to_repo": format!("git@127.0.0.1:{path}.git"),
        "http_url_to_repo": format!("{base}/{path}.git"), "web_url": format!("{base}/{path}"),
        "last_activity_at": api_time(state.now_s()), "archived": project.is_archived,
        "visibility": if project.is_public { "public" } else { "private" },
        "empty_repo": project.is_empty,
        "namespace": {
            "id": 1 + namespace.len(), "name": group, "path": group, "kind": kind,
            "full_path": namespace, "parent_id": null, "avatar_url": null,
            "web_url": format!("{base}/{namespace}"),
        },
        "_links": { "self": format!("{base}/api/v4/projects/{}", project.id) },
        "permissions": { "project_access": access, "group_access": null },
    })
}

pub(super) fn show(state: &State, id: u64, login: &str) -> Answer {
    ok(200, shown(state, &state.projects[&id], login))
}

/// The projects that can be seen, newest first.
pub(super) fn list(state: &State, asked: &Asked<'_>) -> Answer {
    let (query, login) = (asked.query, asked.login.as_str());
    let is_yes = |name: &str| value_of(query, name).is_some_and(|value| value == "true");
    let at_least = number(query, "min_access_level").and_then(|level| u32::try_from(level).ok());
    let is_archived = value_of(query, "archived").map(|value| value == "true");
    let search = value_of(query, "search").map(|words| words.to_lowercase());
    let fits = |project: &&Project| {
        let level = level(project, login);
        may_see(project, login)
            && (!is_yes("membership") || level.is_some())
            && at_least.is_none_or(|least| level.is_some_and(|level| level >= least))
            && is_archived.is_none_or(|is| project.is_archived == is)
            && search
                .as_ref()
                .is_none_or(|s| project.path.to_lowercase().contains(s.as_str()))
    };
    let all = state.projects.values().rev().filter(fits);
    let all = all.map(|project| shown(state, project, login)).collect();
    page(
        all,
        query,
        &format!("{}/api/v4/projects", state.ground.url()),
    )
}
