//! Answers to token requests. GitHub answers errors with status 200 and an `error`; nothing of an
//! answer is quoted except the names of known errors.

use super::{DeviceCode, DevicePoll, GrantError, GrantFailure, Tokens};
use crate::domain::secret::{OauthSecret, ProviderToken};
use crate::provider::errors::retry_after;
use crate::provider::http::{Answer, NoAnswer};
use crate::provider::queue::Away;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// Longest lifetime that is accepted: GitHub's refresh tokens live half a year.
const LIFE_MAX: Duration = Duration::from_hours(24 * 3660);
/// Longest user code that is shown; both providers' have nine characters.
const USER_CODE_BYTES_MAX: usize = 64;
/// The poll interval when the provider names none (RFC 8628).
const INTERVAL_DEFAULT: Duration = Duration::from_secs(5);
/// Longest poll interval that is accepted.
const INTERVAL_MAX: Duration = Duration::from_mins(5);

/// The answer to a token request. Numbers may be texts: GitHub has sent both.
#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenBody {
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Value,
    error: Option<String>,
}

#[derive(Deserialize)]
struct DeviceBody {
    device_code: String,
    user_code: String,
    verification_uri: String,
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    interval: Value,
}

fn seconds(value: &Value) -> Option<Duration> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.map(Duration::from_secs).map(|d| d.min(LIFE_MAX))
}

pub(super) fn of_no_answer(name: &str, place: &str, none: NoAnswer) -> GrantError {
    let (failure, words) = match none {
        NoAnswer::Away(Away::Limited(after) | Away::Busy(after)) => {
            let failure = GrantFailure::Retryable { after: Some(after) };
            (failure, "limits how often Hookherd may call")
        }
        NoAnswer::Unreached(why) => {
            let failure = GrantFailure::Retryable { after: None };
            return GrantError::new(failure, why.error(name, place).message);
        }
        NoAnswer::TimedOut => (GrantFailure::Unknown, "did not answer in time"),
        NoAnswer::Cut => (GrantFailure::Unknown, "closed the connection"),
        NoAnswer::TooLong => (GrantFailure::Unknown, "sent an answer that is too long"),
        NoAnswer::BadRedirect => (GrantFailure::Misconfigured, "redirected to another URL"),
    };
    GrantError::new(failure, format!("{name} {words}."))
}

/// The meaning of a known error; `None` for an unknown one.
fn known(error: &str) -> Option<GrantFailure> {
    match error {
        "invalid_grant"
        | "bad_verification_code"
        | "bad_refresh_token"
        | "incorrect_device_code" => Some(GrantFailure::Refused),
        "invalid_client"
        | "incorrect_client_credentials"
        | "unauthorized_client"
        | "redirect_uri_mismatch"
        | "unsupported_grant_type"
        | "device_flow_disabled"
        | "unverified_user_email"
        | "application_suspended"
        | "invalid_request"
        | "invalid_scope" => Some(GrantFailure::Misconfigured),
        "temporarily_unavailable" | "server_error" => Some(GrantFailure::Unknown),
        _ => None,
    }
}

fn refusal(name: &str, answer: &Answer, error: Option<&str>) -> GrantError {
    let status = answer.status.as_u16();
    if status == 429 {
        let failure = GrantFailure::Retryable {
            after: retry_after(answer),
        };
        return GrantError::new(
            failure,
            format!("{name} limits how often Hookherd may call."),
        );
    }
    if let Some((error, failure)) = error.and_then(|error| Some((error, known(error)?))) {
        return GrantError::new(failure, format!("{name} answered {error}."));
    }
    let failure = match status {
        // An answer that cannot be read may mean that it was done.
        200..=299 | 408 | 500..=599 => GrantFailure::Unknown,
        // Never the end of a grant: only an explicit error is.
        _ => GrantFailure::Misconfigured,
    };
    GrantError::new(failure, format!("{name} answered HTTP {status}."))
}

fn body(answer: &Answer) -> TokenBody {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

fn take_tokens(name: &str, answer: &Answer, body: TokenBody) -> Result<Tokens, GrantError> {
    let token = |text: String| ProviderToken::new(text).ok();
    let refused = body.error.is_some() || !answer.status.is_success();
    let access = body.access_token.and_then(token).filter(|_| !refused);
    let Some(access) = access else {
        return Err(refusal(name, answer, body.error.as_deref()));
    };
    Ok(Tokens {
        access,
        refresh: body.refresh_token.and_then(token),
        lives: seconds(&body.expires_in),
    })
}

pub(super) fn tokens(name: &str, answer: &Answer) -> Result<Tokens, GrantError> {
    take_tokens(name, answer, body(answer))
}

pub(super) fn device_poll(name: &str, answer: &Answer) -> Result<DevicePoll, GrantError> {
    let body = body(answer);
    match body.error.as_deref() {
        Some("authorization_pending") => Ok(DevicePoll::Pending),
        Some("slow_down") => Ok(DevicePoll::SlowDown),
        Some("access_denied") => Ok(DevicePoll::Denied),
        // A code that the provider no longer has is expired, too.
        Some("expired_token" | "incorrect_device_code" | "invalid_grant") => {
            Ok(DevicePoll::Expired)
        }
        Some(_) | None => take_tokens(name, answer, body).map(DevicePoll::Granted),
    }
}

pub(super) fn device_code(
    name: &str,
    answer: &Answer,
    ours: impl Fn(&Url) -> bool,
) -> Result<DeviceCode, GrantError> {
    let unusable = || {
        let words = format!("The answer of {name} is not usable.");
        GrantError::new(GrantFailure::Unknown, words)
    };
    let Ok(found) = serde_json::from_slice::<DeviceBody>(&answer.body) else {
        return Err(refusal(name, answer, body(answer).error.as_deref()));
    };
    let fits = (1..=USER_CODE_BYTES_MAX).contains(&found.user_code.len())
        && found.user_code.bytes().all(|b| b.is_ascii_graphic());
    let verification_uri = Url::parse(&found.verification_uri).ok().filter(ours);
    let device_code = OauthSecret::new(found.device_code).ok();
    let (Some(verification_uri), Some(device_code), true) = (verification_uri, device_code, fits)
    else {
        return Err(unusable());
    };
    Ok(DeviceCode {
        device_code,
        user_code: found.user_code,
        verification_uri,
        lives: seconds(&found.expires_in).ok_or_else(unusable)?,
        interval: seconds(&found.interval)
            .unwrap_or(INTERVAL_DEFAULT)
            .min(INTERVAL_MAX),
    })
}
