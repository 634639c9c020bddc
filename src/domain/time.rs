//! Points in time as plain numbers, and the interface of a clock.

use std::time::Duration;

/// A point in time: milliseconds since the Unix epoch, UTC.
///
/// Wall-clock time, for records and people. Never used to measure how long something took: the
/// wall clock may jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This point plus `duration`, saturating at the end of time.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// This point minus `duration`, saturating at the beginning of time.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// How long after `earlier` this is; zero when it is not after it (a clock that jumped back).
    pub fn since(self, earlier: Self) -> Duration {
        let ms = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }

    /// How far this and another point are apart, whichever is earlier.
    pub fn apart(self, other: Self) -> Duration {
        self.since(other).max(other.since(self))
    }
}

/// The source of the current time. The daemon uses the system clock, tests their own.
pub trait Clock: Send + Sync + 'static {
    /// The current wall-clock time.
    fn now(&self) -> Timestamp;

    /// The time that has certainly passed: irreversible steps use this and not a wall clock, which
    /// may jump. It may lag.
    fn trusted(&self) -> Timestamp {
        self.now()
    }

    /// The wall clock at the start of the program, plus the time since then: later jumps of the
    /// wall clock do not move it. It is as wrong as the clock was then.
    fn steady(&self) -> Timestamp {
        self.now()
    }

    /// The time of a new id. A store of ids makes it later than all before, also when the clock was
    /// set back: lists by id stay in order of arrival.
    fn now_for_id(&self) -> Timestamp {
        self.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumped_back_gives_zero_and_not_a_huge_duration() {
        assert_eq!(Timestamp(5).since(Timestamp(10)), Duration::ZERO);
        assert_eq!(Timestamp(10).since(Timestamp(4)), Duration::from_millis(6));
        assert_eq!(Timestamp(4).apart(Timestamp(10)), Duration::from_millis(6));
        assert_eq!(Timestamp(10).apart(Timestamp(4)), Duration::from_millis(6));
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(
            Timestamp(i64::MAX).plus(Duration::from_secs(1)),
            Timestamp(i64::MAX)
        );
        assert_eq!(
            Timestamp(i64::MIN).minus(Duration::MAX),
            Timestamp(i64::MIN)
        );
    }
}
