//! Webhooks of connections that were disconnected, which are still at the provider.

use super::missed;
use crate::app::doctor::{Finding, Verdict};
use crate::cli::client::{Client, List};
use crate::cli::failed::Failed;
use crate::cli::output::text_of;
use serde_json::Value;

/// Most that get a row of their own.
const ROWS_MAX: usize = 20;

/// What is still to be deleted for the user, and what was missed: both are in the same totals.
pub(super) fn findings(client: &Client) -> Result<Vec<Finding>, Failed> {
    let stats = client.get("stats")?;
    let count = stats["webhooks_to_delete"].as_u64().unwrap_or(0);
    if count == 0 {
        let (what, words) = ("pending deletions", "no webhooks left to delete");
        let none = Finding::new(what, Verdict::Good, words);
        return Ok(vec![missed::finding(&stats), none]);
    }
    let words = format!(
        "{count} webhooks of disconnected repositories are not deleted yet; deletion continues in \
         the background (`hookherd connections --deleting`)"
    );
    let pending = Finding::new("pending deletions", Verdict::Warning, words);
    let mut findings = vec![missed::finding(&stats), pending];
    let list = List::of_connections(&[("deleting", Some("true"))], ROWS_MAX);
    client.pages(&list, |items| findings.extend(items.iter().map(row)))?;
    Ok(findings)
}

fn row(connection: &Value) -> Finding {
    let name = text_of(connection, "/repository_full_name");
    let what = format!("deletion for {name} at {}", text_of(connection, "/host"));
    let why = connection.pointer("/last_error/message");
    let why = why.and_then(Value::as_str);
    let words = why.map_or_else(
        || "in progress".to_owned(),
        |why| format!("retrying: {why}"),
    );
    Finding::new(what, Verdict::Warning, words)
}
