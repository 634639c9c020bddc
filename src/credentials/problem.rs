//! Why a credential could not be used, as an error of a provider call.

use crate::domain::error_code::ErrorCode;
use crate::domain::lifecycle::Failure;
use crate::domain::wording;
use crate::provider::ProviderError;
use crate::store::{CommitError, ReadError};

/// The credential no longer works. Does not name its owner: it may be shared.
pub(super) fn dead() -> ProviderError {
    let words = wording::CREDENTIAL_DEAD;
    ProviderError::refused(Failure::Unauthorized, ErrorCode::Unauthorized, words)
}

/// A failure that is retried.
pub(super) fn waiting(words: &str) -> ProviderError {
    ProviderError::retryable(ErrorCode::ProviderUnavailable, words, None, false)
}

/// A required setting is not configured.
pub(super) fn not_configured(words: &str) -> ProviderError {
    ProviderError::refused(Failure::Rejected, ErrorCode::NotConfigured, words)
}

fn unavailable(words: String) -> ProviderError {
    ProviderError::retryable(ErrorCode::StoreUnavailable, words, None, false)
}

/// It could not be read.
pub(super) fn unreadable(error: &ReadError) -> ProviderError {
    unavailable(error.to_string())
}

/// It could not be stored.
pub(super) fn not_stored(error: &CommitError) -> ProviderError {
    unavailable(error.to_string())
}
