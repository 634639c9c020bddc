//! Errors that every provider has. The sentences are for people and hold nothing of an answer.

use super::budget::HOLD_MAX;
use super::http::{Answer, NoAnswer};
use super::outbound::ProviderError;
use super::queue::Away;
use crate::domain::error_code::ErrorCode;
use crate::domain::lifecycle::Failure;
use crate::domain::time::Timestamp;
use std::time::Duration;

/// What a kind of provider is called, and where its API is, for sentences.
#[derive(Clone, Copy, Debug)]
pub(super) struct Naming {
    /// Its name.
    pub(super) name: &'static str,
    /// What its API's URL looks like, for people.
    pub(super) api_url: &'static str,
}

pub(super) fn bad_answer(name: &str, what: &str) -> ProviderError {
    let message = format!("{name}'s answer is not usable ({what}); it will be asked again");
    ProviderError::retryable(ErrorCode::BadAnswer, message, None, false)
}

/// Reads an answer that should be JSON of this shape. Half an answer is no answer.
pub(super) fn parse<T: serde::de::DeserializeOwned>(
    name: &str,
    answer: &Answer,
) -> Result<T, ProviderError> {
    serde_json::from_slice(&answer.body)
        .map_err(|_| bad_answer(name, "not the JSON that was expected"))
}

pub(super) fn rate_limited(name: &str, after: Duration) -> ProviderError {
    let message = format!(
        "{name} limits how often this token may call; the next call is in {} seconds",
        after.as_secs().max(1)
    );
    ProviderError::retryable(ErrorCode::RateLimited, message, Some(after), false)
}

/// Too many calls wait here already.
fn busy(name: &str, after: Duration) -> ProviderError {
    let message = format!(
        "many calls to {name} wait here; this one comes again in {} seconds",
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
            let mut error = why.told(name, place);
            error.may_have_acted = acted;
            return error;
        }
        NoAnswer::TimedOut => (
            ErrorCode::ProviderTimeout,
            format!("{name} did not answer in time"),
        ),
        NoAnswer::Cut => (
            ErrorCode::ProviderUnavailable,
            format!("the connection to {name} broke before the answer was complete"),
        ),
        NoAnswer::TooLong => (
            ErrorCode::BadAnswer,
            format!("{name}'s answer is too long to be one"),
        ),
        NoAnswer::BadRedirect => (
            ErrorCode::WrongApiUrl,
            format!(
                "{place} sends us on to what is not its API, or in circles; the token does not \
                 follow. {}",
                correct_url(naming)
            ),
        ),
    };
    ProviderError::retryable(code, message, None, acted)
}

fn correct_url(naming: Naming) -> String {
    let settings = naming.name.to_ascii_lowercase();
    format!(
        "Check providers.{settings}.api_url: it is {}",
        naming.api_url
    )
}

/// What answers is something else than the provider's API.
pub(super) fn wrong_api_url(naming: Naming, answer: &Answer, acted: bool) -> ProviderError {
    let what = if answer.is_page() {
        "answers with a web page"
    } else {
        "does not know the addresses of an API"
    };
    let (place, status) = (super::http::place(&answer.url), answer.status.as_u16());
    let message = format!(
        "{place} {what} (status {status}), so it is not {}'s API, or a proxy is in between. {}",
        naming.name,
        correct_url(naming)
    );
    ProviderError::retryable(ErrorCode::WrongApiUrl, message, None, acted)
}

/// The error that an answer is, whatever was asked.
pub(super) fn of_any(naming: Naming, answer: &Answer, acted: bool) -> Option<ProviderError> {
    let (name, status) = (naming.name, answer.status.as_u16());
    match status {
        408 | 500..=599 => {
            let after = retry_after(answer);
            let message = format!("{name} has trouble of its own (status {status})");
            let code = ErrorCode::ProviderUnavailable;
            Some(ProviderError::retryable(code, message, after, acted))
        }
        // Before anything else: a page that asks to sign in says nothing of the token.
        _ if answer.is_page() => Some(wrong_api_url(naming, answer, acted)),
        401 => Some(ProviderError::refused(
            Failure::Unauthorized,
            ErrorCode::Unauthorized,
            format!(
                "{name} refuses this token: it was revoked, has expired, or was never valid. \
                 Add a new one"
            ),
        )),
        _ => None,
    }
}

/// What a refusal is that no sentence of the dialect's own fits.
pub(super) fn rejected(code: ErrorCode, message: impl Into<String>) -> ProviderError {
    ProviderError::refused(Failure::Rejected, code, message)
}

pub(super) fn no_access(message: impl Into<String>) -> ProviderError {
    ProviderError::refused(Failure::NoAccess, ErrorCode::NoAccess, message)
}

/// The refusal of an answer with a status that has no sentence of its own.
pub(super) fn other(name: &str, answer: &Answer) -> ProviderError {
    let status = answer.status.as_u16();
    if answer.status.is_success() || answer.status.is_redirection() {
        bad_answer(name, &format!("status {status}"))
    } else {
        let message = format!("{name} refuses the request (status {status})");
        rejected(ErrorCode::Rejected, message)
    }
}

pub(super) fn archived() -> ProviderError {
    rejected(
        ErrorCode::RepositoryArchived,
        "the repository is archived, so its hooks cannot be changed: unarchive or disconnect it",
    )
}

/// The words for a repository that the token may not see.
pub(super) fn no_repository(full_name: &crate::domain::repo::FullName) -> String {
    format!(
        "there is no repository {full_name} that this token may see: it does not exist, was \
         deleted, or the token has no access to it"
    )
}

/// A user, an organisation or a group that the provider does not show.
pub(super) fn no_owner(message: &str) -> ProviderError {
    rejected(ErrorCode::OwnerNotFound, message)
}

/// Access that is refused for this reason; another credential may have it.
pub(super) fn denied(code: ErrorCode, message: impl Into<String>) -> ProviderError {
    ProviderError::refused(Failure::NoAccess, code, message)
}

/// A header that holds a number.
pub(super) fn seconds(answer: &Answer, name: &str) -> Option<u64> {
    answer.header(name)?.trim().parse().ok()
}

/// How long the provider wishes us to wait, as far as that is obeyed.
pub(super) fn retry_after(answer: &Answer) -> Option<Duration> {
    let told = seconds(answer, "retry-after").map(Duration::from_secs);
    told.map(|wait| wait.min(HOLD_MAX))
}

/// How long until the moment that a header names in Unix seconds.
pub(super) fn until(answer: &Answer, name: &str, now: Timestamp) -> Option<Duration> {
    let reset = i64::try_from(seconds(answer, name)?).ok()?;
    // A second more, for clocks that do not agree.
    Some(Timestamp(reset.checked_mul(1000)?).since(now) + Duration::from_secs(1))
}
