//! What GitHub's answers mean: refusals, and limits.

use crate::domain::sink::DisableReason;
use crate::domain::time::Timestamp;
use crate::notify::answer::Answer;
use crate::notify::deliver::Receipt;
use crate::notify::verdict::Said;
use std::time::Duration;

/// The wait after a limit that names none: GitHub asks for at least a minute.
/// <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api>
const WAIT: Duration = Duration::from_mins(1);
/// Longest wait for the end of a limit: its window has an hour.
const WAIT_MAX: Duration = Duration::from_hours(2);

/// The wait, when an answer is that of a limit: what it asks for, else the end of the window when
/// nothing remains of it, else a minute. A 403 may be something else.
pub(super) fn limit(answer: &Answer, now: Timestamp) -> Option<Duration> {
    if !matches!(answer.status, 403 | 429) {
        return None;
    }
    if let Some(after) = answer.retry_after {
        return Some(after.max(Duration::from_secs(1)));
    }
    if answer.header("x-ratelimit-remaining") == Some("0") {
        let reset = answer.header("x-ratelimit-reset");
        let reset = reset.and_then(|text| text.parse::<i64>().ok());
        let ms = reset.map(|seconds| seconds.saturating_mul(1000).saturating_sub(now.0));
        let wait = ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        return Some(wait.map_or(WAIT, |wait| wait.clamp(Duration::from_secs(1), WAIT_MAX)));
    }
    let text = String::from_utf8_lossy(&answer.body).to_ascii_lowercase();
    let is_limit = text.contains("rate limit") || text.contains("abuse detection");
    (answer.status == 429 || is_limit).then_some(WAIT)
}

/// What a refusal means. GitHub's are JSON with a message; the same status without is that of a
/// proxy. Most may pass, as when an installation is restarted, so they count if they continue.
pub(super) fn refusal(said: &Said) -> Receipt {
    use DisableReason::{Gone, NotFound, Refused};
    if said.text_of("message").is_none() {
        return said.usual();
    }
    let (reason, why) = match said.status {
        401 => (Refused, "GitHub does not accept the token. Enter another."),
        403 => (
            Refused,
            "The token may not do this in the repository: it needs `Issues: write`, and the \
             repository must not be archived.",
        ),
        404 => (
            NotFound,
            "There is no such repository, its issues are disabled, or the token may not see it.",
        ),
        410 => {
            let why = "Issues are disabled in the repository. Enable them in its settings.";
            let why = why.to_owned();
            return Receipt::Disabled { reason: Gone, why };
        }
        400 | 413 | 422 => return said.rejected(),
        _ => return said.usual(),
    };
    let why = why.to_owned();
    Receipt::Refused { reason, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::verdict::tests::{name, said};

    #[test]
    fn each_refusal_of_github_has_a_receipt() {
        for (status, body, expected) in [
            (301, r#"{"message":"Moved Permanently"}"#, "later: None"),
            (400, r#"{"message":"Problems parsing JSON"}"#, "rejected"),
            (401, r#"{"message":"Bad credentials"}"#, "refused: refused"),
            (401, "<html>", "refused: refused"),
            (
                403,
                r#"{"message":"Resource not accessible by personal access token"}"#,
                "refused: refused",
            ),
            (403, "<html>", "refused: refused"),
            (404, r#"{"message":"Not Found"}"#, "refused: not_found"),
            (404, "<html>", "refused: not_found"),
            (
                410,
                r#"{"message":"Issues has been disabled in this repository."}"#,
                "disabled: gone",
            ),
            (422, r#"{"message":"Validation Failed"}"#, "rejected"),
            (500, r#"{"message":"Server Error"}"#, "later: None"),
            (502, "<html>", "later: None"),
            (503, r#"{"message":"Unavailable"}"#, "later: Some(7s)"),
        ] {
            let found = name(&refusal(&said(status, body)));
            assert_eq!(found, expected, "{status} {body}");
        }
    }
}
