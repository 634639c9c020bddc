//! What the simulated GitLab knows: people, projects, hooks.

mod attempt;
mod event;
mod hook;
mod log;
mod pipeline;

pub(crate) use attempt::{Attempt, Job};
pub(crate) use event::{EVENTS, Event};
pub(crate) use hook::{Alert, Hook};
pub(crate) use pipeline::{Build, Pipeline};

use super::Ground;
use super::oauth::{Customs, Desk, Grant};
use crate::simulator::payload::gitlab::DEFAULT_BRANCH;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Hooks that a project may have.
const HOOKS_MAX: usize = 100;
/// Tests, and resends, of one user in one project in a minute.
const TESTS_PER_MINUTE: u32 = 5;
/// Requests of one user in a minute, as gitlab.com has it.
const REQUESTS_PER_MINUTE: u32 = 2000;
/// What is kept of a request in the log, in bytes. More becomes `{"oversize":true}`.
const LOG_BYTES_MAX: usize = 5 << 20;
/// How signing in works.
const CUSTOMS: Customs = Customs {
    access_prefix: "",
    refresh_prefix: "",
    access_s: Some(7200),
    refresh_s: None,
    device_s: 300,
    interval_s: 5,
    is_redirect_exact: true,
};
/// The version unless another is set.
const VERSION: (u16, u16) = (19, 3);

/// May do nothing but look.
pub(crate) const GUEST: u32 = 10;
/// May see pipelines.
pub(crate) const REPORTER: u32 = 20;
/// May manage hooks.
pub(crate) const MAINTAINER: u32 = 40;
/// May do everything.
pub(crate) const OWNER: u32 = 50;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Personal,
    Oauth,
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) id: u64,
    pub(crate) login: String,
    pub(crate) kind: TokenKind,
    pub(crate) scopes: Vec<String>,
    pub(crate) created_at_s: u64,
    pub(crate) expires_at_s: Option<u64>,
    pub(crate) is_revoked: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Project {
    pub(crate) id: u64,
    /// The whole path, with all its groups.
    pub(crate) path: String,
    pub(crate) is_archived: bool,
    pub(crate) is_public: bool,
    pub(crate) is_empty: bool,
    pub(crate) members: BTreeMap<String, u32>,
    pub(crate) hooks: BTreeMap<u64, Hook>,
    pub(crate) pipelines: BTreeMap<u64, Pipeline>,
    /// The protected branches: at first the default one.
    pub(crate) protected: BTreeSet<String>,
    /// The last payload of each event, by its flag.
    pub(crate) samples: BTreeMap<&'static str, Value>,
}

/// A hook of a project, for assertions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectHookView {
    /// Its id.
    pub id: u64,
    /// Where it posts to.
    pub url: String,
    /// What it sends along in the clear.
    pub token: Option<String>,
    /// What it signs with.
    pub signing_token: Option<String>,
    /// The flags that are set, such as `pipeline_events`.
    pub events: BTreeSet<&'static str>,
    /// Whether certificates are looked at.
    pub verifies_tls: bool,
    /// `executable`, `temporarily_disabled` or `disabled`.
    pub alert_status: &'static str,
    /// Failures in a row.
    pub failures: u32,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) ground: Arc<Ground>,
    pub(crate) version: (u16, u16),
    /// Whether failing hooks are switched off. Only gitlab.com does so unasked.
    pub(crate) disables_hooks: bool,
    pub(crate) requests_per_minute: Option<u32>,
    pub(crate) log_bytes_max: usize,
    pub(crate) desk: Desk,
    pub(crate) users: BTreeMap<String, u64>,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) projects: BTreeMap<u64, Project>,
    /// Paths that projects had before.
    pub(crate) old_paths: BTreeMap<String, u64>,
    pub(crate) attempts: Vec<Attempt>,
    /// What was counted, and in which minute.
    counts: BTreeMap<String, (u64, u32)>,
}

impl State {
    pub(crate) fn on(ground: Arc<Ground>) -> Self {
        Self {
            ground,
            version: VERSION,
            disables_hooks: false,
            requests_per_minute: Some(REQUESTS_PER_MINUTE),
            log_bytes_max: LOG_BYTES_MAX,
            desk: Desk::new(CUSTOMS),
            users: BTreeMap::new(),
            tokens: BTreeMap::new(),
            projects: BTreeMap::new(),
            old_paths: BTreeMap::new(),
            attempts: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    pub(crate) fn now_s(&self) -> u64 {
        self.ground.now_s()
    }

    pub(crate) fn is_since(&self, major: u16, minor: u16) -> bool {
        self.version >= (major, minor)
    }

    pub(crate) fn add_user(&mut self, login: &str) {
        let id = self.ground.fresh();
        self.users.entry(login.to_owned()).or_insert(id);
    }

    /// Gives a user a token of these scopes.
    pub(crate) fn add_token(&mut self, login: &str, scopes: &[&str]) -> String {
        let id = self.ground.fresh();
        let text = format!("glpat-{login}{id}");
        let token = Token {
            id,
            login: login.to_owned(),
            kind: TokenKind::Personal,
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            created_at_s: self.now_s(),
            expires_at_s: None,
            is_revoked: false,
        };
        self.tokens.insert(text.clone(), token);
        text
    }

    /// A grant was given out: its token is good, and the one before no longer.
    pub(crate) fn settle(&mut self, grant: &Grant) {
        if let Some(old) = &grant.replaces {
            self.revoke(old);
        }
        let token = Token {
            id: self.ground.fresh(),
            login: grant.login.clone(),
            kind: TokenKind::Oauth,
            scopes: grant.scope.split(' ').map(str::to_owned).collect(),
            created_at_s: self.now_s(),
            expires_at_s: grant.expires_in_s.map(|s| self.now_s() + s),
            is_revoked: false,
        };
        self.tokens.insert(grant.access.clone(), token);
    }

    /// Makes a token worthless.
    pub(crate) fn revoke(&mut self, token: &str) {
        if let Some(token) = self.tokens.get_mut(token) {
            token.is_revoked = true;
        }
    }

    /// Takes back the whole grant that a token belongs to.
    pub(crate) fn revoke_grant(&mut self, token: &str) {
        if let Some(access) = self.desk.revoke(token) {
            self.revoke(&access);
        }
    }

    pub(crate) fn add_project(&mut self, path: &str, owner: &str) -> u64 {
        let id = self.ground.fresh();
        self.old_paths.remove(&path.to_ascii_lowercase());
        let project = Project {
            id,
            path: path.to_owned(),
            is_archived: false,
            is_public: false,
            is_empty: false,
            members: BTreeMap::from([(owner.to_owned(), OWNER)]),
            hooks: BTreeMap::new(),
            pipelines: BTreeMap::new(),
            protected: BTreeSet::from([DEFAULT_BRANCH.to_owned()]),
            samples: BTreeMap::new(),
        };
        self.projects.insert(id, project);
        id
    }

    pub(crate) fn find(&self, path: &str) -> Option<u64> {
        let same = |p: &&Project| p.path.eq_ignore_ascii_case(path);
        self.projects.values().find(same).map(|p| p.id)
    }

    pub(crate) fn project(&self, path: &str) -> Option<&Project> {
        self.find(path).and_then(|id| self.projects.get(&id))
    }

    pub(crate) fn with_project(&mut self, path: &str, change: impl FnOnce(&mut Project)) {
        let found = self.find(path);
        if let Some(project) = found.and_then(|id| self.projects.get_mut(&id)) {
            change(project);
        }
    }

    /// The project gets another path; the old one leads to it until it is used again.
    pub(crate) fn rename(&mut self, path: &str, new_path: &str) {
        if let Some(id) = self.find(path) {
            self.old_paths.insert(path.to_ascii_lowercase(), id);
            self.old_paths.remove(&new_path.to_ascii_lowercase());
            self.with_project(path, |p| p.path = new_path.to_owned());
        }
    }

    /// Puts a new hook into its project, unless there are enough already.
    pub(crate) fn create_hook(&mut self, project: u64, mut hook: Hook) -> Option<Hook> {
        hook.id = self.ground.fresh();
        hook.created_at_s = self.now_s();
        let hooks = &mut self.projects.get_mut(&project)?.hooks;
        if hooks.len() >= HOOKS_MAX {
            return None;
        }
        hooks.insert(hook.id, hook.clone());
        Some(hook)
    }

    /// Whether a hook is fed now.
    pub(crate) fn alert(&self, hook: &Hook) -> Alert {
        if self.disables_hooks {
            hook.alert(self.now_s())
        } else {
            Alert::Executable
        }
    }

    pub(crate) fn hook_views(&self, path: &str) -> Vec<ProjectHookView> {
        let view = |hook: &Hook| ProjectHookView {
            id: hook.id,
            url: hook.url.clone(),
            token: hook.token.clone(),
            signing_token: hook.signing_token.clone(),
            events: hook
                .flags
                .iter()
                .filter(|(_, on)| **on)
                .map(|(f, _)| *f)
                .collect(),
            verifies_tls: hook.verifies_tls,
            alert_status: self.alert(hook).name(),
            failures: hook.failures,
        };
        let project = self.project(path).into_iter();
        project.flat_map(|p| p.hooks.values().map(view)).collect()
    }

    /// Counts one more of something in this minute; the count.
    fn count(&mut self, what: String) -> u32 {
        let minute = self.now_s() / 60;
        let entry = self.counts.entry(what).or_insert((minute, 0));
        if entry.0 != minute {
            *entry = (minute, 0);
        }
        entry.1 = entry.1.saturating_add(1);
        entry.1
    }

    /// Counts a request of a user in this minute; the count.
    pub(crate) fn count_request(&mut self, login: &str) -> u32 {
        self.count(format!("request {login}"))
    }

    /// Whether a user may test (or resend) once more in this project.
    pub(crate) fn may(&mut self, what: &str, login: &str, project: u64) -> bool {
        self.count(format!("{what} {login} {project}")) <= TESTS_PER_MINUTE
    }

    /// A user as payloads show it.
    pub(crate) fn user_json(&self, login: &str) -> Value {
        let id = self.users.get(login).copied().unwrap_or(1);
        json!({
            "id": id, "name": login, "username": login, "avatar_url": null,
            "email": format!("{login}@example.org"),
        })
    }
}
