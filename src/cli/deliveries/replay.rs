//! `hookherd deliveries replay`: one delivery, or all that filters select, the oldest first.

use super::which::Which;
use crate::cli::address::route;
use crate::cli::client::{Client, List};
use crate::cli::each::{Words, each};
use crate::cli::failed::{CommandResult, Failed};
use crate::cli::output::{Printer, text_of};
use reqwest::Method;
use serde_json::{Value, json};
use std::io::IsTerminal;

/// Most deliveries that one command replays.
const COUNT_MAX: usize = 10_000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The deliveries. Without any, the filters select them.
    ids: Vec<String>,
    #[command(flatten)]
    which: Which,
    /// Only show what would change.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation.
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(args: &Args, client: &Client, printer: Printer) -> CommandResult {
    let (ids, is_selected) = chosen(args, client)?;
    if ids.is_empty() {
        let none = json!({ "results": [] });
        printer.words(&none, "no delivery fits");
        return Ok(());
    }
    if is_selected && !args.dry_run && !args.yes && !agree(ids.len())? {
        return Err(Failed::new("nothing replayed"));
    }
    if let ([id], false) = (ids.as_slice(), is_selected) {
        let answer = replay(client, id, args.dry_run)?;
        printer.words(&answer, &told(id, &answer, args.dry_run));
        return Ok(());
    }
    let words = Words {
        field: "delivery_id",
        done: if args.dry_run {
            "looked at"
        } else {
            "replayed"
        },
        failed: "failed",
    };
    each(&ids, (&words, printer), String::as_str, |id| {
        let answer = replay(client, id, args.dry_run)?;
        let line = told(id, &answer, args.dry_run);
        Ok((answer, line))
    })
}

/// The ids, oldest first; and whether filters have selected them.
fn chosen(args: &Args, client: &Client) -> Result<(Vec<String>, bool), Failed> {
    let wanted = args.which.wanted(client)?;
    let filters = wanted.filters();
    let is_narrowed = filters.iter().any(|(_, value)| value.is_some());
    match (args.ids.as_slice(), is_narrowed) {
        ([], false) => {
            let words = "name the deliveries, or select them with a filter such as \
                         --outcome dead_letter";
            return Err(Failed::new(words).coded("usage"));
        }
        (ids @ [_, ..], false) => return Ok((ids.to_vec(), false)),
        ([_, ..], true) => {
            let words = "give ids or filters, not both";
            return Err(Failed::new(words).coded("usage"));
        }
        ([], true) => {}
    }
    let list = List {
        path: "deliveries",
        field: "items",
        filters: &filters,
        cursor: None,
        limit: COUNT_MAX,
    };
    let mut ids = Vec::new();
    let rest = client.pages(&list, |items| {
        ids.extend(items.iter().map(|item| text_of(item, "/id").to_owned()));
    })?;
    if rest["next_cursor"].is_string() {
        let words = format!("more than {COUNT_MAX} deliveries fit: narrow the filters");
        return Err(Failed::new(words));
    }
    ids.reverse();
    Ok((ids, true))
}

/// Asks on the terminal. Without one, `--yes` is needed.
fn agree(count: usize) -> Result<bool, Failed> {
    if !std::io::stdin().is_terminal() {
        let words = format!(
            "use --yes to replay these {count} deliveries, or --dry-run to see what would change"
        );
        return Err(Failed::new(words));
    }
    let ask = dialoguer::Confirm::new().with_prompt(format!("Replay {count} deliveries?"));
    Ok(ask.default(false).interact()?)
}

fn replay(client: &Client, id: &str, is_dry: bool) -> Result<Value, Failed> {
    let query = if is_dry { "?dry_run=true" } else { "" };
    let path = format!("{}{query}", route(&["deliveries", id, "replay"])?);
    client.call(Method::POST, &path, None)
}

/// What was done with a delivery, or would be.
fn told(id: &str, answer: &Value, is_dry: bool) -> String {
    if !is_dry {
        return format!("{id} queued for reprocessing");
    }
    let mut words = vec![format!("{id}: {}", text_of(answer, "/outcome"))];
    words.extend(answer["reason"].as_str().map(str::to_owned));
    for run in answer["runs"].as_array().into_iter().flatten() {
        let (name, number) = (text_of(run, "/workflow_name"), &run["run_number"]);
        let verb = if run["id"].is_null() { "add" } else { "change" };
        words.push(format!("would {verb} run {name} #{number}"));
    }
    for incident in answer["incidents"].as_array().into_iter().flatten() {
        let title = text_of(incident, "/title");
        let then = text_of(incident, "/status");
        words.push(match incident["status_before"].as_str() {
            None => format!("would open an incident ({then}): {title}"),
            Some(now) if now == then => format!("would update an incident ({then}): {title}"),
            Some(now) => format!("would change an incident from {now} to {then}: {title}"),
        });
    }
    if words.len() == 1 {
        words.push("would change nothing".to_owned());
    }
    words.join("; ")
}
