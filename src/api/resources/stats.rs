//! Totals for the caller.

use crate::api::error::Problem;
use crate::api::scope::Owned;
use crate::domain::connection::WebhookStatus;
use crate::domain::id::IncidentId;
use crate::domain::incident::IncidentStatus;
use crate::store::{After, IncidentFilter};
use actix_web::HttpResponse;
use serde_json::json;
use std::collections::BTreeMap;

/// Most unresolved incidents that are counted; nobody can work on more.
const COUNT_MAX: usize = 10_000;

/// `GET /api/v2/stats`
pub async fn get(owned: Owned) -> Result<HttpResponse, Problem> {
    let mut hooks: BTreeMap<&str, u64> = WebhookStatus::ALL
        .iter()
        .map(|status| (status.as_str(), 0))
        .collect();
    let total = owned.each_connection(|connection| {
        *hooks
            .entry(connection.webhook_status().as_str())
            .or_default() += 1;
    })?;
    let mut incidents = BTreeMap::new();
    for status in [IncidentStatus::Open, IncidentStatus::Acknowledged] {
        let filter = IncidentFilter {
            status: Some(status),
            connection: None,
        };
        let after: After<IncidentId> = After {
            last: None,
            limit: COUNT_MAX,
        };
        incidents.insert(
            status.as_str(),
            owned.incidents(&filter, after)?.items.len(),
        );
    }
    Ok(HttpResponse::Ok().json(json!({
        "connections": { "total": total, "by_webhook_status": hooks },
        "incidents": incidents,
    })))
}
