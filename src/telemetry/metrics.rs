//! Every metric: its name, help and labels in one list, and one function to record each.
//!
//! Labels have bounded values only: no repository, user, URL or id ever stands in one, but that of
//! the store, of which there is one.

use super::Limit;
use crate::domain::time::Timestamp;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::time::Duration;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution, in buckets.
    Histogram,
}

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it tells.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
}

macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(const $constant: &str = $name;)*

        /// Every metric there is, besides those of the process.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: $name,
            kind: Kind::$kind,
            help: $help,
            labels: &[$($label),*],
        }),*];
    };
}

metrics! {
    DELIVERIES = Counter "hookherd_deliveries_total" ["provider", "outcome"]
        "Requests that claimed to be deliveries, by how they were answered.";
    ANSWER = Histogram "hookherd_delivery_answer_seconds" ["provider"]
        "Time from the head of a delivery to its answer.";
    PROCESSED = Counter "hookherd_deliveries_processed_total" ["outcome"]
        "Deliveries that were processed, by what came of them.";
    COMMIT = Histogram "hookherd_commit_seconds" []
        "Time to make a group of batches durable.";
    GROUP = Histogram "hookherd_commit_group_batches" []
        "Batches that one sync made durable.";
    COMMIT_FAILURES = Counter "hookherd_commit_failures_total" []
        "Groups that could not be made durable.";
    CALLS = Counter "hookherd_provider_calls_total" ["provider", "operation", "outcome"]
        "Calls to providers, by how they ended.";
    CALL_TIME = Histogram "hookherd_provider_call_seconds" ["provider", "operation"]
        "Time that calls to providers took.";
    QUOTA = Gauge "hookherd_provider_quota_remaining" ["provider", "host"]
        "Calls left in its window to the token with the fewest; +Inf when no window is known.";
    HOOKS = Gauge "hookherd_hooks" ["status"]
        "Connections by the status of their hook.";
    DELETIONS = Gauge "hookherd_hook_deletions_pending" []
        "Disconnected connections whose hook is still to be deleted.";
    CREDENTIALS = Gauge "hookherd_credentials" ["provider", "state"]
        "Credentials by what is known of them: they work, have expired, or were rejected.";
    EXPIRY = Gauge "hookherd_credential_expiry_seconds" []
        "Time until the next credential ends that is not renewed by itself; +Inf when none does.";
    UNRESOLVED = Gauge "hookherd_incidents_unresolved" ["status", "severity", "source"]
        "Incidents that are not resolved.";
    LAST_DELIVERY = Gauge "hookherd_last_delivery_timestamp_seconds" ["provider"]
        "When the last authentic delivery arrived, in Unix time; 0 when none did.";
    OLDEST = Gauge "hookherd_oldest_unprocessed_delivery_seconds" []
        "Age of the oldest delivery that is stored and not yet processed; 0 when there is none.";
    COUNTED = Gauge "hookherd_counted_timestamp_seconds" []
        "When connections, incidents, credentials and deliveries were counted last, in Unix time.";
    TO_MOVE = Gauge "hookherd_hooks_to_move" []
        "Hooks that still deliver to a former public address; they are moved in their turn.";
    LIMITS = Counter "hookherd_limits_reached_total" ["limit"]
        "Requests and connections that a limit refused, cut off or had to go, by limit.";
    ACTORS = Gauge "hookherd_actors" []
        "Actors of connections that live.";
    PANICS = Counter "hookherd_actor_panics_total" []
        "Panics of actors. Each is a bug; each cost one actor a restart.";
    OPENED = Counter "hookherd_incidents_opened_total" []
        "Incidents that were opened.";
    RESOLVED = Counter "hookherd_incidents_resolved_total" []
        "Incidents that were resolved.";
    REFRESHES = Counter "hookherd_grant_refreshes_total" ["outcome"]
        "Refreshes of OAuth grants, by how they ended.";
    JOURNAL = Gauge "hookherd_journal_bytes" []
        "Bytes of the journal on disk.";
    SEGMENTS = Gauge "hookherd_journal_segments" []
        "Segments of the journal.";
    VIEW = Gauge "hookherd_view_bytes" []
        "Bytes of the view on disk.";
    FREE = Gauge "hookherd_data_dir_free_bytes" []
        "Bytes that are free where the data directory is.";
    QUEUED = Gauge "hookherd_commit_queue_batches" []
        "Batches that wait to be made durable.";
    STORE = Gauge "hookherd_store_info" ["id"]
        "1, with the id of the store.";
    BORN = Gauge "hookherd_store_born_timestamp_seconds" []
        "When the store was made, in seconds since 1970.";
    DAMAGED = Gauge "hookherd_store_damaged" []
        "Places in the store that were found damaged since the start.";
    TROUBLE = Gauge "hookherd_store_trouble" []
        "1 while the store accepts no deliveries, else 0.";
    BUILD = Gauge "hookherd_build_info" ["version"]
        "1, with the version of the program.";
}

/// Upper bounds of the buckets for times, in seconds: from a fast answer to a provider's limit.
const TIME_BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Upper bounds of the buckets for group sizes.
const SIZE_BUCKETS: [f64; 11] = [
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];

/// The metrics of this process.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    process: metrics_process::Collector,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

static INSTALLED: std::sync::OnceLock<Result<Metrics, String>> = std::sync::OnceLock::new();

/// Sets the metrics of this process up. Later calls give the same ones.
pub fn install() -> Result<Metrics, String> {
    INSTALLED.get_or_init(build).clone()
}

fn build() -> Result<Metrics, String> {
    let told = |error: metrics_exporter_prometheus::BuildError| error.to_string();
    let suffix = |text: &str| Matcher::Suffix(text.to_owned());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(suffix("_seconds"), &TIME_BUCKETS)
        .and_then(|b| b.set_buckets_for_metric(suffix("_batches"), &SIZE_BUCKETS))
        .map_err(told)?
        .install_recorder()
        .map_err(told)?;
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, metric.help),
            Kind::Histogram => describe_histogram!(metric.name, metric.help),
        }
        // There from the start: of a counter that appears with its first count, Prometheus sees
        // no increase.
        match metric.kind {
            Kind::Counter if metric.labels.is_empty() => counter!(metric.name).absolute(0),
            Kind::Gauge if metric.labels.is_empty() => gauge!(metric.name).set(0.0),
            Kind::Counter | Kind::Gauge | Kind::Histogram => {}
        }
    }
    for limit in Limit::ALL {
        counter!(LIMITS, "limit" => limit.as_str()).absolute(0);
    }
    gauge!(EXPIRY).set(f64::INFINITY);
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    let process = metrics_process::Collector::default();
    process.describe();
    Ok(Metrics { handle, process })
}

impl Metrics {
    /// All metrics in Prometheus' text form.
    pub fn render(&self) -> String {
        self.process.collect();
        self.tidy_up();
        self.handle.render()
    }

    /// Condenses the samples of histograms. Nobody else does it: without, they are all kept in
    /// memory until somebody asks for the metrics.
    pub fn tidy_up(&self) {
        self.handle.run_upkeep();
    }
}

/// A request that claimed to be a delivery was answered.
pub fn delivery_answered(provider: &'static str, outcome: &'static str, took: Duration) {
    counter!(DELIVERIES, "provider" => provider, "outcome" => outcome).increment(1);
    histogram!(ANSWER, "provider" => provider).record(took.as_secs_f64());
}

/// Somebody reached a limit.
pub fn limit_reached(limit: Limit) {
    counter!(LIMITS, "limit" => limit.as_str()).increment(1);
}

/// A delivery was processed.
pub fn delivery_processed(outcome: &'static str) {
    counter!(PROCESSED, "outcome" => outcome).increment(1);
}

/// A group of batches became durable.
#[expect(
    clippy::cast_precision_loss,
    reason = "a group has at most 1,024 batches"
)]
pub fn group_committed(batches: usize, took: Duration) {
    histogram!(COMMIT).record(took.as_secs_f64());
    histogram!(GROUP).record(batches as f64);
}

/// A group of batches could not be made durable.
pub fn commit_failed() {
    counter!(COMMIT_FAILURES).increment(1);
}

/// A call to a provider ended.
pub fn call_finished(
    provider: &'static str,
    operation: &'static str,
    outcome: &'static str,
    took: Duration,
) {
    counter!(CALLS, "provider" => provider, "operation" => operation, "outcome" => outcome)
        .increment(1);
    histogram!(CALL_TIME, "provider" => provider, "operation" => operation)
        .record(took.as_secs_f64());
}

/// So many connections have a hook with this status.
pub fn hooks(status: &'static str, count: u64) {
    gauge!(HOOKS, "status" => status).set(float(count));
}

/// So many calls are left to the token with the fewest; `None` when no window is known.
pub fn quota(provider: &'static str, host: &str, remaining: Option<u64>) {
    let remaining = remaining.map_or(f64::INFINITY, float);
    gauge!(QUOTA, "provider" => provider, "host" => host.to_owned()).set(remaining);
}

/// So many hooks are still to be deleted.
pub fn deletions_pending(count: u64) {
    gauge!(DELETIONS).set(float(count));
}

/// So many credentials are in this state.
pub fn credentials(provider: &'static str, state: &'static str, count: u64) {
    gauge!(CREDENTIALS, "provider" => provider, "state" => state).set(float(count));
}

/// The next credential ends in so long; `None` when none does.
pub fn credential_expiry(ends_in: Option<Duration>) {
    gauge!(EXPIRY).set(ends_in.map_or(f64::INFINITY, |time| time.as_secs_f64()));
}

/// So many incidents are not resolved.
pub fn unresolved(status: &'static str, severity: &'static str, source: &'static str, count: u64) {
    let labels = [
        ("status", status),
        ("severity", severity),
        ("source", source),
    ];
    gauge!(UNRESOLVED, &labels).set(float(count));
}

/// The last delivery arrived at this time.
pub fn last_delivery(provider: &'static str, unix_seconds: u64) {
    gauge!(LAST_DELIVERY, "provider" => provider).set(float(unix_seconds));
}

/// The oldest delivery that is not processed waits for so long.
pub fn oldest_unprocessed(age: Duration) {
    gauge!(OLDEST).set(age.as_secs_f64());
}

/// The records were counted at this time.
pub fn counted(unix_seconds: u64) {
    gauge!(COUNTED).set(float(unix_seconds));
}

/// So many hooks still deliver to a former public address.
pub fn hooks_to_move(count: usize) {
    gauge!(TO_MOVE).set(float(count as u64));
}

/// So many actors live.
pub fn actors(count: u64) {
    gauge!(ACTORS).set(float(count));
}

/// An actor panicked.
pub fn actor_panicked() {
    counter!(PANICS).increment(1);
}

/// An incident was opened, or opened again, and that is durable.
pub fn incident_opened() {
    counter!(OPENED).increment(1);
}

/// An incident was resolved, and that is durable.
pub fn incident_resolved() {
    counter!(RESOLVED).increment(1);
}

/// How a refresh of a grant may end.
const REFRESH_OUTCOMES: [&str; 5] = ["ok", "refused", "misconfigured", "failed", "unknown"];

/// The values that labels have. What they make is there from the start, at 0.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// The kinds of providers.
    pub providers: &'a [&'static str],
    /// How ingress answers.
    pub answers: &'a [&'static str],
    /// What comes of a delivery.
    pub outcomes: &'a [&'static str],
    /// What providers are asked.
    pub operations: &'a [&'static str],
    /// How such calls end, as far as alerts are made of it.
    pub ends: &'a [&'static str],
}

/// Makes what these labels name, at 0. What was counted already stays.
pub fn begin(labels: Labels<'_>) {
    for outcome in labels.outcomes {
        counter!(PROCESSED, "outcome" => *outcome).absolute(0);
    }
    for outcome in REFRESH_OUTCOMES {
        counter!(REFRESHES, "outcome" => outcome).absolute(0);
    }
    for provider in labels.providers.iter().copied() {
        gauge!(LAST_DELIVERY, "provider" => provider).set(0.0);
        for outcome in labels.answers {
            counter!(DELIVERIES, "provider" => provider, "outcome" => *outcome).absolute(0);
        }
        for operation in labels.operations.iter().copied() {
            for outcome in labels.ends.iter().copied() {
                let labels = [
                    ("provider", provider),
                    ("operation", operation),
                    ("outcome", outcome),
                ];
                counter!(CALLS, &labels).absolute(0);
            }
        }
    }
}

/// A refresh of a grant ended so.
pub fn grant_refreshed(outcome: &'static str) {
    counter!(REFRESHES, "outcome" => outcome).increment(1);
}

/// How the store is doing.
#[derive(Clone, Copy, Debug, Default)]
pub struct StoreGauges {
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Segments of the journal.
    pub segments: u64,
    /// Bytes of the view.
    pub view_bytes: u64,
    /// Batches that wait.
    pub queued: u64,
    /// Damaged places.
    pub damaged: u64,
    /// Whether no deliveries are accepted.
    pub trouble: bool,
    /// Bytes that are free on its disk.
    pub free_bytes: u64,
}

/// Records how the store is doing.
pub fn store(gauges: StoreGauges) {
    gauge!(JOURNAL).set(float(gauges.journal_bytes));
    gauge!(SEGMENTS).set(float(gauges.segments));
    gauge!(VIEW).set(float(gauges.view_bytes));
    gauge!(QUEUED).set(float(gauges.queued));
    gauge!(DAMAGED).set(float(gauges.damaged));
    gauge!(FREE).set(float(gauges.free_bytes));
    gauge!(TROUBLE).set(if gauges.trouble { 1.0 } else { 0.0 });
}

/// Records which store was opened, and when it was made.
pub fn store_opened(id: &str, born: Timestamp) {
    gauge!(STORE, "id" => id.to_owned()).set(1.0);
    let seconds = u64::try_from(born.0 / 1000).unwrap_or(0);
    gauge!(BORN).set(float(seconds));
}

#[expect(
    clippy::cast_precision_loss,
    reason = "gauges are floats; 2^53 of anything is enough"
)]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        for metric in METRICS {
            assert!(metric.name.starts_with("hookherd_"), "{}", metric.name);
            let is_total = metric.name.ends_with("_total");
            assert_eq!(is_total, metric.kind == Kind::Counter, "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }

    #[test]
    fn what_is_recorded_is_rendered_with_help_and_type() {
        let metrics = install().unwrap();
        let took = Duration::from_millis(3);
        delivery_answered("github", "accepted", took);
        delivery_processed("run");
        group_committed(3, took);
        commit_failed();
        call_finished("github", "ensure", "ok", took);
        hooks("active", 2);
        actors(2);
        actor_panicked();
        incident_opened();
        incident_resolved();
        grant_refreshed("ok");
        quota("github", "github.com", None);
        deletions_pending(1);
        credentials("github", "works", 1);
        credential_expiry(None);
        unresolved("open", "error", "webhook", 1);
        last_delivery("github", 1);
        oldest_unprocessed(took);
        counted(1);
        store(StoreGauges::default());
        store_opened("sto_1", Timestamp(1000));
        let text = metrics.render();
        for metric in METRICS {
            assert!(
                text.contains(&format!("# HELP {} ", metric.name)),
                "{}",
                metric.name
            );
            assert!(
                text.contains(&format!("# TYPE {} ", metric.name)),
                "{}",
                metric.name
            );
        }
        assert!(text.contains("hookherd_delivery_answer_seconds_bucket"));
        assert!(text.contains("host=\"github.com\"} inf"), "{text}");
        let line = "hookherd_deliveries_total{provider=\"github\",outcome=\"accepted\"} 1";
        assert!(text.contains(line), "{text}");
    }
}
