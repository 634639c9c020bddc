//! The world as the traits of the inner layers want it.

use crate::domain::id::Entropy;
use crate::domain::time::{Clock, Timestamp};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The system's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The system's clock, held to what has been seen: it does not go behind the time that the store
/// trusts, and what it gives for ids only goes up. While the system's clock is behind that time, it
/// passes at half its speed: what waits comes, and in the end both are the same.
#[derive(Debug, Default)]
pub struct SteadyClock {
    floor: Arc<AtomicI64>,
    /// When the system's clock was first behind, by the monotonic clock, and what was shown then.
    ahead: Mutex<Option<(Instant, Timestamp)>>,
    /// The last time that was given for an id.
    last: AtomicI64,
    /// When it was first looked at after the store set what it trusts, by both clocks.
    begun: OnceLock<(Instant, Timestamp)>,
}

impl SteadyClock {
    /// The lowest time that the clock may show, in milliseconds since 1970.
    pub fn floor(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.floor)
    }

    /// What is shown at this time of the system's clock, and so long after the program's start.
    fn shown(&self, wall: Timestamp, floor: Timestamp, at: Instant) -> Timestamp {
        let mut ahead = self.ahead.lock();
        let (since, from) = match *ahead {
            Some(ahead) => ahead,
            None if wall >= floor => return wall,
            None => *ahead.insert((at, floor)),
        };
        let slowed = from
            .plus(at.saturating_duration_since(since) / 2)
            .max(floor);
        if wall >= slowed {
            *ahead = None;
        }
        slowed.max(wall)
    }

    /// Ids that are made from now on are later than this.
    pub fn begin_ids_after(&self, newest: Timestamp) {
        self.last.fetch_max(newest.0, Ordering::Relaxed);
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let floor = self.floor.load(Ordering::Relaxed);
        let now = self.shown(SystemClock.now(), Timestamp(floor), Instant::now());
        if floor > 0 {
            self.begun.get_or_init(|| (Instant::now(), now));
        }
        now
    }

    fn steady(&self) -> Timestamp {
        let now = self.now();
        let begun = self.begun.get();
        begun.map_or(now, |(instant, at)| at.plus(instant.elapsed()))
    }

    fn trusted(&self) -> Timestamp {
        Timestamp(self.floor.load(Ordering::Relaxed))
    }

    fn now_for_id(&self) -> Timestamp {
        let now = self.now().0;
        let next = |last: i64| now.max(last.saturating_add(1));
        let order = Ordering::Relaxed;
        let before = self
            .last
            .fetch_update(order, order, |last| Some(next(last)));
        Timestamp(next(before.unwrap_or_else(|last| last)))
    }
}

/// A generator that is fit for keys, seeded by the system.
#[derive(Clone, Copy, Debug)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        rand::fill(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::DeliveryId;
    use std::time::Duration;

    #[test]
    fn ids_are_in_order_of_arrival_whatever_the_clock_does() {
        let clock = SteadyClock::default();
        let now = clock.now();
        // A record was made while the clock was ahead.
        clock.begin_ids_after(Timestamp(now.0 + 200 * 24 * 3_600_000));
        let made = (0..1000).map(|_| DeliveryId::generate(clock.now_for_id(), &SystemEntropy));
        let made: Vec<_> = made.collect();
        assert!(made.is_sorted_by(|a, b| a < b));
        assert!(made[0].created_at().0 > now.0 + 200 * 24 * 3_600_000);
        assert!(
            clock.now() < made[0].created_at(),
            "what people read is right"
        );
    }

    #[test]
    fn a_clock_that_was_set_back_passes_slowly_until_the_time_is_right() {
        let clock = SteadyClock::default();
        let (start, floor) = (Instant::now(), Timestamp(1_700_000_000_000));
        let minute = Duration::from_mins(1);
        let shown = |minutes: u32, wall: Timestamp| {
            let at = clock.shown(wall, floor, start + minutes * minute);
            (at.0 - floor.0) / 60_000
        };
        // It was an hour ahead until the start, and is right from then on.
        let wall = |minutes: u32| floor.minus(60 * minute).plus(minutes * minute);
        let right = [0, 1, 2, 60, 118, 119, 120, 121, 500].map(|m| (m, shown(m, wall(m))));
        let expected = [
            (0, 0),
            (1, 0),
            (2, 1),
            (60, 30),
            (118, 59),
            (119, 59),
            (120, 60),
            (121, 61),
            (500, 440),
        ];
        assert_eq!(right, expected);
        // Set back once more, and forward.
        assert_eq!(shown(501, wall(1)), 0, "what the store trusts");
        assert_eq!([shown(511, wall(11)), shown(512, wall(4000))], [5, 3940]);
        assert_eq!(shown(513, wall(4001)), 3941);
    }

    #[test]
    fn a_clock_that_goes_back_stays_where_it_was() {
        let clock = SteadyClock::default();
        let trusted = SystemClock.now().0 + 20 * 365 * 24 * 3_600_000;
        clock.floor().store(trusted, Ordering::Relaxed);
        assert_eq!(clock.now(), Timestamp(trusted));
        assert_eq!(clock.trusted(), Timestamp(trusted));
        // And one that jumps ahead is not believed where that could not be taken back.
        clock.floor().store(7, Ordering::Relaxed);
        assert!(clock.now().0 > 7 && clock.trusted() == Timestamp(7));
        // What has passed since the start goes on from where it was.
        let after = clock.steady();
        assert!(after.since(Timestamp(trusted)) < Duration::from_mins(1));
        assert!(after >= Timestamp(trusted) && clock.steady() >= after);
    }
}
