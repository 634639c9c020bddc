//! Hooks that the provider disabled, and deliveries that were stored before.

use super::fakes::{ANN, Farm};
use crate::actor::Connections;
use crate::domain::connection::WebhookStatus;
use crate::domain::incident::{IncidentSource, IncidentStatus, Severity};
use std::time::Duration;

#[actix::test]
async fn a_hook_disabled_for_a_while_is_tested_and_the_incident_is_resolved() {
    let (farm, connection) = Farm::connected().await;
    *farm.provider.disabled.lock() = Some(false);
    farm.becomes(connection.id, WebhookStatus::Degraded).await;
    let incident = farm.incidents(ANN).remove(0);
    assert_eq!(incident.failure_type, "hook_disabled");
    assert_eq!(incident.source, IncidentSource::Health);
    assert_eq!(incident.severity, Severity::Warning);
    farm.until(|| farm.incidents(ANN)[0].status == IncidentStatus::Resolved)
        .await;
    assert_eq!(farm.status(connection.id), WebhookStatus::Active);
    assert_eq!(farm.provider.count("ping"), 1);
    assert_eq!(farm.provider.count("delete"), 0);
}

#[actix::test]
async fn a_hook_disabled_for_good_is_made_anew_when_the_test_does_not_help() {
    let (farm, connection) = Farm::connected().await;
    *farm.provider.disabled.lock() = Some(true);
    farm.until(|| farm.provider.count("ensure") == 2).await;
    farm.becomes(connection.id, WebhookStatus::Active).await;
    let incidents = farm.incidents(ANN);
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].severity, Severity::Critical);
    assert_eq!(incidents[0].status, IncidentStatus::Resolved);
    assert_eq!(farm.provider.hooks.lock().len(), 1);
    assert_eq!(farm.provider.count("ping"), 1);
}

#[actix::test]
async fn a_delivery_that_was_stored_before_answers_a_ping_and_is_written_down_once() {
    let (farm, connection) = Farm::connected().await;
    tokio::time::sleep(Duration::from_hours(24)).await;
    assert!(farm.get(connection.id).lifecycle.is_silent());
    farm.actors.heard(connection.id, connection.rotation.number);
    farm.until(|| !farm.get(connection.id).lifecycle.is_silent())
        .await;
    let heard = farm.get(connection.id);
    assert!(heard.last_delivery_at.is_some());
    assert_eq!(farm.incidents(ANN)[0].status, IncidentStatus::Resolved);
    // A second one tells nothing new: not even its time is stored.
    farm.actors.heard(connection.id, connection.rotation.number);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(farm.get(connection.id), heard);
}
