//! Times as people say them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Seconds of a minute, an hour, a day; for how long ago something was.
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// After so many days a date says more than a number.
const DAYS_MAX: i64 = 60;

/// How long before or after `now` a time of the API's is. Anything else stays as it is.
pub(in crate::cli) fn relative(text: &str, now: OffsetDateTime) -> String {
    let Ok(at) = OffsetDateTime::parse(text, &Rfc3339) else {
        return text.to_owned();
    };
    let seconds = (now - at).whole_seconds();
    let span = seconds.abs();
    let (count, unit) = match span {
        0..MINUTE => (span, "s"),
        MINUTE..HOUR => (span / MINUTE, "min"),
        HOUR..DAY => (span / HOUR, "h"),
        DAY.. if span / DAY < DAYS_MAX => (span / DAY, "d"),
        _ => return at.date().to_string(),
    };
    if seconds < 0 {
        format!("in {count} {unit}")
    } else {
        format!("{count} {unit} ago")
    }
}

/// A time of the API's to the second: a list needs no milliseconds.
pub(super) fn to_the_second(text: &str) -> String {
    match text.split_once('.') {
        Some((whole, "000Z")) => format!("{whole}Z"),
        Some((whole, rest)) if rest.len() == 4 && rest.ends_with('Z') => format!("{whole}Z"),
        Some(_) | None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_from_now_and_far_ones_as_dates() {
        let now = OffsetDateTime::parse("2026-11-28T12:00:00Z", &Rfc3339).unwrap();
        for (at, words) in [
            ("2026-11-28T11:59:55.250Z", "4 s ago"),
            ("2026-11-28T11:58:00.000Z", "2 min ago"),
            ("2026-11-28T12:05:00.000Z", "in 5 min"),
            ("2026-11-27T13:00:00.000Z", "23 h ago"),
            ("2026-11-01T12:00:00.000Z", "27 d ago"),
            ("2026-01-01T12:00:00.000Z", "2026-01-01"),
            ("soon", "soon"),
        ] {
            assert_eq!(relative(at, now), words, "{at}");
        }
        assert_eq!(
            to_the_second("2026-11-28T11:59:55.250Z"),
            "2026-11-28T11:59:55Z"
        );
        assert_eq!(to_the_second("v1.2"), "v1.2");
    }
}
