//! Connecting many repositories: list, plan, ask, and then one after the other.

use super::plan::{Choice, Identity, Intent, Planned, of_connection, plan};
use super::{Args, connect, words};
use crate::cli::client::{Client, query};
use crate::cli::output::Printer;
use crate::cli::{Failed, Outcome};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal, Write};

/// Pages of a list that are read at most: a list of a hundred thousand repositories fits.
const PAGES_MAX: usize = 2000;

pub(super) fn run(client: &Client, args: &Args, printer: Printer) -> Outcome {
    let which = &args.which;
    let choice = Choice::new(which.org.as_deref(), which.matching.as_deref())?;
    let list = format!("repositories/{}", args.provider);
    let repositories = every(client, &list, "items", args.how.host.as_deref())?;
    let connected = every(client, "repositories/connections", "connections", None)?;
    let connected: BTreeSet<Identity> = connected
        .iter()
        .filter(|connection| connection["provider"] == args.provider.as_str())
        .filter_map(of_connection)
        .collect();
    let plan = plan(&repositories, &connected, &choice);
    let new: Vec<&Planned> = plan
        .iter()
        .filter(|planned| planned.intent == Intent::Connect)
        .collect();
    if !printer.json || which.dry_run {
        show(&plan, printer);
    }
    if which.dry_run || new.is_empty() {
        if !printer.json {
            printer.say(&format!(
                "{} to connect, of {} found",
                new.len(),
                plan.len()
            ));
        }
        return Ok(());
    }
    if !which.yes && !agree(new.len())? {
        return Err(Failed::new("nothing was connected"));
    }
    carry_out(client, args, &new, printer)
}

/// All of a list, page by page.
fn every(
    client: &Client,
    path: &str,
    field: &str,
    host: Option<&str>,
) -> Result<Vec<Value>, Failed> {
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let cursor_now = cursor.as_deref();
        let pairs = [
            ("limit", Some("100")),
            ("cursor", cursor_now),
            ("host", host),
        ];
        let mut page = client.get(&format!("{path}{}", query(&pairs)))?;
        if let Some(items) = page[field].as_array_mut() {
            all.append(items);
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(all),
        }
    }
    Err(Failed::new(format!("{path} has no end")))
}

fn show(plan: &[Planned], printer: Printer) {
    let lines: Vec<Value> = plan.iter().map(Planned::to_json).collect();
    let columns = [("REPOSITORY", "/repository_full_name"), ("PLAN", "/intent")];
    printer.table(&json!({ "plan": lines }), "plan", &columns);
}

/// Asks on the terminal. Where there is none, somebody must have said so before.
fn agree(count: usize) -> Result<bool, Failed> {
    if !std::io::stdin().is_terminal() {
        let words = "this is the plan; say --yes to carry it out, or --dry-run to only see it";
        return Err(Failed::new(words));
    }
    let mut answer = String::new();
    write!(std::io::stderr(), "Connect {count} repositories? [y/N] ")?;
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// One after the other: providers ask for a pause between writes anyhow. One that fails does not
/// keep the others from their turn.
fn carry_out(client: &Client, args: &Args, new: &[&Planned], printer: Printer) -> Outcome {
    let mut results = Vec::with_capacity(new.len());
    let mut failed = 0_usize;
    for planned in new {
        let name = &planned.full_name;
        match connect(client, args, name, Some(&planned.host)) {
            Ok(connection) => {
                if !printer.json {
                    printer.say(&words(&connection));
                }
                results.push(connection);
            }
            Err(why) => {
                failed += 1;
                if !printer.json {
                    printer.say(&format!("failed {name}: {why}"));
                }
                results.push(json!({ "repository_full_name": name, "error": why }));
            }
        }
    }
    let done = format!("{} connected, {failed} failed", new.len() - failed);
    printer.words(&json!({ "results": results }), &done);
    if failed == 0 {
        Ok(())
    } else {
        Err(Failed::new(format!(
            "{failed} of {} could not be connected",
            new.len()
        )))
    }
}
