//! Users, API tokens, credentials and the repositories that they reach, in JSON.

use crate::domain::grant::{Grant, RejectReason};
use crate::domain::id::{CredentialId, TokenId, UserId};
use crate::domain::repo::{self, FullName, Host, ProviderKind};
use crate::domain::time::Timestamp;
use crate::domain::user;
use serde::Serialize;
use utoipa::ToSchema;

/// A user.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct User {
    /// Id of the user.
    pub id: UserId,
    /// Name of the user.
    #[schema(example = "ann")]
    pub name: String,
    /// True for an admin, who manages users.
    pub is_admin: bool,
    /// When the user was added.
    pub created_at: Timestamp,
    /// The removal in progress. Null when there is none.
    pub removal: Option<Removal>,
}

/// A removal of a user that is in progress.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Removal {
    /// When it was requested.
    pub asked_at: Timestamp,
    /// True when the user's webhooks are deleted at the providers.
    pub delete_webhooks: bool,
}

/// The result of removing a user.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RemovedUser {
    /// Id of the user.
    pub user_id: UserId,
    /// Name of the user.
    pub name: String,
    /// True when nothing of the user is left. Otherwise the removal continues in the background.
    pub is_removed: bool,
    /// Number of connections left, and of webhooks that still have to be deleted.
    pub connections_left: usize,
    /// What happened, for people.
    pub message: &'static str,
}

/// A new user with their first API token.
#[derive(Serialize, ToSchema)]
pub struct CreatedUser {
    /// The user.
    #[serde(flatten)]
    pub user: User,
    /// The API token. It is shown only here.
    #[schema(example = "hhk_...")]
    pub token: String,
}

/// An API token, without the token itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Token {
    /// Id of the token.
    pub id: TokenId,
    /// Name of its user. Null when the user no longer exists.
    #[schema(example = "ann")]
    pub user: Option<String>,
    /// Name of the token.
    #[schema(example = "ci")]
    pub name: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires. Null when it does not expire.
    pub expires_at: Option<Timestamp>,
    /// True when it has expired.
    pub is_expired: bool,
    /// When it was last used, exact to a minute. Null when it never was.
    pub last_used_at: Option<Timestamp>,
    /// True for the token of this request.
    pub is_current: bool,
}

/// A new API token.
#[derive(Serialize, ToSchema)]
pub struct CreatedToken {
    /// The token's record.
    #[serde(flatten)]
    pub record: Token,
    /// The API token. It is shown only here.
    #[schema(example = "hhk_...")]
    pub token: String,
}

impl From<&user::User> for User {
    fn from(user: &user::User) -> Self {
        Self {
            id: user.id,
            name: user.name.clone(),
            is_admin: user.is_admin,
            created_at: user.created_at,
            removal: user.removal.map(|removal| Removal {
                asked_at: removal.at,
                delete_webhooks: removal.delete_hooks,
            }),
        }
    }
}

/// An account at a provider.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Account {
    /// The provider's id of the account.
    pub id: String,
    /// Login of the account.
    #[schema(example = "octocat")]
    pub login: String,
}

/// A credential: the right to call a provider, without its tokens.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Credential {
    /// Id of the credential.
    pub id: CredentialId,
    /// Provider that it is for.
    pub provider: ProviderKind,
    /// Host that it is for. Its tokens are sent to no other host.
    pub host: Host,
    /// Account that it belongs to.
    pub account: Account,
    /// Scopes that the provider reports. Empty when it reports none.
    #[schema(example = json!(["repo", "admin:repo_hook"]))]
    pub scopes: Vec<String>,
    /// When it was added.
    pub created_at: Timestamp,
    /// `token`, `oauth` or `app`.
    #[schema(example = "token")]
    pub kind: &'static str,
    /// True when connections of other users may use it.
    pub is_shared: bool,
    /// When the OAuth access token expires. Null when it does not expire.
    pub expires_at: Option<Timestamp>,
    /// True when it is renewed automatically.
    pub is_renewed: bool,
    /// When it stopped working. Null while it works.
    pub rejected_at: Option<Timestamp>,
    /// Why it stopped working. Null while it works.
    pub rejected_because: Option<RejectReason>,
}

impl From<&user::Credential> for Credential {
    fn from(credential: &user::Credential) -> Self {
        let (kind, expires_at, is_renewed) = match &credential.grant {
            Grant::Token { .. } => ("token", None, false),
            Grant::Oauth(grant) => ("oauth", grant.expires_at, grant.refresh.is_some()),
            Grant::App { .. } => ("app", None, true),
        };
        Self {
            id: credential.id,
            provider: credential.instance.provider,
            host: credential.instance.host.clone(),
            account: Account {
                id: credential.account.id.to_string(),
                login: credential.account.login.clone(),
            },
            scopes: credential.scopes.clone(),
            created_at: credential.created_at,
            kind,
            is_shared: credential.is_shared,
            expires_at,
            is_renewed,
            rejected_at: credential.rejected.map(|r| r.at),
            rejected_because: credential.rejected.map(|r| r.reason),
        }
    }
}

/// A repository that a credential can reach.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Repository {
    /// Host of the provider.
    pub host: Host,
    /// The provider's id of the repository.
    pub id: String,
    /// Owner and name.
    pub full_name: FullName,
    /// Name of the repository.
    pub name: String,
    /// Owner of the repository.
    pub owner_name: String,
    /// True when the repository is read-only.
    pub is_archived: bool,
    /// Whether the credential may manage webhooks. Null when the provider does not report it.
    pub can_manage_hooks: Option<bool>,
}

impl Repository {
    /// The shape of a repository at `host`.
    pub fn of(repository: &repo::Repository, host: &Host) -> Self {
        Self {
            host: host.clone(),
            id: repository.id.to_string(),
            full_name: repository.full_name.clone(),
            name: repository.full_name.name().to_owned(),
            owner_name: repository.full_name.owner().to_owned(),
            is_archived: repository.is_archived,
            can_manage_hooks: repository.can_manage_hooks,
        }
    }
}
