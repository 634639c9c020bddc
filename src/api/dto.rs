//! The JSON of the API, as its callers see it. No type here has a field for a secret.

use crate::domain::connection::Connection;
use crate::domain::delivery::{Delivery, DeliveryState, Outcome, Payload, Source};
use crate::domain::incident::Incident;
use crate::domain::lifecycle::{Hook, Phase};
use crate::domain::run::Run;
use crate::domain::time::Timestamp;
use crate::domain::user::{Credential, User};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time as RFC 3339 in UTC; `null` for one that no calendar has.
pub fn time(at: Timestamp) -> Value {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000).ok();
    at.and_then(|at| at.format(&Rfc3339).ok())
        .map_or(Value::Null, Value::String)
}

fn time_or_null(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, time)
}

/// A page of a list.
#[derive(Debug, Serialize)]
pub struct List {
    /// The items.
    pub items: Vec<Value>,
    /// What to ask for next; `null` at the end.
    pub next_cursor: Option<String>,
}

fn next_attempt(c: &Connection) -> Option<Timestamp> {
    let is_waiting = matches!(c.lifecycle.phase, Phase::Waiting { .. });
    c.retry_due_at.filter(|_| is_waiting)
}

/// A connection; `url` is the URL of its hook.
pub fn connection(c: &Connection, url: &str) -> Value {
    let hook = match c.lifecycle.hook {
        Hook::Present(id) => json!(id.0.to_string()),
        Hook::Absent | Hook::Unknown => Value::Null,
    };
    json!({
        "id": c.id.to_string(),
        "provider": c.instance.provider.as_str(),
        "host": c.instance.host.as_str(),
        "repository_id": c.repository.map(|id| id.to_string()),
        "repository_full_name": c.full_name.as_str(),
        "repository_name": c.full_name.name(),
        "owner_name": c.full_name.owner(),
        "webhook_id": hook,
        "webhook_url": url,
        "webhook_status": c.webhook_status().as_str(),
        "webhook_events": c.events,
        "webhook_created_at": time_or_null(c.hook_created_at),
        "webhook_last_delivery_at": time_or_null(c.last_delivery_at),
        "is_enabled": c.is_enabled(),
        "created_at": time(c.created_at),
        "last_event_at": time_or_null(c.last_event_at),
        "health": {
            "last_check_at": time_or_null(c.last_check_at),
            "checks_failed": c.lifecycle.checks_failed,
            "pings_unanswered": c.lifecycle.pings_unanswered,
            "next_attempt_at": time_or_null(next_attempt(c)),
        },
        "last_error": c.last_error.as_ref().map(|e| json!({
            "code": e.code, "message": e.message, "at": time(e.at),
        })),
    })
}

/// A user.
pub fn user(u: &User) -> Value {
    json!({
        "id": u.id.to_string(),
        "name": u.name,
        "is_admin": u.is_admin,
        "created_at": time(u.created_at),
    })
}

/// A credential, without its token.
pub fn credential(c: &Credential) -> Value {
    json!({
        "id": c.id.to_string(),
        "provider": c.instance.provider.as_str(),
        "host": c.instance.host.as_str(),
        "account": { "id": c.account.id.to_string(), "login": c.account.login },
        "scopes": c.scopes,
        "status": if c.rejected_at.is_some() { "rejected" } else { "active" },
        "created_at": time(c.created_at),
    })
}

/// A delivery without its payload.
pub fn delivery(d: &Delivery) -> Value {
    let (state, processed_at, outcome) = match &d.state {
        DeliveryState::Received => ("received", Value::Null, Value::Null),
        DeliveryState::Processed { at, outcome } => {
            ("processed", time(*at), json!(outcome.as_str()))
        }
    };
    let (run, incident, reason) = match &d.state {
        DeliveryState::Processed {
            outcome: Outcome::Run { run, incident },
            ..
        } => (
            Some(run.to_string()),
            incident.map(|id| id.to_string()),
            None,
        ),
        DeliveryState::Processed {
            outcome: Outcome::DeadLetter { reason },
            ..
        } => (None, None, Some(reason.clone())),
        DeliveryState::Processed { .. } | DeliveryState::Received => (None, None, None),
    };
    json!({
        "id": d.id.to_string(),
        "connection_id": d.connection.to_string(),
        "provider_delivery_id": d.provider_delivery_id,
        "event": d.event,
        "action": d.action,
        "received_at": time(d.received_at),
        "source": match d.source { Source::Webhook => "webhook", Source::Reconcile => "reconcile" },
        "state": state,
        "processed_at": processed_at,
        "outcome": outcome,
        "run_id": run,
        "incident_id": incident,
        "reason": reason,
        "body_bytes": d.body_bytes,
        "body_sha256": hex::encode(d.body_digest),
    })
}

/// A delivery with its payload: the JSON that was sent, or the text when it is none.
pub fn delivery_with_payload(d: &Delivery, payload: Option<&Payload>) -> Value {
    let mut value = delivery(d);
    let headers = payload.map(|p| {
        let pairs = p
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)));
        Value::Object(pairs.collect())
    });
    let body = payload.map(|p| {
        serde_json::from_slice(&p.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&p.body).into_owned()))
    });
    value["headers"] = headers.unwrap_or(Value::Null);
    value["payload"] = body.unwrap_or(Value::Null);
    value
}

/// A run.
pub fn run(r: &Run) -> Value {
    json!({
        "id": r.id.to_string(),
        "connection_id": r.connection.to_string(),
        "provider_run_id": r.provider_run_id.to_string(),
        "run_number": r.position.number,
        "run_attempt": r.position.attempt,
        "workflow_name": r.facts.workflow_name,
        "branch": r.facts.branch,
        "commit_sha": r.facts.commit_sha,
        "commit_message": r.facts.commit_message,
        "author": r.facts.author,
        "event": r.facts.trigger,
        "status": r.status.as_str(),
        "conclusion": r.status.conclusion().map(|c| c.as_str()),
        "run_url": r.facts.url,
        "updated_at": time(r.updated_at),
        "first_seen_at": time(r.first_seen_at),
    })
}

/// An incident; `repository` is the name of its connection's repository, while that is known.
pub fn incident(i: &Incident, repository: Option<String>) -> Value {
    let ci = i.ci.as_ref();
    json!({
        "id": i.id.to_string(),
        "status": i.status.as_str(),
        "severity": i.severity.as_str(),
        "source": i.source.as_str(),
        "failure_type": i.failure_type,
        "title": i.title,
        "connection_id": i.connection.to_string(),
        "repository_full_name": repository,
        "run_id": ci.map(|ci| ci.run.to_string()),
        "workflow_name": ci.map(|ci| ci.workflow_name.clone()),
        "branch": ci.and_then(|ci| ci.branch.clone()),
        "commit_sha": ci.map(|ci| ci.commit_sha.clone()),
        "commit_message": ci.and_then(|ci| ci.commit_message.clone()),
        "author": ci.and_then(|ci| ci.author.clone()),
        "run_url": ci.and_then(|ci| ci.url.clone()),
        "failed_jobs": ci.map_or_else(Vec::new, |ci| ci.failed_jobs.clone()),
        "occurrences": i.occurrences,
        "first_seen_at": time(i.first_seen_at),
        "last_seen_at": time(i.last_seen_at),
        "acknowledged_at": time_or_null(i.acknowledged_at),
        "resolved_at": time_or_null(i.resolved_at),
        "resolution": i.resolution.map(|r| r.as_str()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        assert_eq!(
            time(Timestamp(1_700_000_000_123)),
            json!("2023-11-14T22:13:20.123Z")
        );
        assert_eq!(time(Timestamp(i64::MAX)), Value::Null);
    }
}
