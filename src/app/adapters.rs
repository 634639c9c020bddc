//! The world as the traits of the inner layers want it.

use crate::actor::Watch;
use crate::api::IngressWatch;
use crate::domain::id::Entropy;
use crate::domain::repo::{Instance, ProviderKind};
use crate::domain::time::{Clock, Timestamp};
use crate::provider::call::CallObserver;
use crate::store::Observer;
use crate::telemetry::metrics;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

/// The system's clock, held to what has been seen: it does not go behind the time that the store
/// trusts, and what it gives for ids only goes up.
#[derive(Debug, Default)]
pub struct SteadyClock {
    floor: Arc<AtomicI64>,
    /// The last time that was given for an id.
    last: AtomicI64,
    /// When it was first looked at after the store told what it trusts, by both clocks.
    begun: OnceLock<(Instant, Timestamp)>,
}

impl SteadyClock {
    /// Whoever knows that so much time has passed says so here, in milliseconds since 1970.
    pub fn floor(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.floor)
    }

    /// Ids that are made from now on are later than this.
    pub fn begin_ids_after(&self, newest: Timestamp) {
        self.last.fetch_max(newest.0, Ordering::Relaxed);
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let floor = self.floor.load(Ordering::Relaxed);
        let now = SystemClock.now().max(Timestamp(floor));
        if floor > 0 {
            self.begun.get_or_init(|| (Instant::now(), now));
        }
        now
    }

    fn steady(&self) -> Timestamp {
        let now = self.now();
        let begun = self.begun.get();
        begun.map_or(now, |(instant, at)| at.plus(instant.elapsed()))
    }

    fn trusted(&self) -> Timestamp {
        Timestamp(self.floor.load(Ordering::Relaxed))
    }

    fn now_for_id(&self) -> Timestamp {
        let now = self.now().0;
        let next = |last: i64| now.max(last.saturating_add(1));
        let order = Ordering::Relaxed;
        let before = self
            .last
            .fetch_update(order, order, |last| Some(next(last)));
        Timestamp(next(before.unwrap_or_else(|last| last)))
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
    fn hooks_to_move(&self, count: usize) {
        metrics::hooks_to_move(count);
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
    fn incident_opened(&self) {
        metrics::incident_opened();
    }
    fn incident_resolved(&self) {
        metrics::incident_resolved();
    }
}

/// Most tokens whose windows are remembered.
const WINDOWS_MAX: usize = 4096;

/// Longest window that is believed in.
const WINDOW_MAX: Duration = Duration::from_hours(2);

/// A token's present window: calls left, and when it ends.
type Window = (u64, Instant);

/// Passes the calls of one installation on to the metrics.
#[derive(Debug)]
pub(super) struct CallsToMetrics {
    provider: &'static str,
    host: String,
    windows: Mutex<HashMap<u64, Window>>,
}

impl CallsToMetrics {
    pub(super) fn new(instance: &Instance) -> Self {
        let this = Self {
            provider: instance.provider.as_str(),
            host: instance.host.to_string(),
            windows: Mutex::default(),
        };
        metrics::quota(this.provider, &this.host, None);
        this
    }

    /// The fewest calls left in a window that is not over.
    fn note(&self, token: u64, window: Window) -> Option<u64> {
        let mut windows = self.windows.lock();
        let now = Instant::now();
        windows.retain(|_, (_, ends)| *ends > now);
        if windows.len() < WINDOWS_MAX {
            windows.insert(token, window);
        }
        windows.values().map(|(remaining, _)| *remaining).min()
    }
}

impl CallObserver for CallsToMetrics {
    fn call_finished(&self, operation: &'static str, outcome: &'static str, took: Duration) {
        metrics::call_finished(self.provider, operation, outcome, took);
    }
    fn quota_left(&self, token: u64, remaining: u64, ends_in: Duration) {
        // A provider's word on time may be anything: a window is an hour at most.
        let ends = Instant::now() + ends_in.min(WINDOW_MAX);
        let fewest = self.note(token, (remaining, ends));
        metrics::quota(self.provider, &self.host, fewest);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::DeliveryId;

    #[test]
    fn ids_are_in_order_of_arrival_whatever_the_clock_does() {
        let clock = SteadyClock::default();
        let now = clock.now();
        // A record was made while the clock was ahead.
        clock.begin_ids_after(Timestamp(now.0 + 200 * 24 * 3_600_000));
        let made = (0..1000).map(|_| DeliveryId::generate(clock.now_for_id(), &SystemEntropy));
        let made: Vec<_> = made.collect();
        assert!(made.is_sorted_by(|a, b| a < b));
        assert!(made[0].created_at().0 > now.0 + 200 * 24 * 3_600_000);
        assert!(
            clock.now() < made[0].created_at(),
            "what people read is right"
        );
    }

    #[test]
    fn a_clock_that_goes_back_stays_where_it_was() {
        let clock = SteadyClock::default();
        let trusted = SystemClock.now().0 + 20 * 365 * 24 * 3_600_000;
        clock.floor().store(trusted, Ordering::Relaxed);
        assert_eq!(clock.now(), Timestamp(trusted));
        assert_eq!(clock.trusted(), Timestamp(trusted));
        // And one that jumps ahead is not believed where that could not be taken back.
        clock.floor().store(7, Ordering::Relaxed);
        assert!(clock.now().0 > 7 && clock.trusted() == Timestamp(7));
        // What has passed since the start goes on from where it was.
        let after = clock.steady();
        assert!(after.since(Timestamp(trusted)) < Duration::from_mins(1));
        assert!(after >= Timestamp(trusted) && clock.steady() >= after);
    }
}
