//! Timers that fired while their provider has an outage: they wait here, without steps, calls and
//! writes, until it answers again. Then they fire one after the other (ADR 32).
//!
//! In memory only: after a restart the lifecycles arm their timers again.

use super::timers::{Timers, Whose};
use crate::credentials::Outages;
use crate::domain::lifecycle::Timer;
use crate::domain::outage::release_over;
use crate::domain::repo::Instance;
use crate::telemetry::metric;
use metrics::gauge;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// The timers that wait, by installation: at most three of each connection.
#[derive(Debug, Default)]
pub(super) struct Parked(Mutex<BTreeMap<Instance, BTreeSet<Whose>>>);

impl Parked {
    /// Has a timer wait, if its provider has an outage. Returns whether it does.
    pub(super) fn park(&self, outages: &Outages, instance: &Instance, whose: Whose) -> bool {
        let mut all = self.0.lock();
        // Looked at under the lock: what is put here is seen by who releases it.
        let waits = outages.lasts(instance);
        if waits {
            all.entry(instance.clone()).or_default().insert(whose);
            Self::count(&all);
        }
        waits
    }

    /// Has the timers of installations without an outage fire: those that are urgent first, evenly
    /// over the time that [`release_over`] gives, or longer if their checks take longer.
    pub(super) fn release(
        &self,
        outages: &Outages,
        timers: &Timers,
        round: impl Fn(&Instance) -> Duration,
        chance: impl Fn() -> u64,
    ) {
        let mut all = self.0.lock();
        let over: Vec<_> = all
            .extract_if(.., |instance, _| !outages.lasts(instance))
            .collect();
        Self::count(&all);
        drop(all);
        for (instance, waiting) in over {
            let mut order: Vec<_> = waiting
                .into_iter()
                .map(|it| (rank(it.1), chance(), it))
                .collect();
            order.sort_unstable();
            let span = release_over(order.len()).max(round(&instance));
            let begin = Instant::now();
            let count = u32::try_from(order.len()).unwrap_or(u32::MAX);
            for (nth, (_, _, whose)) in (0_u32..).zip(order) {
                timers.arm(whose, begin + span / count * nth);
            }
        }
    }

    fn count(all: &BTreeMap<Instance, BTreeSet<Whose>>) {
        let count: usize = all.values().map(BTreeSet::len).sum();
        gauge!(metric::PARKED).set(metric::float(count as u64));
    }
}

/// What is done first: hooks that are to be created, repaired or deleted, then checks, then pings.
const fn rank(timer: Timer) -> u8 {
    match timer {
        Timer::Retry => 0,
        Timer::Check => 1,
        Timer::Ping => 2,
    }
}
