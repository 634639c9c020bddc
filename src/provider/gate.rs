//! What one token may do, and when: after the provider's waits, after a pause following a write,
//! and within the provider's limits. Pure.

use super::meter::{LIMITS_MAX, Limit, Meter, may_have};
use super::ticket::{Left, Shape, Ticket};
use crate::domain::errand::Priority;
pub(super) use crate::domain::pace::HOLD_MAX;
use std::time::{Duration, Instant};

/// With fewer calls than this left in the window, they are spread over its rest.
pub(super) const REMAINING_LOW: u64 = 100;
/// Longest wait for the first of the calls that are spread.
const SPACE_MAX: Duration = Duration::from_secs(10);

/// A window whose end differs by no more from that of the last one is the same.
const SAME_END: Duration = Duration::from_mins(1);

/// The window that the provider's answers describe.
#[derive(Clone, Copy, Debug)]
struct Window {
    /// The calls that it allows, and those that are left.
    limit: u64,
    left: u64,
    ends: Instant,
    /// Checks in it, whether or not they counted: what was not changed is free at GitHub.
    checks: u64,
}

impl Window {
    /// Whether one more call of this priority may be made in it.
    fn may_have(&self, priority: Priority) -> bool {
        let used = self.limit.saturating_sub(self.left).saturating_add(1);
        may_have(self.limit, priority, self.checks.saturating_add(1), used)
    }
}

/// The state of one token.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    /// Nothing is sent before: the provider's wait.
    not_before: Instant,
    /// No write is sent before: the pause after the last one.
    next_write: Instant,
    /// No call is sent before: the rest of the window is spread out.
    next_call: Instant,
    /// The space between calls while little is left.
    spacing: Duration,
    spaced_until: Instant,
    /// The provider's own window.
    window: Option<Window>,
    meters: [Meter; LIMITS_MAX],
    /// Calls in progress.
    pub(super) running: usize,
    /// Queued writes, by priority.
    writes: [u32; Priority::ALL.len()],
    waiting: usize,
}

impl Gate {
    pub(super) fn open(now: Instant) -> Self {
        Self {
            not_before: now,
            next_write: now,
            next_call: now,
            spacing: Duration::ZERO,
            spaced_until: now,
            window: None,
            meters: Default::default(),
            running: 0,
            writes: Default::default(),
            waiting: 0,
        }
    }

    /// Whether it can be forgotten.
    pub(super) fn is_idle(&self, now: Instant, limits: &[Limit]) -> bool {
        let times = [
            self.not_before,
            self.next_write,
            self.next_call,
            self.spaced_until,
        ];
        let has_window = self.window.is_some_and(|window| window.ends > now);
        let mut meters = limits.iter().zip(&self.meters);
        self.running == 0
            && self.waiting == 0
            && !has_window
            && times.into_iter().all(|at| at <= now)
            && meters.all(|(limit, meter)| meter.is_idle(now, *limit))
    }

    /// The wait that the provider asked for.
    pub(super) fn held(&self, now: Instant) -> Option<Duration> {
        let left = self.not_before.checked_duration_since(now);
        left.filter(|left| !left.is_zero())
    }

    /// When a call may start, `now` at the earliest.
    pub(super) fn free_at(&self, now: Instant, shape: &Shape, ticket: &Ticket) -> Instant {
        let mut at = now.max(self.not_before).max(self.next_call);
        if ticket.writes {
            at = at.max(self.next_write);
        }
        if let Some(window) = &self.window
            && !window.may_have(ticket.errand.priority)
        {
            at = at.max(window.ends);
        }
        let limits = shape.limits.iter().zip(&self.meters).zip(ticket.cost);
        for ((limit, meter), cost) in limits {
            at = at.max(meter.free_at(now, *limit, cost, ticket.errand.priority));
        }
        at
    }

    /// The number of queued writes ahead of a call.
    pub(super) fn writes_before(&self, ticket: &Ticket) -> u32 {
        if !ticket.writes {
            return 0;
        }
        let counted = Priority::ALL.iter().zip(self.writes);
        let before = counted.filter(|(priority, _)| **priority <= ticket.errand.priority);
        before.map(|(_, count)| count).sum()
    }

    pub(super) const fn entered(&mut self, ticket: &Ticket) {
        self.waiting += 1;
        if ticket.writes {
            self.writes[ticket.errand.priority as usize] += 1;
        }
    }

    pub(super) const fn left(&mut self, ticket: &Ticket) {
        self.waiting -= 1;
        if ticket.writes {
            self.writes[ticket.errand.priority as usize] -= 1;
        }
    }

    /// A call starts.
    pub(super) fn sent(&mut self, now: Instant, shape: &Shape, ticket: &Ticket) {
        self.left(ticket);
        self.running += 1;
        if ticket.writes {
            self.next_write = now + shape.write_pause;
        }
        // Until an answer says what is left.
        if let Some(window) = &mut self.window {
            window.left = window.left.saturating_sub(1);
            window.checks += u64::from(ticket.errand.priority == Priority::Check);
        }
        if self.spaced_until > now {
            self.next_call = now + self.spacing;
        }
        let limits = shape.limits.iter().zip(&mut self.meters).zip(ticket.cost);
        for ((limit, meter), cost) in limits {
            meter.spend(now, *limit, cost, ticket.errand.priority);
        }
    }

    /// Holds all calls for `hold`, or for longer if a longer wait applies. Returns the wait.
    pub(super) fn hold(&mut self, now: Instant, hold: Duration) -> Duration {
        self.not_before = self.not_before.max(now + hold.min(HOLD_MAX));
        self.not_before - now
    }

    /// Records what is left of the provider's window. Of that, too, less urgent calls leave a share
    /// to others.
    pub(super) fn note_remaining(&mut self, now: Instant, left: Left) {
        let (remaining, reset_in) = (left.remaining, left.reset_in.min(HOLD_MAX));
        let ends = now + reset_in;
        let is_same = |known: &Window| known.ends.max(ends) - known.ends.min(ends) <= SAME_END;
        let checks = self.window.filter(is_same).map_or(0, |known| known.checks);
        self.window = left.limit.map(|limit| Window {
            limit,
            left: remaining,
            ends,
            checks,
        });
        if remaining >= REMAINING_LOW {
            return;
        }
        let calls = u32::try_from(remaining.max(1)).unwrap_or(u32::MAX);
        self.spacing = reset_in / calls;
        self.spaced_until = now + reset_in;
        self.next_call = self.next_call.max(now + self.spacing.min(SPACE_MAX));
    }
}
