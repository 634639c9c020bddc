//! The bodies of GitHub's REST API, as far as we write and read them.

use crate::domain::repo::{Repository, RepositoryId};
use crate::provider::outbound::HookSpec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A hook in a list. Lenient where a missing field is only drift, strict where it is part of the
/// identity.
#[derive(Debug, Deserialize)]
pub struct HookBody {
    pub(super) id: u64,
    pub(super) active: Option<bool>,
    #[serde(default)]
    pub(super) events: Vec<String>,
    #[serde(default)]
    pub(super) config: ConfigBody,
    pub(super) created_at: Option<String>,
}

/// A page of the repositories of an App installation.
#[derive(Debug, Deserialize)]
pub(super) struct InstallationRepositories {
    pub(super) repositories: Vec<RepositoryBody>,
}

/// An App installation.
#[derive(Debug, Deserialize)]
pub(super) struct InstallationBody {
    pub(super) account: UserBody,
    #[serde(default)]
    pub(super) permissions: BTreeMap<String, String>,
}

/// Our App.
#[derive(Deserialize)]
pub(super) struct AppBody {
    pub(super) id: u64,
    pub(super) slug: String,
    #[serde(default)]
    pub(super) permissions: BTreeMap<String, String>,
}

/// A token of an App installation. Has no `Debug`, because of the token.
#[derive(Deserialize)]
pub(super) struct InstallationTokenBody {
    pub(super) token: String,
    pub(super) expires_at: String,
}

/// A hook's `config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ConfigBody {
    pub(super) url: Option<String>,
    pub(super) content_type: Option<String>,
    /// A text or a number.
    pub(super) insecure_ssl: Option<serde_json::Value>,
    /// The mask `********` when one is set.
    pub(super) secret: Option<String>,
}

/// All settings of a hook. Always all of them: a `config` without `secret` removes the secret.
#[derive(Serialize)]
struct HookWrite<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    config: ConfigWrite<'a>,
    events: &'a [String],
    active: bool,
}

#[derive(Serialize)]
struct ConfigWrite<'a> {
    url: &'a str,
    content_type: &'static str,
    secret: &'a str,
    insecure_ssl: &'static str,
}

/// The body that creates (`is_new`) or rewrites a hook.
pub(super) fn hook_write(spec: &HookSpec, is_new: bool) -> Vec<u8> {
    let body = HookWrite {
        name: is_new.then_some("web"),
        config: ConfigWrite {
            url: &spec.url,
            content_type: "json",
            secret: spec.secret.expose(),
            insecure_ssl: "0",
        },
        events: &spec.events,
        active: true,
    };
    serde_json::to_vec(&body).expect("texts and booleans are always JSON")
}

/// A repository.
#[derive(Debug, Deserialize)]
pub(super) struct RepositoryBody {
    id: u64,
    full_name: String,
    #[serde(default)]
    archived: bool,
    default_branch: Option<String>,
    permissions: Option<PermissionsBody>,
}

#[derive(Debug, Deserialize)]
struct PermissionsBody {
    #[serde(default)]
    admin: bool,
}

impl RepositoryBody {
    /// `None` when its name cannot be part of a URL.
    pub(super) fn into_repository(self) -> Option<Repository> {
        Some(Repository {
            id: RepositoryId(self.id),
            full_name: self.full_name.parse().ok()?,
            default_branch: self.default_branch,
            is_archived: self.archived,
            can_manage_hooks: self.permissions.map(|p| p.admin),
        })
    }
}

/// The token's own account.
#[derive(Debug, Deserialize)]
pub(super) struct UserBody {
    pub(super) id: u64,
    pub(super) login: String,
}
