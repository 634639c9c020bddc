//! Why a reconcile could not be completed.

use crate::domain::connection::LastError;
use crate::domain::error_code::ErrorCode;
use crate::domain::ledger::GIVEN_UP_MAX;
use crate::domain::lifecycle::Failure;
use crate::domain::time::Timestamp;
use crate::provider::ProviderError;
use crate::store::{CommitError, Conflict, ReadError};
use std::time::Duration;

/// Why a reconcile could not be completed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// The connection is gone.
    #[error("no such connection")]
    Gone,
    /// Another process has the connection.
    #[error("another process has the connection")]
    NotOurs,
    /// The store cannot be read or written now.
    #[error("{0}")]
    Store(String),
    /// More deliveries are lost than can be listed.
    #[error(
        "More than {GIVEN_UP_MAX} deliveries of the last minutes in the delivery log cannot be \
         recovered. They are counted as outstanding until the log has newer ones."
    )]
    TooManyLost,
    /// The provider refuses, or cannot be called.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

/// Whether a limit of the provider's, or the queue of calls, asks for a wait.
pub(super) const fn is_limit(error: &ProviderError) -> bool {
    matches!(error.code, ErrorCode::RateLimited | ErrorCode::CallsWaiting)
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        Self::Store(error.to_string())
    }
}

impl From<CommitError> for Trouble {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict(Conflict::NoConnection(_)) => Self::Gone,
            CommitError::Conflict(Conflict::Lease(_)) => Self::NotOurs,
            CommitError::Conflict(_)
            | CommitError::Overloaded
            | CommitError::DiskFull
            | CommitError::Failed
            | CommitError::Closed => Self::Store(error.to_string()),
        }
    }
}

impl Trouble {
    /// The shortest wait before another attempt; `None` when it does not pass by itself.
    pub(super) fn passes(&self) -> Option<Duration> {
        match self {
            Self::Gone | Self::TooManyLost => None,
            Self::NotOurs | Self::Store(_) => Some(Duration::ZERO),
            Self::Provider(error) => match error.failure {
                Failure::Retryable { after } => Some(after.unwrap_or_default()),
                Failure::Unauthorized | Failure::NoAccess | Failure::Rejected => None,
            },
        }
    }

    /// Whether a limit of the provider's, or the queue of calls, asks for a wait. That is no
    /// failure: a recovery of many deliveries reaches the limits of a minute again and again.
    pub(super) fn is_limit(&self) -> bool {
        match self {
            Self::Gone | Self::NotOurs | Self::Store(_) | Self::TooManyLost => false,
            Self::Provider(error) => is_limit(error),
        }
    }

    /// As it is stored and shown.
    pub(super) fn shown(&self, at: Timestamp) -> LastError {
        let code = match self {
            Self::Provider(error) => error.code,
            Self::Gone => ErrorCode::NotFound,
            Self::NotOurs | Self::TooManyLost => ErrorCode::Unavailable,
            Self::Store(_) => ErrorCode::StoreUnavailable,
        };
        LastError {
            code,
            message: self.to_string(),
            at,
        }
    }
}
