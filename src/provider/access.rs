//! What every call to a provider has: a permission, a repository, and its error.

use crate::domain::errand::Errand;
use crate::domain::error_code::ErrorCode;
use crate::domain::lifecycle::Failure;
use crate::domain::repo::{FullName, Instance, RepositoryId};
use crate::domain::secret::ProviderToken;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// An error of a provider call, with what its caller needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// What to do about it.
    pub failure: Failure,
    /// Whether the provider may have carried the call out, or may do so later.
    pub may_have_acted: bool,
    /// The reason, for programs.
    pub code: ErrorCode,
    /// A sentence that says what to do. Holds no secret and no part of the answer that could
    /// contain one.
    pub message: String,
    /// Where the owner of the token can correct it. For the owner only: it may hold a request of
    /// theirs.
    pub link: Option<String>,
    /// The wait that the provider has asked for: until then nothing may be sent with this token,
    /// for any purpose. Not a wait of our own pace.
    pub hold: Option<Duration>,
}

impl ProviderError {
    /// As it is shown: the message names the link only when the credential is the reader's own.
    #[must_use]
    pub fn shown(mut self, is_own: bool) -> Self {
        if let (Some(link), true) = (self.link.take(), is_own) {
            self.message = format!("{} Open {link}", self.message);
        }
        self
    }

    /// A call that may be repeated unchanged.
    pub fn retryable(
        code: ErrorCode,
        message: impl Into<String>,
        after: Option<Duration>,
        may_have_acted: bool,
    ) -> Self {
        let failure = Failure::Retryable { after };
        Self {
            failure,
            may_have_acted,
            code,
            message: message.into(),
            link: None,
            hold: None,
        }
    }

    /// A call that the provider refused without doing anything.
    pub fn refused(failure: Failure, code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            failure,
            may_have_acted: false,
            code,
            message: message.into(),
            link: None,
            hold: None,
        }
    }
}

/// The permission to make calls.
#[derive(Clone, Debug)]
pub struct Access {
    /// The installation that the token belongs to, and the only one it is sent to.
    pub instance: Instance,
    /// The token.
    pub token: ProviderToken,
    /// The user and the purpose: they determine the place in the queue.
    pub errand: Errand,
    /// Whether the call only finds out whether the provider answers: no request is repeated.
    pub is_probe: bool,
}

/// A repository to make calls about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The provider's id; used for addressing when it is known.
    pub repository: Option<RepositoryId>,
    /// Its last known name.
    pub full_name: FullName,
}

/// The future of a provider call.
pub type Calling<'a, T> = Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send + 'a>>;
