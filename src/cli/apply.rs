//! `hookherd apply FILE` and `hookherd export`: the connections as a file says.

mod file;
mod plan;

#[cfg(test)]
mod tests;

use super::bulk::ROUTE;
use super::client::Client;
use super::confirm::agree;
use super::failed::{CommandResult, Failed};
use super::operations;
use super::output::{Column, Printer, line};
use super::session::Session;
use crate::domain::takeover::Replace;
use file::{BYTES_MAX, Entry, Wanted, written};
use plan::{Connected, Plan, Step, plan};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How a plan is listed.
const COLUMNS: [Column; 4] = [
    Column::text("REPOSITORY", "/repository_full_name"),
    Column::text("PLAN", "/step"),
    Column::text("ADDED EVENTS", "/added_events"),
    Column::text("REMOVED EVENTS", "/removed_events"),
];
/// Most ids in one request, as the API has it.
const IDS_MAX: usize = 5000;
/// Most repositories in one request, as the API has it, and most bytes of them: a body has at most
/// 256 KiB.
const NEW_MAX: usize = 1000;
const NEW_BYTES_MAX: usize = 200 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file, as `hookherd export` writes it; `-` reads standard input.
    file: PathBuf,
    #[command(flatten)]
    pruning: Pruning,
    /// Show the plan and do nothing.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Carry the plan out without asking.
    #[arg(long)]
    yes: bool,
}

/// What becomes of connections that the file does not name.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Pruning {
    /// Disconnect the repositories of the same owners that the file does not name. The file must
    /// have a `count`.
    #[arg(long)]
    prune: bool,
    /// Allow `--prune` with a file that names no repositories.
    #[arg(long, requires = "prune")]
    allow_empty: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// The file; must not exist. Default: standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn read(path: &Path) -> Result<(String, String), Failed> {
    let mut bytes = Vec::new();
    let name = path.display().to_string();
    let failed = |error: std::io::Error| Failed::new(format!("{name}: {error}"));
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(BYTES_MAX + 1)
            .read_to_end(&mut bytes)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
    }
    if bytes.len() as u64 > BYTES_MAX {
        return Err(Failed::new(format!("{name}: larger than 64 MiB")).coded("bad_file"));
    }
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| Failed::new(format!("{name}: not UTF-8")).coded("bad_file"))?;
    Ok((name, text))
}

/// Pruning needs proof that the file is whole, and never happens by an empty one.
fn check_prune(args: &Args, wanted: &Wanted) -> Result<(), Failed> {
    if !args.pruning.prune {
        return Ok(());
    }
    let refuse = |words: &str| Err(Failed::new(words).coded("bad_file"));
    if wanted.count.is_none() {
        let words = "--prune needs a `count` in the file, the number of its repositories: a file \
                     that was cut off must not disconnect anything";
        return refuse(words);
    }
    if wanted.entries.is_empty() && !args.pruning.allow_empty {
        return refuse("the file names no repositories: use --allow-empty to disconnect all");
    }
    if wanted.entries.is_empty() && wanted.scopes.is_empty() {
        return refuse("the file names no repositories and no scope, so there is nothing to prune");
    }
    Ok(())
}

fn connections(client: &Client) -> Result<Vec<Connected>, Failed> {
    let all = client.every("repositories/connections", "connections", &[])?;
    let known: Option<Vec<Connected>> = all.iter().map(Connected::of).collect();
    known.ok_or_else(|| Failed::new("the daemon's list of connections has another form"))
}

fn show(plan: &Plan, printer: Printer) {
    let mut sheet = printer.sheet(&COLUMNS);
    for step in &plan.steps {
        sheet.add(&step.to_json());
    }
    if !plan.steps.is_empty() {
        printer.show(sheet);
    }
    if plan.not_replaced > 0 {
        let words = format!(
            "replace_existing is for new connections: {} are connected already, and apply replaces \
             no webhooks there; to do that: hookherd replace-existing OWNER/REPO",
            plan.not_replaced
        );
        printer.say(&words);
    }
    let (steps, unchanged) = (plan.steps.len(), plan.unchanged);
    printer.say(&format!("{steps} to do, {unchanged} unchanged"));
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let (name, text) = read(&args.file)?;
    let wanted = Wanted::parse(&name, &text)?;
    check_prune(args, &wanted)?;
    let client = session.client()?.in_bulk();
    let plan = plan(&wanted, &connections(&client)?, args.pruning.prune)?;
    check_new(&client, &plan)?;
    let printer = session.printer;
    if !printer.json {
        show(&plan, printer);
    }
    let steps: Vec<Value> = plan.steps.iter().map(Step::to_json).collect();
    let mut answer = json!({
        "plan": steps, "unchanged": plan.unchanged, "not_replaced": plan.not_replaced,
        "operations": [],
    });
    let mut result = Ok(());
    if !args.dry_run && !plan.steps.is_empty() {
        let question = format!("Do these {} steps?", plan.steps.len());
        let instead = "use --yes to do this, or --dry-run to only list it";
        if args.file == Path::new("-") && !args.yes {
            return Err(Failed::new(instead));
        }
        if !args.yes && !agree(&question, instead)? {
            return Err(Failed::new("nothing changed"));
        }
        let (ended, worst) = carry_out(&client, &plan, session);
        (answer["operations"], result) = (json!(ended), worst);
    }
    if printer.json {
        printer.words(&answer, "");
    }
    result
}

/// Has the daemon check what is to be connected, before anything is changed: the host may not be
/// configured.
fn check_new(client: &Client, plan: &Plan) -> CommandResult {
    for mut body in requests(plan) {
        if body["action"] == "connect" {
            body["dry_run"] = json!(true);
            client.call(Method::POST, ROUTE, Some(&body))?;
        }
    }
    Ok(())
}

/// The requests of a plan, in its order.
fn requests(plan: &Plan) -> Vec<Value> {
    let mut requests = Vec::new();
    let new = plan.steps.iter().filter_map(|step| match step {
        Step::Connect(entry) => Some(of_new(entry)),
        Step::SetEvents(..) | Step::Resume(_) | Step::Pause(_) | Step::Disconnect(_) => None,
    });
    let (mut some, mut bytes) = (Vec::new(), 0);
    for one in new {
        let size = one.to_string().len() + 1;
        if some.len() == NEW_MAX || bytes + size > NEW_BYTES_MAX {
            let repositories = std::mem::take(&mut some);
            requests.push(json!({ "action": "connect", "repositories": repositories }));
            bytes = 0;
        }
        bytes += size;
        some.push(one);
    }
    if !some.is_empty() {
        requests.push(json!({ "action": "connect", "repositories": some }));
    }
    let mut by_events: BTreeMap<&[String], Vec<&str>> = BTreeMap::new();
    let (mut resume, mut pause, mut disconnect) = (Vec::new(), Vec::new(), Vec::new());
    for step in &plan.steps {
        match step {
            Step::Connect(_) => {}
            Step::SetEvents(c, events) => by_events.entry(events).or_default().push(&c.id),
            Step::Resume(c) => resume.push(c.id.as_str()),
            Step::Pause(c) => pause.push(c.id.as_str()),
            Step::Disconnect(c) => disconnect.push(c.id.as_str()),
        }
    }
    for (events, ids) in by_events {
        let body = json!({ "action": "set_events", "webhook_events": events });
        requests.extend(of_ids(&body, &ids));
    }
    for (action, ids) in [
        ("resume", resume),
        ("pause", pause),
        ("disconnect", disconnect),
    ] {
        requests.extend(of_ids(&json!({ "action": action }), &ids));
    }
    requests
}

fn of_ids(body: &Value, ids: &[&str]) -> Vec<Value> {
    let with = |ids: &[&str]| {
        let mut body = body.clone();
        body["select"] = json!({ "ids": ids });
        body
    };
    ids.chunks(IDS_MAX).map(with).collect()
}

fn of_new(entry: &Entry) -> Value {
    let mut new = json!({
        "provider": entry.provider.as_str(),
        "repository_full_name": entry.full_name.as_str(),
        "setup_webhook": !entry.is_paused,
    });
    if let Some(host) = &entry.host {
        new["host"] = json!(host.as_str());
    }
    match &entry.replaces {
        None => {}
        Some(Replace::SameReceiver) => new["replace_existing"] = json!(true),
        Some(Replace::Matching(url)) => new["replace_existing"] = json!(url),
    }
    if let Some(events) = &entry.events {
        new["webhook_events"] = json!(events);
    }
    new
}

/// One operation after the other. One with failures does not keep the others from their turn,
/// unless connections were to be deleted after it, or it is the daemon that fails.
fn carry_out(client: &Client, plan: &Plan, session: &Session) -> (Vec<Value>, CommandResult) {
    let (mut ended, mut worst) = (Vec::new(), Ok(()));
    for body in requests(plan) {
        if worst.is_err() && body["action"] == "disconnect" {
            let words = "nothing was disconnected, because something else failed";
            return (ended, worst.map_err(|failed: Failed| failed.and(words)));
        }
        let done = client
            .call(Method::POST, ROUTE, Some(&body))
            .and_then(|mut answer| {
                operations::until_ended(client, answer["operation"].take(), session)
            });
        match done {
            Ok(operation) => {
                let result = operations::verdict(&operation);
                if !session.printer.json {
                    session.printer.say(&operations::summary(&operation));
                }
                worst = worst.and(result);
                ended.push(operation);
            }
            Err(failed) => {
                let words = "To continue, apply the file again.";
                return (ended, Err(failed.and(words)));
            }
        }
    }
    (ended, worst)
}

pub(super) fn export(args: &ExportArgs, session: &Session) -> CommandResult {
    let client = session.client()?.in_bulk();
    let mut entries: Vec<Entry> = connections(&client)?
        .into_iter()
        .map(Connected::entry)
        .collect();
    entries.sort_by_key(Entry::key);
    let text = written(&entries);
    let Some(path) = &args.output else {
        if session.printer.json {
            session.printer.words(&json!({ "file": text }), "");
        } else {
            line(text.trim_end());
        }
        return Ok(());
    };
    let failed = |error: std::io::Error| Failed::new(format!("{}: {error}", path.display()));
    let mut file = std::fs::File::create_new(path).map_err(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    let (count, name) = (entries.len(), path.display().to_string());
    let answer = json!({ "file": name, "count": count });
    session
        .printer
        .words(&answer, &format!("{count} repositories written to {name}"));
    Ok(())
}
