//! The wait before the next attempt: exponential growth with a cap and jitter.

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff as _;
use std::time::Duration;

/// After so many attempts the ceiling is the cap, whatever it is.
const ATTEMPTS_MAX: u32 = 64;

/// Shape of a backoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Ceiling of the first wait.
    pub initial: Duration,
    /// Ceiling of every wait.
    pub cap: Duration,
}

impl Backoff {
    /// The wait before attempt `attempt` (1 is the first repetition). `chance` is uniform over all
    /// of `u64`.
    ///
    /// "Equal jitter": half of the ceiling is fixed, half is random, so that many retries spread
    /// out and none is immediate.
    pub fn wait(&self, attempt: u32, chance: u64) -> Duration {
        // Without randomness and without a limit of time, only the arguments decide.
        let mut ceilings = ExponentialBackoffBuilder::new()
            .with_initial_interval(self.initial)
            .with_max_interval(self.cap)
            .with_multiplier(2.0)
            .with_randomization_factor(0.0)
            .with_max_elapsed_time(None)
            .build();
        for _ in 1..attempt.min(ATTEMPTS_MAX) {
            let _ = ceilings.next_backoff();
        }
        let ceiling = ceilings.current_interval.min(self.cap);
        let half = ceiling / 2;
        half + scale(ceiling.saturating_sub(half), chance)
    }
}

/// `span` times a uniform fraction of one.
pub fn scale(span: Duration, chance: u64) -> Duration {
    let nanos = (span.as_nanos() * u128::from(chance)) >> 64;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// `interval` changed by up to a tenth either way, so that timers set together drift apart.
pub fn jittered(interval: Duration, chance: u64) -> Duration {
    let tenth = interval / 10;
    interval.saturating_sub(tenth) + scale(tenth * 2, chance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BACKOFF: Backoff = Backoff {
        initial: Duration::from_secs(1),
        cap: Duration::from_hours(1),
    };

    proptest! {
        #[test]
        fn a_wait_is_between_half_the_ceiling_and_the_ceiling(attempt: u32, chance: u64) {
            let wait = BACKOFF.wait(attempt, chance);
            let highest = BACKOFF.wait(attempt, u64::MAX);
            prop_assert!(wait <= BACKOFF.cap && wait >= Duration::from_millis(500));
            prop_assert!(wait * 2 + Duration::from_nanos(2) >= highest);
        }

        #[test]
        fn jitter_stays_within_a_tenth(ms in 1_u64..10_000_000, chance: u64) {
            let interval = Duration::from_millis(ms);
            let got = jittered(interval, chance);
            prop_assert!(got >= interval * 9 / 10 && got <= interval * 11 / 10);
        }
    }

    #[test]
    fn waits_double_up_to_the_cap() {
        let ceilings: Vec<u128> = (1..15)
            .map(|a| (BACKOFF.wait(a, u64::MAX).as_millis() + 500) / 1000)
            .collect();
        assert_eq!(ceilings[..4], [1, 2, 4, 8]);
        assert_eq!(ceilings[13], 3600);
    }
}
