//! What GitLab's refusals mean. The sentences are for people and hold nothing of the answer.

use crate::domain::error_code::ErrorCode;
use crate::domain::time::Timestamp;
use crate::provider::dialect::Asked;
use crate::provider::errors::{
    Naming, archived, denied, no_access, no_repository, other, rejected, seconds, until,
    wrong_api_url,
};
use crate::provider::http::Answer;
use crate::provider::outbound::ProviderError;
use std::time::Duration;

/// What GitLab is called, and where its API is.
pub(super) const NAMING: Naming = Naming {
    name: "GitLab",
    api_url: "https://gitlab.com/api/v4, or https://HOST/api/v4",
};

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
    crate::provider::errors::bad_answer(NAMING.name, what)
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, ProviderError> {
    crate::provider::errors::parse(NAMING.name, answer)
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
        404 if matches!(asked, Asked::Own) => wrong_api_url(NAMING, answer, false),
        403 => denial(&problem, asked),
        404 | 451 => no_access(refused(asked)),
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
        _ => other(NAMING.name, answer),
    }
}

/// What a 403 means.
fn denial(problem: &Problem, asked: Asked<'_>) -> ProviderError {
    // The names that GitLab gives to what a token may do; newer ones are of finer grain.
    if problem
        .error()
        .is_some_and(|e| e.starts_with("insufficient_"))
    {
        let words = "the token lacks the scope api. Add one that has it";
        let message = format!("{}: {words}", subject(asked));
        return denied(ErrorCode::InsufficientScope, message);
    }
    if problem.says("archived") {
        return archived();
    }
    let known = DENIALS.iter().find(|(part, _, _)| problem.says(part));
    match known {
        Some((_, code, words)) => denied(*code, format!("{}: {words}", subject(asked))),
        None => no_access(forbidden(asked)),
    }
}

/// What GitLab says, in small letters; what it means, and what to do. The first that fits counts:
/// the sentence about terms quotes a user's name. Source: GitLab's `UserAccessDeniedReason` and
/// API helpers.
const DENIALS: [(&str, ErrorCode, &str); 11] = [
    (
        "terms of service",
        ErrorCode::AccountUnready,
        "the token's account has to accept the terms of service: open GitLab in a browser",
    ),
    (
        "two-factor",
        ErrorCode::AccountUnready,
        "the token's account has to set up two-factor authentication: open GitLab in a browser",
    ),
    (
        "password expired",
        ErrorCode::AccountUnready,
        "the password of the token's account has expired: set a new one in a browser",
    ),
    (
        "deactivated",
        ErrorCode::AccountUnready,
        "the token's account is deactivated: sign in to GitLab in a browser to reactivate it",
    ),
    (
        "pending approval",
        ErrorCode::AccountUnready,
        "the token's account waits for the approval of GitLab's administrator",
    ),
    (
        "been blocked",
        ErrorCode::AccountSuspended,
        "the token's account is blocked: ask GitLab's administrator",
    ),
    (
        "is blocked",
        ErrorCode::AccountSuspended,
        "the token's account is blocked: ask GitLab's administrator",
    ),
    (
        "saml",
        ErrorCode::SsoRequired,
        "the group asks for SAML single sign-on (SSO): sign in to GitLab through it in a browser",
    ),
    (
        "ip address",
        ErrorCode::IpNotAllowed,
        "the group is open to some IP addresses only: have an owner add this daemon's",
    ),
    (
        "access tokens are disabled",
        ErrorCode::TokenForbidden,
        "a policy forbids this kind of token: sign in, or use another kind",
    ),
    (
        "external authorization",
        ErrorCode::NoAccess,
        "the external authorization service of this GitLab denies access to it",
    ),
];

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

/// A 403 without a sentence that is known: the project is there, and closed to the token.
fn forbidden(asked: Asked<'_>) -> String {
    match asked {
        Asked::Repository(name) => format!(
            "GitLab refuses this token access to the project {name} (status 403): give its user a \
             role there, or use another credential"
        ),
        Asked::Hooks(..) | Asked::Own => refused(asked),
    }
}
