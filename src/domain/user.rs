//! Users, their API tokens, and the rights at providers that they entrusted to us.

use super::grant::{Grant, Rejection};
use super::id::{CredentialId, TokenId, UserId};
use super::repo::Instance;
use super::text::clean;
use super::time::Timestamp;
use std::time::Duration;

/// The name of the user that the admin token of the configuration belongs to.
pub const ADMIN_NAME: &str = "admin";

/// Longest user name.
pub const USER_NAME_BYTES_MAX: usize = 64;

/// Somebody who connects repositories. Sees and affects only what is theirs.
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
    /// Set once the user is being removed: from then on nothing of theirs works, and what is left
    /// is taken away bit by bit.
    pub removal: Option<Removal>,
}

impl User {
    /// Whether the user may do something, and own something new.
    pub const fn is_present(&self) -> bool {
        self.removal.is_none()
    }
}

/// The removal of a user, which goes on until nothing of theirs is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removal {
    /// When it was asked for.
    pub at: Timestamp,
    /// The admin who asked.
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

/// An API token of ours; the token itself is known to its holder only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// Our id.
    pub id: TokenId,
    /// Whom it stands for.
    pub user: UserId,
    /// BLAKE3 of the token. The token has 256 random bits, so no slow hash is needed.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// What its holder calls it.
    pub name: Option<String>,
    /// From then on it is refused; `None` when it has no end. Refused, not forgotten: a clock
    /// that was wrong and is put right makes it good again.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, give or take [`LAST_USE_STEP`]; `None` when it never was.
    pub last_used_at: Option<Timestamp>,
}

/// Longest name of an API token.
pub const TOKEN_NAME_BYTES_MAX: usize = 100;
/// Longest life that an API token may be given: ten years.
pub const TOKEN_LIFE_MAX: Duration = Duration::from_hours(24 * 3653);
/// How exactly the last use of an API token is known: it is written down at most this often.
pub const LAST_USE_STEP: Duration = Duration::from_mins(1);

impl TokenRecord {
    /// Whether its time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }

    /// Whether a use now is to be written down.
    pub fn is_use_due(&self, now: Timestamp) -> bool {
        (self.last_used_at).is_none_or(|last| is_step_over(last, now))
    }
}

/// Whether `now` is far enough from `last`, in either direction: a clock may have been put back.
pub fn is_step_over(last: Timestamp, now: Timestamp) -> bool {
    now.since(last).max(last.since(now)) >= LAST_USE_STEP
}

/// A right to make calls to a provider that a user entrusted to us. Written by the pool only
/// (see the credentials room), once it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Our id.
    pub id: CredentialId,
    /// Whose it is.
    pub owner: UserId,
    /// The only instance it is ever sent to.
    pub instance: Instance,
    /// Who the provider says it belongs to.
    pub account: Account,
    /// Scopes the provider reported; empty when it reports none (fine-grained tokens).
    pub scopes: Vec<String>,
    /// What it rests on.
    pub grant: Grant,
    /// Whether connections of other users may fall back on it.
    pub is_shared: bool,
    /// When it was stored.
    pub created_at: Timestamp,
    /// Why it is no longer used; `None` while it works.
    pub rejected: Option<Rejection>,
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
    /// The login name at the time of asking.
    pub login: String,
}

/// Longest login kept: GitLab's have at most 255 characters, GitHub's 39.
const LOGIN_BYTES_MAX: usize = 255;
/// Most scopes kept of a token, and the longest.
const SCOPES_MAX: usize = 64;
const SCOPE_BYTES_MAX: usize = 100;

impl Account {
    /// The account as a provider tells it. One whose login shows nothing goes by its number.
    pub fn told(id: u64, login: &str) -> Self {
        let login = clean(login, LOGIN_BYTES_MAX).unwrap_or_else(|| id.to_string());
        Self { id, login }
    }
}

/// The scopes as a provider tells them: as many as are kept, fit to be shown.
pub fn scopes_told<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Vec<String> {
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
        for (told, shown) in [
            ("ann", "ann"),
            ("\u{202e}nna\u{1b}[2J\n", "nna[2J"),
            (" \u{200b}", "7"),
            (&long, &long[..LOGIN_BYTES_MAX]),
        ] {
            assert_eq!(Account::told(7, told).login, shown, "{told:?}");
        }
        let many = vec!["sc\u{e0041}ope"; 1000];
        assert_eq!(scopes_told(many), vec!["scope"; SCOPES_MAX]);
        assert_eq!(
            scopes_told(["", "repo ", &long]),
            ["repo", &long[..SCOPE_BYTES_MAX]]
        );
    }

    #[test]
    fn a_token_is_refused_from_its_end_on_and_its_use_is_noted_now_and_then() {
        let mut token = TokenRecord {
            id: TokenId::from_u128(1),
            user: UserId::from_u128(1),
            hash: [0; 32],
            created_at: Timestamp(0),
            name: None,
            expires_at: None,
            last_used_at: None,
        };
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
