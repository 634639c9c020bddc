//! When the daemon could not receive deliveries.

use super::gap::GapCause;
use crate::domain::time::Timestamp;
use std::time::Duration;

/// Outages that are stored: beyond, the oldest are deleted.
const OUTAGES_MAX: usize = 32;

/// Outages with less time between them are one: a daemon that is restarted again and again.
const APART_MIN: Duration = Duration::from_mins(1);

/// A time in which no delivery could be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Why.
    pub cause: GapCause,
    /// When it began: at the last sign that the daemon received deliveries.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
}

impl Outage {
    /// The time of both, if there is a later one.
    #[must_use]
    pub fn and(self, later: Option<Self>) -> Self {
        let later = later.unwrap_or(self);
        Self {
            cause: later.cause,
            from: self.from.min(later.from),
            to: self.to.max(later.to),
        }
    }
}

/// When the daemon was last known to run, and its outages, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uptime {
    /// The last sign of life.
    pub alive_at: Timestamp,
    /// Outages that connections may not have been reconciled after.
    pub outages: Vec<Outage>,
}

impl Uptime {
    /// What is known once the daemon has started: it was down since its last sign of life.
    #[must_use]
    pub fn started(last: Option<Self>, now: Timestamp) -> Self {
        let Some(mut uptime) = last else {
            return Self {
                alive_at: now,
                outages: Vec::new(),
            };
        };
        let from = uptime.alive_at.min(now);
        uptime.alive(now);
        uptime.add(Outage {
            cause: GapCause::Down,
            from,
            to: now,
        });
        uptime
    }

    /// A sign of life. An outage that is later than it was dated by a clock that was ahead: it has
    /// ended by now, or each reconcile would find it after the one before.
    pub fn alive(&mut self, now: Timestamp) {
        self.alive_at = now;
        for outage in &mut self.outages {
            outage.to = outage.to.min(now);
            outage.from = outage.from.min(outage.to);
        }
    }

    /// Adds an outage that has ended.
    pub fn add(&mut self, outage: Outage) {
        let last = self.outages.last_mut();
        match last.filter(|last| outage.from.since(last.to) < APART_MIN) {
            Some(last) => {
                last.from = last.from.min(outage.from);
                last.to = last.to.max(outage.to);
            }
            None => self.outages.push(outage),
        }
        if self.outages.len() > OUTAGES_MAX {
            self.outages.remove(0);
        }
    }

    /// The outages that ended after this time.
    pub fn since(&self, at: Timestamp) -> impl Iterator<Item = Outage> + use<> {
        let outages = self.outages.clone().into_iter();
        outages.filter(move |outage| outage.to > at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn minute(n: i64) -> Timestamp {
        Timestamp(n * 60_000)
    }

    fn alive(uptime: &Uptime, at: Timestamp) -> Uptime {
        Uptime {
            alive_at: at,
            ..uptime.clone()
        }
    }

    #[test]
    fn a_restart_is_an_outage_since_the_last_sign_of_life() {
        let first = Uptime::started(None, minute(1));
        assert_eq!(first.outages, []);
        let second = Uptime::started(Some(alive(&first, minute(5))), minute(9));
        let down = Outage {
            cause: GapCause::Down,
            from: minute(5),
            to: minute(9),
        };
        assert_eq!(second.since(minute(8)).collect::<Vec<_>>(), [down]);
        assert_eq!(second.since(minute(9)).count(), 0);
    }

    #[test]
    fn no_outage_is_later_than_now_after_the_clock_was_ahead() {
        let first = Uptime::started(None, minute(1));
        let ahead = Uptime::started(Some(alive(&first, minute(5))), minute(40_000));
        // By a restart, or at run time.
        let restarted = Uptime::started(Some(alive(&ahead, minute(40_001))), minute(9));
        let mut set_back = ahead;
        set_back.alive(minute(9));
        for uptime in [restarted, set_back] {
            let down = Outage {
                cause: GapCause::Down,
                from: minute(5),
                to: minute(9),
            };
            assert_eq!(uptime.outages, [down]);
            assert_eq!(uptime.since(minute(9)).count(), 0);
        }
    }

    #[test]
    fn restarts_in_a_row_are_one_outage_and_their_number_is_bounded() {
        let mut uptime = Uptime::started(None, minute(0));
        for n in 1..100 {
            let at = minute(n);
            uptime = Uptime::started(Some(alive(&uptime, Timestamp(at.0 - 50_000))), at);
        }
        assert_eq!(uptime.outages.len(), 1);
        assert_eq!(uptime.outages[0].to, minute(99));
        for n in 100..200 {
            uptime = Uptime::started(Some(alive(&uptime, minute(3 * n))), minute(3 * n + 1));
        }
        assert_eq!(uptime.outages.len(), OUTAGES_MAX);
        assert_eq!(uptime.outages.last().unwrap().to, minute(598));
    }
}
