//! Signing in: how users grant us rights at a provider ([`Grants`]), and how an app of ours has
//! them ([`Apps`]).

use super::outbound::Calling;
use crate::domain::errand::Errand;
use crate::domain::secret::{OauthSecret, ProviderToken};
use crate::domain::time::Timestamp;
use crate::domain::user::Account;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use url::Url;

mod answer;
mod client;
mod dialect;
#[cfg(test)]
mod tests;

pub use client::OauthClient;
pub use dialect::Dialect;

/// The tokens of a grant.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The access token.
    pub access: ProviderToken,
    /// The refresh token, when there is one.
    pub refresh: Option<ProviderToken>,
    /// How long the access token lives from now; `None` when it has no end.
    pub lives: Option<Duration>,
}

/// What a device shows to its user, and what it asks with.
#[derive(Clone, Debug)]
pub struct DeviceCode {
    /// What we ask with.
    pub device_code: OauthSecret,
    /// What the user types in.
    pub user_code: String,
    /// Where they type it in; on the installation's own origin.
    pub verification_uri: Url,
    /// How long both codes live.
    pub lives: Duration,
    /// How long to wait between two questions.
    pub interval: Duration,
}

/// What the provider says of a device code.
#[derive(Clone, Debug)]
pub enum DevicePoll {
    /// The user has not decided yet.
    Pending,
    /// Asked too often: wait longer from now on.
    SlowDown,
    /// The user agreed.
    Granted(Tokens),
    /// The user said no.
    Denied,
    /// The code is over.
    Expired,
}

/// Why a provider grants nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantFailure {
    /// The provider refuses this code or refresh token: it is over, used, or was never valid.
    Refused,
    /// The provider refuses us: the client, its secret or its settings are wrong.
    Misconfigured,
    /// Nothing was done; it may be asked again, at the earliest after this long.
    Retryable {
        /// The provider's wish.
        after: Option<Duration>,
    },
    /// It may have been done, and the answer is lost.
    Unknown,
}

/// Why a provider grants nothing, for programs and for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GrantError {
    /// What to do about it.
    pub failure: GrantFailure,
    /// A sentence for people. Holds no secret and nothing of the answer but known names.
    pub message: String,
}

impl GrantError {
    pub(crate) fn new(failure: GrantFailure, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { failure, message }
    }
}

/// The future of a question about grants.
pub type Granting<'a, T> = Pin<Box<dyn Future<Output = Result<T, GrantError>> + Send + 'a>>;

/// Grants of users. One per installation that has a client of ours.
///
/// Every request is sent once: codes and refresh tokens are used up by it. Whether it was carried
/// out is part of the answer.
pub trait Grants: Send + Sync + 'static {
    /// Where the user is sent to agree. `challenge` is the S256 challenge of PKCE.
    fn authorize_url(&self, state: &str, challenge: &str, redirect_uri: &str) -> Url;

    /// Whether an `iss` parameter names this installation (RFC 9207).
    fn is_issuer(&self, iss: &str) -> bool;

    /// Exchanges the code that the user brought back.
    fn exchange<'a>(
        &'a self,
        code: &'a OauthSecret,
        verifier: &'a OauthSecret,
        redirect_uri: &'a str,
    ) -> Granting<'a, Tokens>;

    /// Exchanges a refresh token. Both tokens are replaced.
    ///
    /// The awkward case: [`GrantFailure::Unknown`]. The old tokens may be over, and the new ones
    /// lost. Asking again with the old refresh token does no harm, and tells.
    fn refresh<'a>(
        &'a self,
        refresh: &'a ProviderToken,
        redirect_uri: &'a str,
    ) -> Granting<'a, Tokens>;

    /// Begins a sign-in on a device without a browser.
    fn device_begin(&self) -> Granting<'_, DeviceCode>;

    /// Asks whether the user agreed.
    fn device_poll<'a>(&'a self, device_code: &'a OauthSecret) -> Granting<'a, DevicePoll>;
}

/// An installation of our app, as the provider describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Where it is installed.
    pub account: Account,
    /// What it may do, as `right:level`.
    pub rights: Vec<String>,
}

/// A token of an installation.
#[derive(Clone)]
pub struct InstallationToken {
    /// The token.
    pub token: ProviderToken,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl fmt::Debug for InstallationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstallationToken(until {})", self.expires_at.0)
    }
}

/// Our app at an installation of a provider.
pub trait Apps: Send + Sync + 'static {
    /// What is known of an installation. `Unauthorized` when there is none (any more).
    fn installation(&self, id: u64, errand: Errand) -> Calling<'_, Installation>;

    /// A new token for an installation. `Unauthorized` when there is none (any more), or when it
    /// is suspended.
    fn installation_token(&self, id: u64, errand: Errand) -> Calling<'_, InstallationToken>;
}
