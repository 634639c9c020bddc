//! Quiet hours, by the clocks of several zones.

use super::*;

const HOUR: i64 = 3_600_000;

/// Milliseconds of a time in UTC.
fn utc(text: &str) -> Timestamp {
    let at: jiff::Timestamp = text.parse().expect("it is RFC 3339");
    Timestamp(at.as_millisecond())
}

fn hours(time_zone: &str, days: &[Day], from: u16, to: u16) -> QuietHours {
    QuietHours {
        time_zone: time_zone.into(),
        spans: vec![Span {
            days: days.to_vec(),
            from: from * 60,
            to: to * 60,
        }],
        passes: Some(Severity::Critical),
    }
}

fn until(quiet: &QuietHours, now: &str) -> Option<Timestamp> {
    quiet.until(Severity::Error, utc(now))
}

#[test]
fn a_night_is_quiet_by_the_clock_of_its_zone() {
    let night = hours("Europe/Berlin", &[], 22, 7);
    for (now, end) in [
        // In winter an hour ahead of UTC, in summer two.
        ("2026-01-10T20:59:59Z", None),
        ("2026-01-10T21:00:00Z", Some("2026-01-11T06:00:00Z")),
        ("2026-01-11T05:59:59.999Z", Some("2026-01-11T06:00:00Z")),
        ("2026-01-11T06:00:00Z", None),
        ("2026-07-10T19:59:00Z", None),
        ("2026-07-10T20:00:30Z", Some("2026-07-11T05:00:00Z")),
    ] {
        assert_eq!(until(&night, now), end.map(utc), "{now}");
    }
}

#[test]
fn what_is_severe_enough_passes() {
    let night = hours("UTC", &[], 22, 7);
    let now = utc("2026-01-10T23:00:00Z");
    assert_eq!(night.until(Severity::Critical, now), None);
    assert!(night.until(Severity::Error, now).is_some());
    let none = QuietHours {
        passes: None,
        ..night
    };
    assert!(none.until(Severity::Critical, now).is_some());
}

#[test]
fn a_span_belongs_to_the_day_on_which_it_begins() {
    let weekend = hours("UTC", &[Day::Friday], 22, 7);
    // The ninth of January 2026 is a Friday.
    assert!(until(&weekend, "2026-01-09T23:00:00Z").is_some());
    assert!(until(&weekend, "2026-01-10T06:59:00Z").is_some());
    assert_eq!(until(&weekend, "2026-01-10T23:00:00Z"), None);
    assert_eq!(until(&weekend, "2026-01-09T06:00:00Z"), None);
    let noon = hours("UTC", &[Day::Sunday], 12, 13);
    assert_eq!(
        until(&noon, "2026-01-11T12:30:00Z"),
        Some(utc("2026-01-11T13:00:00Z"))
    );
    assert_eq!(until(&noon, "2026-01-12T12:30:00Z"), None);
}

#[test]
fn spans_that_meet_are_one() {
    let mut quiet = hours("UTC", &[], 22, 2);
    quiet.spans.extend(hours("UTC", &[], 2, 7).spans);
    quiet.spans.extend(hours("UTC", &[], 6, 8).spans);
    let end = until(&quiet, "2026-01-10T23:00:00Z");
    assert_eq!(end, Some(utc("2026-01-11T08:00:00Z")));
}

#[test]
fn a_time_that_the_clock_skips_is_not_quiet_and_one_that_it_shows_twice_is_quiet_twice() {
    // On 29 March 2026 the clock jumps from 02:00 to 03:00: at 01:00 UTC.
    let skipped = hours("Europe/Berlin", &[], 2, 3);
    assert_eq!(until(&skipped, "2026-03-29T00:59:00Z"), None);
    assert_eq!(until(&skipped, "2026-03-29T01:00:00Z"), None);
    let around = hours("Europe/Berlin", &[], 1, 4);
    let end = until(&around, "2026-03-29T00:10:00Z");
    assert_eq!(end, Some(utc("2026-03-29T02:00:00Z")), "an hour is missing");
    // On 25 October 2026 it goes back from 03:00 to 02:00: also at 01:00 UTC.
    let twice = hours("Europe/Berlin", &[], 2, 3);
    let end = Some(utc("2026-10-25T02:00:00Z"));
    assert_eq!(until(&twice, "2026-10-25T00:00:00Z"), end);
    assert_eq!(until(&twice, "2026-10-25T01:30:00Z"), end);
    assert_eq!(until(&twice, "2026-10-25T02:00:00Z"), None);
    let half = QuietHours {
        spans: vec![Span {
            days: Vec::new(),
            from: 2 * 60,
            to: 2 * 60 + 30,
        }],
        ..twice
    };
    let first = Some(utc("2026-10-25T00:30:00Z"));
    assert_eq!(until(&half, "2026-10-25T00:10:00Z"), first);
    assert_eq!(until(&half, "2026-10-25T00:40:00Z"), None);
    let second = Some(utc("2026-10-25T01:30:00Z"));
    assert_eq!(until(&half, "2026-10-25T01:10:00Z"), second);
}

#[test]
fn what_is_always_quiet_is_asked_again_within_a_day() {
    let always = hours("Asia/Kathmandu", &[], 0, 0);
    let now = utc("2026-01-10T23:00:00Z");
    let end = always.until(Severity::Error, now).expect("it is quiet");
    assert_eq!(end.0 - now.0, 23 * HOUR);
    for far in [Timestamp(i64::MAX), Timestamp(i64::MIN), Timestamp(0)] {
        // No clock shows such a time; nothing waits for it for ever.
        let _ = always.until(Severity::Error, far);
    }
}

#[test]
fn zones_are_those_of_iana_in_any_case() {
    assert_eq!(
        zone_named("europe/berlin").as_deref(),
        Some("Europe/Berlin")
    );
    assert_eq!(zone_named("UTC").as_deref(), Some("UTC"));
    for bad in ["", "Berlin", "+01:00", "Europe/../Berlin", "CEST?"] {
        assert_eq!(zone_named(bad), None, "{bad}");
    }
}
