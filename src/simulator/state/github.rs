//! What the simulated GitHub knows.

mod access;
mod app;
mod run;
mod runs;
mod token;

pub(crate) use app::{App, Installation, proven};
pub(crate) use run::Run;
pub(crate) use token::{RATE_LIMIT, RATE_WINDOW_S, Token};

use super::Ground;
use super::oauth::Desk;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Hooks that a repository may have for one event.
const HOOKS_PER_EVENT_MAX: usize = 20;
/// How long the log of deliveries reaches back.
const LOG_WINDOW: Duration = Duration::from_hours(72);

/// A hook as the provider keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Its id.
    pub id: u64,
    /// Where it posts to.
    pub url: String,
    /// `json` or `form`.
    pub content_type: String,
    /// `0` when certificates are checked.
    pub insecure_ssl: String,
    /// What it signs with.
    pub secret: Option<String>,
    /// What it wants.
    pub events: Vec<String>,
    /// Whether it is switched on.
    pub is_active: bool,
    pub(crate) created_at_s: u64,
    pub(crate) updated_at_s: u64,
    pub(crate) last_response: Option<(Option<u16>, String)>,
}

/// An attempt to deliver, for assertions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryView {
    /// Its id, unique for each attempt.
    pub id: u64,
    /// The id that all attempts and all hooks share for one event.
    pub guid: String,
    /// The hook.
    pub hook: u64,
    /// The event.
    pub event: String,
    /// The status that was answered; `None` when nothing was, or it is under way.
    pub status: Option<u16>,
    /// What was answered.
    pub answer: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) view: DeliveryView,
    pub(crate) repository: u64,
    pub(crate) action: String,
    pub(crate) is_redelivery: bool,
    pub(crate) at_s: u64,
    pub(crate) body: Value,
}

#[derive(Clone, Debug)]
pub(crate) struct Repository {
    pub(crate) id: u64,
    pub(crate) full_name: String,
    pub(crate) is_archived: bool,
    pub(crate) admins: BTreeSet<String>,
    pub(crate) hooks: BTreeMap<u64, Hook>,
}

/// A delivery to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) attempt: u64,
    pub(crate) hook: Hook,
    pub(crate) repository: u64,
    pub(crate) guid: String,
    pub(crate) event: String,
    pub(crate) body: Value,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) ground: Arc<Ground>,
    pub(crate) users: BTreeMap<String, u64>,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) repositories: BTreeMap<u64, Repository>,
    /// Names that repositories had before.
    pub(crate) old_names: BTreeMap<String, u64>,
    pub(crate) attempts: Vec<Attempt>,
    /// By repository and id.
    pub(crate) runs: BTreeMap<(u64, u64), Run>,
    /// The logs of jobs, by repository and id.
    pub(crate) logs: BTreeMap<(u64, u64), String>,
    /// Whether the log keeps what was sent.
    pub(crate) keeps_payloads: bool,
    pub(crate) desk: Desk,
    pub(crate) apps: BTreeMap<u64, App>,
    pub(crate) installations: BTreeMap<u64, Installation>,
}

/// Why a hook is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Exists,
    TooMany,
}

/// The result of a delivery, in GitHub's words.
pub(crate) fn words_of(status: Option<u16>) -> String {
    match status {
        Some(200..=299) => "OK".to_owned(),
        Some(status) => format!("Invalid HTTP Response: {status}"),
        None => "failed to connect to host".to_owned(),
    }
}

impl State {
    pub(crate) fn on(ground: Arc<Ground>) -> Self {
        Self {
            ground,
            users: BTreeMap::new(),
            tokens: BTreeMap::new(),
            repositories: BTreeMap::new(),
            old_names: BTreeMap::new(),
            attempts: Vec::new(),
            runs: BTreeMap::new(),
            logs: BTreeMap::new(),
            keeps_payloads: true,
            desk: Desk::new(token::LASTING),
            apps: BTreeMap::new(),
            installations: BTreeMap::new(),
        }
    }

    pub(crate) fn api_url(&self) -> &str {
        self.ground.url()
    }

    pub(crate) fn now_s(&self) -> u64 {
        self.ground.now_s()
    }

    pub(crate) fn add_user(&mut self, login: &str) -> String {
        let id = self.ground.fresh();
        self.users.entry(login.to_owned()).or_insert(id);
        let token = format!("ghp_{login}{id}");
        self.tokens.insert(token.clone(), Token::new(login));
        token
    }

    pub(crate) fn add_repository(&mut self, full_name: &str, owner: &str) -> u64 {
        let id = self.ground.fresh();
        self.old_names.remove(&full_name.to_ascii_lowercase());
        let repository = Repository {
            id,
            full_name: full_name.to_owned(),
            is_archived: false,
            admins: BTreeSet::from([owner.to_owned()]),
            hooks: BTreeMap::new(),
        };
        self.repositories.insert(id, repository);
        id
    }

    pub(crate) fn find(&self, full_name: &str) -> Option<u64> {
        let same = |r: &&Repository| r.full_name.eq_ignore_ascii_case(full_name);
        self.repositories.values().find(same).map(|r| r.id)
    }

    pub(crate) fn with_repository(
        &mut self,
        full_name: &str,
        change: impl FnOnce(&mut Repository),
    ) {
        let found = self
            .find(full_name)
            .and_then(|id| self.repositories.get_mut(&id));
        if let Some(repository) = found {
            change(repository);
        }
    }

    pub(crate) fn set_admin(&mut self, login: &str, full_name: &str, is_admin: bool) {
        self.with_repository(full_name, |r| {
            if is_admin {
                r.admins.insert(login.to_owned());
            } else {
                r.admins.remove(login);
            }
        });
    }

    pub(crate) fn rename(&mut self, full_name: &str, new_name: &str) {
        if let Some(id) = self.find(full_name) {
            self.old_names.insert(full_name.to_ascii_lowercase(), id);
            self.old_names.remove(&new_name.to_ascii_lowercase());
            self.with_repository(full_name, |r| r.full_name = new_name.to_owned());
        }
    }

    /// The rules for a new hook: not the same URL with overlapping events, not too many.
    pub(crate) fn create_hook(&mut self, repository: u64, mut hook: Hook) -> Result<Hook, Refusal> {
        let now = self.now_s();
        let id = self.ground.fresh();
        let Some(repository) = self.repositories.get_mut(&repository) else {
            return Err(Refusal::TooMany);
        };
        let overlaps = |other: &Hook| {
            other.url == hook.url
                && other
                    .events
                    .iter()
                    .any(|e| e == "*" || hook.events.contains(e))
        };
        if repository.hooks.values().any(overlaps) {
            return Err(Refusal::Exists);
        }
        let of_event = |event: &String| {
            repository
                .hooks
                .values()
                .filter(|h| h.events.contains(event))
                .count()
        };
        if hook
            .events
            .iter()
            .any(|event| of_event(event) >= HOOKS_PER_EVENT_MAX)
        {
            return Err(Refusal::TooMany);
        }
        (hook.id, hook.created_at_s, hook.updated_at_s) = (id, now, now);
        repository.hooks.insert(id, hook.clone());
        Ok(hook)
    }

    pub(crate) fn hooks(&self, full_name: &str) -> Vec<Hook> {
        let id = self.find(full_name);
        let found = id.and_then(|id| self.repositories.get(&id));
        found.map_or_else(Vec::new, |r| r.hooks.values().cloned().collect())
    }

    pub(crate) fn delivery_views(&self, full_name: &str) -> Vec<DeliveryView> {
        let id = self.find(full_name);
        let ours = self.attempts.iter().filter(|a| Some(a.repository) == id);
        ours.map(|a| a.view.clone()).collect()
    }

    /// The attempts of a hook that the log still shows, newest first.
    pub(crate) fn log(&self, hook: u64) -> Vec<&Attempt> {
        let from = self.now_s().saturating_sub(LOG_WINDOW.as_secs());
        self.attempts
            .iter()
            .rev()
            .filter(|a| a.view.hook == hook && a.at_s >= from)
            .collect()
    }

    /// One event for every hook that wants it: one GUID for all of them.
    pub(crate) fn jobs(
        &mut self,
        full_name: &str,
        event: &str,
        action: &str,
        body: &Value,
    ) -> Vec<Job> {
        let Some(id) = self.find(full_name) else {
            return Vec::new();
        };
        let wants = |h: &&Hook| h.is_active && h.events.iter().any(|e| e == event || e == "*");
        let hooks: Vec<Hook> = self.repositories[&id]
            .hooks
            .values()
            .filter(wants)
            .cloned()
            .collect();
        let guid = self.ground.guid();
        let mut jobs = Vec::new();
        for hook in hooks {
            jobs.push(self.job(id, hook, &guid, event, action, body, false));
        }
        jobs
    }

    /// A ping for one hook, whatever it wants.
    pub(crate) fn ping(&mut self, repository: u64, hook: &Hook, body: &Value) -> Job {
        let guid = self.ground.guid();
        self.job(repository, hook.clone(), &guid, "ping", "", body, false)
    }

    /// A push once more, for a hook that wants pushes.
    pub(crate) fn test(&mut self, repository: u64, hook: &Hook, body: &Value) -> Option<Job> {
        let is_wanted = hook.events.iter().any(|e| e == "push" || e == "*");
        let (guid, hook) = (self.ground.guid(), hook.clone());
        is_wanted.then(|| self.job(repository, hook, &guid, "push", "", body, false))
    }

    pub(crate) fn redelivery(&mut self, full_name: &str, delivery: u64) -> Option<Job> {
        let repository = self.find(full_name)?;
        let old = self
            .attempts
            .iter()
            .find(|a| a.view.id == delivery)?
            .clone();
        let hook = self
            .repositories
            .get(&repository)?
            .hooks
            .get(&old.view.hook)?
            .clone();
        let (guid, event) = (old.view.guid, old.view.event);
        Some(self.job(
            repository,
            hook,
            &guid,
            &event,
            &old.action,
            &old.body,
            true,
        ))
    }

    #[expect(clippy::too_many_arguments, reason = "they are the columns of the log")]
    fn job(
        &mut self,
        repository: u64,
        hook: Hook,
        guid: &str,
        event: &str,
        action: &str,
        body: &Value,
        is_redelivery: bool,
    ) -> Job {
        let attempt = self.ground.fresh();
        let view = DeliveryView {
            id: attempt,
            guid: guid.to_owned(),
            hook: hook.id,
            event: event.to_owned(),
            status: None,
            answer: String::new(),
        };
        let (at_s, action, body) = (self.now_s(), action.to_owned(), body.clone());
        let kept = Attempt {
            view,
            repository,
            action,
            is_redelivery,
            at_s,
            body: body.clone(),
        };
        self.attempts.push(kept);
        Job {
            attempt,
            hook,
            repository,
            guid: guid.to_owned(),
            event: event.to_owned(),
            body,
        }
    }

    /// The result of an attempt.
    pub(crate) fn note(&mut self, attempt: u64, status: Option<u16>, answer: String) {
        let Some(kept) = self
            .attempts
            .iter_mut()
            .rev()
            .find(|a| a.view.id == attempt)
        else {
            return;
        };
        kept.view.status = status;
        kept.view.answer = answer;
        let (repository, hook) = (kept.repository, kept.view.hook);
        let words = words_of(status);
        let hooks = self.repositories.get_mut(&repository).map(|r| &mut r.hooks);
        if let Some(hook) = hooks.and_then(|hooks| hooks.get_mut(&hook)) {
            hook.last_response = Some((status, words));
        }
    }

    /// The user or the organisation of this name, in any case, as it is spelt.
    pub(crate) fn owner(&self, login: &str) -> Option<String> {
        let owners = self.repositories.values();
        let owners = owners.filter_map(|r| Some(r.full_name.split_once('/')?.0));
        let mut all = self.users.keys().map(String::as_str).chain(owners);
        let found = all.find(|name| name.eq_ignore_ascii_case(login));
        found.map(str::to_owned)
    }

    pub(crate) fn user_json(&self, login: &str) -> Value {
        let (id, api) = (self.users.get(login).copied().unwrap_or(1), self.api_url());
        let mut user = json!({
            "login": login, "id": id, "node_id": format!("U_{id}"), "gravatar_id": "",
            "avatar_url": format!("{api}/avatars/{id}"), "type": "User", "site_admin": false,
            "html_url": format!("{api}/{login}"), "url": format!("{api}/users/{login}"),
        });
        for name in [
            "followers",
            "following",
            "gists",
            "starred",
            "subscriptions",
            "organizations",
            "repos",
            "events",
            "received_events",
        ] {
            user[format!("{name}_url")] = json!(format!("{api}/users/{login}/{name}"));
        }
        user
    }
}
