//! `hookherd connections`, and what is done to one of them.

use super::Outcome;
use super::address::route;
use super::list::{self, Listing, Part};
use super::output::{Column, text_of};
use super::reference::{Found, find};
use super::session::Session;
use reqwest::Method;
use serde_json::{Value, json};

/// How connections are listed.
const COLUMNS: [Column; 6] = [
    Column::id("ID", "/id"),
    Column::text("PROVIDER", "/provider"),
    Column::text("REPOSITORY", "/repository_full_name"),
    Column::status("WEBHOOK", "/webhook_status"),
    Column::time("LAST DELIVERY", "/webhook_last_delivery_at"),
    Column::text("LAST ERROR", "/last_error/code"),
];

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Show this connection with everything that is known of it: OWNER/REPO, a URL of it, or an
    /// id.
    connection: Option<String>,
    #[command(flatten)]
    part: Part,
}

#[derive(Debug, clap::Args)]
pub(super) struct OneArgs {
    /// The connection: OWNER/REPO, a URL of it, or an id.
    connection: String,
}

/// The path of a connection, or of something that is done to it.
fn path(found: &Found, action: Option<&str>) -> Result<String, super::Failed> {
    let mut parts = vec!["repositories", "connections", found.id.as_str()];
    parts.extend(action);
    route(&parts)
}

pub(super) fn list(args: &ListArgs, session: &Session) -> Outcome {
    let client = session.client()?;
    if let Some(text) = &args.connection {
        let found = find(&client, text)?;
        session.printer.record(&client.get(&path(&found, None)?)?);
        return Ok(());
    }
    let listing = Listing {
        path: "repositories/connections",
        field: "connections",
        what: "connections",
        filters: &[],
        columns: &COLUMNS,
    };
    list::show(session, &client, &listing, &args.part)
}

/// What became of a webhook, with the reason when that is no good.
fn webhook(connection: &Value) -> String {
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

pub(super) fn set_enabled(args: &OneArgs, is_enabled: bool, session: &Session) -> Outcome {
    let client = session.client()?;
    let found = find(&client, &args.connection)?;
    let body = json!({ "is_enabled": is_enabled });
    let answer = client.call(Method::PATCH, &path(&found, None)?, Some(&body))?;
    let verb = if is_enabled { "resumed" } else { "paused" };
    let words = format!("{verb} {}; {}", found.name, webhook(&answer));
    session.printer.words(&answer, &words);
    Ok(())
}

/// What can be asked of a connection beside pausing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Look at the hook now.
    Check,
    /// Ask the provider for a test delivery.
    Ping,
    /// Delete the hook and make it anew.
    Recreate,
    /// Give the hook a new secret.
    RotateSecret,
}

impl Action {
    /// The last part of the route.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Ping => "ping",
            Self::Recreate => "recreate",
            Self::RotateSecret => "rotate-secret",
        }
    }

    /// What is said when it is under way.
    const fn words(self) -> &'static str {
        match self {
            Self::Check => "the webhook is being checked",
            Self::Ping => "a test delivery was asked for",
            Self::Recreate => "the webhook is being made anew",
            Self::RotateSecret => {
                "the webhook is being given a new secret; the old one works for an hour more"
            }
        }
    }
}

pub(super) fn act(args: &OneArgs, action: Action, session: &Session) -> Outcome {
    let client = session.client()?;
    let found = find(&client, &args.connection)?;
    let path = path(&found, Some(action.as_str()))?;
    let answer = client.call(Method::POST, &path, None)?;
    let words = format!("{}: {}; {}", found.name, action.words(), webhook(&answer));
    session.printer.words(&answer, &words);
    Ok(())
}
