//! `hookherd report`: what broke, for how long, what is flaky, what took longest.

use super::address::query;
use super::failed::CommandResult;
use super::moment::Moment;
use super::output::{line, printable, text_of};
use super::session::Session;
use serde_json::Value;
use time::OffsetDateTime;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Beginning: `7d` (ago), `2026-11-28` or a time.
    #[arg(long, default_value = "7d")]
    since: Moment,
    /// End; without it, now.
    #[arg(long)]
    until: Option<Moment>,
    /// Print Markdown, for a page or a message. `--json` is stronger.
    #[arg(long)]
    markdown: bool,
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let client = session.client()?;
    let now = OffsetDateTime::now_utc();
    let until = args.until.map(|until| until.before(now));
    let since = args.since.before(now);
    let query = query(&[("since", Some(&since)), ("until", until.as_deref())]);
    let report = client.get(&format!("report{query}"))?;
    let style = if args.markdown {
        Style::Markdown
    } else {
        Style::Text
    };
    if session.printer.json {
        session.printer.record(&report);
        return Ok(());
    }
    for row in layout(&report, style) {
        line(&row);
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Text,
    Markdown,
}

impl Style {
    fn heading(self, level: usize, words: &str) -> String {
        match self {
            Self::Text => words.to_owned(),
            Self::Markdown => format!("{} {words}", "#".repeat(level)),
        }
    }

    /// A text from outside: in Markdown code, in which nothing acts.
    fn quoted(self, text: &str) -> String {
        let text = printable(text);
        if self == Self::Text {
            return text;
        }
        let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
        let fence = "`".repeat(longest + 1);
        // A blank at both ends is taken off again; one that is needed beside a backtick is added.
        let pad = if longest > 0 { " " } else { "" };
        format!("{fence}{pad}{text}{pad}{fence}")
    }

    const fn bullet(self) -> &'static str {
        match self {
            Self::Text => "  ",
            Self::Markdown => "- ",
        }
    }
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_default()
}

/// A time in its two greatest units.
fn span(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let greatest = UNITS.iter().position(|(length, _)| seconds >= *length);
    let Some(greatest) = greatest else {
        return "0 s".to_owned();
    };
    let mut rest = seconds;
    let mut words = Vec::new();
    for (length, unit) in UNITS.iter().skip(greatest).take(2) {
        let count = rest / length;
        rest %= length;
        if count > 0 {
            words.push(format!("{count} {unit}"));
        }
    }
    words.join(" ")
}

/// What broke, and where.
fn culprit(it: &Value, style: Style) -> String {
    let what = style.quoted(text_of(it, "/what"));
    let place = it["repository"].as_str().map(|name| style.quoted(name));
    let branch = it["branch"].as_str().map(|name| style.quoted(name));
    let place = place.map_or_else(String::new, |name| format!("{name}: "));
    let branch = branch.map_or_else(String::new, |name| format!(" on {name}"));
    format!("{place}{what}{branch}")
}

fn plural(count: u64, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    }
}

fn broken(it: &Value, style: Style) -> String {
    let incidents = plural(number(it, "incidents"), "incident");
    let state = if number(it, "unresolved") > 0 {
        ", still open"
    } else {
        ""
    };
    let red = span(number(it, "red_seconds"));
    format!("{}: {red}, {incidents}{state}", culprit(it, style))
}

fn flaky(it: &Value, style: Style) -> String {
    let (flaky, all) = (number(it, "flaky"), number(it, "incidents"));
    format!(
        "{}: {flaky} of {}",
        culprit(it, style),
        plural(all, "incident")
    )
}

fn slow(it: &Value, style: Style) -> String {
    let (took, id) = (span(number(it, "seconds")), text_of(it, "/incident_id"));
    format!("{}: {took} ({})", culprit(it, style), style.quoted(id))
}

fn repaired(it: &Value, style: Style) -> String {
    let name = style.quoted(text_of(it, "/repository"));
    format!("{name}: {}", plural(number(it, "repairs"), "repair"))
}

/// How an entry of a list is written.
type Entry = fn(&Value, Style) -> String;

/// The lists of a report.
const LISTS: [(&str, &str, Entry); 4] = [
    ("broken", "Broken, by time", broken),
    ("flakiest", "Flaky", flaky),
    ("slowest", "Slowest to resolve", slow),
    ("repaired", "Webhooks that needed repair", repaired),
];

fn layout(report: &Value, style: Style) -> Vec<String> {
    let (since, until) = (text_of(report, "/since"), text_of(report, "/until"));
    let mut rows = vec![style.heading(1, &format!("Report from {since} to {until}"))];
    rows.push(String::new());
    let count = |name| number(report, name);
    let mut summary = format!(
        "{} opened, {} resolved ({} flaky), {} still open.",
        plural(count("opened"), "incident"),
        count("resolved"),
        count("flaky"),
        count("unresolved"),
    );
    if let Some(median) = report["median_seconds"].as_u64() {
        summary = format!(
            "{summary} Half of them were resolved within {}.",
            span(median)
        );
    }
    rows.push(summary);
    if report["partial"] == true {
        rows.push("There was more than a report looks at: the oldest is left out.".to_owned());
    }
    for (name, title, entry) in LISTS {
        let entries = report[name].as_array().filter(|list| !list.is_empty());
        let Some(entries) = entries else { continue };
        rows.extend([String::new(), style.heading(2, title)]);
        if style == Style::Markdown {
            rows.push(String::new());
        }
        let entries = entries.iter();
        rows.extend(entries.map(|it| format!("{}{}", style.bullet(), entry(it, style))));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_told_in_two_units() {
        for (seconds, words) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_725, "1 h 2 min"),
            (3_605, "1 h"),
            (90_000, "1 d 1 h"),
            (86_400 * 400 + 59, "400 d"),
        ] {
            assert_eq!(span(seconds), words);
        }
    }

    fn report() -> Value {
        json!({
            "since": "2026-11-21T00:00:00Z", "until": "2026-11-28T00:00:00Z", "partial": false,
            "opened": 3, "resolved": 2, "unresolved": 1, "flaky": 1, "median_seconds": 600,
            "broken": [{
                "repository": "octo/app", "what": "CI", "branch": "``x`\u{1b}[31m", "incidents": 1,
                "flaky": 0, "unresolved": 1, "red_seconds": 7200,
            }],
            "flakiest": [{
                "repository": "octo/app", "what": "CI", "branch": "main", "incidents": 2,
                "flaky": 1, "unresolved": 0, "red_seconds": 60,
            }],
            "slowest": [],
            "repaired": [{ "connection_id": "con_1", "repository": "octo/app", "repairs": 2 }],
        })
    }

    #[test]
    fn a_report_is_text_for_people() {
        let rows = layout(&report(), Style::Text).join("\n");
        let expected = "\
Report from 2026-11-21T00:00:00Z to 2026-11-28T00:00:00Z

3 incidents opened, 2 resolved (1 flaky), 1 still open. Half of them were resolved within 10 min.

Broken, by time
  octo/app: CI on ``x`\\u{1b}[31m: 2 h, 1 incident, still open

Flaky
  octo/app: CI on main: 1 of 2 incidents

Webhooks that needed repair
  octo/app: 2 repairs";
        assert_eq!(rows, expected);
    }

    /// What is in a code span does nothing, and a span ends with as many backticks as it began.
    #[test]
    fn in_markdown_names_are_code() {
        let rows = layout(&report(), Style::Markdown).join("\n");
        assert!(rows.starts_with("# Report from "), "{rows}");
        assert!(rows.contains("\n## Flaky\n\n- `octo/app`: `CI` on `main`: 1 of 2 incidents"));
        assert!(rows.contains("on ``` ``x`\\u{1b}[31m ```: 2 h"), "{rows}");
    }
}
