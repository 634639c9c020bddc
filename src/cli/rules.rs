//! `hookherd rules`: who is notified of what, how soon, and how severe it counts.

use super::client::Client;
use super::failed::{CommandResult, Failed};
use super::output::{Column, Printer, line, pretty, printable};
use super::session::Session;
use super::sinks::id_of;
use crate::domain::id::RunId;
use reqwest::Method;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest file: as large as a request may be.
const BYTES_MAX: u64 = 256 * 1024;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Rules {
    /// Show your rules as a document that `set` takes.
    Show,
    /// Replace your rules by those in a file. A `version` in it has to be the stored one.
    Set {
        /// The file, in TOML or JSON; `-` reads standard input.
        file: PathBuf,
    },
    /// Show which rules apply to an incident or a run, why others do not, and what would be sent.
    Test {
        /// The id of an incident or a run.
        id: String,
        /// Try the rules in this file instead of the stored ones.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// How rules are listed.
const RULES: [Column; 4] = [
    Column::text("RULE", "/number"),
    Column::text("NAME", "/name"),
    Column::text("APPLIES", "/applies"),
    Column::text("CONDITION NOT MET", "/mismatch"),
];

/// How sinks are listed.
const SINKS: [Column; 4] = [
    Column::text("SINK", "/name"),
    Column::id("ID", "/id"),
    Column::text("NOTIFIED", "/notified"),
    Column::text("REASON", "/reason"),
];

pub(super) fn run(command: &Rules, session: &Session) -> CommandResult {
    let (client, printer) = (session.client()?, session.printer);
    match command {
        // A document for files, also without `--json`.
        Rules::Show => line(&pretty(&client.get("rules")?)),
        Rules::Set { file } => {
            let rules = written(&client, file)?;
            let answer = client.call(Method::PUT, "rules", Some(&rules));
            let answer = answer.map_err(|failed| of_file(failed, file, &rules))?;
            let count = answer["rules"].as_array().map_or(0, Vec::len);
            let version = &answer["version"];
            printer.words(&answer, &format!("set {count} rules, version {version}"));
        }
        Rules::Test { id, file } => {
            let subject = if id.parse::<RunId>().is_ok() {
                "run_id"
            } else {
                "incident_id"
            };
            let mut body = json!({ subject: id });
            if let Some(file) = file {
                body["rules"] = written(&client, file)?;
            }
            let answer = client.call(Method::POST, "rules/test", Some(&body));
            let answer = answer.map_err(|failed| match file {
                Some(file) => of_file(failed, file, &body["rules"]),
                None => failed,
            })?;
            tell(printer, &answer);
        }
    }
    Ok(())
}

/// A setting, and the rule that it is of.
fn setting(answer: &Value, name: &str, value: &str) -> String {
    match &answer[format!("{name}_rule")] {
        Value::Number(rule) => format!("{value} (rule {rule})"),
        _ => format!("{value} (default)"),
    }
}

fn tell(printer: Printer, answer: &Value) {
    if printer.json {
        return line(&pretty(answer));
    }
    printer.table(answer, "rules", &RULES);
    line("");
    printer.table(answer, "sinks", &SINKS);
    line("");
    let seconds = |name: &str, none: &str| match &answer[name] {
        Value::Number(seconds) => format!("{seconds} s"),
        _ => none.to_owned(),
    };
    let text = |name: &str, none: &str| answer[name].as_str().unwrap_or(none).to_owned();
    let severity = text("severity", "-");
    let mut lines = vec![
        format!("Severity:    {}", setting(answer, "severity", &severity)),
        format!(
            "Sent after:  {}",
            setting(answer, "delay", &seconds("delay_seconds", "-"))
        ),
        format!(
            "Reminders:   {}",
            setting(answer, "remind", &seconds("remind_seconds", "none"))
        ),
        format!("Quiet until: {}", text("quiet_until", "not quiet now")),
    ];
    if let Some(why) = answer["no_incident"].as_str() {
        lines.push(format!("No incident: {why}"));
    }
    for row in lines {
        line(&printable(&row));
    }
}

/// Words that begin with a place in a document, with the rule as people count and name it:
/// `rules[1].then` is `rule 2 (nightly), then`. `None` when they begin with no such place.
fn with_rule(words: &str, document: &Value) -> Option<String> {
    // In the body of a test, the document is a part.
    let words = words.strip_prefix("rules.").unwrap_or(words);
    let (list, what) = match words.split_once('[')?.0 {
        "rules" => ("rules", "rule"),
        "opening" => ("opening", "opening rule"),
        // Others have no lists of rules.
        place if place.starts_with("quiet_hours") => return Some(words.to_owned()),
        _ => return None,
    };
    let (number, rest) = words[list.len() + 1..].split_once(']')?;
    let number: usize = number.parse().ok()?;
    let name = document[list][number]["name"].as_str();
    let name = name.filter(|name| !name.is_empty());
    let name = name.map_or_else(String::new, |name| format!(" ({name})"));
    let rest = match rest.strip_prefix('.') {
        Some(field) => format!(", {field}"),
        None => rest.to_owned(),
    };
    Some(format!("{what} {}{name}{rest}", number + 1))
}

/// The name of a file, for people.
fn shown(path: &Path) -> String {
    if path == Path::new("-") {
        return "standard input".to_owned();
    }
    path.display().to_string()
}

/// A refusal of what a file says names the file and the rule.
fn of_file(failed: Failed, path: &Path, document: &Value) -> Failed {
    const ABOUT_THE_BODY: [&str; 4] = ["bad_json", "unknown_field", "invalid_field", "rules_unfit"];
    if !failed
        .code()
        .is_some_and(|code| ABOUT_THE_BODY.contains(&code))
    {
        return failed;
    }
    let file = shown(path);
    failed.reworded(|words| {
        let named = with_rule(words, document);
        let words = named.as_deref().unwrap_or(words);
        format!("{file}: {words}")
    })
}

/// Why a text is no TOML, and where: its line and its column, from 1.
fn unparsed(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    format!("line {line}, column {column}: {}", error.message())
}

/// The rules in a file. Sinks may have names there.
fn written(client: &Client, path: &Path) -> Result<Value, Failed> {
    let name = shown(path);
    let failed = |why: String| Failed::new(format!("{name}: {why}")).coded("bad_file");
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(BYTES_MAX + 1)
            .read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path);
        file.and_then(|file| file.take(BYTES_MAX + 1).read_to_string(&mut text))
    };
    read.map_err(|error| failed(error.to_string()))?;
    if text.len() as u64 > BYTES_MAX {
        return Err(failed("larger than 256 KiB".to_owned()));
    }
    let mut rules: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?
    } else {
        toml::from_str(&text).map_err(|error| failed(unparsed(&text, &error)))?
    };
    let document = rules.clone();
    let all = rules.get_mut("rules").and_then(Value::as_array_mut);
    for (nth, rule) in all.into_iter().flatten().enumerate() {
        let sinks = rule
            .pointer_mut("/then/sinks")
            .and_then(Value::as_array_mut);
        for sink in sinks.into_iter().flatten() {
            if let Some(named) = sink.as_str() {
                let id = id_of(client, named).map_err(|failed| {
                    let at = format!("rules[{nth}].then.sinks: ");
                    let at = with_rule(&at, &document).unwrap_or(at);
                    failed.reworded(|words| format!("{name}: {at}{words}"))
                });
                *sink = id?.into();
            }
        }
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_rule_as_people_count_and_name_it() {
        let document = json!({ "rules": [{ "name": "main" }, {}], "opening": [{}] });
        for (words, expected) in [
            (
                "rules[0]: missing field `then`.",
                Some("rule 1 (main): missing field `then`."),
            ),
            (
                "rules[1].then.delay_seconds: expected x.",
                Some("rule 2, then.delay_seconds: expected x."),
            ),
            (
                "rules.rules[0].when.branches[3]: expected x.",
                Some("rule 1 (main), when.branches[3]: expected x."),
            ),
            (
                "opening[0].branches: expected x.",
                Some("opening rule 1, branches: expected x."),
            ),
            (
                "rules.quiet_hours.spans[0].from: expected x.",
                Some("quiet_hours.spans[0].from: expected x."),
            ),
            ("unknown field `rule`.", None),
            ("rules[9999999999999999999999].x", None),
        ] {
            assert_eq!(with_rule(words, &document).as_deref(), expected, "{words}");
        }
    }

    #[test]
    fn an_error_of_the_parser_is_one_line_with_its_place() {
        for (text, at) in [
            ("a = 1\nb = \n", "line 2, column 5: "),
            ("a = 1\n[[rules]\n", "line 2, column 9: "),
            ("\"\u{e9}\" = x", "line 1, column 7: "),
            ("a = 1\na = 2", "line 2, column 1: "),
        ] {
            let error = toml::from_str::<toml::Table>(text).unwrap_err();
            let said = unparsed(text, &error);
            assert!(said.starts_with(at) && !said.contains('\n'), "{said}");
        }
    }

    #[test]
    fn a_setting_says_which_rule_it_is_of() {
        let answer = json!({ "delay_rule": 2, "remind_rule": null });
        assert_eq!(setting(&answer, "delay", "60 s"), "60 s (rule 2)");
        assert_eq!(setting(&answer, "remind", "none"), "none (default)");
    }
}
