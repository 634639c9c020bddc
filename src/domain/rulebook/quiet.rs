//! Quiet hours: times at which sinks are not disturbed, by the clock on the wall of a time zone.

use crate::domain::incident::Severity;
use crate::domain::time::Timestamp;
use jiff::tz::TimeZone;
use std::time::Duration;

/// Most spans of quiet hours.
pub const SPANS_MAX: usize = 20;
/// Minutes of a day.
pub const DAY_MINUTES: u16 = 24 * 60;
const MINUTE_MS: i64 = 60_000;
/// The end of quiet hours is looked for so far ahead. Then it is looked for again.
const AHEAD_MINUTES: i64 = 23 * 60;

named! {
    /// A day of the week.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Day {
        /// Monday.
        Monday = "monday",
        /// Tuesday.
        Tuesday = "tuesday",
        /// Wednesday.
        Wednesday = "wednesday",
        /// Thursday.
        Thursday = "thursday",
        /// Friday.
        Friday = "friday",
        /// Saturday.
        Saturday = "saturday",
        /// Sunday.
        Sunday = "sunday",
    }
}

/// A span of quiet hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The days on which it begins; every day if there are none.
    pub days: Vec<Day>,
    /// When it begins, in minutes of the day.
    pub from: u16,
    /// When it ends, in minutes of the day; not later than it begins means on the next day.
    pub to: u16,
}

/// Quiet hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuietHours {
    /// The name of the time zone, by IANA.
    pub time_zone: String,
    /// The spans.
    pub spans: Vec<Span>,
    /// The least severity that is sent at any time; `None` if none is.
    pub passes: Option<Severity>,
}

/// The name of a time zone as IANA writes it; `None` when there is none of this name.
pub fn zone_named(name: &str) -> Option<String> {
    let zone = TimeZone::get(name).ok()?;
    zone.iana_name().map(str::to_owned)
}

/// Day of the week from 0, and minute of the day, as the clock of the zone shows them.
fn on_the_wall(zone: &TimeZone, at: Timestamp) -> Option<(usize, u16)> {
    let at = jiff::Timestamp::from_millisecond(at.0).ok()?;
    let shown = zone.to_datetime(at);
    let day = usize::try_from(shown.weekday().to_monday_zero_offset()).ok()?;
    let minutes = i32::from(shown.hour()) * 60 + i32::from(shown.minute());
    Some((day, u16::try_from(minutes).ok()?))
}

impl Span {
    fn begins_on(&self, day: usize) -> bool {
        let day = Day::ALL.get(day);
        self.days.is_empty() || day.is_some_and(|day| self.days.contains(day))
    }

    fn covers(&self, day: usize, minute: u16) -> bool {
        let before = (day + 6) % 7;
        if self.from < self.to {
            return self.begins_on(day) && (self.from..self.to).contains(&minute);
        }
        (self.begins_on(day) && minute >= self.from) || (self.begins_on(before) && minute < self.to)
    }
}

impl QuietHours {
    /// Until when what is so severe waits, at `now`; `None` if it does not wait. What lasts for
    /// longer than a day is asked again before it ends.
    pub fn until(&self, severity: Severity, now: Timestamp) -> Option<Timestamp> {
        if self.passes.is_some_and(|passes| severity >= passes) {
            return None;
        }
        let zone = TimeZone::get(&self.time_zone).ok()?;
        let is_quiet = |at| {
            let shown = on_the_wall(&zone, at);
            shown.is_some_and(|(day, minute)| self.spans.iter().any(|it| it.covers(day, minute)))
        };
        if !is_quiet(now) {
            return None;
        }
        let begun = now.0.div_euclid(MINUTE_MS);
        let minutes =
            (1..AHEAD_MINUTES).map(|more| (begun.saturating_add(more)).saturating_mul(MINUTE_MS));
        let mut moments = minutes.map(Timestamp);
        let ahead = now.plus(Duration::from_mins(AHEAD_MINUTES.unsigned_abs()));
        Some(moments.find(|at| !is_quiet(*at)).unwrap_or(ahead))
    }
}

#[cfg(test)]
mod tests;
