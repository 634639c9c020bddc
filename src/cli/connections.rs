//! `hookherd connections`, and what is done to one of them.

use super::address::route;
use super::failed::{CommandResult, Failed};
use super::list::{Listing, Part};
use super::output::{Column, text_of};
use super::reference::find::{Found, find};
use super::reference::name_of;
use super::session::Session;
use crate::domain::repo::ProviderKind;
use reqwest::Method;
use serde_json::{Value, json};

/// How connections are listed.
const LISTING: Listing = Listing::of("connections").below("connections").with(&[
    Column::id("ID", "/id").optional(),
    Column::text("PROVIDER", "/provider"),
    Column::text("REPOSITORY", "/repository_full_name"),
    Column::status("WEBHOOK", "/webhook_status"),
    Column::time("LAST DELIVERY", "/webhook_last_delivery_at"),
    Column::text("LAST ERROR", "/last_error/code"),
]);

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Show details of this connection: OWNER/REPO, its URL, or an
    /// id.
    #[arg(conflicts_with_all = ["repository", "provider", "host", "owner", "status", "deleting"])]
    connection: Option<String>,
    /// Only to repositories with this name, or to those that a pattern such as `octo/*` matches.
    #[arg(long, value_name = "OWNER/REPO")]
    repository: Option<String>,
    /// Only with `github` or `gitlab`.
    #[arg(long, value_parser = super::provider::parse)]
    provider: Option<ProviderKind>,
    /// Only at this host of a provider.
    #[arg(long)]
    host: Option<String>,
    /// Only to repositories of this user, organisation or group.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Only with this state of the webhook: pending, active, degraded, failed, inactive,
    /// suspended.
    #[arg(long)]
    status: Option<String>,
    /// List disconnected repositories whose webhook is not deleted yet at the
    /// provider.
    #[arg(long)]
    deleting: bool,
    #[command(flatten)]
    part: Part,
}

#[derive(Debug, clap::Args)]
pub(super) struct OneArgs {
    /// The connection: OWNER/REPO, its URL, or an id.
    connection: String,
}

/// The path of a connection, or of something that is done to it.
pub(super) fn path(found: &Found, action: Option<&str>) -> Result<String, Failed> {
    let mut parts = vec!["repositories", "connections", found.id.as_str()];
    parts.extend(action);
    route(&parts)
}

pub(super) fn list(args: &ListArgs, session: &Session) -> CommandResult {
    let client = session.client()?;
    if let Some(text) = &args.connection {
        let found = find(&client, text)?;
        session.printer.record(&found.connection);
        return Ok(());
    }
    let repository = name_of(args.repository.as_deref())?;
    let filters = [
        ("repository", repository.as_deref()),
        ("provider", args.provider.map(ProviderKind::as_str)),
        ("host", args.host.as_deref()),
        ("owner", args.owner.as_deref()),
        ("status", args.status.as_deref()),
        ("deleting", args.deleting.then_some("true")),
    ];
    let path = "repositories/connections";
    LISTING.show(session, &client, path, &filters, &args.part)
}

/// What became of a webhook, with the reason when that is no good.
pub(super) fn webhook(connection: &Value) -> String {
    let mut words = format!("webhook {}", text_of(connection, "/webhook_status"));
    if let Some(message) = connection
        .pointer("/last_error/message")
        .and_then(Value::as_str)
    {
        words.push_str(": ");
        words.push_str(message);
    }
    words
}

pub(super) fn set_enabled(args: &OneArgs, is_enabled: bool, session: &Session) -> CommandResult {
    let client = session.client()?;
    let found = find(&client, &args.connection)?;
    let body = json!({ "is_enabled": is_enabled });
    let answer = client.call(Method::PATCH, &path(&found, None)?, Some(&body))?;
    let verb = match (answer.get("command"), is_enabled) {
        // It is stored, and still pending.
        (Some(_), true) => "resuming",
        (Some(_), false) => "pausing",
        (None, true) => "resumed",
        (None, false) => "paused",
    };
    let words = format!("{verb} {}; {}", found.name, webhook(&answer));
    session.printer.words(&answer, &words);
    Ok(())
}
