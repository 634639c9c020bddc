//! The world as the traits of the inner layers want it.

use crate::actor::Watch;
use crate::api::IngressWatch;
use crate::domain::id::Entropy;
use crate::domain::repo::ProviderKind;
use crate::domain::time::{Clock, Timestamp};
use crate::provider::call::CallObserver;
use crate::store::Observer;
use crate::telemetry::metrics;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The system's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A generator that is fit for keys, seeded by the system.
#[derive(Clone, Copy, Debug)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        rand::fill(bytes);
    }
}

/// Passes what happens on to the metrics.
#[derive(Debug, Default)]
pub(super) struct ToMetrics {
    actors: AtomicU64,
}

impl Watch for ToMetrics {
    fn actor_started(&self) {
        metrics::actors(self.actors.fetch_add(1, Ordering::SeqCst) + 1);
    }
    fn actor_ended(&self) {
        metrics::actors(self.actors.fetch_sub(1, Ordering::SeqCst).saturating_sub(1));
    }
    fn actor_panicked(&self) {
        metrics::actor_panicked();
    }
    fn delivery_processed(&self, outcome: &'static str) {
        metrics::delivery_processed(outcome);
    }
    fn incident_opened(&self) {
        metrics::incident_opened();
    }
    fn incident_resolved(&self) {
        metrics::incident_resolved();
    }
    fn grant_refreshed(&self, outcome: &'static str) {
        metrics::grant_refreshed(outcome);
    }
}

impl Observer for ToMetrics {
    fn group_committed(&self, batches: usize, _: usize, took: Duration) {
        metrics::group_committed(batches, took);
    }
    fn commit_failed(&self) {
        metrics::commit_failed();
    }
}

/// Passes the calls of one kind of provider on to the metrics.
#[derive(Debug)]
pub(super) struct CallsToMetrics(pub(super) &'static str);

impl CallObserver for CallsToMetrics {
    fn call_finished(&self, operation: &'static str, outcome: &'static str, took: Duration) {
        metrics::call_finished(self.0, operation, outcome, took);
    }
}

/// Passes what ingress answers on to the metrics.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnswersToMetrics;

impl IngressWatch for AnswersToMetrics {
    fn answered(&self, provider: ProviderKind, outcome: &'static str, took: Duration) {
        metrics::delivery_answered(provider.as_str(), outcome, took);
    }
}
