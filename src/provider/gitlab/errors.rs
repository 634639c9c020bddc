//! What GitLab's refusals mean. The sentences are for people and hold nothing of the answer.

use super::{Answer, Asked, Dialect, GitlabDialect, ProviderError};
use crate::domain::error_code::ErrorCode;
use crate::domain::time::Timestamp;
use crate::provider::errors::{
    archived, no_access, no_repository, other, rejected, seconds, until,
};
use std::time::Duration;

/// The wait after a limit that names none: GitLab counts by the minute.
const LIMIT_WAIT: Duration = Duration::from_mins(1);
/// The wait while our address is banned. A ban ends by itself, usually within the hour, and whoever
/// goes on asking stays banned.
const BAN_WAIT: Duration = Duration::from_mins(10);

/// GitLab's error object, as far as it is looked at. Never quoted.
#[derive(Debug)]
pub(super) struct Problem(Option<serde_json::Value>);

impl Problem {
    pub(super) fn of(answer: &Answer) -> Self {
        let json = serde_json::from_slice(&answer.body).ok();
        Self(json.filter(serde_json::Value::is_object))
    }

    /// Whether it holds `part`, in small letters, anywhere: GitLab puts its words into texts,
    /// lists, and objects by field.
    pub(super) fn says(&self, part: &str) -> bool {
        self.0
            .as_ref()
            .is_some_and(|json| json.to_string().to_ascii_lowercase().contains(part))
    }

    /// The name of the error, where OAuth's form is used.
    fn error(&self) -> Option<&str> {
        self.0.as_ref()?.get("error")?.as_str()
    }
}

pub(super) fn bad_answer(what: &str) -> ProviderError {
    crate::provider::errors::bad_answer(GitlabDialect::NAME, what)
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, ProviderError> {
    crate::provider::errors::parse(GitlabDialect::NAME, answer)
}

/// How many calls are left, and until when.
pub(super) fn remaining(answer: &Answer, now: Timestamp) -> Option<(u64, Duration)> {
    Some((
        seconds(answer, "ratelimit-remaining")?,
        until(answer, "ratelimit-reset", now)?,
    ))
}

/// How long to be silent, when the answer says that we were too busy. A 403 that is no JSON comes
/// from in front of the API: our address is banned.
pub(super) fn limit(answer: &Answer, now: Timestamp) -> Option<Duration> {
    let told = || seconds(answer, "retry-after").map(|s| Duration::from_secs(s.max(1)));
    match answer.status.as_u16() {
        429 => {
            let reset = || until(answer, "ratelimit-reset", now);
            Some(told().or_else(reset).unwrap_or(LIMIT_WAIT))
        }
        403 if Problem::of(answer).0.is_none() => Some(told().unwrap_or(BAN_WAIT)),
        _ => None,
    }
}

/// The error that a refusal is.
pub(super) fn refusal(answer: &Answer, asked: Asked<'_>) -> ProviderError {
    let problem = Problem::of(answer);
    match answer.status.as_u16() {
        403 if problem.error() == Some("insufficient_scope") => no_access(format!(
            "{}: the token lacks the scope api. Add one that has it",
            subject(asked)
        )),
        403 if problem.says("archived") => archived(),
        403 | 404 | 451 => no_access(refused(asked)),
        400 | 422 if problem.says("maximum number of") => rejected(
            ErrorCode::HookLimitReached,
            "the project has as many hooks as GitLab allows (100): delete unused ones",
        ),
        400 | 422 => rejected(
            ErrorCode::Rejected,
            format!(
                "GitLab does not accept these settings (status {}): check that the public URL can \
                 be reached from there; a self-managed GitLab refuses local addresses unless its \
                 administrator allows requests to the local network",
                answer.status.as_u16()
            ),
        ),
        _ => other(GitlabDialect::NAME, answer),
    }
}

fn subject(asked: Asked<'_>) -> String {
    match asked {
        Asked::Hooks(name, _) => format!("the hooks of {name} are out of reach"),
        Asked::Repository(name) => format!("the project {name} is out of reach"),
        Asked::Own => "this kind of token may not ask for that".to_owned(),
    }
}

fn refused(asked: Asked<'_>) -> String {
    match asked {
        Asked::Hooks(name, is_maintainer) => {
            let why = if is_maintainer == Some(false) {
                "the token's user has a role below Maintainer there"
            } else {
                "GitLab refuses when the token's user is no Maintainer or the token lacks the scope"
            };
            format!(
                "the hooks of {name} are out of reach: {why}. Needed are the role Maintainer or \
                 Owner in the project, and the scope api"
            )
        }
        Asked::Repository(name) => no_repository(name),
        Asked::Own => subject(asked),
    }
}
