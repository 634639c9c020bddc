//! Connecting many repositories: list, plan, ask, and then one after the other.

use super::args::{Args, connect, words};
use super::plan::{Choice, Identity, Intent, Planned, of_connection, plan};
use crate::cli::address::route;
use crate::cli::client::Client;
use crate::cli::confirm::agree;
use crate::cli::each::{Words, each};
use crate::cli::failed::{CommandResult, Failed};
use crate::cli::output::{Column, Printer};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How the plan is listed.
const COLUMNS: [Column; 2] = [
    Column::text("REPOSITORY", "/repository_full_name"),
    Column::text("PLAN", "/intent"),
];
/// Owners that are named when none is the one that was asked for.
const OWNERS_SHOWN: usize = 10;

pub(super) fn run(client: &Client, args: &Args, printer: Printer) -> CommandResult {
    let which = &args.which;
    let org = which.org.as_deref().map(|org| org.trim().trim_matches('/'));
    let choice = Choice::new(org, which.matching.as_deref())?;
    let provider = args.provider.as_str();
    let list = route(&["repositories", provider])?;
    let wanted = [("host", args.how.host.as_deref()), ("owner", org)];
    let repositories = match client.every(&list, "items", &wanted) {
        Err(failed) if failed.code() == Some("owner_not_found") => {
            let all = client.every(&list, "items", &wanted[..1])?;
            return Err(among_owners(failed, &all));
        }
        listed => listed?,
    };
    let filters = [("provider", Some(provider))];
    let connected = client.every("repositories/connections", "connections", &filters)?;
    let connected: BTreeSet<Identity> = connected.iter().filter_map(of_connection).collect();
    let plan = plan(&repositories, &connected, &choice);
    if plan.is_empty() {
        let all = match org {
            Some(_) => client.every(&list, "items", &wanted[..1])?,
            None => repositories,
        };
        return Err(nothing(args, &all));
    }
    let new: Vec<&Planned> = plan
        .iter()
        .filter(|planned| planned.intent == Intent::Connect)
        .collect();
    if !printer.json || which.dry_run {
        show(&plan, printer);
    }
    if which.dry_run || new.is_empty() {
        if !printer.json {
            let (new, found) = (new.len(), plan.len());
            printer.say(&format!("{new} to connect, of {found} found"));
        } else if !which.dry_run {
            printer.words(&json!({ "results": [] }), "");
        }
        return Ok(());
    }
    let question = format!("Connect {} repositories?", new.len());
    let instead = "use --yes to connect these, or --dry-run to only list them";
    if !which.yes && !agree(&question, instead)? {
        return Err(Failed::new("nothing connected"));
    }
    let labels = Words {
        field: "repository_full_name",
        done: "connected",
        failed: "failed to connect",
    };
    let act = |planned: &&Planned| {
        let connection = connect(client, args, &planned.full_name, Some(&planned.host))?;
        let line = words(&connection);
        Ok((connection, line))
    };
    each(
        &new,
        (&labels, printer),
        |planned| planned.full_name.as_str(),
        act,
    )
}

/// Nothing fits what was asked for: most likely it is misspelt, or out of the token's reach.
fn nothing(args: &Args, repositories: &[Value]) -> Failed {
    let which = &args.which;
    let what = match (&which.org, &which.matching) {
        (Some(org), None) => format!("of `{org}`"),
        (Some(org), Some(glob)) => format!("of `{org}` that matches `{glob}`"),
        (None, Some(glob)) => format!("that matches `{glob}`"),
        (None, None) => "at all".to_owned(),
    };
    let words = format!(
        "your credentials cannot access any repository {what}: check the name and the token's \
         permissions"
    );
    among_owners(Failed::new(words).coded("no_repositories"), repositories)
}

/// The same with those whose repositories are within reach.
fn among_owners(failed: Failed, repositories: &[Value]) -> Failed {
    let owner = |repository: &Value| repository["owner_name"].as_str().map(str::to_owned);
    let mut owners: Vec<String> = repositories.iter().filter_map(owner).collect();
    owners.sort_by_key(|owner| owner.to_ascii_lowercase());
    owners.dedup();
    if owners.is_empty() {
        return failed;
    }
    let more = owners.len().saturating_sub(OWNERS_SHOWN);
    let mut lines = vec![format!(
        "accessible owners: {}",
        owners[..owners.len() - more].join(", ")
    )];
    if more > 0 {
        lines.push(format!("and of {more} more"));
    }
    let items = owners.iter().map(|owner| json!(owner)).collect();
    failed.among("owners", items, lines)
}

fn show(plan: &[Planned], printer: Printer) {
    let lines: Vec<Value> = plan.iter().map(Planned::to_json).collect();
    printer.table(&json!({ "plan": lines }), "plan", &COLUMNS);
}
