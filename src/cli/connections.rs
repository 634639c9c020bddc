//! `hookherd connections`, `pause` and `resume`.

use super::Outcome;
use super::client::{Client, query};
use super::output::Printer;
use reqwest::Method;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Show this connection with everything that is known of it.
    id: Option<String>,
    /// At most this many.
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Go on after a page, with its `next_cursor`.
    #[arg(long)]
    cursor: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct IdArgs {
    /// The connection.
    id: String,
}

pub(super) fn list(args: &ListArgs, printer: Printer) -> Outcome {
    let client = session.client()?;
    if let Some(id) = &args.id {
        printer.record(&client.get(&format!("repositories/connections/{id}"))?);
        return Ok(());
    }
    let limit = args.limit.to_string();
    let query = query(&[("limit", Some(&limit)), ("cursor", args.cursor.as_deref())]);
    let answer = client.get(&format!("repositories/connections{query}"))?;
    let columns = [
        ("ID", "/id"),
        ("PROVIDER", "/provider"),
        ("REPOSITORY", "/repository_full_name"),
        ("WEBHOOK", "/webhook_status"),
        ("LAST DELIVERY", "/webhook_last_delivery_at"),
        ("LAST ERROR", "/last_error/code"),
    ];
    printer.table(&answer, "connections", &columns);
    Ok(())
}

pub(super) fn set_enabled(args: &IdArgs, is_enabled: bool, printer: Printer) -> Outcome {
    let path = format!("repositories/connections/{}", args.id);
    let body = json!({ "is_enabled": is_enabled });
    let answer = session.client()?.call(Method::PATCH, &path, Some(&body))?;
    let status = answer
        .get("webhook_status")
        .and_then(|v| v.as_str())
        .unwrap_or("-");
    let verb = if is_enabled { "resumed" } else { "paused" };
    printer.words(&answer, &format!("{verb} {}; webhook {status}", args.id));
    Ok(())
}
