//! When digests are due, in zones whose clocks are put forward and back.

use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn daily(clock: (u16, u16), zone: &str) -> Schedule {
    Schedule {
        every: Every::Day,
        day: Day::Monday,
        minute: clock.0 * 60 + clock.1,
        time_zone: zone.to_owned(),
        sends_empty: false,
    }
}

fn due(schedule: &Schedule, covered_until: &str, now: &str) -> Due {
    Digest::new(schedule.clone(), at(covered_until)).due(at(now))
}

fn covering(since: &str, until: &str) -> Due {
    let (since, until) = (at(since), at(until));
    Due::Covering { since, until }
}

#[test]
fn a_daily_digest_is_due_once_at_its_hour_on_the_wall() {
    let nine = daily((9, 0), "Europe/Berlin");
    let before = "2026-11-29T08:00:00Z";
    assert_eq!(due(&nine, before, "2026-11-30T07:59:59Z"), Due::NotYet);
    let one = covering(before, "2026-11-30T08:00:00Z");
    assert_eq!(due(&nine, before, "2026-11-30T08:00:00Z"), one);
    assert_eq!(due(&nine, before, "2026-11-30T23:00:00Z"), one);
    let covered = "2026-11-30T08:00:00Z";
    assert_eq!(due(&nine, covered, "2026-11-30T08:00:01Z"), Due::NotYet);
    assert_eq!(due(&nine, covered, "2026-12-01T07:59:59Z"), Due::NotYet);
}

#[test]
fn many_missed_hours_are_one_digest_of_all_the_time_but_no_more_than_a_month() {
    let nine = daily((9, 0), "UTC");
    let late = covering("2026-11-20T09:00:00Z", "2026-11-30T09:00:00Z");
    assert_eq!(
        due(&nine, "2026-11-20T09:00:00Z", "2026-11-30T17:00:00Z"),
        late
    );
    let month = covering("2026-10-30T09:00:00Z", "2026-11-30T09:00:00Z");
    assert_eq!(
        due(&nine, "2025-01-01T00:00:00Z", "2026-11-30T17:00:00Z"),
        month
    );
}

#[test]
fn a_weekly_digest_is_due_on_its_day() {
    let monday = Schedule {
        every: Every::Week,
        ..daily((8, 30), "America/New_York")
    };
    // 2026-11-30 is a Monday.
    let before = "2026-11-23T13:30:00Z";
    assert_eq!(due(&monday, before, "2026-11-29T23:00:00Z"), Due::NotYet);
    assert_eq!(due(&monday, before, "2026-11-30T13:29:59Z"), Due::NotYet);
    let one = covering(before, "2026-11-30T13:30:00Z");
    assert_eq!(due(&monday, before, "2026-11-30T13:30:00Z"), one);
    assert_eq!(due(&monday, before, "2026-12-06T23:00:00Z"), one);
}

#[test]
fn a_clock_that_is_put_forward_or_back_makes_one_digest_a_day() {
    // On 2026-03-29, 02:30 is skipped in Berlin; on 2026-10-25 it is shown twice.
    let early = daily((2, 30), "Europe/Berlin");
    let skipped = covering("2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z");
    assert_eq!(
        due(&early, "2026-03-28T01:30:00Z", "2026-03-29T02:00:00Z"),
        skipped
    );
    assert_eq!(
        due(&early, "2026-03-29T01:30:00Z", "2026-03-29T12:00:00Z"),
        Due::NotYet
    );
    let twice = covering("2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z");
    assert_eq!(
        due(&early, "2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z"),
        twice
    );
    assert_eq!(
        due(&early, "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z"),
        Due::NotYet
    );
}

#[test]
fn what_only_a_wrong_clock_has_seen_is_not_waited_for() {
    let nine = daily((9, 0), "UTC");
    assert_eq!(
        due(&nine, "2036-11-30T09:00:00Z", "2026-11-30T12:00:00Z"),
        Due::Restart
    );
    assert_eq!(
        due(&nine, "2026-11-30T09:00:00Z", "2026-11-30T08:30:00Z"),
        Due::NotYet
    );
}

#[test]
fn only_a_real_time_in_a_real_zone_is_valid() {
    assert!(daily((23, 59), "Europe/Berlin").is_valid());
    assert!(!daily((24, 0), "Europe/Berlin").is_valid());
    assert!(!daily((9, 0), "Europe/Atlantis").is_valid());
}

#[test]
fn the_latest_notifications_are_kept() {
    let mut digest = Digest::new(daily((9, 0), "UTC"), Timestamp(0));
    for n in 0..25 {
        let time = Timestamp(i64::try_from(n).unwrap());
        digest = digest.covered(time, NotificationId::from_u128(n));
    }
    let kept: Vec<u128> = digest.kept.iter().map(|id| id.as_u128()).collect();
    assert_eq!(kept, (15..25).collect::<Vec<_>>());
    assert_eq!(digest.covered_until, Timestamp(24));
}

proptest::proptest! {
    /// Looked at at any moments, in any zone: as many digests as hours have passed, at most, and
    /// their times follow each other without a gap.
    #[test]
    fn digests_follow_each_other(
        zone in proptest::sample::select(vec![
            "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu",
            "Pacific/Apia", "Africa/Cairo",
        ]),
        minute in 0_u16..DAY_MINUTES,
        is_weekly: bool,
        steps in proptest::collection::vec(1_i64..40 * 60, 1..80),
    ) {
        let schedule = Schedule {
            every: if is_weekly { Every::Week } else { Every::Day },
            ..daily((minute / 60, minute % 60), zone)
        };
        let begun = at("2011-12-20T00:00:00Z");
        let (mut digest, mut now, mut sent) = (Digest::new(schedule, begun), begun, 0);
        for step in steps {
            now = Timestamp(now.0 + step * 60_000);
            if let Due::Covering { since, until } = digest.due(now) {
                proptest::prop_assert_eq!(since, digest.covered_until);
                proptest::prop_assert!(since < until && until <= now);
                digest = digest.covered(until, NotificationId::from_u128(1));
                sent += 1;
            }
            proptest::prop_assert_eq!(digest.due(now), Due::NotYet);
        }
        let hours = (now.0 - begun.0) / 3_600_000;
        let most = hours / if is_weekly { 24 * 6 } else { 22 } + 1;
        proptest::prop_assert!(sent <= most, "{sent} in {hours} h");
    }
}
