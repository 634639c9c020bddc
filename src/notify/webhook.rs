//! Generic webhooks: JSON, signed as Standard Webhooks 1.0.0 demands.
//!
//! The id is the same on each try, so a receiver can recognise a repeated message. What counts as
//! accepted is 2xx, and nothing else; 410 ends the subscription.

use super::deliver::{Message, Prepared, Receipt, Unfit, Wish};
use super::outbound::{Outbound, Request};
use super::signature::{self, SigningSecret};
use super::{Destination, Outcome, SendError, clean};
use crate::domain::id::Entropy;
use crate::domain::incident::{Incident, Resolution, Subject};
use crate::domain::repo::FullName;
use crate::domain::sink::DisableReason;
use crate::domain::time::Timestamp;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use zeroize::Zeroizing;

/// After so many tries that were refused alike, the refusal counts as permanent: a receiver that is
/// being deployed answers so, too.
const REFUSALS_MAX: u32 = 3;

/// What is stored of such a sink.
#[derive(Serialize, Deserialize)]
struct Stored {
    url: String,
    secrets: Vec<String>,
}

pub(super) fn prepare(
    outbound: &Outbound,
    wish: &Wish,
    entropy: &dyn Entropy,
) -> Result<Prepared, Unfit> {
    let unfit = |field, why: String| Unfit { field, why };
    let url = wish.url.as_deref().unwrap_or_default().trim();
    if url.is_empty() {
        let why = "enter the address that is called; with a new key, enter it again";
        return Err(unfit("url", why.to_owned()));
    }
    let destination = Destination::parse(url, outbound.allowed());
    let destination = destination.map_err(|error| unfit("url", error.to_string()))?;
    let (secret, is_new) = match &wish.secret {
        None => (SigningSecret::generate(entropy), true),
        Some(text) => {
            let secret = SigningSecret::parse(text.trim());
            let secret = secret.map_err(|error| unfit("secret", error.to_string()))?;
            (secret, false)
        }
    };
    let stored = Stored {
        url: url.to_owned(),
        secrets: vec![secret.expose().to_string()],
    };
    let plain = serde_json::to_vec(&stored).expect("texts are JSON");
    Ok(Prepared {
        host: destination.place(),
        plain: plain.into(),
        generated: is_new.then(|| secret.expose()),
    })
}

/// The body of a message.
fn body(message: &Message) -> Vec<u8> {
    let kind = message.kind.as_str();
    let body = json!({
        "type": format!("incident.{kind}"),
        "timestamp": rfc_3339(message.at),
        "data": {
            "notification_id": message.id.to_string(),
            "episode": message.episode,
            "incident": incident(&message.incident),
        },
    });
    serde_json::to_vec(&body).expect("a tree of JSON is JSON")
}

fn incident(incident: &Incident) -> serde_json::Value {
    let connection = match incident.subject {
        Subject::Connection(id) => Some(id.to_string()),
        Subject::Credential(_) | Subject::Provider(_) => None,
    };
    let ci = incident.ci.as_ref();
    json!({
        "id": incident.id.to_string(),
        "status": incident.status.as_str(),
        "severity": incident.severity.as_str(),
        "source": incident.source.as_str(),
        "failure_type": incident.failure_type,
        "title": incident.title,
        "connection_id": connection,
        "repository_full_name": incident.repository.as_ref().map(FullName::as_str),
        "workflow_name": ci.map(|ci| &ci.workflow_name),
        "branch": ci.and_then(|ci| ci.branch.as_ref()),
        "commit_sha": ci.map(|ci| &ci.commit_sha),
        "commit_message": ci.and_then(|ci| ci.commit_message.as_ref()),
        "author": ci.and_then(|ci| ci.author.as_ref()),
        "run_url": ci.and_then(|ci| ci.url.as_ref()),
        "failed_jobs": ci.map_or(&[][..], |ci| &ci.failed_jobs)
            .iter().take(JOBS_MAX).map(|job| &job.name).collect::<Vec<_>>(),
        "occurrences": incident.occurrences,
        "first_seen_at": rfc_3339(incident.first_seen_at),
        "last_seen_at": rfc_3339(incident.last_seen_at),
        "resolved_at": incident.resolved_at.map(rfc_3339),
        "resolution": incident.resolution.as_ref().map(Resolution::as_str),
    })
}

/// Jobs that are named: the whole stays below the 20 KB that Standard Webhooks recommends.
const JOBS_MAX: usize = 20;

fn headers(message: &Message, secrets: &[SigningSecret], body: &[u8]) -> Option<HeaderMap> {
    let id = message.id.to_string();
    let (timestamp, signature) = signature::sign(secrets, &id, message.at, body);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in [
        (signature::ID, id),
        (signature::TIMESTAMP, timestamp),
        (signature::SIGNATURE, signature),
    ] {
        let value = HeaderValue::from_str(&value).ok()?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Some(headers)
}

pub(super) async fn deliver(outbound: &Outbound, plain: &[u8], message: &Message) -> Receipt {
    let sealed = || Receipt::Disabled {
        reason: DisableReason::Sealed,
        why: "The stored address cannot be read. Enter it again.".to_owned(),
    };
    let Ok(stored) = serde_json::from_slice::<Stored>(plain) else {
        return sealed();
    };
    let url = Zeroizing::new(stored.url);
    let secrets = stored.secrets.iter().map(|text| SigningSecret::parse(text));
    let Ok(secrets) = secrets.collect::<Result<Vec<_>, _>>() else {
        return sealed();
    };
    let to = match Destination::parse(&url, outbound.allowed()) {
        Ok(to) => to,
        Err(error) => {
            return Receipt::Disabled {
                reason: DisableReason::AddressRefused,
                why: error.to_string(),
            };
        }
    };
    let body = body(message);
    let Some(headers) = headers(message, &secrets, &body) else {
        return sealed();
    };
    let request = Request::new(Method::POST, headers, body);
    match outbound.send(&to, request).await {
        Ok(answer) => {
            let text = said(&answer.body, &url);
            receipt(answer.status, answer.retry_after, &text, message.tries)
        }
        Err(error) => unsent(&error, message.tries),
    }
}

/// What an answer says, for people. It is cut last: a part of a secret would not be recognised.
fn said(body: &[u8], url: &str) -> String {
    const READ_MAX: usize = 64 << 10;
    let read = String::from_utf8_lossy(&body[..body.len().min(READ_MAX)]);
    clean(redacted(&read, url).as_bytes())
}

/// A text without the secret parts of a URL: some servers repeat the path that was called.
fn redacted(text: &str, url: &str) -> String {
    /// A shorter part of a path is hardly a secret, and may be a word of the text.
    const PART_BYTES_MIN: usize = 6;
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
    let parts = path.split(['/', '?', '&', '=', ';', ',']);
    let parts = parts.filter(|part| part.len() >= PART_BYTES_MIN);
    let mut secrets: Vec<&str> = std::iter::once(path).chain(parts).collect();
    secrets.retain(|secret| secret.len() > 1);
    secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
    let cut = |text: String, secret: &str| text.replace(secret, "(hidden)");
    secrets.into_iter().fold(text.to_owned(), cut)
}

/// What an answer means. `text` is what it says, for people.
fn receipt(status: u16, retry_after: Option<Duration>, text: &str, tries: u32) -> Receipt {
    let why = if text.is_empty() {
        format!("It answered {status}.")
    } else {
        format!("It answered {status}: {text}")
    };
    let refused = |reason| {
        let why = why.clone();
        if tries >= REFUSALS_MAX {
            Receipt::Disabled { reason, why }
        } else {
            Receipt::Later { after: None, why }
        }
    };
    match status {
        200..=299 => Receipt::Accepted { message: None },
        300..=399 => Receipt::Later {
            after: None,
            why: format!(
                "It redirects ({status}), which is not followed. Enter the final address."
            ),
        },
        410 => Receipt::Disabled {
            reason: DisableReason::Gone,
            why,
        },
        404 => refused(DisableReason::NotFound),
        401 | 403 => refused(DisableReason::Refused),
        429 | 503 => Receipt::Later {
            after: retry_after,
            why,
        },
        _ => Receipt::Later { after: None, why },
    }
}

/// What it means that there is no answer.
fn unsent(error: &SendError, tries: u32) -> Receipt {
    let why = error.to_string();
    match error.outcome() {
        Outcome::NotSent => match error {
            // Once may be a fault of name look-up that passes.
            SendError::Refused(_) if tries >= REFUSALS_MAX => Receipt::Disabled {
                reason: DisableReason::AddressRefused,
                why,
            },
            SendError::Refused(_)
            | SendError::NotResolved { .. }
            | SendError::Unreached { .. }
            | SendError::Tls { .. }
            | SendError::TimedOut { .. }
            | SendError::TooSlow { .. }
            | SendError::Broken { .. } => Receipt::Later { after: None, why },
        },
        Outcome::Answered(status @ 200..=299) => {
            tracing::debug!(status, "an answer without its body");
            Receipt::Accepted { message: None }
        }
        Outcome::Answered(_) => Receipt::Later { after: None, why },
        Outcome::Unknown => Receipt::Unsure { why },
    }
}

/// RFC 3339 in UTC with milliseconds.
fn rfc_3339(at: Timestamp) -> String {
    use time::format_description::well_known::Rfc3339;
    let nanos = i128::from(at.0) * 1_000_000;
    let moment = time::OffsetDateTime::from_unix_timestamp_nanos(nanos);
    let moment = moment.unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    moment.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{ConnectionId, IncidentId, NotificationId};
    use crate::domain::notification::NotificationKind;
    use crate::domain::run::FailedJob;
    use crate::domain::samples;

    #[test]
    fn only_2xx_is_accepted_and_what_no_retry_changes_disables_the_sink() {
        let name = |receipt: &Receipt| match receipt {
            Receipt::Accepted { .. } => "accepted".to_owned(),
            Receipt::Rejected { .. } => "rejected".to_owned(),
            Receipt::Disabled { reason, .. } => format!("disabled: {}", reason.as_str()),
            Receipt::Later { after, .. } => format!("later: {after:?}"),
            Receipt::Unsure { .. } => "unsure".to_owned(),
        };
        let wait = Some(Duration::from_secs(7));
        for (status, tries, expected) in [
            (200, 1, "accepted"),
            (204, 9, "accepted"),
            (301, 9, "later: None"),
            (400, 9, "later: None"),
            (401, 2, "later: None"),
            (401, 3, "disabled: refused"),
            (403, 3, "disabled: refused"),
            (404, 1, "later: None"),
            (404, 3, "disabled: not_found"),
            (410, 1, "disabled: gone"),
            (429, 1, "later: Some(7s)"),
            (500, 9, "later: None"),
            (502, 1, "later: None"),
            (503, 1, "later: Some(7s)"),
        ] {
            assert_eq!(
                name(&receipt(status, wait, "", tries)),
                expected,
                "{status} {tries}"
            );
        }
    }

    #[test]
    fn an_answer_that_repeats_the_address_does_not_show_it() {
        let url = "https://hooks.example/services/T0/canary-key?token=canary-token";
        for text in [
            "Cannot POST /services/T0/canary-key?token=canary-token",
            "no route for canary-key",
            "bad token=canary-token",
        ] {
            let shown = redacted(text, url);
            assert!(!shown.contains("canary"), "{shown}");
            assert!(shown.contains("(hidden)"), "{shown}");
        }
        assert_eq!(redacted("not today", url), "not today");
        assert_eq!(redacted("a / b", "https://hooks.example/"), "a / b");
        assert_eq!(redacted("text", "https://hooks.example"), "text");
    }

    /// Where a long text is cut, a part of a secret is not recognised any more.
    #[test]
    fn an_answer_that_repeats_the_address_at_its_end_does_not_show_a_part_of_it() {
        let url = "https://hooks.example/services/T0/canary-key?token=canary-token";
        for before in (0..300).chain([4_080, 4_090]) {
            let body = "x".repeat(before) + "/services/T0/canary-key?token=canary-token";
            let shown = said(body.as_bytes(), url);
            let is_clean = !shown.contains("/s") && !shown.contains("can");
            assert!(is_clean && shown.len() <= 256, "{before}: {shown}");
        }
    }

    /// With texts as long as they are ever stored, and as many jobs as there may be.
    #[test]
    fn a_message_stays_below_the_recommended_size() {
        let mut incident = samples::incident(IncidentId::from_u128(1), ConnectionId::from_u128(2));
        let job = |n: u64| FailedJob {
            name: "j".repeat(255),
            ..samples::failed_job(n, "", "")
        };
        let mut ci = samples::ci_failure(
            crate::domain::id::RunId::from_u128(3),
            ConnectionId::from_u128(2),
        );
        ci.failed_jobs = (0..500).map(job).collect();
        ci.commit_message = Some("m".repeat(1000));
        incident.ci = Some(ci);
        let message = Message {
            id: NotificationId::from_u128(5),
            kind: NotificationKind::Opened,
            incident,
            episode: 1,
            tries: 1,
            at: Timestamp(0),
            shown_as: None,
        };
        let body = body(&message);
        assert!(body.len() < 20_000, "{}", body.len());
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["type"], "incident.opened");
        assert_eq!(json["timestamp"], "1970-01-01T00:00:00Z");
    }
}
