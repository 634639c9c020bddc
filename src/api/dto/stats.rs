//! Totals in JSON.

use super::GapTotals;
use crate::api::schema::OutcomeName;
use crate::domain::connection::WebhookStatus;
use crate::domain::incident::IncidentStatus;
use crate::domain::rotation::RotationState;
use crate::domain::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Totals of your objects.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Stats {
    /// Number of connections.
    pub connections_total: usize,
    /// Number of connections by webhook status. Every status is present.
    #[schema(value_type = BTreeMap<String, usize>)]
    pub connections_by_status: BTreeMap<WebhookStatus, usize>,
    /// Number of webhooks of disconnected repositories that still have to be deleted.
    pub webhooks_to_delete: usize,
    /// Number of webhooks that still deliver to a former public address. Null for a while after a
    /// start, until all were checked.
    pub webhooks_to_move: Option<usize>,
    /// Number of webhooks whose former secrets are still accepted, by state of the rotation. Every
    /// state but `settled` is present.
    #[schema(value_type = BTreeMap<String, usize>)]
    pub webhooks_with_old_secrets: BTreeMap<RotationState, usize>,
    /// Totals of incidents.
    pub incidents: IncidentStats,
    /// Totals of deliveries.
    pub deliveries: DeliveryStats,
    /// Totals of missed deliveries, of all connections.
    pub gaps: GapTotals,
    /// When the oldest delivery was sent that is missing at any connection and neither recovered
    /// nor given up. Null when none is known to be missing.
    pub behind_since: Option<Timestamp>,
    /// How long ago that was, in seconds; 0 when none is known to be missing.
    pub lag_seconds: u64,
}

/// Totals of the newest incidents.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IncidentStats {
    /// Number of incidents counted: the newest, 1,000 at most.
    pub sampled: usize,
    /// Number of these by status. Every status is present.
    #[schema(value_type = BTreeMap<String, usize>)]
    pub by_status: BTreeMap<IncidentStatus, usize>,
    /// Number of these that first occurred within the last hour.
    pub opened_last_hour: usize,
    /// Number of these that first occurred within the last 24 hours.
    pub opened_last_day: usize,
}

/// Totals of the newest deliveries.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeliveryStats {
    /// Number of deliveries counted: the newest, 1,000 at most.
    pub sampled: usize,
    /// When the oldest of these arrived.
    pub since: Option<Timestamp>,
    /// Number of these that wait to be processed.
    pub pending: usize,
    /// Number of these by outcome.
    #[schema(value_type = BTreeMap<String, usize>)]
    pub by_outcome: BTreeMap<OutcomeName, usize>,
    /// Share of the processed ones that are not dead letters. Null when none was processed.
    #[schema(minimum = 0, maximum = 1)]
    pub success_rate: Option<f64>,
    /// Median time from arrival to the end of processing, in milliseconds.
    pub lag_p50_ms: Option<u64>,
    /// 95th percentile of that time.
    pub lag_p95_ms: Option<u64>,
}
