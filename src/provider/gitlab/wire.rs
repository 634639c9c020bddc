//! The bodies of GitLab's REST API, as far as we write and read them.

use super::errors;
use crate::domain::repo::{Repository, RepositoryId};
use crate::domain::secret::{HookSecret, Proof};
use crate::domain::time::Timestamp;
use crate::provider::http::Answer;
use crate::provider::outbound::{HookSpec, ProviderError};
use crate::provider::payload::{Loose, any_moment};
use crate::provider::signature::{SigningKey, gitlab_token};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Every event that a project hook can subscribe to, by the name of its flag. All of them are
/// written each time: some are on by default.
pub const EVENTS: [&str; 17] = [
    "push_events",
    "tag_push_events",
    "issues_events",
    "confidential_issues_events",
    "merge_requests_events",
    "note_events",
    "confidential_note_events",
    "job_events",
    "pipeline_events",
    "wiki_page_events",
    "deployment_events",
    "releases_events",
    "milestone_events",
    "emoji_events",
    "feature_flag_events",
    "resource_access_token_events",
    "resource_deploy_token_events",
];

/// The branches of a hook: all.
const ALL_BRANCHES: &str = "all_branches";
/// From this level on a user may manage hooks: Maintainer.
const MAINTAINER: u64 = 40;

/// A hook. Fields that an older installation does not have are not drift.
#[derive(Debug, Deserialize)]
pub struct HookBody {
    pub(super) id: u64,
    pub(super) url: Option<String>,
    enable_ssl_verification: Option<bool>,
    push_events_branch_filter: Option<String>,
    branch_filter_strategy: Option<String>,
    custom_webhook_template: Option<String>,
    token_present: Option<bool>,
    signing_token_present: Option<bool>,
    pub(super) alert_status: Option<String>,
    pub(super) disabled_until: Option<String>,
    /// Among them the flags of the events.
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

fn is_blank(text: Option<&String>) -> bool {
    text.is_none_or(String::is_empty)
}

impl HookBody {
    /// Whether it is subscribed to an event; `None` when the installation does not have the event.
    pub(super) fn hears(&self, event: &str) -> Option<bool> {
        self.others.get(event)?.as_bool()
    }

    /// The events that it is subscribed to, by the names of their flags.
    pub(super) fn heard(&self) -> Vec<String> {
        let is_heard = |event: &&str| self.hears(event) == Some(true);
        let heard = EVENTS.into_iter().filter(is_heard);
        heard.map(str::to_owned).collect()
    }

    /// Whether it has a token of either kind; `None` when the installation does not say.
    pub(super) fn has_secret(&self) -> Option<bool> {
        let tokens = [self.token_present, self.signing_token_present];
        tokens
            .into_iter()
            .flatten()
            .reduce(|one, other| one || other)
    }

    /// When it was made.
    pub(super) fn created_at(&self) -> Option<Timestamp> {
        any_moment(&Loose::Text(
            self.others.get("created_at")?.as_str()?.into(),
        ))
    }

    /// The settings that differ, except the URL.
    pub(super) fn settings_drifted(&self, spec: &HookSpec) -> Vec<&'static str> {
        let wants = |event: &str| spec.events.iter().any(|wanted| wanted == event);
        let events = EVENTS.into_iter().filter(|event| {
            let hears = self.hears(event);
            hears.is_some_and(|hears| hears != wants(event))
        });
        let strategy = self.branch_filter_strategy.as_deref();
        let others = [
            (
                "enable_ssl_verification",
                self.enable_ssl_verification != Some(false),
            ),
            (
                "push_events_branch_filter",
                is_blank(self.push_events_branch_filter.as_ref()),
            ),
            (
                "branch_filter_strategy",
                strategy.is_none_or(|strategy| strategy == ALL_BRANCHES),
            ),
            (
                "custom_webhook_template",
                is_blank(self.custom_webhook_template.as_ref()),
            ),
            ("token", self.token_present != Some(false)),
            ("signing_token", self.signing_token_present != Some(false)),
        ];
        let wrong = |(field, is_right): (&'static str, bool)| (!is_right).then_some(field);
        events.chain(others.into_iter().filter_map(wrong)).collect()
    }

    /// How a hook that was just written authenticates its deliveries. An installation without
    /// signing tokens ignores one, and does not report it.
    pub(super) fn proof_of(answer: &Answer) -> Result<Proof, ProviderError> {
        let hook: Self = errors::parse(answer)?;
        Ok(match hook.signing_token_present {
            Some(true) => Proof::Signature,
            Some(false) | None => Proof::Token,
        })
    }
}

/// All settings of a hook. URL and both secrets are always sent together: if only the URL changes,
/// GitLab removes the token.
#[derive(Serialize)]
struct HookWrite<'a> {
    url: &'a str,
    token: &'a str,
    signing_token: &'a str,
    enable_ssl_verification: bool,
    push_events_branch_filter: &'static str,
    branch_filter_strategy: &'static str,
    custom_webhook_template: &'static str,
    #[serde(flatten)]
    events: BTreeMap<&'static str, bool>,
}

/// The body that creates or rewrites a hook.
pub(super) fn hook_write(spec: &HookSpec) -> Vec<u8> {
    let wants = |event: &str| spec.events.iter().any(|wanted| wanted == event);
    let secret: &HookSecret = &spec.secret;
    let body = HookWrite {
        url: &spec.url,
        token: &gitlab_token(secret),
        signing_token: &SigningKey::of_gitlab(secret).to_text(),
        enable_ssl_verification: true,
        push_events_branch_filter: "",
        branch_filter_strategy: ALL_BRANCHES,
        custom_webhook_template: "",
        events: EVENTS.into_iter().map(|e| (e, wants(e))).collect(),
    };
    serde_json::to_vec(&body).expect("texts and booleans are always JSON")
}

/// A project.
#[derive(Debug, Deserialize)]
pub(super) struct ProjectBody {
    id: u64,
    path_with_namespace: String,
    #[serde(default)]
    archived: bool,
    default_branch: Option<String>,
    permissions: Option<PermissionsBody>,
}

#[derive(Debug, Deserialize)]
struct PermissionsBody {
    project_access: Option<AccessBody>,
    group_access: Option<AccessBody>,
}

#[derive(Debug, Deserialize)]
struct AccessBody {
    access_level: Option<u64>,
}

impl PermissionsBody {
    /// `None` when it names no role: administrators have none.
    fn is_maintainer(&self) -> Option<bool> {
        [&self.project_access, &self.group_access]
            .into_iter()
            .filter_map(|access| access.as_ref()?.access_level)
            .max()
            .map(|level| level >= MAINTAINER)
    }
}

impl ProjectBody {
    /// `None` when its name cannot be part of a URL.
    pub(super) fn into_repository(self) -> Option<Repository> {
        Some(Repository {
            id: RepositoryId(self.id),
            full_name: self.path_with_namespace.parse().ok()?,
            default_branch: self.default_branch,
            is_archived: self.archived,
            can_manage_hooks: self.permissions.and_then(|p| p.is_maintainer()),
        })
    }
}

/// The token's own account.
#[derive(Debug, Deserialize)]
pub(super) struct UserBody {
    pub(super) id: u64,
    pub(super) username: String,
}

/// What a personal, group or project access token reports about itself.
#[derive(Debug, Deserialize)]
pub(super) struct TokenBody {
    #[serde(default)]
    pub(super) scopes: Vec<String>,
    /// The day on which it expires.
    #[serde(default)]
    pub(super) expires_at: Option<String>,
}
