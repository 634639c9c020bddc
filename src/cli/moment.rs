//! Points in time as people give them: how long ago, a date, or a date and a time.

use std::str::FromStr;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What is understood.
const EXPECTED: &str = "expected a duration such as 2h (ago), a date such as 2026-11-28 (UTC), or \
                        a time such as 2026-11-28T14:30:00Z";

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// So long ago.
    Ago(Duration),
    /// Then.
    At(OffsetDateTime),
}

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Ok(ago) = humantime::parse_duration(text) {
            return Ok(Self::Ago(ago));
        }
        let whole = format!("{text}T00:00:00Z");
        let at = OffsetDateTime::parse(text, &Rfc3339);
        at.or_else(|_| OffsetDateTime::parse(&whole, &Rfc3339))
            .map(Self::At)
            .map_err(|_| EXPECTED)
    }
}

impl Moment {
    /// In the API's words, as seen from `now`. A time before the year 0 is that year's begin.
    pub(super) fn before(self, now: OffsetDateTime) -> String {
        let at = match self {
            Self::Ago(ago) => time::Duration::try_from(ago)
                .ok()
                .and_then(|ago| now.checked_sub(ago))
                .unwrap_or(OffsetDateTime::UNIX_EPOCH),
            Self::At(at) => at,
        };
        let utc = at.to_offset(time::UtcOffset::UTC);
        utc.format(&Rfc3339)
            .unwrap_or_else(|_| "1970-01-01T00:00:00Z".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_understood_as_people_give_them() {
        let now = OffsetDateTime::parse("2026-11-28T12:00:00Z", &Rfc3339).unwrap();
        for (text, at) in [
            ("2h", "2026-11-28T10:00:00Z"),
            ("1d 1h", "2026-11-27T11:00:00Z"),
            (" 90s ", "2026-11-28T11:58:30Z"),
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("2026-11-01T10:00:00Z", "2026-11-01T10:00:00Z"),
            ("2026-11-01T10:00:00+02:00", "2026-11-01T08:00:00Z"),
            ("500000years", "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(text.parse::<Moment>().unwrap().before(now), at, "{text}");
        }
        for wrong in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-11-01 10:00",
            "-2h",
            "5",
        ] {
            assert!(wrong.parse::<Moment>().is_err(), "{wrong}");
        }
    }
}
