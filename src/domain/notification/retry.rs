//! When a notification is tried again: the schedule of Standard Webhooks 1.0.0, with jitter.

use crate::domain::backoff::jittered;
use crate::domain::time::Timestamp;
use std::time::Duration;

/// The waits before the second and each further try: 75 hours in all.
const WAITS: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];

/// Longest wait that a sink may ask for. What it asks for beyond that is asked again.
pub const WAIT_MAX: Duration = Duration::from_hours(24);

/// When what is held until `until` is due. Longer holds are looked at again on the way: a wait
/// beyond [`WAIT_MAX`] counts as one of a wrong clock.
pub fn held(until: Timestamp, now: Timestamp) -> Timestamp {
    until.min(now.plus(WAIT_MAX))
}

/// A notification is not given up before it is this old: a sink that works for a moment now and
/// then uses up all tries within an hour. The schedule alone takes longer.
const AGE_MIN: Duration = Duration::from_hours(60);

/// The wait before the next try, after `tries` failed ones of a notification of this age; `None`
/// when it was the last. `chance` is uniform over all of `u64`.
pub fn wait(tries: u32, age: Duration, chance: u64) -> Option<Duration> {
    let nth = usize::try_from(tries).unwrap_or(usize::MAX);
    let longest = WAITS.last().filter(|_| age < AGE_MIN);
    let wait = WAITS.get(nth.saturating_sub(1)).or(longest)?;
    Some(jittered(*wait, chance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_is_that_of_standard_webhooks_within_a_tenth() {
        let all: Duration = WAITS.iter().sum();
        assert_eq!(all, Duration::from_secs(5 + (35 + 75 * 60) * 60));
        for chance in [0, u64::MAX / 2, u64::MAX] {
            for (tries, expected) in (1..).zip(WAITS) {
                let wait = wait(tries, all, chance).expect("it is tried again");
                assert!(wait >= expected * 9 / 10 && wait <= expected * 11 / 10);
            }
        }
        assert_eq!(wait(10, all * 9 / 10, 0), None, "ten tries in all");
        assert_eq!(wait(u32::MAX, all, 0), None);
        let day = Duration::from_hours(24);
        assert!(wait(10, day, 0) >= Some(day * 9 / 10), "it is too young");
    }
}
