//! How a sink does, as far as this process has seen: when it is called again.

use super::room::Line;
use crate::domain::time::Timestamp;
use std::time::Duration;
use tokio::time::Instant;

/// After so many failures in a row it counts as down.
const FAILURES_MAX: u32 = 3;
/// A sink that is down is called once in this time, however many notifications wait.
const PROBE_EVERY: Duration = Duration::from_mins(1);
/// The pause after one of the first failures.
const PAUSE: Duration = Duration::from_secs(1);

/// After so many refusals in a row, the first of them so long ago, a sink counts as refusing
/// permanently: a receiver that is being deployed answers so for a while, and many notifications
/// may wait.
const REFUSALS_MAX: u32 = 3;
const REFUSED_FOR: Duration = Duration::from_mins(4);

/// How a sink does.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Failures in a row.
    failures: u32,
    /// Refusals in a row, and when the first came.
    refusals: Option<(u32, Instant)>,
    /// It is not called before.
    not_before: Option<Instant>,
    /// When it was first called with success after it was down.
    recovered_at: Option<Timestamp>,
}

impl Health {
    /// How long to wait before the next call.
    pub(super) fn pause(&self) -> Duration {
        let at = self.not_before;
        at.map_or(Duration::ZERO, |at| {
            at.saturating_duration_since(Instant::now())
        })
    }

    /// Where its calls wait for their turn.
    pub(super) const fn line(&self) -> Line {
        match self.failures {
            0 => Line::Works,
            _ => Line::Fails,
        }
    }

    /// It has accepted or refused a message.
    pub(super) fn answered(&mut self, now: Timestamp) {
        if self.failures >= FAILURES_MAX {
            self.recovered_at = Some(now);
        }
        self.failures = 0;
        self.refusals = None;
        self.not_before = None;
    }

    /// It has refused everything. Returns whether that counts as permanent.
    pub(super) fn refused(&mut self) -> bool {
        let (count, since) = self.refusals.unwrap_or((0, Instant::now()));
        let count = count.saturating_add(1);
        self.failed();
        self.refusals = Some((count, since));
        count >= REFUSALS_MAX && since.elapsed() >= REFUSED_FOR
    }

    /// A call has failed in a way that passes.
    pub(super) fn failed(&mut self) {
        self.refusals = None;
        self.failures = self.failures.saturating_add(1);
        let pause = if self.failures >= FAILURES_MAX {
            PROBE_EVERY
        } else {
            PAUSE
        };
        self.not_before = Some(Instant::now() + pause);
    }

    /// Whether it was down, and works since: what waits is sent in the order in which it was
    /// planned.
    pub(super) const fn has_recovered(&self) -> bool {
        self.recovered_at.is_some()
    }

    /// Whether a notification that was last tried then need not wait any longer: the sink was
    /// down, and works again since. A recovery in the future was seen by a clock that was wrong.
    pub(super) fn releases(&self, tried_at: Option<Timestamp>, now: Timestamp) -> bool {
        let recovered_at = self.recovered_at.filter(|at| *at <= now);
        let released = recovered_at.zip(tried_at);
        released.is_some_and(|(recovered_at, tried_at)| tried_at < recovered_at)
    }
}
