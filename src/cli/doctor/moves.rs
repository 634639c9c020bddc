//! How far the move to another public address has come.

use crate::app::doctor::{Finding, Verdict};
use crate::cli::Failed;
use crate::cli::address::query;
use crate::cli::client::Client;
use serde_json::Value;

/// Most pages that are looked at: a hundred thousand connections.
const PAGES_MAX: usize = 1000;

/// Nothing when every webhook is where it should be.
pub(super) fn finding(client: &Client) -> Result<Option<Finding>, Failed> {
    let (mut all, mut to_move) = (0, 0);
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let page = query(&[("limit", Some("100")), ("cursor", cursor.as_deref())]);
        let page = client.get(&format!("repositories/connections{page}"))?;
        let connections = page["connections"].as_array();
        let connections = connections.map_or(&[][..], Vec::as_slice);
        let is_to_move = |c: &&Value| c["health"]["is_to_move"] == true;
        all += connections.len();
        to_move += connections.iter().filter(is_to_move).count();
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    if to_move == 0 {
        return Ok(None);
    }
    let words = format!(
        "{to_move} of {all} webhooks still deliver to a former one; they are moved one after the \
         other. Keep it leading here until none is left"
    );
    let what = "public address of webhooks";
    Ok(Some(Finding::new(what, Verdict::Warning, words)))
}
