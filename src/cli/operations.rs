//! `hookherd operations`: list, show, wait, cancel; and following one while it runs.

use super::address::route;
use super::client::{Client, Interrupts};
use super::failed::{CommandResult, Failed};
use super::list::{Listing, Part};
use super::output::{Column, text_of};
use super::progress::Progress;
use super::session::Session;
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

/// How operations are listed.
const LISTING: Listing = Listing::of("operations").with(&[
    Column::id("ID", "/id"),
    Column::text("ACTION", "/action"),
    Column::time("ASKED", "/asked_at"),
    Column::status("STATE", "/state"),
    Column::text("ENDED", "/ended"),
    Column::text("OF", "/total"),
]);
/// Wait between two looks: the first, and the longest, to which it doubles.
const LOOK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Failures that are shown.
const FAILURES_SHOWN: usize = 20;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Operations {
    /// List operations.
    List {
        #[command(flatten)]
        part: Part,
    },
    /// Show an operation: its progress, and what did not end as wanted.
    Show {
        /// The operation.
        id: String,
    },
    /// Wait for an operation, and show its progress.
    Wait {
        /// The operation.
        id: String,
    },
    /// Cancel an operation: what was not begun is left as it is.
    Cancel {
        /// The operation.
        id: String,
    },
}

pub(super) fn run(command: &Operations, session: &Session) -> CommandResult {
    let client = session.client()?;
    match command {
        Operations::List { part } => LISTING.show(session, &client, "operations", &[], part),
        Operations::Show { id } => {
            session.printer.record(&get(&client, id)?);
            Ok(())
        }
        Operations::Wait { id } => {
            let client = client.in_bulk();
            let operation = get(&client, id)?;
            follow(&client, operation, session)
        }
        Operations::Cancel { id } => {
            let path = route(&["operations", id, "cancel"])?;
            let operation = client.call(Method::POST, &path, None)?;
            let left = number(&operation, "/total") - number(&operation, "/begun");
            let words = format!("{id}: cancelled; {left} left as they are");
            session.printer.words(&operation, &words);
            Ok(())
        }
    }
}

fn get(client: &Client, id: &str) -> Result<Value, Failed> {
    client.get(&route(&["operations", id])?)
}

fn number(operation: &Value, pointer: &str) -> u64 {
    operation
        .pointer(pointer)
        .and_then(Value::as_u64)
        .unwrap_or_default()
}

/// Says that an operation was stored.
pub(super) fn begun(operation: &Value, session: &Session) {
    let (id, total) = (text_of(operation, "/id"), number(operation, "/total"));
    let words = format!(
        "{id}: {total} connections\nto see the result later: hookherd operations wait {id}"
    );
    session.printer.words(operation, &words);
}

/// Whether nothing more comes of it.
fn has_ended(operation: &Value) -> bool {
    match text_of(operation, "/state") {
        "done" => true,
        // What was begun is still counted.
        "cancelled" => number(operation, "/begun") == number(operation, "/ended"),
        _ => false,
    }
}

/// Follows an operation to its end, and reports its result. Ctrl-C leaves it running.
pub(super) fn follow(client: &Client, operation: Value, session: &Session) -> CommandResult {
    let operation = until_ended(client, operation, session)?;
    session.printer.words(&operation, &summary(&operation));
    verdict(&operation)
}

/// Shows the progress of an operation until it has ended. Ctrl-C leaves it running.
pub(super) fn until_ended(
    client: &Client,
    mut operation: Value,
    session: &Session,
) -> Result<Value, Failed> {
    let id = text_of(&operation, "/id").to_owned();
    let total = usize::try_from(number(&operation, "/total")).unwrap_or(usize::MAX);
    let progress = Progress::new(total, session.printer);
    let mut interrupts = Interrupts::new(client)?;
    let mut pause = LOOK.0;
    while !has_ended(&operation) {
        let ended = usize::try_from(number(&operation, "/ended")).unwrap_or(total);
        progress.reach(ended);
        if interrupts.during(client, pause) {
            progress.end();
            let words = format!(
                "{id} continues in the background; to follow it: hookherd operations wait {id}; \
                 to cancel it: hookherd operations cancel {id}"
            );
            return Err(Failed::new(words).coded("interrupted"));
        }
        pause = (pause * 2).min(LOOK.1);
        operation = get(client, &id)?;
    }
    progress.end();
    Ok(operation)
}

/// The outcomes of items, those that are failures last, and how often each is.
fn counts(operation: &Value) -> [(&'static str, u64); 5] {
    let names = ["applied", "unchanged", "call_failed", "failed", "gone"];
    names.map(|name| (name, number(operation, &format!("/counts/{name}"))))
}

/// The result of an operation that has ended, in one line.
pub(super) fn summary(operation: &Value) -> String {
    let (id, state) = (text_of(operation, "/id"), text_of(operation, "/state"));
    let total = number(operation, "/total");
    let counts = counts(operation);
    let parts = counts.iter().filter(|(_, count)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(name, count)| format!("{count} {}", name.replace('_', " ")))
        .collect();
    let parts = if parts.is_empty() {
        "nothing done".to_owned()
    } else {
        parts.join(", ")
    };
    format!("{id}: {state}: {parts}, of {total}")
}

/// A failure unless everything is as wanted.
pub(super) fn verdict(operation: &Value) -> CommandResult {
    let (id, total) = (text_of(operation, "/id"), number(operation, "/total"));
    let bad: u64 = counts(operation)[2..].iter().map(|(_, count)| count).sum();
    let left = total - number(operation, "/ended");
    if bad == 0 && left == 0 {
        return Ok(());
    }
    if bad == 0 {
        let words = format!("cancelled: {left} of {total} left as they are");
        return Err(Failed::new(words).coded("cancelled"));
    }
    let failures = operation["failures"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let lines = failures.iter().take(FAILURES_SHOWN).map(|failure| {
        let name = match failure["repository_full_name"].as_str() {
            Some(name) => name,
            None => text_of(failure, "/connection_id"),
        };
        let (outcome, code) = (text_of(failure, "/outcome"), text_of(failure, "/code"));
        let (outcome, message) = (outcome.replace('_', " "), text_of(failure, "/message"));
        format!("{name}: {outcome}: {message} ({code})")
    });
    let mut lines: Vec<String> = lines.collect();
    let shown = u64::try_from(lines.len()).unwrap_or_default();
    if bad > shown {
        lines.push(format!(
            "and {} more: see hookherd operations show {id}",
            bad - shown
        ));
    }
    let words = format!("{bad} of {total} did not end as wanted");
    Err(Failed::new(words)
        .coded("operation_failures")
        .among("failures", failures, lines))
}
