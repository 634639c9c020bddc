//! Who may use a route, and who asks.

use crate::domain::id::{TokenId, UserId};
use crate::domain::secret::ApiToken;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// All, without a token.
    Public,
    /// Those who sign with a webhook's secret.
    Ingress,
    /// Users; all when the configuration says so.
    Metrics,
    /// Users, who see their own objects only.
    User,
    /// An admin.
    Admin,
}

/// The user who asks. Made by `auth` only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user: UserId,
    /// Whether they may manage users.
    pub is_admin: bool,
    /// The API token that they asked with; `None` for the one in the configuration.
    pub token: Option<TokenId>,
}

/// The built-in user `admin`, whose API token comes from the configuration. Holds only the
/// token's hash.
#[derive(Clone, Copy)]
pub struct Admin {
    pub(super) user: UserId,
    pub(super) token_hash: [u8; 32],
}

impl Admin {
    /// The built-in admin with this token.
    pub fn new(user: UserId, token: &ApiToken) -> Self {
        Self {
            user,
            token_hash: *blake3::hash(token.expose().as_bytes()).as_bytes(),
        }
    }
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}
