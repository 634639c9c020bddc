//! Totals in JSON.

use serde::Serialize;
use std::collections::BTreeMap;

/// The caller's totals.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    /// Connections in all.
    pub connections_total: usize,
    /// Connections by `webhook_status`; every status is there.
    pub connections_by_status: BTreeMap<&'static str, usize>,
    /// Incidents.
    pub incidents: IncidentStats,
    /// The newest deliveries.
    pub deliveries: DeliveryStats,
}

/// Totals of incidents, over the newest ones.
#[derive(Clone, Debug, Serialize)]
pub struct IncidentStats {
    /// Incidents looked at: at most 1,000 of the newest.
    pub sampled: usize,
    /// Of these, by status; every status is there.
    pub by_status: BTreeMap<&'static str, usize>,
    /// Of these, first seen within the last hour.
    pub opened_last_hour: usize,
    /// Of these, first seen within the last 24 hours.
    pub opened_last_day: usize,
}

/// Totals of deliveries, over the newest ones.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryStats {
    /// Deliveries looked at: at most 1,000 of the newest.
    pub sampled: usize,
    /// When the oldest of these arrived.
    pub since: Option<String>,
    /// Of these, not processed yet.
    pub pending: usize,
    /// Of these, by outcome.
    pub by_outcome: BTreeMap<&'static str, usize>,
    /// Share of the processed ones that are no dead letters; null when none was processed.
    pub success_rate: Option<f64>,
    /// Median time from arrival to the end of processing.
    pub lag_p50_ms: Option<u64>,
    /// 95th percentile of the same.
    pub lag_p95_ms: Option<u64>,
}
