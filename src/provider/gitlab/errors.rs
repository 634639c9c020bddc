//! What GitLab's refusals mean. The messages are sentences and quote nothing of the answer.

use crate::domain::error_code::ErrorCode;
use crate::domain::repo::ProviderKind;
use crate::domain::time::Timestamp;
use crate::provider::dialect::Asked;
use crate::provider::errors::{
    Naming, archived, denied, no_access, no_repository, other, rejected, retry_after, seconds,
    until, wrong_api_url,
};
use crate::provider::http::Answer;
use crate::provider::outbound::ProviderError;
use crate::provider::ticket::Left;
use reqwest::{StatusCode, Url};
use std::time::Duration;

/// GitLab's name, and the URL of its API.
pub(super) const NAMING: Naming = Naming {
    name: ProviderKind::Gitlab.name(),
    api_url: "https://gitlab.com/api/v4, or https://HOST/api/v4",
};

/// The wait after a rate limit that names none: GitLab counts by the minute.
const LIMIT_WAIT: Duration = Duration::from_mins(1);
/// The wait while our address is banned. A ban ends by itself, usually within an hour, and further
/// requests prolong it.
const BAN_WAIT: Duration = Duration::from_mins(10);

/// GitLab's error object, as far as it is read. Never quoted.
#[derive(Debug)]
pub(super) struct Problem(Option<serde_json::Value>);

impl Problem {
    pub(super) fn of(answer: &Answer) -> Self {
        let json = serde_json::from_slice(&answer.body).ok();
        Self(json.filter(serde_json::Value::is_object))
    }

    /// Whether it holds `part`, in lower case, anywhere: GitLab puts its messages into texts,
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
pub(super) fn remaining(answer: &Answer, now: Timestamp) -> Option<Left> {
    Some(Left {
        limit: seconds(answer, "ratelimit-limit"),
        remaining: seconds(answer, "ratelimit-remaining")?,
        reset_in: until(answer, "ratelimit-reset", now)?,
    })
}

/// The wait, when the answer is a rate limit. A 403 that is not JSON does not come from the API:
/// our address is banned.
pub(super) fn limit(answer: &Answer, now: Timestamp) -> Option<Duration> {
    let named = || seconds(answer, "retry-after").map(|s| Duration::from_secs(s.max(1)));
    match answer.status.as_u16() {
        429 => {
            let reset = || until(answer, "ratelimit-reset", now);
            Some(named().or_else(reset).unwrap_or(LIMIT_WAIT))
        }
        403 if Problem::of(answer).0.is_none() => Some(named().unwrap_or(BAN_WAIT)),
        _ => None,
    }
}

/// The wait that an answer asks for, at least a second.
pub(super) fn wait(answer: &Answer) -> Duration {
    let named = retry_after(answer).map(|wait| wait.max(Duration::from_secs(1)));
    named.unwrap_or(LIMIT_WAIT)
}

/// Whether a 429 is GitLab's limit on test deliveries or resends of one hook: other calls are
/// allowed. The limit of a token comes in plain text, from another part of GitLab.
/// Source: GitLab's documentation, "Rate limits" and "Project webhooks API".
pub(super) fn is_limit_of_one_hook(url: &Url, answer: &Answer) -> bool {
    // `.../hooks/:id/test/:trigger` and `.../events/:id/resend`. GitLab itself may be below a path
    // of any name.
    let mut last = url.path_segments().into_iter().flatten().rev();
    let (last, before) = (last.next(), last.next());
    let is_of_one = last == Some("resend") || before == Some("test");
    is_of_one && answer.status == StatusCode::TOO_MANY_REQUESTS && Problem::of(answer).0.is_some()
}

/// The error for a refusal.
pub(super) fn refusal(answer: &Answer, asked: Asked<'_>) -> ProviderError {
    let problem = Problem::of(answer);
    match answer.status.as_u16() {
        404 if matches!(asked, Asked::Own) => wrong_api_url(NAMING, answer, false),
        403 => denial(&problem, asked),
        404 | 451 => no_access(refused(asked)),
        400 | 422 if problem.says("maximum number of") => rejected(
            ErrorCode::HookLimitReached,
            "The project has as many hooks as GitLab allows (100). Delete unused ones.",
        ),
        400 | 422 => rejected(
            ErrorCode::Rejected,
            format!(
                "GitLab rejects these settings (HTTP {}). Check that the public URL can be reached \
                 from there. A self-managed GitLab refuses local addresses unless its \
                 administrator allows requests to the local network.",
                answer.status.as_u16()
            ),
        ),
        _ => other(NAMING.name, answer),
    }
}

/// What a 403 means.
fn denial(problem: &Problem, asked: Asked<'_>) -> ProviderError {
    // GitLab's names for missing scopes; newer ones are finer.
    if problem
        .error()
        .is_some_and(|e| e.starts_with("insufficient_"))
    {
        let words = "the token lacks the scope api. Add one that has it.";
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

/// A part of GitLab's message in lower case, its code, and what to do. The first that fits counts:
/// the message about terms quotes a user's name. Source: GitLab's `UserAccessDeniedReason` and
/// API helpers.
const DENIALS: [(&str, ErrorCode, &str); 11] = [
    (
        "terms of service",
        ErrorCode::AccountUnready,
        "the token's account has to accept the terms of service. Open GitLab in a browser.",
    ),
    (
        "two-factor",
        ErrorCode::AccountUnready,
        "the token's account has to set up two-factor authentication. Open GitLab in a browser.",
    ),
    (
        "password expired",
        ErrorCode::AccountUnready,
        "the password of the token's account has expired. Set a new one in a browser.",
    ),
    (
        "deactivated",
        ErrorCode::AccountUnready,
        "the token's account is deactivated. Sign in to GitLab in a browser to reactivate it.",
    ),
    (
        "pending approval",
        ErrorCode::AccountUnready,
        "the token's account needs the approval of GitLab's administrator.",
    ),
    (
        "been blocked",
        ErrorCode::AccountSuspended,
        "the token's account is blocked. Ask GitLab's administrator.",
    ),
    (
        "is blocked",
        ErrorCode::AccountSuspended,
        "the token's account is blocked. Ask GitLab's administrator.",
    ),
    (
        "saml",
        ErrorCode::SsoRequired,
        "the group requires SAML single sign-on (SSO). Sign in to GitLab with it in a browser.",
    ),
    (
        "ip address",
        ErrorCode::IpNotAllowed,
        "the group restricts access by IP address. Ask an owner to add the one of this server.",
    ),
    (
        "access tokens are disabled",
        ErrorCode::TokenForbidden,
        "a policy forbids this kind of token. Sign in, or use another kind.",
    ),
    (
        "external authorization",
        ErrorCode::NoAccess,
        "the external authorization service of this GitLab denies access.",
    ),
];

fn subject(asked: Asked<'_>) -> String {
    match asked {
        Asked::Hooks(name, _) => format!("No access to the hooks of {name}"),
        Asked::Repository(name) => format!("No access to project {name}"),
        Asked::Runs(name) => format!("No access to the pipelines of {name}"),
        Asked::Own => "GitLab refuses this call".to_owned(),
    }
}

fn refused(asked: Asked<'_>) -> String {
    match asked {
        Asked::Hooks(name, is_maintainer) => {
            let why = if is_maintainer == Some(false) {
                "the token's user has a role below Maintainer there"
            } else {
                "the token's user is not a Maintainer, or the token lacks the scope"
            };
            format!(
                "No access to the hooks of {name}: {why}. Required: the role Maintainer or Owner \
                 in the project, and the scope api."
            )
        }
        Asked::Repository(name) => no_repository(name),
        Asked::Runs(name) => format!(
            "No access to the pipelines of {name}: its CI/CD is disabled, or the token's user has \
             a role below Reporter, or the token lacks the scope read_api."
        ),
        Asked::Own => "This kind of token may not make this call.".to_owned(),
    }
}

/// A 403 with an unknown message: the project exists, and the token has no access.
fn forbidden(asked: Asked<'_>) -> String {
    match asked {
        Asked::Repository(name) => format!(
            "GitLab refuses this token access to project {name} (HTTP 403). Give its user a role \
             there, or use another credential."
        ),
        Asked::Hooks(..) | Asked::Runs(_) | Asked::Own => refused(asked),
    }
}
