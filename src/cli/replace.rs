//! `hookherd replace-existing CONNECTION`: webhooks of others give way to the connection's own.

use super::client::Client;
use super::connections::path;
use super::failed::{CommandResult, Failed};
use super::output::text_of;
use super::reference::find::{Found, find};
use super::session::Session;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Wait between two looks.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The connection: OWNER/REPO, its URL, or an id.
    connection: String,
    /// Replace the webhooks whose URL matches, wherever they deliver to. Default: those that
    /// deliver to this server's host.
    #[arg(long, value_name = "PATTERN")]
    matching: Option<String>,
    /// Longest wait for the result, such as `2m`. Hookherd continues in the background.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    #[arg(value_parser = humantime::parse_duration)]
    timeout: Duration,
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let client = session.client()?;
    let found = find(&client, &args.connection)?;
    let before = text_of(&found.connection, "/health/last_check_at").to_owned();
    let body = match &args.matching {
        Some(pattern) => json!({ "url": pattern }),
        None => json!({}),
    };
    let asked = path(&found, Some("replace-existing"))?;
    client.call(Method::POST, &asked, Some(&body))?;
    let now = wait(&client, &found, &before, args.timeout)?;
    session.printer.words(&now, &words(&found.name, &now));
    let refused = count(&now).get("refused").copied().unwrap_or(0);
    if refused == 0 {
        return Ok(());
    }
    let words = format!("the provider refuses to remove {refused} webhooks");
    Err(Failed::new(words).coded("no_access"))
}

/// Reads the connection until the hooks of others were looked for and none is to be removed.
fn wait(client: &Client, found: &Found, before: &str, timeout: Duration) -> Result<Value, Failed> {
    let (until, path) = (Instant::now() + timeout, path(found, None)?);
    loop {
        let now = client.get(&path)?;
        let states = count(&now);
        let is_open = ["found", "removing"]
            .iter()
            .any(|state| states.contains_key(*state));
        let is_checked = text_of(&now, "/health/last_check_at") != before;
        if (is_checked && !is_open) || Instant::now() >= until {
            return Ok(now);
        }
        client.pause(LOOK);
    }
}

/// How many webhooks of others are in which state.
fn count(connection: &Value) -> BTreeMap<String, usize> {
    let all = connection["existing_webhooks"].as_array();
    let mut states = BTreeMap::new();
    for other in all.into_iter().flatten() {
        *states
            .entry(text_of(other, "/state").to_owned())
            .or_default() += 1;
    }
    states
}

fn words(name: &str, connection: &Value) -> String {
    let states = count(connection);
    let of = |state: &str| states.get(state).copied().unwrap_or(0);
    let gone = of("removed") + of("gone");
    let open = of("found") + of("removing");
    let mut words = match (gone, open) {
        (0, 0) => format!("{name}: there is no webhook to replace"),
        (gone, 0) => format!("{name}: {gone} webhooks removed"),
        (gone, open) => format!(
            "{name}: {gone} webhooks removed, {open} wait until a delivery proves the new one"
        ),
    };
    if of("changed") > 0 {
        words.push_str("; some have changed meanwhile and are left");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_them_is_said() {
        let of = |states: &[&str]| {
            let all: Vec<Value> = states
                .iter()
                .map(|state| json!({ "state": state }))
                .collect();
            words("o/r", &json!({ "existing_webhooks": all }))
        };
        assert!(of(&[]).contains("no webhook to replace"));
        assert_eq!(of(&["removed", "gone"]), "o/r: 2 webhooks removed");
        assert!(of(&["removed", "found", "removing"]).contains("1 webhooks removed, 2 wait"));
        assert!(of(&["changed"]).contains("are left"));
    }
}
