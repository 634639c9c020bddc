//! Digests: what broke in a time, in a few lines for people.

use super::card::{Card, bounded, lines};
use super::deliver::DigestMessage;
use crate::domain::incident::Severity;
use crate::domain::notification::NotificationKind;
use crate::domain::report::{Broken, Culprit, Repaired, Report, Slow};
use crate::domain::time::Timestamp;
use jiff::tz::TimeZone;
use std::time::Duration;

/// Most lines of the first list, and of each other one.
const BROKEN_MAX: usize = 6;
const OTHERS_MAX: usize = 3;
/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 60;

impl DigestMessage {
    /// Its card.
    pub(super) fn card(&self) -> Card {
        Card {
            kind: NotificationKind::Digest,
            severity: Severity::Warning,
            title: self.title(),
            facts: Vec::new(),
            text: lines(&self.text()),
            link: None,
        }
    }

    /// The time that it is about.
    pub(super) fn title(&self) -> String {
        let zone = TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC);
        let shown = |at: Timestamp| {
            let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
            let shown = zone.to_datetime(at);
            shown.strftime("%Y-%m-%d %H:%M").to_string()
        };
        let (since, until) = (shown(self.report.since), shown(self.report.until));
        format!("{since} to {until} ({})", self.time_zone)
    }

    fn text(&self) -> String {
        let report = &self.report;
        let mut text = summary(report);
        if self.is_partial {
            text.push_str("\nThere was more than a report looks at: the oldest is left out.");
        }
        let broken = report.broken.iter().take(BROKEN_MAX).map(broken);
        let flaky = report.flaking.iter().take(OTHERS_MAX).map(flaky);
        let slow = report.slowest.iter().take(OTHERS_MAX).map(slow);
        let repaired = report.repaired.iter().take(OTHERS_MAX).map(repaired);
        for (heading, entries) in [
            ("Broken, by time", broken.collect::<Vec<_>>()),
            ("Flaky", flaky.collect()),
            ("Slowest to resolve", slow.collect()),
            ("Webhooks that needed repair", repaired.collect()),
        ] {
            if !entries.is_empty() {
                text = format!("{text}\n\n{heading}\n{}", entries.join("\n"));
            }
        }
        text
    }
}

fn plural(count: u32, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    }
}

fn summary(report: &Report) -> String {
    let words = format!(
        "{} opened, {} resolved ({} flaky), {} still open.",
        plural(report.opened, "incident"),
        report.resolved,
        report.flaky,
        report.unresolved,
    );
    match report.median {
        Some(median) => format!(
            "{words} Half of them were resolved within {}.",
            span(median)
        ),
        None => words,
    }
}

/// A time in its two greatest units.
fn span(time: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = time.as_secs();
    let mut words = Vec::new();
    for (length, unit) in UNITS {
        let count = rest / length;
        rest %= length;
        if count > 0 {
            words.push(format!("{count} {unit}"));
        }
    }
    words.truncate(2);
    if words.is_empty() {
        return "0 s".to_owned();
    }
    words.join(" ")
}

fn name(text: &str) -> String {
    bounded(text, NAME_BYTES_MAX).unwrap_or_else(|| "(no name)".to_owned())
}

fn culprit(it: &Culprit) -> String {
    let place = it.repository.as_deref().map(name);
    let place = place.map_or_else(String::new, |name| format!("{name}: "));
    let branch = it.branch.as_deref().map(name);
    let branch = branch.map_or_else(String::new, |name| format!(" on {name}"));
    format!("{place}{}{branch}", name(&it.what))
}

fn broken(it: &Broken) -> String {
    let state = if it.unresolved > 0 {
        ", still open"
    } else {
        ""
    };
    let incidents = plural(it.incidents, "incident");
    let red = span(it.red);
    format!("{}: {red}, {incidents}{state}", culprit(&it.culprit))
}

fn flaky(it: &Broken) -> String {
    let all = plural(it.incidents, "incident");
    format!("{}: {} of {all}", culprit(&it.culprit), it.flaky)
}

fn slow(it: &Slow) -> String {
    format!("{}: {}", culprit(&it.culprit), span(it.took))
}

fn repaired(it: &Repaired) -> String {
    let repairs = plural(it.repairs, "repair");
    format!("{}: {repairs}", name(&it.repository))
}
