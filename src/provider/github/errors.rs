//! What GitHub's refusals mean. The messages quote nothing of the answer but the names of the
//! rights that GitHub says are needed.

use super::denials::denial;
use super::problem::Problem;
use crate::domain::error_code::ErrorCode;
use crate::domain::repo::ProviderKind;
use crate::domain::time::Timestamp;
use crate::provider::dialect::Asked;
use crate::provider::errors::{Naming, other, rejected, seconds, until, wrong_api_url};
use crate::provider::http::Answer;
use crate::provider::outbound::ProviderError;
use crate::provider::ticket::Left;
use std::time::Duration;

/// GitHub's name, and the URL of its API.
pub(super) const NAMING: Naming = Naming {
    name: ProviderKind::Github.name(),
    api_url: "https://api.github.com, or https://HOST/api/v3",
};

/// The wait after a secondary rate limit that names none: GitHub asks for at least a minute.
const SECONDARY_WAIT: Duration = Duration::from_mins(1);

pub(super) fn bad_answer(what: &str) -> ProviderError {
    crate::provider::errors::bad_answer(NAMING.name, what)
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, ProviderError> {
    crate::provider::errors::parse(NAMING.name, answer)
}

/// Whether an answer's window is that of the REST API. GitHub has others, such as for its search:
/// what is left of one says nothing about ours. Source: GitHub's documentation, "Rate limits for
/// the REST API"; an installation may not say which.
fn is_of_core(answer: &Answer) -> bool {
    let resource = answer.header("x-ratelimit-resource");
    resource.is_none_or(|resource| resource.eq_ignore_ascii_case("core"))
}

/// How long until the window of the rate limit ends.
fn reset_in(answer: &Answer, now: Timestamp) -> Option<Duration> {
    until(answer, "x-ratelimit-reset", now)
}

/// How many calls are left, and until when.
pub(super) fn remaining(answer: &Answer, now: Timestamp) -> Option<Left> {
    if !is_of_core(answer) {
        return None;
    }
    Some(Left {
        limit: seconds(answer, "x-ratelimit-limit"),
        remaining: seconds(answer, "x-ratelimit-remaining")?,
        reset_in: reset_in(answer, now)?,
    })
}

/// The wait, when the answer is a rate limit.
///
/// GitHub's order: `Retry-After`, else the reset when nothing remains, else a minute. A 403 is a
/// limit only when one of these, or its message, says so.
pub(super) fn limit(answer: &Answer, now: Timestamp) -> Option<Duration> {
    let status = answer.status.as_u16();
    if !matches!(status, 403 | 429) {
        return None;
    }
    if let Some(after) = seconds(answer, "retry-after") {
        return Some(Duration::from_secs(after.max(1)));
    }
    if is_of_core(answer) && seconds(answer, "x-ratelimit-remaining") == Some(0) {
        return Some(reset_in(answer, now).unwrap_or(SECONDARY_WAIT));
    }
    let problem = Problem::of(answer);
    let is_limit = status == 429 || problem.says("rate limit") || problem.says("abuse detection");
    is_limit.then_some(SECONDARY_WAIT)
}

/// The error for a refusal.
pub(super) fn refusal(answer: &Answer, asked: Asked<'_>) -> ProviderError {
    match answer.status.as_u16() {
        404 if matches!(asked, Asked::Own) => wrong_api_url(NAMING, answer, false),
        403 | 404 | 451 => denial(answer, asked),
        410 => rejected(
            ErrorCode::Rejected,
            "GitHub no longer supports API version 2022-11-28. Upgrade Hookherd.",
        ),
        422 if is_hook_limit(answer) => rejected(
            ErrorCode::HookLimitReached,
            "The repository has as many hooks for these events as GitHub allows (20, or 250 on \
             GitHub Enterprise Server). Delete unused ones or choose fewer events.",
        ),
        422 => rejected(
            ErrorCode::Rejected,
            "GitHub rejects these settings (HTTP 422). Check the names of the events, and that the \
             public URL can be reached from the internet.",
        ),
        _ => other(NAMING.name, answer),
    }
}

fn is_hook_limit(answer: &Answer) -> bool {
    let problem = Problem::of(answer);
    problem.says("cannot have more than") || problem.says("maximum number of")
}

/// Whether a creation was refused because the hook already exists.
pub(super) fn is_already_there(answer: &Answer) -> bool {
    answer.status.as_u16() == 422 && Problem::of(answer).says("already exists")
}
