//! Gauges that no event updates: records are counted regularly, on a thread of its
//! own. Neither the threads that serve requests nor the router's wait for it.

use super::disk::space;
use crate::domain::connection::WebhookStatus;
use crate::domain::incident::{IncidentSource, IncidentStatus, Severity};
use crate::domain::repo::ProviderKind;
use crate::domain::rotation::RotationState;
use crate::domain::time::{Clock, Timestamp};
use crate::domain::user::Credential;
use crate::store::disk::DiskStore;
use crate::store::{Read, ReadError, Scope, Waiting, pages};
use crate::telemetry::{Recorder, log_left_out, metric};
use metric::float;
use metrics::gauge;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the gauges are brought up to date, when counting is quick ...
const EVERY: Duration = Duration::from_secs(5);
/// ... and, when it is not, how many times longer than a count the pause after it is.
const PAUSE_TIMES: u32 = 20;
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_mins(5);

/// Most deliveries that are counted while they wait.
const WAITING_MAX: usize = 100_000;

/// The states of a credential.
const WORKS: &str = "works";
const EXPIRED: &str = "expired";
const REJECTED: &str = "rejected";

/// What was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Census {
    /// Connections that are wanted, by the status of their hook.
    hooks: BTreeMap<&'static str, u64>,
    deletions_pending: u64,
    /// Connections whose former secrets are accepted, by the state of the rotation.
    rotating: BTreeMap<&'static str, u64>,
    /// By provider and state.
    credentials: BTreeMap<(&'static str, &'static str), u64>,
    /// When the next credential ends that cannot be renewed.
    expiry: Option<Timestamp>,
    /// By status, severity and source.
    unresolved: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    /// By provider.
    last_delivery: BTreeMap<&'static str, Timestamp>,
    oldest_unprocessed: Option<Timestamp>,
    behind_since: Option<Timestamp>,
    waiting: Waiting,
}

impl Census {
    /// All that can be counted, at nothing.
    fn empty() -> Self {
        let providers = ProviderKind::ALL.map(ProviderKind::as_str);
        let statuses = [IncidentStatus::Open, IncidentStatus::Acknowledged];
        let severities = [Severity::Warning, Severity::Error, Severity::Critical];
        let sources = [
            IncidentSource::Webhook,
            IncidentSource::Reconcile,
            IncidentSource::Health,
        ];
        let mut unresolved = BTreeMap::new();
        for status in statuses.map(IncidentStatus::as_str) {
            for severity in severities.map(Severity::as_str) {
                for source in sources.map(IncidentSource::as_str) {
                    unresolved.insert((status, severity, source), 0);
                }
            }
        }
        let credentials = providers
            .iter()
            .flat_map(|provider| [WORKS, EXPIRED, REJECTED].map(|state| ((*provider, state), 0)));
        Self {
            hooks: WebhookStatus::ALL.map(|s| (s.as_str(), 0)).into(),
            deletions_pending: 0,
            rotating: RotationState::HELD.map(|s| (s.as_str(), 0)).into(),
            credentials: credentials.collect(),
            expiry: None,
            unresolved,
            last_delivery: providers.map(|name| (name, Timestamp(0))).into(),
            oldest_unprocessed: None,
            behind_since: None,
            waiting: Waiting::default(),
        }
    }

    /// Counts what is there now.
    pub(super) fn take(store: &dyn Read, now: Timestamp) -> Result<Self, ReadError> {
        let mut census = Self::empty();
        let counts = store.counts(Scope::All).wait()?;
        for (status, count) in counts.connections {
            census.hooks.insert(status.as_str(), number(count));
        }
        census.deletions_pending = number(counts.connections_leaving);
        for (state, count) in counts.rotating {
            census.rotating.insert(state.as_str(), number(count));
        }
        for found in counts.unresolved {
            let (status, severity) = (found.status.as_str(), found.severity.as_str());
            let key = (status, severity, found.source.as_str());
            census.unresolved.insert(key, number(found.count));
        }
        census.behind_since = store.all_behind_since().wait()?;
        for (provider, at) in store.latest_deliveries().wait()? {
            census.last_delivery.insert(provider.as_str(), at);
        }
        let all = pages(|after| store.all_credentials(after), |c: &Credential| c.id);
        for page in futures_executor::block_on_stream(all) {
            for credential in page? {
                census.add_credential(&credential, now);
            }
        }
        census.waiting = store.deliveries_waiting(WAITING_MAX).wait()?;
        for id in store.connections_with_pending().wait()? {
            let waits = store.pending(id, 1).wait()?.first().map(|d| d.received_at);
            census.oldest_unprocessed = [census.oldest_unprocessed, waits]
                .into_iter()
                .flatten()
                .min();
        }
        Ok(census)
    }

    fn add_credential(&mut self, credential: &Credential, now: Timestamp) {
        // An access token that can be renewed ends without consequences.
        let ends_at = credential.ends_at();
        let state = match (&credential.rejected, ends_at) {
            (Some(_), _) => REJECTED,
            (None, Some(at)) if at <= now => EXPIRED,
            (None, Some(at)) => {
                self.expiry = Some(self.expiry.map_or(at, |first| first.min(at)));
                WORKS
            }
            (None, None) => WORKS,
        };
        let provider = credential.instance.provider.as_str();
        *self.credentials.entry((provider, state)).or_default() += 1;
    }

    fn show(&self, now: Timestamp) {
        for (status, count) in &self.hooks {
            gauge!(metric::HOOKS, "status" => *status).set(float(*count));
        }
        gauge!(metric::DELETIONS).set(float(self.deletions_pending));
        for (state, count) in &self.rotating {
            gauge!(metric::OLD_SECRETS, "state" => *state).set(float(*count));
        }
        for ((provider, state), count) in &self.credentials {
            let labels = [("provider", *provider), ("state", *state)];
            gauge!(metric::CREDENTIALS, &labels).set(float(*count));
        }
        let expiry = self.expiry.map(|at| at.since(now).as_secs_f64());
        gauge!(metric::EXPIRY).set(expiry.unwrap_or(f64::INFINITY));
        for ((status, severity, source), count) in &self.unresolved {
            let labels = [
                ("status", *status),
                ("severity", *severity),
                ("source", *source),
            ];
            gauge!(metric::UNRESOLVED, &labels).set(float(*count));
        }
        for (provider, at) in &self.last_delivery {
            gauge!(metric::LAST_DELIVERY, "provider" => *provider).set(seconds(*at));
        }
        let age = self.oldest_unprocessed.map(|at| now.since(at));
        gauge!(metric::OLDEST).set(age.unwrap_or_default());
        let lag = self.behind_since.map(|since| now.since(since));
        gauge!(metric::LAG).set(lag.unwrap_or_default());
        gauge!(metric::WAITING).set(float(number(self.waiting.deliveries)));
        gauge!(metric::WAITING_OF).set(float(number(self.waiting.connections)));
        gauge!(metric::WAITING_MOST).set(float(number(self.waiting.longest)));
        gauge!(metric::COUNTED).set(seconds(now));
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn seconds(at: Timestamp) -> f64 {
    float(u64::try_from(at.0 / 1000).unwrap_or(0))
}

/// The thread that counts.
pub(super) struct Counting {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Counting {
    /// Shows how the store is doing, at once, and begins to count.
    pub(super) fn start(
        store: Arc<DiskStore>,
        data_dir: PathBuf,
        clock: Arc<dyn Clock>,
        shown: Recorder,
    ) -> std::io::Result<Self> {
        show_store(&store, &data_dir);
        Census::empty().show(clock.now());
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("census".to_owned())
            .spawn(move || count(&store, &data_dir, &*clock, &shown, &stopped))?;
        Ok(Self { stop, thread })
    }

    /// Ends it, after the count that is under way.
    pub(super) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the thread that counts panicked");
        }
    }
}

fn count(
    store: &DiskStore,
    data_dir: &Path,
    clock: &dyn Clock,
    shown: &Recorder,
    stopped: &Receiver<()>,
) {
    loop {
        let begun = Instant::now();
        // Nothing else condenses the samples of histograms.
        shown.condense();
        log_left_out();
        show_store(store, data_dir);
        let now = clock.now();
        match Census::take(store, now) {
            Ok(census) => census.show(now),
            // Gauges keep what they said, and the time of the count shows how old they are.
            Err(error) => tracing::warn!(%error, "cannot count records for the metrics"),
        }
        let pause = (begun.elapsed() * PAUSE_TIMES).clamp(EVERY, PAUSE_MAX);
        match stopped.recv_timeout(pause) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn show_store(store: &DiskStore, data_dir: &Path) {
    let status = store.status();
    let free = space(data_dir).map_or(0, |space| space.free);
    for (name, value) in [
        (metric::JOURNAL, status.journal_bytes),
        (metric::SEGMENTS, status.segments),
        (metric::VIEW, status.view_bytes),
        (metric::QUEUED, status.queued),
        (metric::DAMAGED, status.damaged),
        (metric::FREE, free),
        (metric::TROUBLE, status.trouble.is_some().into()),
    ] {
        gauge!(name).set(float(value));
    }
}
