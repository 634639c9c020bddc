//! The GitHub of a simulator, as the owner of the machine it runs on could change it.

use crate::simulator::payload::github as payload;
use crate::simulator::sender;
use crate::simulator::shared::Shared;
use crate::simulator::{CheckSpec, DeliveryView, Hook, PullSpec, RunSpec, StatusSpec};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// The GitHub of a simulator, as the owner of the machine it runs on could change it.
#[derive(Clone)]
pub struct GithubHandle(pub(crate) Arc<Shared>);

impl GithubHandle {
    /// Adds a user with a token that may do everything, and returns the token.
    pub fn add_user(&self, login: &str) -> String {
        self.0.github().add_user(login)
    }

    /// Gives a user one more token, of these scopes.
    pub fn add_token(&self, login: &str, scopes: &[&str]) -> String {
        self.0.github().add_token(login, scopes)
    }

    /// Sets when a token of a user expires: so long from now.
    pub fn expire_token(&self, token: &str, within: Duration) {
        let mut state = self.0.github();
        let at_s = state.now_s() + within.as_secs();
        if let Some(token) = state.tokens.get_mut(token) {
            (token.is_personal, token.expires_at_s) = (true, Some(at_s));
        }
    }

    /// Makes a token worthless.
    pub fn revoke_token(&self, token: &str) {
        self.0.github().tokens.remove(token);
    }

    /// Adds a repository that `owner` administers, and returns its id.
    pub fn add_repository(&self, full_name: &str, owner: &str) -> u64 {
        self.0.github().add_repository(full_name, owner)
    }

    /// Gives or takes a user's right to administer a repository.
    pub fn set_admin(&self, login: &str, full_name: &str, is_admin: bool) {
        self.0.github().set_admin(login, full_name, is_admin);
    }

    /// Renames a repository, or gives it to another owner; the old name leads to the new one until
    /// it is used again. Hooks that want to hear of repositories hear of it.
    pub fn rename(&self, full_name: &str, new_name: &str) {
        let body = {
            let mut state = self.0.github();
            state.rename(full_name, new_name);
            payload::moved(&state, new_name, full_name)
        };
        self.emit(new_name, "repository", &body);
    }

    /// Deletes a repository with its hooks. No hook of a repository gets an event of that.
    pub fn delete_repository(&self, full_name: &str) {
        let mut state = self.0.github();
        if let Some(id) = state.find(full_name) {
            state.repositories.remove(&id);
        }
    }

    /// Makes a repository read-only.
    pub fn archive(&self, full_name: &str) {
        self.set_archived(full_name, true);
    }

    /// Makes a repository read-only, or no longer.
    pub fn set_archived(&self, full_name: &str, is_archived: bool) {
        self.0
            .github()
            .with_repository(full_name, |r| r.is_archived = is_archived);
    }

    /// The hooks of a repository, with their secrets.
    pub fn hooks(&self, full_name: &str) -> Vec<Hook> {
        self.0.github().hooks(full_name)
    }

    /// A person deletes a hook on the settings page.
    pub fn delete_hook_by_hand(&self, full_name: &str, hook: u64) {
        self.0
            .github()
            .with_repository(full_name, |r| drop(r.hooks.remove(&hook)));
    }

    /// A person changes a hook's URL on the settings page. Its secret stays.
    pub fn edit_hook_url_by_hand(&self, full_name: &str, hook: u64, url: &str) {
        self.0.github().with_repository(full_name, |r| {
            if let Some(hook) = r.hooks.get_mut(&hook) {
                url.clone_into(&mut hook.url);
            }
        });
    }

    /// A person changes a hook's events on the settings page.
    pub fn edit_hook_by_hand(&self, full_name: &str, hook: u64, events: &[&str]) {
        let events: Vec<String> = events.iter().map(|e| (*e).to_owned()).collect();
        self.change_hook_by_hand(full_name, hook, |hook| hook.events = events);
    }

    /// A person changes anything of a hook on the settings page.
    pub fn change_hook_by_hand(&self, full_name: &str, hook: u64, change: impl FnOnce(&mut Hook)) {
        self.0.github().with_repository(full_name, |r| {
            if let Some(hook) = r.hooks.get_mut(&hook) {
                change(hook);
            }
        });
    }

    /// A person makes a hook on the settings page, and returns its id.
    pub fn make_hook_by_hand(&self, full_name: &str, url: &str, events: &[&str]) -> Option<u64> {
        let mut state = self.0.github();
        let repository = state.find(full_name)?;
        let hook = Hook {
            id: 0,
            url: url.to_owned(),
            content_type: "json".to_owned(),
            insecure_ssl: "0".to_owned(),
            secret: None,
            events: events.iter().map(|e| (*e).to_owned()).collect(),
            is_active: true,
            created_at_s: 0,
            updated_at_s: 0,
            last_response: None,
        };
        state.create_hook(repository, hook).ok().map(|hook| hook.id)
    }

    /// Plays a run and its jobs: requested, in progress, completed.
    pub fn play_run(&self, full_name: &str, spec: &RunSpec) {
        // A statement of its own: the state must be free again when the events are sent.
        let events = payload::run_events(&self.0.github(), full_name, spec);
        self.0
            .github()
            .keep_logs(full_name, payload::job_logs(spec));
        self.play(full_name, &events);
    }

    /// Plays a run until it is in progress.
    pub fn start_run(&self, full_name: &str, spec: &RunSpec) {
        let mut events = payload::run_events(&self.0.github(), full_name, spec);
        events.retain(|(_, action, _)| *action != "completed");
        self.play(full_name, &events);
    }

    fn play(&self, full_name: &str, events: &[payload::Event]) {
        let told = events.iter().map(|(event, _, body)| (*event, body));
        self.0.github().keep_run(full_name, told);
        for (event, action, body) in events {
            self.emit_with_action(full_name, event, action, body);
        }
    }

    /// Whether the log keeps the payloads of deliveries.
    pub fn set_keeps_payloads(&self, keeps: bool) {
        self.0.github().keeps_payloads = keeps;
    }

    /// A suite of checks is completed.
    pub fn check_suite(&self, full_name: &str, spec: &CheckSpec) {
        let body = payload::check_suite(&self.0.github(), full_name, spec);
        self.emit(full_name, "check_suite", &body);
    }

    /// A check is created, and completed.
    pub fn check_run(&self, full_name: &str, spec: &CheckSpec) {
        for action in ["created", "completed"] {
            let body = payload::check_run(&self.0.github(), full_name, spec, action);
            self.emit(full_name, "check_run", &body);
        }
    }

    /// A commit gets a status.
    pub fn status(&self, full_name: &str, spec: &StatusSpec) {
        let body = payload::commit_status(&self.0.github(), full_name, spec);
        self.emit(full_name, "status", &body);
    }

    /// A deployment gets a status.
    pub fn deployment_status(&self, full_name: &str, environment: &str, status: &str) {
        let state = self.0.github();
        let body = payload::deployment_status(&state, full_name, environment, status);
        drop(state);
        self.emit(full_name, "deployment_status", &body);
    }

    /// Sends an event to every hook of a repository that wants it.
    pub fn emit(&self, full_name: &str, event: &str, body: &Value) {
        let action = body["action"].as_str().map(str::to_owned);
        self.emit_with_action(full_name, event, action.as_deref().unwrap_or(""), body);
    }

    fn emit_with_action(&self, full_name: &str, event: &str, action: &str, body: &Value) {
        let jobs = self.0.github().jobs(full_name, event, action, body);
        sender::send(&self.0, jobs);
    }

    /// A push to the default branch.
    pub fn push(&self, full_name: &str) {
        let body = payload::push(&self.0.github(), full_name);
        self.emit(full_name, "push", &body);
    }

    /// A branch is deleted. GitHub reports it twice: as a push to nothing, and as `delete`.
    pub fn delete_branch(&self, full_name: &str, branch: &str) {
        self.delete(full_name, ("branch", branch));
    }

    /// The same for a tag.
    pub fn delete_tag(&self, full_name: &str, tag: &str) {
        self.delete(full_name, ("tag", tag));
    }

    fn delete(&self, full_name: &str, what: (&str, &str)) {
        let events = payload::deletion(&self.0.github(), full_name, what);
        for (event, body) in events {
            self.emit(full_name, event, &body);
        }
    }

    /// A pull request is closed, merged or taken out of its queue.
    pub fn end_pull_request(&self, full_name: &str, spec: &PullSpec) {
        let body = payload::pull_request_ended(&self.0.github(), full_name, spec);
        self.emit(full_name, "pull_request", &body);
    }

    /// A pull request is opened.
    pub fn pull_request(&self, full_name: &str) {
        let body = payload::pull_request(&self.0.github(), full_name);
        self.emit(full_name, "pull_request", &body);
    }

    /// All attempts to deliver something to a repository's hooks, oldest first.
    pub fn deliveries(&self, full_name: &str) -> Vec<DeliveryView> {
        self.0.github().delivery_views(full_name)
    }

    /// Sends an earlier delivery again, with its id.
    pub fn redeliver(&self, full_name: &str, delivery: u64) {
        let job = self.0.github().redelivery(full_name, delivery);
        sender::send(&self.0, job);
    }

    /// Lets time pass at the provider.
    pub fn advance_clock(&self, by: Duration) {
        self.0.ground.advance_clock(by);
    }
}
