//! `hookherd doctor`: looks at the configuration of this machine when there is one, and at the
//! running daemon when there is a token for it; or, when asked to, at webhooks at the providers.

mod connections;
mod credentials;
mod deletions;
mod missed;
mod orphans;
mod token;

pub(super) use orphans::Args;

use super::failed::{CommandResult, Failed};
use super::output::{Column, text_of};
use super::session::Session;
use crate::app::doctor::{Finding, Verdict, examine};
use crate::config::Config;
use serde_json::{Value, json};
use std::path::Path;

/// How findings are listed.
const COLUMNS: [Column; 3] = [
    Column::status("VERDICT", "/verdict"),
    Column::text("WHAT", "/what"),
    Column::text("FOUND", "/words"),
];
/// What only the machine has that runs the daemon.
const MARKS: [&str; 3] = [
    "OAUTH_TOKEN_ENCRYPTION_KEY",
    "OAUTH_TOKEN_ENCRYPTION_KEY_FILE",
    "CREDENTIALS_DIRECTORY",
];

pub(super) fn run(args: &Args, file: Option<&Path>, session: &Session) -> CommandResult {
    if args.orphans {
        return orphans::run(args, session);
    }
    let is_here = file.is_some() || MARKS.iter().any(|name| std::env::var_os(name).is_some());
    let mut findings = Vec::new();
    if is_here || !session.has_token() {
        findings.extend(of_machine(file)?);
    }
    if session.has_token() {
        findings.extend(of_daemon(session));
    }
    let items: Vec<Value> = findings
        .iter()
        .map(|f| json!({ "verdict": f.verdict.as_str(), "what": f.what, "words": f.words }))
        .collect();
    let bad = findings
        .iter()
        .filter(|f| f.verdict == Verdict::Bad)
        .count();
    let report = json!({ "ok": bad == 0, "findings": items });
    session.printer.table(&report, "findings", &COLUMNS);
    if bad == 0 {
        return Ok(());
    }
    Err(Failed::new(format!(
        "{bad} of {} checks failed",
        findings.len()
    )))
}

fn of_machine(file: Option<&Path>) -> Result<Vec<Finding>, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(error) => {
            let words = error.to_string();
            return Ok(vec![Finding::new("configuration", Verdict::Bad, words)]);
        }
    };
    let mut findings = vec![Finding::new("configuration", Verdict::Good, "understood")];
    findings.extend(runtime.block_on(examine(&config)));
    Ok(findings)
}

fn of_daemon(session: &Session) -> Vec<Finding> {
    let bad = |what: &str, why: &Failed| Finding::new(what, Verdict::Bad, why.to_string());
    let client = match session.client() {
        Ok(client) => client,
        Err(failed) => return vec![bad("daemon", &failed)],
    };
    let user = match client.get("whoami") {
        Ok(user) => user,
        Err(failed) => return vec![bad("daemon", &failed)],
    };
    let words = format!("reachable; signed in as {}", text_of(&user, "/name"));
    let mut findings = vec![Finding::new("daemon", Verdict::Good, words)];
    for (what, found) in [
        ("API token", token::findings(&client)),
        ("credentials", credentials::findings(&client)),
        ("connections", connections::findings(&client)),
        ("pending deletions", deletions::findings(&client)),
    ] {
        match found {
            Ok(found) => findings.extend(found),
            Err(failed) => findings.push(bad(what, &failed)),
        }
    }
    findings
}
