//! Digests: when a sink is due for a report of what broke.

use crate::domain::id::NotificationId;
use crate::domain::rulebook::quiet::{DAY_MINUTES, Day, zone_named};
use crate::domain::time::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};
use std::time::Duration;

/// Longest time that a digest reports.
pub const COVERS_MAX: Duration = Duration::from_hours(31 * 24);
/// Digests of a sink that are kept.
pub const KEPT_MAX: usize = 10;
/// What is later than now by more than this is of a time at which the clock was wrong.
const CLOCK_ERROR_MIN: Duration = Duration::from_hours(1);

named! {
    /// How often a digest is sent.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Every {
        /// Every day.
        Day = "daily",
        /// Once a week.
        Week = "weekly",
    }
}

/// When a digest is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// How often.
    pub every: Every,
    /// The day of a weekly one.
    pub day: Day,
    /// The minute of the day.
    pub minute: u16,
    /// The name of the time zone, by IANA.
    pub time_zone: String,
    /// Whether it is sent also when there is nothing to say.
    pub sends_empty: bool,
}

/// The digest of a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// When it is sent.
    pub schedule: Schedule,
    /// The end of the time that was last reported, or when the schedule was set.
    pub covered_until: Timestamp,
    /// Its latest notifications, the oldest first: others are deleted.
    pub kept: Vec<NotificationId>,
}

/// What is to be done about a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    NotYet,
    /// One of this time is to be sent.
    Covering {
        /// Its beginning.
        since: Timestamp,
        /// Its end.
        until: Timestamp,
    },
    /// What was reported has an end that only a wrong clock has seen: it counts from now.
    Restart,
}

impl Schedule {
    /// Whether there is such a time of the day, and such a zone.
    pub fn is_valid(&self) -> bool {
        self.minute < DAY_MINUTES && zone_named(&self.time_zone).is_some()
    }

    fn is_on(&self, date: Date) -> bool {
        let day = usize::try_from(date.weekday().to_monday_zero_offset()).ok();
        let day = day.and_then(|day| Day::ALL.get(day));
        self.every == Every::Day || day == Some(&self.day)
    }

    /// The last time of the schedule that is not after `now`. A time that the clock skips is as
    /// much later as it skips; of one that it shows twice, the first counts.
    fn last(&self, now: Timestamp) -> Option<Timestamp> {
        let zone = TimeZone::get(&self.time_zone).ok()?;
        let shown = zone.to_datetime(jiff::Timestamp::from_millisecond(now.0).ok()?);
        let (hour, minute) = (self.minute / 60, self.minute % 60);
        let time = Time::new(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0).ok()?;
        // A week and a day: the time of today may be still to come.
        (0..=8).find_map(|back| {
            let before: Span = i32::days(back);
            let date = shown.date().checked_sub(before).ok()?;
            let at = zone.to_ambiguous_timestamp(date.to_datetime(time));
            let at = Timestamp(at.compatible().ok()?.as_millisecond());
            (self.is_on(date) && at <= now).then_some(at)
        })
    }
}

impl Digest {
    /// One that reports from now on.
    pub const fn new(schedule: Schedule, now: Timestamp) -> Self {
        Self {
            schedule,
            covered_until: now,
            kept: Vec::new(),
        }
    }

    /// The same with this schedule.
    #[must_use]
    pub fn with(self, schedule: Schedule) -> Self {
        Self { schedule, ..self }
    }

    /// What is to be done.
    pub fn due(&self, now: Timestamp) -> Due {
        if self.covered_until.since(now) > CLOCK_ERROR_MIN {
            return Due::Restart;
        }
        match self.schedule.last(now) {
            Some(until) if until > self.covered_until => Due::Covering {
                since: self.covered_until.max(until.minus(COVERS_MAX)),
                until,
            },
            Some(_) | None => Due::NotYet,
        }
    }

    /// The same after a notification was planned for the time until then.
    #[must_use]
    pub fn covered(mut self, until: Timestamp, by: NotificationId) -> Self {
        self.covered_until = until;
        self.kept.push(by);
        let old = self.kept.len().saturating_sub(KEPT_MAX);
        self.kept.drain(..old);
        self
    }
}

#[cfg(test)]
mod tests;
