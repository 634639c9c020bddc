//! The rhythm of a repository: at which hours of the week deliveries usually arrive, so that
//! unusual silence is noticed.
//!
//! It stores which of the hours of the last eight weeks had a delivery: 168 bytes. From a moment
//! on, each earlier week shows how long it took from the same moment of that week to its next
//! delivery. The longest of these waits, without an outlier, is how long silence is usual. Nothing
//! depends on the order in which deliveries are processed, and there are no fractions.
//!
//! Unusual silence says nothing about a hook: it is only a reason to ask for a test delivery.

use super::time::Timestamp;
use std::time::Duration;

/// Hours of a week.
const WEEK: i64 = 168;
/// Weeks that are stored: the present one, and seven before it.
const WEEKS: i64 = 8;
/// Hours that are stored.
const HOURS: i64 = WEEK * WEEKS;
/// The same in words of 64.
pub const WORDS: usize = 21;
/// Fewer earlier weeks say nothing.
const WEEKS_MIN: usize = 4;
/// One of so many weeks may be an exception: a holiday, or downtime of ours.
const WEEKS_FOR_OUTLIER: usize = 6;
/// A delivery may come an hour earlier or later than in other weeks.
const SLACK: i64 = 1;
const HOUR_MS: i64 = 3_600_000;

/// Shortest time between two test deliveries that are requested for a connection because of
/// unusual silence: at most two a day.
pub const QUIET_PING_PAUSE: Duration = Duration::from_hours(12);

/// The hour of a time, counted from the Unix epoch.
pub const fn hour_of(at: Timestamp) -> i64 {
    at.0.div_euclid(HOUR_MS)
}

/// The rhythm of a repository. It follows from the set of hours in which deliveries arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rhythm {
    /// The first and the newest of those hours; `None` before the first delivery.
    pub known: Option<(i64, i64)>,
    /// For each of the last hours up to the newest whether it had a delivery. The place of an hour
    /// is its number modulo the number of hours stored.
    pub hours: [u64; WORDS],
}

/// Word and bit of an hour.
fn place(hour: i64) -> (usize, u64) {
    let place = hour.rem_euclid(HOURS);
    let word = usize::try_from(place / 64).expect("less than the number of words");
    (word, 1 << (place % 64))
}

impl Rhythm {
    /// A delivery arrived in this hour. `now` is the present one, by a clock without jumps: a
    /// delivery with a later one was dated by a wrong clock, and says nothing. What such a clock
    /// has taught in an earlier run is forgotten.
    pub fn hear(&mut self, hour: i64, now: i64) {
        let present = now.saturating_add(SLACK);
        if hour > present {
            return;
        }
        if self.known.is_some_and(|(_, newest)| newest > present) {
            *self = Self::default();
        }
        let (first, newest) = self.known.unwrap_or((hour, hour));
        for passed in newest.saturating_add(1).max(hour.saturating_sub(HOURS))..=hour {
            let (word, bit) = place(passed);
            self.hours[word] &= !bit;
        }
        self.known = Some((first.min(hour), newest.max(hour)));
        if newest.saturating_sub(hour) < HOURS {
            let (word, bit) = place(hour);
            self.hours[word] |= bit;
        }
    }

    /// Whether [`Self::hear`] would change something.
    pub fn is_news(&self, hour: i64) -> bool {
        !self.has(hour)
    }

    fn has(&self, hour: i64) -> bool {
        let Some((_, newest)) = self.known else {
            return false;
        };
        let is_stored = hour <= newest && newest.saturating_sub(hour) < HOURS;
        let (word, bit) = place(hour);
        is_stored && self.hours[word] & bit != 0
    }

    /// How many hours it took from this one until one with a delivery, within a week.
    fn wait_from(&self, hour: i64) -> Option<i64> {
        (0..WEEK).find(|wait| self.has(hour.saturating_add(*wait)))
    }

    /// When silence since `since` becomes unusual; `None` where it does not, or where too few weeks
    /// are known.
    pub fn expected_by(&self, since: Timestamp) -> Option<Timestamp> {
        let (first, newest) = self.known?;
        let oldest = first.max(newest.saturating_sub(HOURS - 1));
        let begin = hour_of(since).saturating_add(1 + SLACK);
        let earlier = (1..WEEKS).map(|week| begin.saturating_sub(WEEK * week));
        let waits = earlier.filter(|hour| *hour >= oldest);
        // Never is longer than every wait.
        let mut waits: Vec<i64> = waits
            .map(|hour| self.wait_from(hour).unwrap_or(i64::MAX))
            .collect();
        if waits.len() < WEEKS_MIN {
            return None;
        }
        waits.sort_unstable();
        let outliers = waits.len() / WEEKS_FOR_OUTLIER;
        let usual = waits[waits.len() - 1 - outliers];
        let usual = Some(usual).filter(|usual| *usual < i64::MAX)?;
        let hour = begin.saturating_add(usual).saturating_add(1 + SLACK);
        Some(Timestamp(hour.saturating_mul(HOUR_MS)))
    }

    /// Whether silence from `since` to `now` is unusual.
    pub fn is_unusual(&self, since: Timestamp, now: Timestamp) -> bool {
        self.expected_by(since).is_some_and(|by| now >= by)
    }
}

#[cfg(test)]
mod tests;
