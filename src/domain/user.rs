//! Users, their API tokens, and the rights at providers that they entrusted to us.

use super::grant::{Grant, Rejection};
use super::id::{CredentialId, TokenId, UserId};
use super::repo::Instance;
use super::time::Timestamp;

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
}

/// A right to make calls to a provider that a user entrusted to us. Written by the keeper only
/// (see the actors), once it exists.
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

#[cfg(test)]
mod tests {
    use super::*;

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
