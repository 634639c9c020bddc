//! An answer, and whether it is one of Hookherd's.

use crate::cli::address::Address;
use crate::cli::failed::Failed;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER};
use serde_json::Value;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// Longest answer that is read: the largest delivery with its payload, and room.
const ANSWER_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Why an answer could not be read.
pub(super) enum Unread {
    /// The connection broke.
    Lost(reqwest::Error),
    /// It has more bytes than any answer of ours.
    TooLong,
}

/// An answer, whole.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// How long to wait before asking again, when that was said.
    pub(super) wait: Option<Duration>,
    pub(super) text: String,
    kind: String,
    location: Option<String>,
}

/// What `Retry-After` says: seconds, or a date. Only of answers that ask to come back.
fn wait(status: StatusCode, headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    if !matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        return None;
    }
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = if let Ok(seconds) = text.parse::<u64>() {
        seconds
    } else {
        let at = OffsetDateTime::parse(text, &Rfc2822).ok()?;
        u64::try_from((at - now).whole_seconds()).unwrap_or(0)
    };
    // A zero would make a busy loop out of patience.
    Some(Duration::from_secs(seconds.max(1)))
}

impl Answer {
    /// Reads an answer to its end.
    pub(super) async fn read(mut answer: reqwest::Response) -> Result<Self, Unread> {
        let status = answer.status();
        let headers = answer.headers();
        let text = |name| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.map(str::to_owned)
        };
        let (kind, location) = (text(CONTENT_TYPE).unwrap_or_default(), text(LOCATION));
        let wait = wait(status, headers, OffsetDateTime::now_utc());
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(Unread::Lost)? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Unread::TooLong);
            }
            bytes.extend_from_slice(&chunk);
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Self {
            status,
            wait,
            text,
            kind,
            location,
        })
    }

    /// The stable code of a problem.
    pub(super) fn code(&self) -> Option<String> {
        let value: Value = serde_json::from_str(&self.text).ok()?;
        value["code"].as_str().map(str::to_owned)
    }

    /// The JSON of an answer of Hookherd's, whatever it says.
    pub(super) fn json(&self, address: &Address) -> Result<(StatusCode, Value), Failed> {
        if self.status == StatusCode::NO_CONTENT {
            return Ok((self.status, Value::Null));
        }
        let found = serde_json::from_str::<Value>(&self.text).ok();
        let ours = found.filter(|value| {
            // A problem of ours has a code; an answer of ours is an object.
            value.is_object() && (self.status.is_success() || value.get("code").is_some())
        });
        match ours {
            Some(value) => Ok((self.status, value)),
            None => Err(self.not_ours(address)),
        }
    }

    /// The JSON of a success; a problem becomes its own words.
    pub(super) fn value(&self, address: &Address) -> Result<(StatusCode, Value), Failed> {
        let (status, value) = self.json(address)?;
        if status.is_success() {
            return Ok((status, value));
        }
        let failed = refusal(status, &value);
        Err(match self.wait {
            Some(wait) => failed.and(&format!("Try again in {} s.", wait.as_secs())),
            None => failed,
        })
    }

    /// What answers there is not from Hookherd, or something in front of one.
    fn not_ours(&self, address: &Address) -> Failed {
        let status = self.status.as_u16();
        let kind = self.kind.split(';').next().unwrap_or_default().trim();
        let what = if kind.is_empty() { "no type" } else { kind };
        let words = if self.status.is_redirection() {
            let to = self.location.as_deref().unwrap_or("another address");
            format!(
                "{address} redirects to {to}: use that address, with https:// if it has \
                     it"
            )
        } else if matches!(status, 502..=504) {
            format!(
                "a proxy in front of {address} returned HTTP {status}: it cannot reach the \
                 daemon"
            )
        } else if self.text.contains("HTTPS port") {
            // What nginx says to plain HTTP where TLS is spoken.
            format!("{address} speaks TLS: use https://")
        } else if status == StatusCode::PAYLOAD_TOO_LARGE {
            format!(
                "a proxy in front of {address} rejected the request: the body is too \
                     large"
            )
        } else {
            let path = address.path();
            let advice = if path.is_empty() {
                "check the address and the port".to_owned()
            } else {
                format!(
                    "the address ends in {path}; a daemon's address usually ends after \
                         the host"
                )
            };
            format!("got a response from {address}, but not from Hookherd ({what}): {advice}")
        };
        Failed::new(words).coded("not_hookherd").http(status)
    }
}

/// An error answer in words: problem details when it is one, the status otherwise.
pub(in crate::cli) fn refusal(status: StatusCode, problem: &Value) -> Failed {
    let field = |name: &str| problem.get(name).and_then(Value::as_str);
    let words = match field("code") {
        // What to do is said in commands here, and in routes to those who call the API.
        Some("no_credential") => Some(
            "you have no credential for this host: `hookherd credential add PROVIDER < token.txt`, \
             or `hookherd login PROVIDER`",
        ),
        _ => field("detail").or_else(|| field("title")),
    };
    let failed = Failed::new(words.unwrap_or("no details")).http(status.as_u16());
    match field("code") {
        Some(code) => failed.coded(code),
        None => failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, kind: &str, text: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            wait: None,
            text: text.into(),
            kind: kind.into(),
            location: None,
        }
    }

    fn address() -> Address {
        Address::parse("https://h.example").unwrap()
    }

    #[test]
    fn an_error_is_told_with_its_code() {
        let problem = json!({"detail": "no such connection", "code": "not_found"});
        let words = refusal(StatusCode::NOT_FOUND, &problem).to_string();
        assert_eq!(words, "no such connection (not_found, HTTP 404)");
        let problem = json!({"detail": "add a token (POST ...)", "code": "no_credential"});
        let words = refusal(StatusCode::UNPROCESSABLE_ENTITY, &problem).to_string();
        assert!(words.contains("hookherd credential add"), "{words}");
        assert!(!words.contains("POST"), "{words}");
        let words = refusal(StatusCode::BAD_GATEWAY, &Value::Null).to_string();
        assert_eq!(words, "no details (HTTP 502)");
    }

    #[test]
    fn what_is_no_answer_of_ours_is_told_as_such() {
        for (status, text, says) in [
            (200, "<html>", "not from Hookherd (text/html)"),
            (404, "<html>", "not from Hookherd"),
            (200, "[1]", "not from Hookherd"),
            (404, "{\"message\":\"Not Found\"}", "not from Hookherd"),
            (502, "<html>", "cannot reach the daemon"),
            (413, "<html>", "too large"),
            (
                400,
                "<center>The plain HTTP request was sent to HTTPS port</center>",
                "use https://",
            ),
            (301, "", "redirects to another address"),
        ] {
            let failed = answer(status, "text/html; charset=x", text);
            let failed = failed.value(&address()).unwrap_err();
            assert!(
                failed.to_string().contains(says),
                "{status} {text}: {failed}"
            );
            assert_eq!(failed.code(), Some("not_hookherd"));
        }
        assert!(answer(204, "", "").value(&address()).is_ok());
        let mut asked_to_wait = answer(429, "application/problem+json", "{\"code\":\"quota\"}");
        asked_to_wait.wait = Some(Duration::from_secs(70));
        let failed = asked_to_wait.value(&address()).unwrap_err().to_string();
        assert!(failed.contains("Try again in 70 s."), "{failed}");
    }

    #[test]
    fn the_wait_is_read_as_seconds_or_as_a_date_and_only_where_it_counts() {
        let now = OffsetDateTime::parse("Sat, 28 Nov 2026 12:00:00 GMT", &Rfc2822).unwrap();
        let of = |status: StatusCode, text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            wait(status, &headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(of(StatusCode::TOO_MANY_REQUESTS, "7"), Some(7));
        assert_eq!(of(StatusCode::SERVICE_UNAVAILABLE, "0"), Some(1));
        let date = "Sat, 28 Nov 2026 12:00:09 GMT";
        assert_eq!(of(StatusCode::SERVICE_UNAVAILABLE, date), Some(9));
        assert_eq!(of(StatusCode::TOO_MANY_REQUESTS, "soon"), None);
        assert_eq!(of(StatusCode::NOT_FOUND, "7"), None);
    }
}
