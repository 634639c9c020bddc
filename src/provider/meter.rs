//! A provider's limits for one token within a time, and how much of them is used. Pure: the time is
//! an argument.

use crate::domain::errand::Priority;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// No more than `most` within any `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) most: u32,
    pub(super) window: Duration,
}

/// Most limits that a provider has.
pub(super) const LIMITS_MAX: usize = 3;

/// What a request costs against each of the provider's limits, in their order.
pub(super) type Cost = [u32; LIMITS_MAX];

/// A window is counted in so many parts: exact to a sixtieth, in favour of the provider.
const PARTS: u32 = 60;

/// A part of a window: its start, and what was used in it by each priority.
type Part = (Instant, [u32; Priority::ALL.len()]);

/// Recent use, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter(VecDeque<Part>);

/// So many percent of a limit. A provider may name any.
const fn part(most: u64, percent: u64) -> u64 {
    most / 100 * percent + most % 100 * percent / 100
}

/// The share of a limit that calls of a priority may use: the rest is reserved for more important
/// ones.
pub(super) const fn share(most: u64, priority: Priority) -> u64 {
    let percent = match priority {
        Priority::Person => 100,
        Priority::Repair => 90,
        Priority::Recovery => 70,
        Priority::Check => 50,
        Priority::Explain => 30,
    };
    let share = part(most, percent);
    if share == 0 { 1 } else { share }
}

/// So much of a limit is left to checks, however much is recovered: in percent, and up to which use
/// in all. A recovery of many connections takes all that it may for as long as it lasts.
const OF_CHECKS: (u64, u64) = (10, 80);

/// Whether calls of a priority may have used so much of a limit, when all have: `own` counts for
/// checks only.
pub(super) fn may_have(most: u64, priority: Priority, own: u64, all: u64) -> bool {
    let (percent, in_all) = OF_CHECKS;
    let is_left_to_it =
        priority == Priority::Check && own <= part(most, percent) && all <= part(most, in_all);
    is_left_to_it || all <= share(most, priority)
}

impl Meter {
    /// When `cost` can be spent, `now` at the earliest.
    pub(super) fn free_at(
        &self,
        now: Instant,
        limit: Limit,
        cost: u32,
        priority: Priority,
    ) -> Instant {
        if cost == 0 {
            return now;
        }
        let live = self.0.iter().filter(|part| Self::end(part, limit) > now);
        let own_of = |part: &Part| part.1[priority as usize];
        let sum_of = |part: &Part| part.1.iter().sum::<u32>();
        let mut own = live.clone().map(own_of).sum::<u32>().saturating_add(cost);
        let mut all = live.clone().map(sum_of).sum::<u32>().saturating_add(cost);
        let mut at = now;
        for part in live {
            if may_have(
                u64::from(limit.most),
                priority,
                u64::from(own),
                u64::from(all),
            ) {
                break;
            }
            own -= own_of(part);
            all -= sum_of(part);
            at = Self::end(part, limit);
        }
        at
    }

    /// When the use of a part no longer counts.
    fn end((begin, _): &Part, limit: Limit) -> Instant {
        *begin + limit.window / PARTS + limit.window
    }

    /// Counts the cost of a call of this priority.
    pub(super) fn spend(&mut self, now: Instant, limit: Limit, cost: u32, priority: Priority) {
        while self
            .0
            .front()
            .is_some_and(|part| Self::end(part, limit) <= now)
        {
            self.0.pop_front();
        }
        if cost == 0 {
            return;
        }
        match self.0.back_mut() {
            Some((begin, _)) if *begin + limit.window / PARTS > now => {}
            Some(_) | None => self.0.push_back((now, Default::default())),
        }
        if let Some((_, used)) = self.0.back_mut() {
            used[priority as usize] += cost;
        }
    }

    /// Whether nothing counts any more.
    pub(super) fn is_idle(&self, now: Instant, limit: Limit) -> bool {
        self.0.iter().all(|part| Self::end(part, limit) <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: Limit = Limit {
        most: 900,
        window: Duration::from_mins(1),
    };

    #[test]
    fn a_check_leaves_half_of_the_limit_to_others() {
        let (mut meter, now) = (Meter::default(), Instant::now());
        let free = |meter: &Meter, priority| meter.free_at(now, LIMIT, 5, priority) == now;
        for (spent, priority) in [
            (450, Priority::Check),
            (180, Priority::Recovery),
            (180, Priority::Repair),
            (90, Priority::Person),
        ] {
            assert!(free(&meter, priority));
            meter.spend(now, LIMIT, spent, priority);
            assert!(!free(&meter, priority), "{priority:?}");
        }
    }

    #[test]
    fn checks_have_a_tenth_while_a_recovery_takes_all_that_it_may() {
        let (mut meter, now) = (Meter::default(), Instant::now());
        let free = |meter: &Meter, priority| meter.free_at(now, LIMIT, 5, priority) == now;
        meter.spend(now, LIMIT, 630, Priority::Recovery);
        assert!(!free(&meter, Priority::Recovery));
        for _ in 0..18 {
            assert!(free(&meter, Priority::Check));
            meter.spend(now, LIMIT, 5, Priority::Check);
        }
        assert!(!free(&meter, Priority::Check));
        assert!(free(&meter, Priority::Repair));
        // Beyond four fifths in all, the rest is for more urgent calls.
        let mut meter = Meter::default();
        meter.spend(now, LIMIT, 720, Priority::Repair);
        assert!(!free(&meter, Priority::Check));
    }

    /// A provider may name any limit.
    #[test]
    fn checks_have_their_part_of_any_limit() {
        for most in [0, 1, 60, u64::MAX] {
            assert!(may_have(most, Priority::Check, 1, 1), "{most}");
            assert!(!may_have(most, Priority::Check, most, most) || most < 2);
        }
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_the_limit(
            calls in proptest::collection::vec((0..3000_u64, 1..6_u32), 1..2000),
        ) {
            let start = Instant::now();
            let (mut meter, mut now) = (Meter::default(), start);
            let mut made: Vec<(Instant, u32)> = Vec::new();
            for (pause, cost) in calls {
                now += Duration::from_millis(pause / 30);
                let at = meter.free_at(now, LIMIT, cost, Priority::Person);
                prop_assert!(at - now <= LIMIT.window + LIMIT.window / PARTS);
                now = at;
                meter.spend(now, LIMIT, cost, Priority::Person);
                made.push((now, cost));
            }
            let mut begin = 0;
            let mut sum = 0;
            for (at, cost) in &made {
                sum += cost;
                while made[begin].0 + LIMIT.window <= *at {
                    sum -= made[begin].1;
                    begin += 1;
                }
                prop_assert!(sum <= LIMIT.most);
            }
        }
    }
}
