//! Users, API tokens, credentials and the repositories that they reach, in JSON.

use crate::domain::grant::{Grant, RejectReason};
use crate::domain::id::{CredentialId, TokenId, UserId};
use crate::domain::pace;
use crate::domain::repo::{self, FullName, Host, ProviderKind};
use crate::domain::time::Timestamp;
use crate::domain::user;
use serde::Serialize;
use utoipa::ToSchema;

shapes! {
    /// A user.
    User(user: &user::User) {
        /// Id of the user.
        id: UserId = user.id,
        /// Name of the user.
        #[schema(example = "ann")]
        name: String = user.name.clone(),
        /// True for an admin, who manages users.
        is_admin: bool = user.is_admin,
        /// When the user was added.
        created_at: Timestamp = user.created_at,
        /// The removal in progress. Null when there is none.
        removal: Option<Removal> = user.removal.map(Removal::of),
    }

    /// A removal of a user that is in progress.
    Removal(removal: user::Removal) {
        /// When it was requested.
        asked_at: Timestamp = removal.at,
        /// True when the user's webhooks are deleted at the providers.
        delete_webhooks: bool = removal.delete_hooks,
    }

    /// An API token, without the token itself.
    Token(
        token: &user::TokenRecord, user: Option<String>, now: Timestamp, current: Option<TokenId>
    ) {
        /// Id of the token.
        id: TokenId = token.id,
        /// Name of its user. Null when the user no longer exists.
        #[schema(example = "ann")]
        user: Option<String> = user,
        /// Name of the token.
        #[schema(example = "ci")]
        name: Option<String> = token.name.clone(),
        /// When it was created.
        created_at: Timestamp = token.created_at,
        /// When it expires. Null when it does not expire.
        expires_at: Option<Timestamp> = token.expires_at,
        /// True when it has expired.
        is_expired: bool = token.is_expired(now),
        /// When it was last used, exact to a minute. Null when it never was.
        last_used_at: Option<Timestamp> = token.last_used_at,
        /// True for the token of this request.
        is_current: bool = current == Some(token.id),
    }

    /// An account at a provider.
    Account(account: &user::Account) {
        /// The provider's id of the account.
        id: String = account.id.to_string(),
        /// Login of the account.
        #[schema(example = "octocat")]
        login: String = account.login.clone(),
    }

    /// A credential: the right to call a provider, without its tokens.
    Credential(credential: &user::Credential, pace: Option<pace::Pace>) {
        /// Id of the credential.
        id: CredentialId = credential.id,
        /// Provider that it is for.
        provider: ProviderKind = credential.instance.provider,
        /// Host that it is for. Its tokens are sent to no other host.
        host: Host = credential.instance.host.clone(),
        /// Account that it belongs to.
        account: Account = Account::of(&credential.account),
        /// Scopes that the provider reports. Empty when it reports none.
        #[schema(example = json!(["repo", "admin:repo_hook"]))]
        scopes: Vec<String> = credential.scopes.clone(),
        /// When it was added.
        created_at: Timestamp = credential.created_at,
        /// `token`, `oauth` or `app`.
        #[schema(example = "token")]
        kind: &'static str = match credential.grant {
            Grant::Token { .. } => "token",
            Grant::Oauth(_) => "oauth",
            Grant::App { .. } => "app",
        },
        /// True when connections of other users may use it.
        is_shared: bool = credential.is_shared,
        /// When the token expires, as the provider says. Null when it does not expire, or when
        /// that is not known.
        expires_at: Option<Timestamp> = match &credential.grant {
            Grant::Oauth(grant) => grant.expires_at,
            Grant::Token { .. } => credential.expiry.and_then(|expiry| expiry.at),
            Grant::App { .. } => None,
        },
        /// True when it is renewed automatically.
        is_renewed: bool = match &credential.grant {
            Grant::Oauth(grant) => grant.refresh.is_some(),
            Grant::Token { .. } => false,
            Grant::App { .. } => true,
        },
        /// When it stopped working. Null while it works.
        rejected_at: Option<Timestamp> = credential.rejected.map(|r| r.at),
        /// Why it stopped working. Null while it works.
        rejected_because: Option<RejectReason> = credential.rejected.map(|r| r.reason),
        /// How often regular work is done with it. Null in the answer to a sign-in.
        pace: Option<Pace> = pace.map(Pace::of),
    }

    /// How often regular work is done with a credential.
    Pace(pace: pace::Pace) {
        /// Number of connections that use it, of all users.
        connections: u64 = pace.connections,
        /// True when the configured intervals do not fit the limits of the provider.
        is_stretched: bool = pace.found != pace.wanted,
        /// Time between two checks of a webhook.
        check_interval_seconds: u64 = pace.found.check.as_secs(),
        /// Time without a delivery after which a webhook is pinged.
        ping_interval_seconds: u64 = pace.found.ping.as_secs(),
        /// Time between two reconciles of a connection.
        reconcile_interval_seconds: u64 = pace.found.reconcile.as_secs(),
        /// Configured time between two checks.
        check_interval_wanted_seconds: u64 = pace.wanted.check.as_secs(),
        /// Configured time before a ping.
        ping_interval_wanted_seconds: u64 = pace.wanted.ping.as_secs(),
        /// Configured time between two reconciles.
        reconcile_interval_wanted_seconds: u64 = pace.wanted.reconcile.as_secs(),
    }

    /// A repository that a credential can reach.
    Repository(repository: &repo::Repository, at: &Host) {
        /// Host of the provider.
        host: Host = at.clone(),
        /// The provider's id of the repository.
        id: String = repository.id.to_string(),
        /// Owner and name.
        full_name: FullName = repository.full_name.clone(),
        /// Name of the repository.
        name: String = repository.full_name.name().to_owned(),
        /// Owner of the repository.
        owner_name: String = repository.full_name.owner().to_owned(),
        /// True when the repository is read-only.
        is_archived: bool = repository.is_archived,
        /// Whether the credential may manage webhooks. Null when the provider does not report it.
        can_manage_hooks: Option<bool> = repository.can_manage_hooks,
    }
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
