//! Signing in: grants of users at a provider ([`Grants`]), and installations of our app ([`Apps`]).

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

/// The codes of a device sign-in.
#[derive(Clone, Debug)]
pub struct DeviceCode {
    /// The code for polling.
    pub device_code: OauthSecret,
    /// The code that the user enters.
    pub user_code: String,
    /// Where the user enters it; on the installation's own origin.
    pub verification_uri: Url,
    /// Lifetime of both codes.
    pub lives: Duration,
    /// Shortest time between two polls.
    pub interval: Duration,
}

/// The state of a device code.
#[derive(Clone, Debug)]
pub enum DevicePoll {
    /// The user has not decided yet.
    Pending,
    /// Polled too often: increase the interval.
    SlowDown,
    /// The user authorised it.
    Granted(Tokens),
    /// The user denied it.
    Denied,
    /// The code has expired.
    Expired,
}

/// Why a provider issues no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantFailure {
    /// The provider refuses this code or refresh token: it has expired, was used, or was never
    /// valid.
    Refused,
    /// The provider refuses our client: its id, its secret or its settings are wrong.
    Misconfigured,
    /// Nothing was done; it may be repeated, at the earliest after this time.
    Retryable {
        /// The provider's wait.
        after: Option<Duration>,
    },
    /// It may have been done; the answer is lost.
    Unknown,
}

/// Why a provider issues no tokens, for programs and for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GrantError {
    /// What to do about it.
    pub failure: GrantFailure,
    /// A sentence. Holds no secret and nothing of the answer except known names.
    pub message: String,
}

impl GrantError {
    pub(crate) fn new(failure: GrantFailure, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { failure, message }
    }
}

/// The future of a call about grants.
pub type Granting<'a, T> = Pin<Box<dyn Future<Output = Result<T, GrantError>> + Send + 'a>>;

/// Grants of users. One per installation with an OAuth client of ours.
///
/// Every request is sent once: codes and refresh tokens can be used once. The result says whether
/// it was carried out.
pub trait Grants: Send + Sync + 'static {
    /// The URL at which the user authorises us. `challenge` is the S256 challenge of PKCE.
    fn authorize_url(&self, state: &str, challenge: &str, redirect_uri: &str) -> Url;

    /// Whether an `iss` parameter names this installation (RFC 9207).
    fn is_issuer(&self, iss: &str) -> bool;

    /// Exchanges the code from the callback.
    fn exchange<'a>(
        &'a self,
        code: &'a OauthSecret,
        verifier: &'a OauthSecret,
        redirect_uri: &'a str,
    ) -> Granting<'a, Tokens>;

    /// Exchanges a refresh token. Both tokens are replaced.
    ///
    /// The awkward case: [`GrantFailure::Unknown`]. The old tokens may be invalid, and the new ones
    /// lost. A retry with the old refresh token does no harm, and decides which.
    fn refresh<'a>(
        &'a self,
        refresh: &'a ProviderToken,
        redirect_uri: &'a str,
    ) -> Granting<'a, Tokens>;

    /// Begins a sign-in on a device without a browser.
    fn device_begin(&self) -> Granting<'_, DeviceCode>;

    /// Polls whether the user authorised it.
    fn device_poll<'a>(&'a self, device_code: &'a OauthSecret) -> Granting<'a, DevicePoll>;
}

/// An installation of our app, as the provider describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// The account on which it is installed.
    pub account: Account,
    /// Its rights, as `right:level`.
    pub rights: Vec<String>,
}

/// A token of an installation.
#[derive(Clone)]
pub struct InstallationToken {
    /// The token.
    pub token: ProviderToken,
    /// When it expires.
    pub expires_at: Timestamp,
}

impl fmt::Debug for InstallationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstallationToken(until {})", self.expires_at.0)
    }
}

/// Our app at an installation of a provider.
pub trait Apps: Send + Sync + 'static {
    /// An installation. `Unauthorized` when it does not exist.
    fn installation(&self, id: u64, errand: Errand) -> Calling<'_, Installation>;

    /// A new token for an installation. `Unauthorized` when it does not exist or is suspended.
    fn installation_token(&self, id: u64, errand: Errand) -> Calling<'_, InstallationToken>;
}
