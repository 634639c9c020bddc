//! Connecting many repositories: list, plan, ask, and then one after the other.

use super::plan::{Choice, Identity, Intent, Planned, of_connection, plan};
use super::{Args, connect, words};
use crate::cli::address::route;
use crate::cli::client::Client;
use crate::cli::output::{Column, Printer};
use crate::cli::{Failed, Outcome};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal, Write};

/// How the plan is listed.
const COLUMNS: [Column; 2] = [
    Column::text("REPOSITORY", "/repository_full_name"),
    Column::text("PLAN", "/intent"),
];

pub(super) fn run(client: &Client, args: &Args, printer: Printer) -> Outcome {
    let which = &args.which;
    let choice = Choice::new(which.org.as_deref(), which.matching.as_deref())?;
    let list = route(&["repositories", &args.provider])?;
    let host = [("host", args.how.host.as_deref())];
    let repositories = client.every(&list, "items", &host)?;
    let connected = client.every("repositories/connections", "connections", &[])?;
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

fn show(plan: &[Planned], printer: Printer) {
    let lines: Vec<Value> = plan.iter().map(Planned::to_json).collect();
    printer.table(&json!({ "plan": lines }), "plan", &COLUMNS);
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
                let why = why.to_string();
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
