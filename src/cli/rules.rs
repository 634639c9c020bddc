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
            let answer = client.call(Method::PUT, "rules", Some(&rules))?;
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
            let answer = client.call(Method::POST, "rules/test", Some(&body))?;
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

/// The rules in a file. Sinks may have names there.
fn written(client: &Client, path: &Path) -> Result<Value, Failed> {
    let name = path.display().to_string();
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
        toml::from_str(&text).map_err(|error| failed(error.to_string()))?
    };
    let all = rules.get_mut("rules").and_then(Value::as_array_mut);
    for rule in all.into_iter().flatten() {
        let sinks = rule
            .pointer_mut("/then/sinks")
            .and_then(Value::as_array_mut);
        for sink in sinks.into_iter().flatten() {
            if let Some(named) = sink.as_str() {
                *sink = id_of(client, named)?.into();
            }
        }
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_says_which_rule_it_is_of() {
        let answer = json!({ "delay_rule": 2, "remind_rule": null });
        assert_eq!(setting(&answer, "delay", "60 s"), "60 s (rule 2)");
        assert_eq!(setting(&answer, "remind", "none"), "none (default)");
    }
}
