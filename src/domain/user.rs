//! Users, their API tokens, and their credentials for providers.

use super::expiry::Expiry;
use super::grant::{Grant, Rejection};
use super::id::{CredentialId, TokenId, UserId};
use super::repo::Instance;
use super::text::clean;
use super::time::Timestamp;
use std::time::Duration;

/// The name of the user of the configured admin token.
pub const ADMIN_NAME: &str = "admin";

/// Longest user name.
pub const USER_NAME_BYTES_MAX: usize = 64;

/// A user who connects repositories. Sees and affects only their own data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Our id.
    pub id: UserId,
    /// Unique, 1 to 64 of letters, digits, '.', '_', '-', '@'.
    pub name: String,
    /// May add users. Being admin does not open other users' objects.
    pub is_admin: bool,
    /// When it was added.
    pub created_at: Timestamp,
    /// Set once the user is being removed: from then on nothing of theirs works, and the rest is
    /// deleted step by step.
    pub removal: Option<Removal>,
}

impl User {
    /// Whether the user may act, and own new objects.
    pub const fn is_present(&self) -> bool {
        self.removal.is_none()
    }
}

/// The removal of a user, until nothing of theirs is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removal {
    /// When it was requested.
    pub at: Timestamp,
    /// The admin who requested it.
    pub by: UserId,
    /// Whether their hooks are deleted at the providers.
    pub delete_hooks: bool,
}

/// Whether `name` may be the name of a user.
pub fn is_valid_user_name(name: &str) -> bool {
    (1..=USER_NAME_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-@".contains(&b))
}

/// An API token of ours; only its holder has the token itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Our id.
    pub id: TokenId,
    /// Its user.
    pub user: UserId,
    /// BLAKE3 of the token. The token has 256 random bits, so no slow hash is needed.
    pub hash: [u8; 32],
    /// When it was created.
    pub created_at: Timestamp,
    /// Its name, chosen by the holder.
    pub name: Option<String>,
    /// From then on it is refused; `None` when it does not expire. Refused, not deleted: when a
    /// wrong clock is corrected, the token is valid again.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to within [`LAST_USE_STEP`]; `None` when it never was.
    pub last_used_at: Option<Timestamp>,
}

/// Longest name of an API token, in characters.
pub const TOKEN_NAME_CHARS_MAX: usize = 100;
/// Longest lifetime of an API token: ten years.
pub const TOKEN_LIFE_MAX: Duration = Duration::from_hours(24 * 3653);
/// The precision of the last use of an API token: it is stored at most this often.
pub const LAST_USE_STEP: Duration = Duration::from_mins(1);

impl TokenRecord {
    /// Whether it has expired.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }

    /// Whether a use now must be stored.
    pub fn is_use_due(&self, now: Timestamp) -> bool {
        (self.last_used_at).is_none_or(|last| is_step_over(last, now))
    }
}

/// Whether `now` is far enough from `last`, in either direction: a clock may have been set back.
pub fn is_step_over(last: Timestamp, now: Timestamp) -> bool {
    now.since(last).max(last.since(now)) >= LAST_USE_STEP
}

/// A credential for calls to a provider that a user added. Written by the pool only (see the
/// credentials room), once it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Our id.
    pub id: CredentialId,
    /// Its owner.
    pub owner: UserId,
    /// The only instance to which it is sent.
    pub instance: Instance,
    /// The account that the provider reports.
    pub account: Account,
    /// Scopes the provider reported; empty when it reports none (fine-grained tokens).
    pub scopes: Vec<String>,
    /// Its kind.
    pub grant: Grant,
    /// Whether connections of other users may use it.
    pub is_shared: bool,
    /// When it was stored.
    pub created_at: Timestamp,
    /// Why it is no longer used; `None` while it works.
    pub rejected: Option<Rejection>,
    /// When it expires; `None` until its provider was asked, and for what is no token of a user.
    pub expiry: Option<Expiry>,
}

impl Credential {
    /// Whether it may be used for calls to this instance.
    pub fn works_for(&self, instance: &Instance) -> bool {
        self.instance == *instance && self.rejected.is_none()
    }
}

/// An account at a provider. Identity is the number; the login is for people and may be reused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The provider's numeric id.
    pub id: u64,
    /// The login name at the time of the request.
    pub login: String,
}

/// Longest login stored: GitLab's have at most 255 characters, GitHub's 39.
const LOGIN_BYTES_MAX: usize = 255;
/// Most scopes stored of a token, and the longest.
const SCOPES_MAX: usize = 64;
const SCOPE_BYTES_MAX: usize = 100;

impl Account {
    /// The account as a provider reports it. One with an invisible login is shown by its number.
    pub fn reported(id: u64, login: &str) -> Self {
        let login = clean(login, LOGIN_BYTES_MAX).unwrap_or_else(|| id.to_string());
        Self { id, login }
    }
}

/// The scopes as a provider reports them: cleaned for display, up to the limit.
pub fn scopes_reported<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let cleaned = scopes.into_iter().take(SCOPES_MAX);
    cleaned
        .filter_map(|scope| clean(scope, SCOPE_BYTES_MAX))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_provider_tells_of_an_account_is_made_fit_to_be_shown() {
        let long = "a".repeat(1000);
        for (reported, shown) in [
            ("ann", "ann"),
            ("\u{202e}nna\u{1b}[2J\n", "nna[2J"),
            (" \u{200b}", "7"),
            (&long, &long[..LOGIN_BYTES_MAX]),
        ] {
            assert_eq!(Account::reported(7, reported).login, shown, "{reported:?}");
        }
        let many = vec!["sc\u{e0041}ope"; 1000];
        assert_eq!(scopes_reported(many), vec!["scope"; SCOPES_MAX]);
        assert_eq!(
            scopes_reported(["", "repo ", &long]),
            ["repo", &long[..SCOPE_BYTES_MAX]]
        );
    }

    #[test]
    fn a_token_is_refused_from_its_end_on_and_its_use_is_noted_now_and_then() {
        let mut token = crate::domain::samples::token(1, UserId::from_u128(1));
        let late = Timestamp(i64::MAX);
        assert!(!token.is_expired(late) && token.is_use_due(Timestamp(0)));
        token.expires_at = Some(Timestamp(100));
        assert!(!token.is_expired(Timestamp(99)));
        assert!(token.is_expired(Timestamp(100)) && token.is_expired(late));
        let step = i64::try_from(LAST_USE_STEP.as_millis()).unwrap();
        token.last_used_at = Some(Timestamp(step));
        assert!(!token.is_use_due(Timestamp(step)) && !token.is_use_due(Timestamp(2 * step - 1)));
        assert!(token.is_use_due(Timestamp(2 * step)));
        assert!(token.is_use_due(Timestamp(0)), "the clock was put back");
    }

    #[test]
    fn user_names_are_plain() {
        for good in ["ann", "ann.b-c_d@example.org", &"x".repeat(64)] {
            assert!(is_valid_user_name(good), "{good}");
        }
        for bad in ["", "a b", "a/b", "ä", &"x".repeat(65)] {
            assert!(!is_valid_user_name(bad), "{bad}");
        }
    }
}
