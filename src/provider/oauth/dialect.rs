//! In what the providers differ when users sign in.

use crate::domain::repo::ProviderKind;

/// Paths and words of a kind of provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Its name, for people.
    pub(super) name: &'static str,
    /// Where users agree.
    pub(super) authorize: &'static str,
    /// Where codes and refresh tokens are exchanged.
    pub(super) token: &'static str,
    /// Where a device begins.
    pub(super) device: &'static str,
    /// The rights that are asked for, separated by spaces.
    pub(super) scope: &'static str,
    /// Whether a refresh repeats the redirect URI.
    pub(super) refresh_names_redirect: bool,
}

/// GitHub. `repo` holds the rights to hooks and is needed to see private repositories; a GitHub App
/// ignores scopes and has the rights that it was registered with.
const GITHUB: Dialect = Dialect {
    name: "GitHub",
    authorize: "login/oauth/authorize",
    token: "login/oauth/access_token",
    device: "login/device/code",
    scope: "repo",
    refresh_names_redirect: false,
};

/// GitLab. Only `api` may manage hooks.
const GITLAB: Dialect = Dialect {
    name: "GitLab",
    authorize: "oauth/authorize",
    token: "oauth/token",
    device: "oauth/authorize_device",
    scope: "api",
    refresh_names_redirect: true,
};

impl Dialect {
    /// The dialect of a kind of provider.
    pub const fn of(provider: ProviderKind) -> Self {
        match provider {
            ProviderKind::Github => GITHUB,
            ProviderKind::Gitlab => GITLAB,
        }
    }
}
