//! Reports in JSON.

use crate::domain::id::{ConnectionId, IncidentId};
use crate::domain::report;
use crate::domain::time::Timestamp;
use std::time::Duration;

/// Whole seconds.
fn seconds(time: Duration) -> u64 {
    time.as_secs()
}

shapes! {
    /// What broke in a time, and what was done about it.
    Report(report: &report::Report, is_partial: bool) {
        /// The beginning.
        since: Timestamp = report.since,
        /// The end. What happened at this moment is not included.
        until: Timestamp = report.until,
        /// Whether there was more than a report looks at: then the oldest is left out.
        partial: bool = is_partial,
        /// Number of incidents that began in the time.
        opened: u32 = report.opened,
        /// Number of incidents that were resolved in the time.
        resolved: u32 = report.resolved,
        /// Number of incidents that were not resolved at its end.
        unresolved: u32 = report.unresolved,
        /// Number of the resolved ones that were flaky.
        flaky: u32 = report.flaky,
        /// Time from the first failure to the end that half of the resolved ones did not exceed.
        median_seconds: Option<u64> = report.median.map(seconds),
        /// What was broken, the longest first. At most 20.
        broken: Vec<ReportedFailure> = report.broken.iter().map(ReportedFailure::of).collect(),
        /// What was flaky, the most frequent first. At most 20.
        flakiest: Vec<ReportedFailure> = report.flaking.iter().map(ReportedFailure::of).collect(),
        /// Incidents that took longest to resolve, without flaky ones. At most 20.
        slowest: Vec<SlowIncident> = report.slowest.iter().map(SlowIncident::of).collect(),
        /// Connections whose webhooks were repaired, the most frequent first. At most 20.
        repaired: Vec<RepairedWebhook> = report.repaired.iter().map(RepairedWebhook::of).collect(),
    }

    /// A workflow that was broken, or another kind of failure.
    ReportedFailure(it: &report::Broken) {
        /// Repository. Null for a credential or a provider.
        repository: Option<String> = it.culprit.repository.clone(),
        /// Name of the workflow, or the kind of failure.
        what: String = it.culprit.what.clone(),
        /// Branch, for CI.
        branch: Option<String> = it.culprit.branch.clone(),
        /// Number of incidents that were open at some time.
        incidents: u32 = it.incidents,
        /// Number of those that were flaky.
        flaky: u32 = it.flaky,
        /// Number of those that were not resolved at the end.
        unresolved: u32 = it.unresolved,
        /// Time within the report from the first failure to the end, of all incidents together.
        red_seconds: u64 = seconds(it.red),
    }

    /// An incident that took long to resolve.
    SlowIncident(it: &report::Slow) {
        /// The incident.
        incident_id: IncidentId = it.incident,
        /// Repository. Null for a credential or a provider.
        repository: Option<String> = it.culprit.repository.clone(),
        /// Name of the workflow, or the kind of failure.
        what: String = it.culprit.what.clone(),
        /// Branch, for CI.
        branch: Option<String> = it.culprit.branch.clone(),
        /// Time from the first failure to the end, also before the report.
        seconds: u64 = seconds(it.took),
    }

    /// A webhook that was repaired.
    RepairedWebhook(it: &report::Repaired) {
        /// The connection.
        connection_id: ConnectionId = it.connection,
        /// Repository.
        repository: String = it.repository.clone(),
        /// Number of repairs: settings were written again, or the webhook was created again.
        repairs: u32 = it.repairs,
        /// When the last was.
        last_at: Timestamp = it.last_at,
    }
}
