//! Generic webhooks: JSON, signed as Standard Webhooks 1.0.0 demands.
//!
//! The id is the same on each try, so a receiver can recognise a repeated message. What counts as
//! accepted is 2xx, and nothing else; 410 ends the subscription.

use super::deliver::{DigestMessage, Message, Prepared, Receipt, Unfit, Wish};
use super::outbound::{Outbound, Request};
use super::signature::{self, SigningSecret};
use super::stored::{Stored, entered, sealed, unfit};
use super::verdict::{Said, sent};
use crate::domain::explanation::Explained;
use crate::domain::id::{Entropy, NotificationId};
use crate::domain::incident::{Incident, Resolution};
use crate::domain::repo::FullName;
use crate::domain::report::Broken;
use crate::domain::time::Timestamp;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

pub(super) fn prepare(
    outbound: &Outbound,
    wish: &Wish,
    entropy: &dyn Entropy,
) -> Result<Prepared, Unfit> {
    let (url, destination) = entered(outbound, wish)?;
    let (secret, is_new) = match &wish.secret {
        None => (SigningSecret::generate(entropy), true),
        Some(text) => {
            let secret = SigningSecret::parse(text.trim());
            let secret = secret.map_err(|error| unfit("secret", error.to_string()))?;
            (secret, false)
        }
    };
    let secrets = vec![secret.expose().to_string()];
    let prepared = Stored { url, secrets }.prepared(&destination);
    let generated = is_new.then(|| secret.expose());
    Ok(Prepared {
        generated,
        ..prepared
    })
}

/// What is signed.
struct Envelope {
    /// The same on each try.
    id: NotificationId,
    at: Timestamp,
    body: Vec<u8>,
}

/// The body of a digest.
pub(super) fn report(digest: &DigestMessage) -> Vec<u8> {
    let report = &digest.report;
    let body = json!({
        "type": "digest",
        "timestamp": digest.at,
        "data": {
            "notification_id": digest.id.to_string(),
            "since": report.since,
            "until": report.until,
            "partial": digest.is_partial,
            "opened": report.opened,
            "resolved": report.resolved,
            "unresolved": report.unresolved,
            "flaky": report.flaky,
            "median_seconds": report.median.map(|it| it.as_secs()),
            "broken": report.broken.iter().map(broken).collect::<Vec<_>>(),
            "flakiest": report.flaking.iter().map(broken).collect::<Vec<_>>(),
            "slowest": report.slowest.iter().map(|it| json!({
                "incident_id": it.incident.to_string(),
                "repository": it.culprit.repository,
                "what": it.culprit.what,
                "branch": it.culprit.branch,
                "seconds": it.took.as_secs(),
            })).collect::<Vec<_>>(),
            "repaired": report.repaired.iter().map(|it| json!({
                "connection_id": it.connection.to_string(),
                "repository": it.repository,
                "repairs": it.repairs,
                "last_at": it.last_at,
            })).collect::<Vec<_>>(),
        },
    });
    serde_json::to_vec(&body).expect("a tree of JSON is JSON")
}

fn broken(it: &Broken) -> serde_json::Value {
    json!({
        "repository": it.culprit.repository,
        "what": it.culprit.what,
        "branch": it.culprit.branch,
        "incidents": it.incidents,
        "flaky": it.flaky,
        "unresolved": it.unresolved,
        "red_seconds": it.red.as_secs(),
    })
}

/// The body of a message.
fn body(message: &Message) -> Vec<u8> {
    let kind = message.kind.as_str();
    let body = json!({
        "type": format!("incident.{kind}"),
        "timestamp": message.at,
        "data": {
            "notification_id": message.id.to_string(),
            "episode": message.episode,
            "incident": incident(&message.incident),
            "explanation": message.explained.as_ref().map(explanation),
        },
    });
    serde_json::to_vec(&body).expect("a tree of JSON is JSON")
}

fn incident(incident: &Incident) -> serde_json::Value {
    let connection = incident.subject.connection();
    let ci = incident.ci.as_ref();
    json!({
        "id": incident.id.to_string(),
        "status": incident.status.as_str(),
        "severity": incident.severity.as_str(),
        "source": incident.source.as_str(),
        "failure_type": incident.failure_type,
        "title": incident.title,
        "connection_id": connection.map(|id| id.to_string()),
        "sink_id": incident.subject.sink().map(|id| id.to_string()),
        "repository_full_name": incident.repository.as_ref().map(FullName::as_str),
        "workflow_name": ci.map(|ci| &ci.workflow_name),
        "branch": ci.and_then(|ci| ci.branch.as_ref().filter(|_| ci.head.is_none())),
        "head_repository": ci.and_then(|ci| ci.head.as_ref()),
        "head_branch": ci.and_then(|ci| ci.branch.as_ref().filter(|_| ci.head.is_some())),
        "pull_request": ci.and_then(|ci| ci.track.lane.number()),
        "commit_sha": ci.map(|ci| &ci.commit_sha),
        "commit_message": ci.and_then(|ci| ci.commit_message.as_ref()),
        "author": ci.and_then(|ci| ci.author.as_ref()),
        "run_url": ci.and_then(|ci| ci.url.as_ref()),
        "failed_jobs": ci.map_or(&[][..], |ci| &ci.failed_jobs)
            .iter().take(JOBS_MAX).map(|job| &job.name).collect::<Vec<_>>(),
        "occurrences": incident.occurrences,
        "first_seen_at": incident.first_seen_at,
        "last_seen_at": incident.last_seen_at,
        "resolved_at": incident.resolved_at,
        "resolution": incident.resolution.as_ref().map(Resolution::as_str),
        "flaky": incident.is_flaky,
        "flapping": incident.is_flapping,
    })
}

/// What the provider says about the failure: names and numbers, no part of a log.
fn explanation(explained: &Explained) -> serde_json::Value {
    let jobs = explained.jobs.as_deref().unwrap_or_default();
    let jobs = jobs.iter().take(EXPLAINED_JOBS_MAX);
    let jobs = jobs.map(|job| json!({ "name": job.name, "steps": job.steps }));
    let commit = explained.commit.as_ref().ok();
    let request = explained.request.as_ref().ok();
    let range = explained.range.as_ref().ok();
    json!({
        "failed_jobs": jobs.collect::<Vec<_>>(),
        "commit_title": commit.map(|commit| &commit.title),
        "commit_author": commit.and_then(|commit| commit.author.as_ref()),
        "commit_author_id": commit.and_then(|commit| commit.author_id).map(|id| id.to_string()),
        "pull_request": request.map(|request| request.number),
        "last_passed_commit": range.map(|range| &range.base),
        "commits_since": range.map(|range| range.commits.len()),
        "has_more_commits": range.is_some_and(|range| range.has_more),
    })
}

/// Failed jobs whose steps are named.
const EXPLAINED_JOBS_MAX: usize = 5;
/// Jobs that are named: the whole stays below the 20 KB that Standard Webhooks recommends.
const JOBS_MAX: usize = 20;

fn headers(envelope: &Envelope, secrets: &[SigningSecret]) -> Option<HeaderMap> {
    let id = envelope.id.to_string();
    let (timestamp, signature) = signature::sign(secrets, &id, envelope.at, &envelope.body);
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
    let envelope = Envelope {
        id: message.id,
        at: message.at,
        body: body(message),
    };
    post(outbound, plain, envelope).await
}

pub(super) async fn digest(outbound: &Outbound, plain: &[u8], digest: &DigestMessage) -> Receipt {
    let envelope = Envelope {
        id: digest.id,
        at: digest.at,
        body: report(digest),
    };
    post(outbound, plain, envelope).await
}

async fn post(outbound: &Outbound, plain: &[u8], envelope: Envelope) -> Receipt {
    let stored = match Stored::read(plain) {
        Ok(stored) => stored,
        Err(receipt) => return receipt,
    };
    let secrets = stored.secrets.iter().map(|text| SigningSecret::parse(text));
    let Ok(secrets) = secrets.collect::<Result<Vec<_>, _>>() else {
        return sealed();
    };
    let to = match stored.destination(outbound) {
        Ok(to) => to,
        Err(receipt) => return receipt,
    };
    let Some(headers) = headers(&envelope, &secrets) else {
        return sealed();
    };
    let request = Request::new(Method::POST, headers, envelope.body);
    sent(outbound, &to, &stored, request, Said::usual).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::explanation::samples::explained;
    use crate::domain::id::{ConnectionId, IncidentId};
    use crate::domain::notification::NotificationKind;
    use crate::domain::run::FailedJob;
    use crate::domain::samples;

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
        let mut explained = explained();
        if let Ok(jobs) = &mut explained.jobs {
            jobs[0].name = "j".repeat(10_000);
            jobs[0].steps = vec!["s".repeat(10_000); 100];
            *jobs = vec![jobs[0].clone(); 100];
        }
        let explained = explained.bounded();
        let message = Message {
            id: NotificationId::from_u128(5),
            kind: NotificationKind::Opened,
            incident,
            explained: Some(explained),
            episode: 1,
            at: Timestamp(0),
            expires_at: Timestamp(0),
            shown_as: None,
            words: crate::notify::Words::default(),
        };
        let body = body(&message);
        assert!(body.len() < 20_000, "{}", body.len());
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["type"], "incident.opened");
        let explanation = &json["data"]["explanation"];
        assert_eq!(explanation["failed_jobs"].as_array().map(Vec::len), Some(5));
        assert_eq!(explanation["commits_since"], 2);
        let text = explanation.to_string();
        assert!(!text.contains("Error 1"), "no part of a log: {text}");
        assert_eq!(json["timestamp"], "1970-01-01T00:00:00.000Z");
    }
}
