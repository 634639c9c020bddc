//! Errors that every provider has. The messages are sentences and quote nothing of an answer.

use super::budget::HOLD_MAX;
use super::http::{Answer, NoAnswer};
use super::outbound::ProviderError;
use super::queue::Away;
use crate::domain::error_code::ErrorCode;
use crate::domain::lifecycle::Failure;
use crate::domain::time::Timestamp;
use crate::domain::wording;
use std::time::Duration;

/// The name of a kind of provider and the URL of its API, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Naming {
    /// Its name.
    pub(super) name: &'static str,
    /// The form of its API URL.
    pub(super) api_url: &'static str,
}

pub(super) fn bad_answer(name: &str, what: &str) -> ProviderError {
    let message = format!("The answer of {name} is not usable: {what}. Hookherd retries.");
    ProviderError::retryable(ErrorCode::BadAnswer, message, None, false)
}

/// Reads an answer as JSON of this shape. An incomplete answer is an error.
pub(super) fn parse<T: serde::de::DeserializeOwned>(
    name: &str,
    answer: &Answer,
) -> Result<T, ProviderError> {
    serde_json::from_slice(&answer.body).map_err(|_| bad_answer(name, "not the expected JSON"))
}

pub(super) fn rate_limited(name: &str, after: Duration) -> ProviderError {
    let message = wording::rate_limited(name, after);
    ProviderError::retryable(ErrorCode::RateLimited, message, Some(after), false)
}

/// The queue of calls is full.
fn busy(name: &str, after: Duration) -> ProviderError {
    let message = format!(
        "Too many calls to {name} are queued. Retrying in {} s.",
        after.as_secs().max(1)
    );
    ProviderError::retryable(ErrorCode::CallsWaiting, message, Some(after), false)
}

pub(super) fn of_no_answer(
    naming: Naming,
    place: &str,
    none: NoAnswer,
    acted: bool,
) -> ProviderError {
    let name = naming.name;
    let (code, message) = match none {
        NoAnswer::Away(Away::Limited(after)) => return rate_limited(name, after),
        NoAnswer::Away(Away::Busy(after)) => return busy(name, after),
        NoAnswer::Unreached(why) => {
            let mut error = why.error(name, place);
            error.may_have_acted = acted;
            return error;
        }
        NoAnswer::TimedOut => (
            ErrorCode::ProviderTimeout,
            format!("{name} did not answer in time."),
        ),
        NoAnswer::Cut => (
            ErrorCode::ProviderUnavailable,
            format!("The connection to {name} closed before the answer was complete."),
        ),
        NoAnswer::TooLong => (
            ErrorCode::BadAnswer,
            format!("The answer of {name} is too long."),
        ),
        NoAnswer::BadRedirect => (
            ErrorCode::WrongApiUrl,
            format!(
                "{place} redirects to a URL outside its API, or in a loop. Hookherd does not send \
                 the token there. {}",
                correct_url(naming)
            ),
        ),
    };
    ProviderError::retryable(code, message, None, acted)
}

fn correct_url(naming: Naming) -> String {
    let settings = naming.name.to_ascii_lowercase();
    format!(
        "Check providers.{settings}.api_url. It should be {}.",
        naming.api_url
    )
}

/// The API URL leads to something other than the provider's API.
pub(super) fn wrong_api_url(naming: Naming, answer: &Answer, acted: bool) -> ProviderError {
    let what = if answer.is_page() {
        "returns a web page"
    } else {
        "has no such API route"
    };
    let (place, status) = (super::http::place(&answer.url), answer.status.as_u16());
    let message = format!(
        "{place} {what} (HTTP {status}). It is not the API of {}, or a proxy answers. {}",
        naming.name,
        correct_url(naming)
    );
    ProviderError::retryable(ErrorCode::WrongApiUrl, message, None, acted)
}

/// The error for an answer with a status that means the same for every request.
pub(super) fn of_any(naming: Naming, answer: &Answer, acted: bool) -> Option<ProviderError> {
    let (name, status) = (naming.name, answer.status.as_u16());
    match status {
        408 | 500..=599 => {
            let after = retry_after(answer);
            let message = format!("{name} is unavailable (HTTP {status}).");
            let code = ErrorCode::ProviderUnavailable;
            Some(ProviderError::retryable(code, message, after, acted))
        }
        // Checked first: a sign-in page says nothing about the token.
        _ if answer.is_page() => Some(wrong_api_url(naming, answer, acted)),
        401 => Some(ProviderError::refused(
            Failure::Unauthorized,
            ErrorCode::Unauthorized,
            format!(
                "{name} refuses this token: it was revoked, has expired, or was never valid. \
                 Add a new one."
            ),
        )),
        _ => None,
    }
}

/// A refusal that neither another credential nor a retry can correct.
pub(super) fn rejected(code: ErrorCode, message: impl Into<String>) -> ProviderError {
    ProviderError::refused(Failure::Rejected, code, message)
}

pub(super) fn no_access(message: impl Into<String>) -> ProviderError {
    ProviderError::refused(Failure::NoAccess, ErrorCode::NoAccess, message)
}

/// The error for a status without a message of its own.
pub(super) fn other(name: &str, answer: &Answer) -> ProviderError {
    let status = answer.status.as_u16();
    if answer.status.is_success() || answer.status.is_redirection() {
        bad_answer(name, &format!("HTTP {status}"))
    } else {
        let message = format!("{name} rejects the request (HTTP {status}).");
        rejected(ErrorCode::Rejected, message)
    }
}

pub(super) fn archived() -> ProviderError {
    rejected(
        ErrorCode::RepositoryArchived,
        "The repository is archived, so its hooks cannot be changed. Unarchive or disconnect it.",
    )
}

/// The message for a repository that the token cannot access.
pub(super) fn no_repository(full_name: &crate::domain::repo::FullName) -> String {
    format!(
        "Repository {full_name} not found: it does not exist, was deleted, or the token has no \
         access to it."
    )
}

/// A user, an organisation or a group that was not found.
pub(super) fn no_owner(message: &str) -> ProviderError {
    rejected(ErrorCode::OwnerNotFound, message)
}

/// Access that is refused for this reason. Another credential may help.
pub(super) fn denied(code: ErrorCode, message: impl Into<String>) -> ProviderError {
    ProviderError::refused(Failure::NoAccess, code, message)
}

/// A header that holds a number.
pub(super) fn seconds(answer: &Answer, name: &str) -> Option<u64> {
    answer.header(name)?.trim().parse().ok()
}

/// The wait that the provider asks for, at most [`HOLD_MAX`].
pub(super) fn retry_after(answer: &Answer) -> Option<Duration> {
    let named = seconds(answer, "retry-after").map(Duration::from_secs);
    named.map(|wait| wait.min(HOLD_MAX))
}

/// The time until the moment that a header names in Unix seconds.
pub(super) fn until(answer: &Answer, name: &str, now: Timestamp) -> Option<Duration> {
    let reset = i64::try_from(seconds(answer, name)?).ok()?;
    // One more second, for clocks that differ.
    Some(Timestamp(reset.checked_mul(1000)?).since(now) + Duration::from_secs(1))
}
