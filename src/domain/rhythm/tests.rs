//! Histories of deliveries, and when silence is unusual.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A Monday at midnight, in hours.
const START: i64 = 472_200;

fn at(hour: i64) -> Timestamp {
    Timestamp(hour * HOUR_MS)
}

fn heard(hours: impl IntoIterator<Item = i64>) -> Rhythm {
    let mut rhythm = Rhythm::default();
    for hour in hours {
        rhythm.hear(hour, hour);
    }
    rhythm
}

/// These hours of each of so many weeks.
fn weekly(of_week: &BTreeSet<i64>, weeks: i64) -> Vec<i64> {
    let weeks = (0..weeks).map(|week| START + week * WEEK);
    weeks
        .flat_map(|monday| of_week.iter().map(move |hour| monday + hour))
        .collect()
}

/// When a repository is pinged because of silence, looked at every half hour from `from` to `to`.
/// What arrives and the pings themselves end silence.
fn pings(hours: &[i64], from: i64, to: i64) -> Vec<Timestamp> {
    let mut rhythm = Rhythm::default();
    let mut arrivals = hours.iter().copied().peekable();
    let (mut since, mut pinged) = (at(hours[0]), Vec::new());
    for half in from * 2..to * 2 {
        let now = Timestamp(half * HOUR_MS / 2);
        while let Some(hour) = arrivals.next_if(|hour| at(*hour) <= now) {
            rhythm.hear(hour, hour_of(now));
            since = since.max(at(hour));
        }
        let is_paused = pinged
            .last()
            .is_some_and(|last| now.since(*last) < QUIET_PING_PAUSE);
        if !is_paused && rhythm.is_unusual(since, now) {
            pinged.push(now);
            since = now;
        }
    }
    pinged
}

#[test]
fn a_fresh_connection_is_never_pinged_because_of_silence() {
    let busy: Vec<i64> = (START..START + 3 * WEEK).collect();
    assert_eq!(pings(&busy, START, START + 20 * WEEK), []);
    assert_eq!(heard([START]).expected_by(at(START)), None);
    assert_eq!(Rhythm::default().expected_by(at(START)), None);
}

#[test]
fn a_daily_repository_that_goes_silent_is_pinged_a_few_hours_after_its_time() {
    let daily: Vec<i64> = (0..42).map(|day| START + day * 24 + 10).collect();
    let last = *daily.last().unwrap();
    let pinged = pings(&daily, START, last + 24 * 3);
    assert_eq!(
        pinged[0],
        at(last + 24 + 2),
        "two hours after the hour began"
    );
    assert!(pinged.len() <= 3, "{pinged:?}");
}

#[test]
fn a_busy_repository_on_workdays_is_left_alone_at_night_and_at_weekends() {
    let office: BTreeSet<i64> = (0..5)
        .flat_map(|day| (8..18).map(move |hour| day * 24 + hour))
        .collect();
    let arrivals = weekly(&office, 6);
    assert_eq!(pings(&arrivals, START, START + 6 * WEEK + 8), []);
    // On the Monday after, nothing comes.
    let morning = START + 6 * WEEK + 8;
    let pinged = pings(&arrivals, START, START + 6 * WEEK + 24);
    assert_eq!(pinged, [at(morning + 2), at(morning + 2 + 12)]);
}

#[test]
fn one_holiday_changes_nothing_and_a_long_break_ends_what_was_learned() {
    let daily: BTreeSet<i64> = (0..7).map(|day| day * 24 + 10).collect();
    let mut arrivals = weekly(&daily, 8);
    let holiday = START + 3 * WEEK + 2 * 24 + 10;
    arrivals.retain(|hour| *hour != holiday);
    // The same day five weeks later.
    let end = START + 8 * WEEK + 24 + 10;
    arrivals.extend([START + 8 * WEEK + 10, end]);
    let pinged = pings(&arrivals, START + 4 * WEEK, end + 30);
    assert_eq!(pinged, [at(end + 24 + 2)]);
    let silent = pings(&arrivals, START, end + 20 * WEEK);
    let after = silent.iter().filter(|ping| **ping > at(end + 3 * WEEK));
    assert_eq!(after.count(), 0, "silence has become usual");
}

#[test]
fn wrong_clocks_teach_nothing() {
    let daily: Vec<i64> = (0..42).map(|day| START + day * 24 + 10).collect();
    let last = *daily.last().unwrap();
    let rhythm = heard(daily);
    let mut ahead = rhythm.clone();
    ahead.hear(last + 24 * 365, last);
    assert_eq!(ahead, rhythm);
    // A whole run with a wrong clock, and then the right one.
    let mut wrong = heard([last + 24 * 365]);
    wrong.hear(last, last);
    assert_eq!(wrong, heard([last]));
    let mut behind = rhythm.clone();
    behind.hear(0, last);
    assert_eq!(behind.expected_by(at(last)), rhythm.expected_by(at(last)));
    // Time that stands still, or has gone back.
    assert!(!rhythm.is_unusual(at(last), at(last)));
    assert!(!rhythm.is_unusual(at(last), at(last - 1000)));
    assert!(!rhythm.is_unusual(Timestamp(i64::MAX), Timestamp(i64::MAX)));
    assert!(!rhythm.is_unusual(Timestamp(i64::MIN), Timestamp(i64::MIN)));
}

proptest! {
    #[test]
    fn the_order_of_deliveries_does_not_matter(
        hours in prop::collection::vec(START..START + 20 * WEEK, 1..200),
        seed: u64,
    ) {
        let now = START + 21 * WEEK;
        let mut shuffled = hours.clone();
        shuffled.sort_by_key(|hour| hour.wrapping_mul(i64::try_from(seed >> 1).unwrap() | 1));
        let (mut one, mut other) = (Rhythm::default(), Rhythm::default());
        for (a, b) in hours.iter().zip(&shuffled) {
            one.hear(*a, now);
            other.hear(*b, now);
        }
        prop_assert_eq!(&one, &other);
        let before = one.clone();
        for hour in &hours {
            prop_assert_eq!(one.is_news(*hour), *hour <= one.known.unwrap().1 - HOURS);
            one.hear(*hour, now);
        }
        prop_assert_eq!(one, before, "repetitions change nothing");
    }

    #[test]
    fn a_steady_weekly_rhythm_is_never_pinged_within_it(
        of_week in prop::collection::btree_set(0..WEEK, 1..60),
        early in prop::collection::vec(any::<bool>(), 1..40),
    ) {
        // Each may come within the hour of its time or the one before.
        let arrivals = weekly(&of_week, 10);
        let mut shifts = early.iter().cycle();
        let mut moved: Vec<i64> = arrivals
            .iter()
            .map(|hour| hour - i64::from(*shifts.next().unwrap()))
            .collect();
        moved.sort_unstable();
        let end = START + 10 * WEEK;
        prop_assert_eq!(pings(&moved, START, end), []);
        prop_assert_eq!(pings(&arrivals, START, end), []);
    }

    #[test]
    fn silence_is_noticed_within_bounded_time_and_costs_two_pings_a_day(
        of_week in prop::collection::btree_set(0..WEEK, 1..60),
    ) {
        let arrivals = weekly(&of_week, 8);
        let last = *arrivals.last().unwrap();
        let next = START + 8 * WEEK + of_week.first().unwrap();
        let pinged = pings(&arrivals, START, last + 3 * WEEK);
        // The hours next to the last delivery are slack.
        let next_usual = of_week.iter().map(|hour| START + 8 * WEEK + hour);
        let usual = next_usual.clone().find(|hour| *hour >= last + 2).unwrap_or(next + WEEK);
        prop_assert_eq!(pinged.first(), Some(&at(usual + 2)));
        for pair in pinged.windows(2) {
            prop_assert!(pair[1].since(pair[0]) >= QUIET_PING_PAUSE);
        }
    }
}
