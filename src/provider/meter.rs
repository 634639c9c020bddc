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

/// Recent use, oldest first, as the start of a part and its sum.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter(VecDeque<(Instant, u32)>);

/// The share of a limit that calls of a priority may use: the rest is reserved for more important
/// ones.
pub(super) const fn share(most: u64, priority: Priority) -> u64 {
    let percent = match priority {
        Priority::Person => 100,
        Priority::Repair => 90,
        Priority::Recovery => 70,
        Priority::Check => 50,
    };
    let share = most / 100 * percent + most % 100 * percent / 100;
    if share == 0 { 1 } else { share }
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
        let most = share(limit.most.into(), priority);
        let live = self.0.iter().filter(|part| Self::end(part, limit) > now);
        let mut spent: u32 = live.clone().map(|(_, sum)| sum).sum();
        let mut at = now;
        for part in live {
            if u64::from(spent.saturating_add(cost)) <= most {
                break;
            }
            spent -= part.1;
            at = Self::end(part, limit);
        }
        at
    }

    /// When the use of a part no longer counts.
    fn end((begin, _): &(Instant, u32), limit: Limit) -> Instant {
        *begin + limit.window / PARTS + limit.window
    }

    /// Counts the cost.
    pub(super) fn spend(&mut self, now: Instant, limit: Limit, cost: u32) {
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
            Some((begin, sum)) if *begin + limit.window / PARTS > now => *sum += cost,
            Some(_) | None => self.0.push_back((now, cost)),
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
            meter.spend(now, LIMIT, spent);
            assert!(!free(&meter, priority), "{priority:?}");
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
                meter.spend(now, LIMIT, cost);
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
