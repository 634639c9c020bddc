//! `hookherd doctor`: looks at the configuration of this machine when there is one, and at the
//! running daemon when there is a token for it.

mod moves;

use super::address::query;
use super::client::Client;
use super::output::Column;
use super::session::Session;
use super::{Failed, Outcome};
use crate::app::doctor::{Finding, Verdict, examine};
use crate::config::Config;
use serde_json::{Value, json};
use std::path::Path;

/// A classic token of these can manage hooks; see `docs/github.md`.
const SCOPES: [&str; 3] = ["admin:repo_hook", "repo", "public_repo"];
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

pub(super) fn run(file: Option<&Path>, session: &Session) -> Outcome {
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

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or("-")
}

fn of_daemon(session: &Session) -> Vec<Finding> {
    let bad = |what: &str, why: Failed| Finding::new(what, Verdict::Bad, why.to_string());
    let client = match session.client() {
        Ok(client) => client,
        Err(failed) => return vec![bad("daemon", failed)],
    };
    let user = match client.get("whoami") {
        Ok(user) => user,
        Err(failed) => return vec![bad("daemon", failed)],
    };
    let words = format!("it answers, and knows you as {}", text(&user, "/name"));
    let mut findings = vec![Finding::new("daemon", Verdict::Good, words)];
    match client.every("credentials", "items", &[]) {
        Ok(all) => findings.extend(credentials(&client, &all)),
        Err(failed) => findings.push(bad("credentials", failed)),
    }
    match client.every("repositories/connections", "connections", &[]) {
        Ok(all) => findings.push(connections(&all)),
        Err(failed) => findings.push(bad("connections", failed)),
    }
    match moves::finding(&client) {
        Ok(finding) => findings.extend(finding),
        Err(failed) => findings.push(bad("public address of webhooks", failed)),
    }
    findings
}

/// What each credential may do, and whether its provider answers to it.
fn credentials(client: &Client, all: &[Value]) -> Vec<Finding> {
    if all.is_empty() {
        let words = "you have stored none; see `hookherd credential add`";
        return vec![Finding::new("credentials", Verdict::Warning, words)];
    }
    let mut asked = Vec::new();
    let mut findings = Vec::new();
    for credential in all {
        let (provider, host) = (text(credential, "/provider"), text(credential, "/host"));
        let login = text(credential, "/account/login");
        let what = format!("credential of {login} at {host} ({provider})");
        let (verdict, words) = rights(credential);
        findings.push(Finding::new(what, verdict, words));
        if asked.contains(&(provider, host)) {
            continue;
        }
        asked.push((provider, host));
        let query = query(&[("limit", Some("1")), ("host", Some(host))]);
        let (verdict, words) = match client.get(&format!("repositories/{provider}{query}")) {
            Ok(_) => (Verdict::Good, "it answers the daemon".to_owned()),
            Err(why) => (Verdict::Bad, why.to_string()),
        };
        findings.push(Finding::new(format!("provider {host}"), verdict, words));
    }
    findings
}

/// What a credential may do, by its provider's own scopes.
fn rights(credential: &Value) -> (Verdict, String) {
    if let Some(why) = credential["rejected_because"].as_str() {
        let words = format!("it no longer works ({why}): sign in again or add a new token");
        return (Verdict::Bad, words);
    }
    let scopes = credential["scopes"].as_array();
    let scopes = scopes.map_or(&[][..], Vec::as_slice);
    let has = |enough: &[&str]| scopes.iter().any(|scope| enough.iter().any(|e| scope == e));
    let good = |words: &str| (Verdict::Good, words.to_owned());
    let lacks = |scope: &str| (Verdict::Bad, format!("it needs the scope {scope}"));
    match (text(credential, "/kind"), text(credential, "/provider")) {
        ("app", _) => good("an installation of the App"),
        _ if scopes.is_empty() => good("it tells no scopes, as fine-grained tokens do"),
        (_, "gitlab") if has(&["api"]) => good("its scopes are enough"),
        (_, "gitlab") => lacks("api"),
        _ if has(&SCOPES) => good("its scopes are enough"),
        _ => lacks("admin:repo_hook"),
    }
}

/// How many connections need somebody's attention.
fn connections(all: &[Value]) -> Finding {
    let ails = |c: &&Value| !["active", "inactive"].contains(&text(c, "/webhook_status"));
    let names: Vec<&str> = all
        .iter()
        .filter(ails)
        .map(|c| text(c, "/repository_full_name"))
        .collect();
    if names.is_empty() {
        let words = format!("all of {} are as they should be", all.len());
        return Finding::new("connections", Verdict::Good, words);
    }
    let words = format!("see `hookherd connections` for {}", names.join(", "));
    Finding::new("connections", Verdict::Warning, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_judged_by_their_provider() {
        for (provider, kind, scopes, verdict, part) in [
            ("github", "token", &["repo"][..], Verdict::Good, "enough"),
            ("github", "token", &["api"], Verdict::Bad, "admin:repo_hook"),
            ("gitlab", "token", &["api"], Verdict::Good, "enough"),
            ("gitlab", "oauth", &["repo"], Verdict::Bad, "scope api"),
            ("github", "token", &[], Verdict::Good, "fine-grained"),
            ("github", "app", &["metadata:read"], Verdict::Good, "App"),
        ] {
            let credential = json!({"provider": provider, "kind": kind, "scopes": scopes});
            let (found, words) = rights(&credential);
            assert_eq!(found, verdict, "{credential}");
            assert!(words.contains(part), "{credential}: {words}");
        }
        let dead = json!({"provider": "gitlab", "scopes": ["api"], "rejected_because": "revoked"});
        assert_eq!(rights(&dead).0, Verdict::Bad);
    }
}
