//! The differences between providers for sign-in.

use crate::domain::repo::ProviderKind;

/// Paths and names of a kind of provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Its name, for people.
    pub(super) name: &'static str,
    /// The path where users authorise.
    pub(super) authorize: &'static str,
    /// Where codes and refresh tokens are exchanged.
    pub(super) token: &'static str,
    /// The path where a device sign-in begins.
    pub(super) device: &'static str,
    /// The requested scopes, separated by spaces.
    pub(super) scope: &'static str,
    /// Whether a refresh repeats the redirect URI.
    pub(super) refresh_names_redirect: bool,
}

/// GitHub. `repo` includes the rights to hooks and is needed for private repositories; a GitHub App
/// ignores scopes and has the rights of its registration.
const GITHUB: Dialect = Dialect {
    name: ProviderKind::Github.name(),
    authorize: "login/oauth/authorize",
    token: "login/oauth/access_token",
    device: "login/device/code",
    scope: "repo",
    refresh_names_redirect: false,
};

/// GitLab. Only `api` allows managing hooks.
const GITLAB: Dialect = Dialect {
    name: ProviderKind::Gitlab.name(),
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
