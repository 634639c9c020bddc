//! The GitLab of a simulator, as the owner of the machine it runs on could change it.

use crate::simulator::payload::gitlab as payload;
use crate::simulator::sender;
use crate::simulator::shared::Shared;
use crate::simulator::state::gitlab::{Event, OWNER, Pipeline, Project, State};
use crate::simulator::{DeliveryView, PipelineSpec, ProjectHookView};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Seconds of a day.
const DAY_S: u64 = 24 * 3600;

/// A pipeline, and the events of what happened to it.
type Played = (Pipeline, Vec<(&'static str, Value)>);

/// The GitLab of a simulator, as the owner of the machine it runs on could change it.
#[derive(Clone)]
pub struct GitlabHandle(pub(crate) Arc<Shared>);

impl GitlabHandle {
    /// Adds a user with a token that may do everything, and returns the token.
    pub fn add_user(&self, login: &str) -> String {
        self.add_token(login, &["api"])
    }

    /// Gives a user one more token, of these scopes.
    pub fn add_token(&self, login: &str, scopes: &[&str]) -> String {
        let mut state = self.0.gitlab();
        state.add_user(login);
        state.add_token(login, scopes)
    }

    /// Sets when a token of a user expires: at the beginning of the day that is so far from now.
    pub fn expire_token(&self, token: &str, within: Duration) {
        let mut state = self.0.gitlab();
        let at_s = state.now_s() + within.as_secs();
        if let Some(token) = state.tokens.get_mut(token) {
            token.expires_at_s = Some(at_s - at_s % DAY_S);
        }
    }

    /// Makes a token worthless.
    pub fn revoke_token(&self, token: &str) {
        self.0.gitlab().revoke(token);
    }

    /// Adds a project that `owner` owns, and returns its id. The path may go through groups.
    pub fn add_project(&self, path: &str, owner: &str) -> u64 {
        self.0.gitlab().add_project(path, owner)
    }

    /// Gives a user a role in a project: 10 guest, 20 reporter, 30 developer, 40 maintainer,
    /// 50 owner; 0 takes it away.
    pub fn set_role(&self, login: &str, path: &str, access_level: u32) {
        self.change(path, |project| {
            if access_level == 0 {
                project.members.remove(login);
            } else {
                let level = access_level.min(OWNER);
                project.members.insert(login.to_owned(), level);
            }
        });
    }

    /// Makes a project public, or visible to its members only.
    pub fn set_public(&self, path: &str, is_public: bool) {
        self.change(path, |project| project.is_public = is_public);
    }

    /// Takes all commits out of a project, or puts one in.
    pub fn set_empty(&self, path: &str, is_empty: bool) {
        self.change(path, |project| project.is_empty = is_empty);
    }

    /// Renames or moves a project; the old path leads to the new one until it is used again.
    pub fn rename(&self, path: &str, new_path: &str) {
        self.0.gitlab().rename(path, new_path);
    }

    /// Protects a branch.
    pub fn protect_branch(&self, path: &str, branch: &str) {
        self.change(path, |project| {
            project.protected.insert(branch.to_owned());
        });
    }

    /// Makes a project read-only.
    pub fn archive(&self, path: &str) {
        self.change(path, |project| project.is_archived = true);
    }

    /// Deletes a project.
    pub fn delete_project(&self, path: &str) {
        let mut state = self.0.gitlab();
        if let Some(id) = state.find(path) {
            state.projects.remove(&id);
        }
    }

    /// The hooks of a project, with their secrets.
    pub fn hooks(&self, path: &str) -> Vec<ProjectHookView> {
        self.0.gitlab().hook_views(path)
    }

    /// A person deletes a hook on the settings page.
    pub fn delete_hook_by_hand(&self, path: &str, hook: u64) {
        self.change(path, |project| drop(project.hooks.remove(&hook)));
    }

    /// A person changes a hook's URL on the settings page. GitLab forgets its tokens.
    pub fn edit_hook_url_by_hand(&self, path: &str, hook: u64, url: &str) {
        self.change(path, |project| {
            if let Some(hook) = project.hooks.get_mut(&hook) {
                url.clone_into(&mut hook.url);
                (hook.token, hook.signing_token) = (None, None);
            }
        });
    }

    /// A person sets a hook's flags on the settings page: these and no others.
    pub fn edit_hook_by_hand(&self, path: &str, hook: u64, flags: &[&str]) {
        self.change(path, |project| {
            let Some(hook) = project.hooks.get_mut(&hook) else {
                return;
            };
            for (flag, is_on) in &mut hook.flags {
                *is_on = flags.contains(flag);
            }
        });
    }

    /// The version that it says it is, and behaves as.
    pub fn set_version(&self, major: u16, minor: u16) {
        self.0.gitlab().version = (major, minor);
    }

    /// Whether failing hooks are switched off, as on gitlab.com.
    pub fn set_auto_disabling(&self, disables: bool) {
        self.0.gitlab().disables_hooks = disables;
    }

    /// How many requests a user may make in a minute; `None` for any number.
    pub fn set_rate_limit(&self, per_minute: Option<u32>) {
        self.0.gitlab().requests_per_minute = per_minute;
    }

    /// From how many bytes on the log no longer keeps what was sent.
    pub fn set_log_bytes_max(&self, bytes: usize) {
        self.0.gitlab().log_bytes_max = bytes;
    }

    /// Plays a pipeline with its jobs.
    pub fn play_pipeline(&self, path: &str, spec: &PipelineSpec) {
        self.play(path, spec.id, |state, project| {
            Some(payload::play(state, project, spec))
        });
    }

    /// Retries a pipeline that was played: it keeps its id, what had not succeeded is tried again
    /// under new ids.
    pub fn retry_pipeline(&self, path: &str, pipeline: u64, status: &str) {
        self.play(path, pipeline, |state, project| {
            let played = project.pipelines.get(&pipeline)?.clone();
            Some(payload::repeat(state, project, played, status))
        });
    }

    fn play(&self, path: &str, id: u64, how: impl FnOnce(&State, &Project) -> Option<Played>) {
        // A statement of its own: the state must be free again when the events are sent.
        let played = {
            let state = self.0.gitlab();
            state.project(path).and_then(|project| how(&state, project))
        };
        let Some((pipeline, events)) = played else {
            return;
        };
        self.change(path, |project| drop(project.pipelines.insert(id, pipeline)));
        for (event, body) in events {
            self.emit(path, event, &body);
        }
    }

    /// Sends an event, such as `Pipeline Hook`, to every hook of a project that wants it.
    pub fn emit(&self, path: &str, event: &str, body: &Value) {
        let event = Event::of_header(event);
        let jobs = event.map(|event| self.0.gitlab().jobs(path, event, body));
        sender::send(&self.0, jobs.unwrap_or_default());
    }

    /// A push to the default branch.
    pub fn push(&self, path: &str) {
        let reference = format!("refs/heads/{}", payload::DEFAULT_BRANCH);
        self.made(path, "Push Hook", |state, of| {
            payload::push(state, of, &reference)
        });
    }

    /// A push of a tag.
    pub fn push_tag(&self, path: &str, tag: &str) {
        let reference = format!("refs/tags/{tag}");
        self.made(path, "Tag Push Hook", |state, of| {
            payload::push(state, of, &reference)
        });
    }

    /// A branch is deleted.
    pub fn delete_branch(&self, path: &str, branch: &str) {
        let reference = format!("refs/heads/{branch}");
        self.made(path, "Push Hook", |state, of| {
            payload::deletion(state, of, &reference)
        });
    }

    /// A tag is deleted.
    pub fn delete_tag(&self, path: &str, tag: &str) {
        let reference = format!("refs/tags/{tag}");
        self.made(path, "Tag Push Hook", |state, of| {
            payload::deletion(state, of, &reference)
        });
    }

    /// A merge request from a branch of the project's own is merged, or closed without.
    pub fn end_merge_request(&self, path: &str, iid: u64, branch: &str, is_merged: bool) {
        let action = if is_merged { "merge" } else { "close" };
        self.made(path, "Merge Request Hook", |state, of| {
            payload::merge_request_ended(state, of, (iid, branch), action)
        });
    }

    /// A merge request is opened.
    pub fn merge_request(&self, path: &str) {
        self.made(path, "Merge Request Hook", payload::merge_request);
    }

    /// A deployment gets a status.
    pub fn deploy(&self, path: &str, environment: &str, status: &str) {
        self.made(path, "Deployment Hook", |state, of| {
            payload::deployment(state, of, environment, status)
        });
    }

    fn made(&self, path: &str, event: &str, build: impl FnOnce(&State, &Project) -> Value) {
        let body = {
            let state = self.0.gitlab();
            state.project(path).map(|project| build(&state, project))
        };
        if let Some(body) = body {
            self.emit(path, event, &body);
        }
    }

    /// All attempts to deliver something to a project's hooks, oldest first.
    pub fn deliveries(&self, path: &str) -> Vec<DeliveryView> {
        self.0.gitlab().delivery_views(path)
    }

    /// Sends what the log kept of an earlier delivery again, with its id.
    pub fn resend(&self, path: &str, delivery: u64) {
        let job = {
            let mut state = self.0.gitlab();
            let old = state
                .attempts
                .iter()
                .find(|a| a.view.id == delivery)
                .cloned();
            let hook = old.as_ref().and_then(|old| {
                let hooks = &state.project(path)?.hooks;
                hooks.get(&old.view.hook).cloned()
            });
            old.zip(hook).and_then(|(old, hook)| {
                let key = Some(old.view.guid);
                state.job(old.project, &hook, old.event, &old.data, key)
            })
        };
        sender::send(&self.0, job);
    }

    /// Lets time pass at the provider.
    pub fn advance_clock(&self, by: Duration) {
        self.0.ground.advance_clock(by);
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Project)) {
        self.0.gitlab().with_project(path, change);
    }
}
