//! When a notification is tried again: the schedule of Standard Webhooks 1.0.0, with jitter.

use crate::domain::backoff::jittered;
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

/// The wait before the next try, after `tries` failed ones; `None` when it was the last. `chance`
/// is uniform over all of `u64`.
pub fn wait(tries: u32, chance: u64) -> Option<Duration> {
    let nth = usize::try_from(tries).unwrap_or(usize::MAX);
    let wait = WAITS.get(nth.saturating_sub(1))?;
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
                let wait = wait(tries, chance).expect("it is tried again");
                assert!(wait >= expected * 9 / 10 && wait <= expected * 11 / 10);
            }
        }
        assert_eq!(wait(10, 0), None, "ten tries in all");
        assert_eq!(wait(u32::MAX, 0), None);
    }
}
