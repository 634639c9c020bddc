//! Every metric in one list: its name, kind, labels and help. They are recorded where they happen,
//! with the macros of `metrics` and the names that stand here.
//!
//! Labels have bounded values only: no repository, user, URL or id ever stands in one, but that of
//! the store, of which there is one.

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
    /// What it means.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
}

macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: &str = $name;)*

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
        "Webhook requests received, by outcome.";
    ANSWER = Histogram "hookherd_delivery_answer_seconds" ["provider"]
        "Time to answer a webhook request.";
    PROCESSED = Counter "hookherd_deliveries_processed_total" ["outcome"]
        "Deliveries processed, by outcome.";
    COMMIT = Histogram "hookherd_commit_seconds" []
        "Time to make a group of batches durable.";
    GROUP = Histogram "hookherd_commit_group_batches" []
        "Batches committed with one sync.";
    COMMIT_FAILURES = Counter "hookherd_commit_failures_total" []
        "Commit groups that failed.";
    NOTIFICATIONS = Counter "hookherd_notifications_total" ["sink", "outcome"]
        "Attempts to send a notification, by kind of sink and outcome.";
    TEMPLATE_FAILURES = Counter "hookherd_template_failures_total" ["sink"]
        "Messages with the usual words because a template failed, by kind of sink.";
    EXPLANATIONS = Counter "hookherd_explanations_total" ["outcome"]
        "Attempts to read what the provider says about a failure, by outcome.";
    CALLS = Counter "hookherd_provider_calls_total" ["provider", "operation", "outcome"]
        "Provider API calls, by outcome.";
    CALL_TIME = Histogram "hookherd_provider_call_seconds" ["provider", "operation"]
        "Duration of provider API calls.";
    QUOTA = Gauge "hookherd_provider_quota_remaining" ["provider", "host"]
        "Calls left to the token with the fewest in its rate-limit window; +Inf when unknown.";
    PROVIDER_UP = Gauge "hookherd_provider_up" ["provider", "host"]
        "1 while calls to the provider are answered, 0 during an outage.";
    PROBES = Counter "hookherd_provider_probes_total" ["provider", "outcome"]
        "Calls during outages that find out whether the provider answers again, by outcome.";
    CHECK_EVERY = Gauge "hookherd_check_interval_seconds" ["provider", "host"]
        "Longest interval between checks; above the configured one when they do not fit limits.";
    PARKED = Gauge "hookherd_timers_parked" []
        "Checks, pings and retries that wait for the end of a provider's outage.";
    HOOKS = Gauge "hookherd_hooks" ["status"]
        "Connections, by hook status.";
    OLD_SECRETS = Gauge "hookherd_hooks_with_old_secrets" ["state"]
        "Hooks whose former secrets are still accepted, by state of the rotation.";
    QUIET_PINGS = Counter "hookherd_quiet_pings_total" ["outcome"]
        "Pings because of unusual silence: requested, or postponed by the limit of the credential.";
    DELETIONS = Gauge "hookherd_hook_deletions_pending" []
        "Disconnected connections whose hook is not deleted yet.";
    CREDENTIALS = Gauge "hookherd_credentials" ["provider", "state"]
        "Credentials, by state: works, expired or rejected.";
    EXPIRY = Gauge "hookherd_credential_expiry_seconds" []
        "Time until the next credential expires that cannot be refreshed; +Inf when none does.";
    UNRESOLVED = Gauge "hookherd_incidents_unresolved" ["status", "severity", "source"]
        "Unresolved incidents.";
    LAST_DELIVERY = Gauge "hookherd_last_delivery_timestamp_seconds" ["provider"]
        "Unix time of the last verified delivery; 0 when there is none.";
    OLDEST = Gauge "hookherd_oldest_unprocessed_delivery_seconds" []
        "Age of the oldest unprocessed delivery; 0 when there is none.";
    WAITING = Gauge "hookherd_deliveries_waiting" []
        "Deliveries that wait to be processed; counted up to 100,000.";
    WAITING_OF = Gauge "hookherd_deliveries_waiting_connections" []
        "Connections with deliveries that wait to be processed.";
    WAITING_MOST = Gauge "hookherd_deliveries_waiting_longest" []
        "Most deliveries of one connection that wait to be processed.";
    COUNTED = Gauge "hookherd_counted_timestamp_seconds" []
        "Unix time of the last count of connections, incidents, credentials and deliveries.";
    TO_MOVE = Gauge "hookherd_hooks_to_move" []
        "Hooks that still deliver to a former public address, or that were not checked for it yet.";
    LIMITS = Counter "hookherd_limits_reached_total" ["limit"]
        "Requests and connections refused or cut off by a limit.";
    ACTORS = Gauge "hookherd_actors" []
        "Connections with an actor, running or at rest.";
    OPERATIONS = Gauge "hookherd_operations" ["state"]
        "Bulk operations that have not ended, by state.";
    ITEMS = Counter "hookherd_operation_items_total" ["action", "outcome"]
        "Items of bulk operations that ended, by outcome.";
    PANICS = Counter "hookherd_actor_panics_total" []
        "Actor panics. Each is a bug and restarts one actor.";
    OPENED = Counter "hookherd_incidents_opened_total" []
        "Incidents opened.";
    RESOLVED = Counter "hookherd_incidents_resolved_total" []
        "Incidents resolved.";
    GAP_SECONDS = Counter "hookherd_gap_seconds_total" []
        "Time in which deliveries were or may have been missed, summed over connections.";
    LAG = Gauge "hookherd_lag_seconds" []
        "Age of the oldest missing delivery that is being recovered; 0 when there is none.";
    RECOVERED = Counter "hookherd_deliveries_recovered_total" []
        "Missed deliveries that were recovered.";
    UNRECOVERABLE = Counter "hookherd_deliveries_unrecoverable_total" ["reason"]
        "Missed deliveries that cannot be recovered, by reason.";
    REFRESHES = Counter "hookherd_grant_refreshes_total" ["outcome"]
        "OAuth token refreshes, by outcome.";
    UNSTORED = Gauge "hookherd_grants_unstored" []
        "Renewed grants whose new tokens are not stored yet.";
    JOURNAL = Gauge "hookherd_journal_bytes" []
        "Size of the journal on disk.";
    SEGMENTS = Gauge "hookherd_journal_segments" []
        "Segments of the journal.";
    VIEW = Gauge "hookherd_view_bytes" []
        "Size of the view on disk.";
    FREE = Gauge "hookherd_data_dir_free_bytes" []
        "Free disk space where the data directory is.";
    QUEUED = Gauge "hookherd_commit_queue_batches" []
        "Batches waiting to be committed.";
    STORE = Gauge "hookherd_store_info" ["id"]
        "Always 1; the label is the id of the store.";
    BORN = Gauge "hookherd_store_born_timestamp_seconds" []
        "Unix time at which the store was created.";
    LEFT_OUT = Counter "hookherd_records_left_out_total" ["kind"]
        "Damaged records left out of a walk over all records of their kind.";
    DAMAGED = Gauge "hookherd_store_damaged" []
        "Damaged places found in the store since the start.";
    TROUBLE = Gauge "hookherd_store_trouble" []
        "1 while the store accepts no deliveries, otherwise 0.";
    BUILD = Gauge "hookherd_build_info" ["version"]
        "Always 1; the label is the version of the program.";
}

/// A number as gauges and histograms take it.
#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floats; 2^53 of anything is enough"
)]
pub fn float(number: u64) -> f64 {
    number as f64
}
