//! `hookherd bulk ACTION`: plan, ask where something is deleted, and follow the operation.

use super::client::Client;
use super::confirm::agree;
use super::failed::{CommandResult, Failed};
use super::list::Writer;
use super::operations;
use super::output::Column;
use super::session::Session;
use crate::domain::connection::WebhookStatus;
use crate::domain::repo::ProviderKind;
use reqwest::Method;
use serde_json::{Value, json};

/// The route.
pub(super) const ROUTE: &str = "repositories/bulk";
/// Lines of a plan that are read at a time.
const PAGE: usize = 100;
/// Pages of a plan, of which each has a line at least.
const PAGES_MAX: usize = 100_000;

/// How a plan is listed.
const COLUMNS: [Column; 4] = [
    Column::text("REPOSITORY", "/repository_full_name"),
    Column::text("RESULT", "/result"),
    Column::text("ADDED EVENTS", "/added_events"),
    Column::text("REMOVED EVENTS", "/removed_events"),
];

/// What is done to each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Action {
    /// Check and repair the webhooks now; ends suspensions.
    Check,
    /// Request test deliveries from the provider.
    Ping,
    /// Delete the webhooks and create new ones.
    Recreate,
    /// Rotate the webhook secrets.
    RotateSecret,
    /// Pause the connections.
    Pause,
    /// Resume the connections.
    Resume,
    /// Disconnect, and delete the webhooks.
    Disconnect,
    /// Subscribe to other events.
    SetEvents,
}

impl Action {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Ping => "ping",
            Self::Recreate => "recreate",
            Self::RotateSecret => "rotate_secret",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Disconnect => "disconnect",
            Self::SetEvents => "set_events",
        }
    }

    /// What is asked before it, where webhooks are deleted.
    const fn question(self) -> Option<&'static str> {
        match self {
            Self::Disconnect => Some("Disconnect"),
            Self::Recreate => Some("Delete and recreate the webhooks of"),
            Self::Check
            | Self::Ping
            | Self::RotateSecret
            | Self::Pause
            | Self::Resume
            | Self::SetEvents => None,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to do with each connection.
    #[arg(value_enum)]
    action: Action,
    #[command(flatten)]
    which: Which,
    /// Event to subscribe to, for `set-events`; can be repeated.
    #[arg(
        long = "event",
        value_name = "EVENT",
        required_if_eq("action", "set-events")
    )]
    events: Vec<String>,
    /// Leave the webhooks at the provider, for `disconnect`.
    #[arg(long)]
    keep_webhooks: bool,
    #[command(flatten)]
    how: How,
}

/// How an operation is carried out.
#[derive(Clone, Copy, Debug, clap::Args)]
struct How {
    /// List what would change and do nothing.
    #[arg(long, conflicts_with_all = ["yes", "no_wait"])]
    dry_run: bool,
    /// Delete or recreate webhooks without asking.
    #[arg(long)]
    yes: bool,
    /// Do not wait for the result.
    #[arg(long)]
    no_wait: bool,
}

/// Which connections: those that fit everything that is given.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("selected").required(true).multiple(true)
    .args(["ids", "provider", "host", "owner", "matching", "status", "all"]))]
struct Which {
    /// The connection with this id; can be repeated.
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,
    /// Only at `github` or `gitlab`.
    #[arg(long, value_parser = super::provider::parse)]
    provider: Option<ProviderKind>,
    /// Only at this host.
    #[arg(long)]
    host: Option<String>,
    /// Only of this user, organisation or group.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Only those whose full name matches, such as `acme/*-service`.
    #[arg(long = "match", value_name = "GLOB")]
    matching: Option<String>,
    /// Only those whose webhook has this status.
    #[arg(long, value_parser = status)]
    status: Option<&'static str>,
    /// All connections. Needed if nothing else is given.
    #[arg(long)]
    all: bool,
}

fn status(text: &str) -> Result<&'static str, String> {
    let names = WebhookStatus::ALL.map(WebhookStatus::as_str);
    let found = names.into_iter().find(|name| *name == text);
    found.ok_or_else(|| format!("expected one of {}", names.join(", ")))
}

impl Args {
    fn body(&self) -> Value {
        let which = &self.which;
        let mut select = json!({});
        if !which.ids.is_empty() {
            select["ids"] = json!(which.ids);
        }
        for (name, value) in [
            ("provider", which.provider.map(ProviderKind::as_str)),
            ("host", which.host.as_deref()),
            ("owner", which.owner.as_deref()),
            ("match", which.matching.as_deref()),
            ("status", which.status),
        ] {
            if let Some(value) = value {
                select[name] = json!(value.trim());
            }
        }
        if which.all {
            select["all"] = json!(true);
        }
        let mut body = json!({ "action": self.action.as_str(), "select": select });
        if !self.events.is_empty() {
            body["webhook_events"] = json!(self.events);
        }
        if self.keep_webhooks {
            body["delete_webhook"] = json!(false);
        }
        body
    }
}

/// A page of what an operation would do.
fn page(client: &Client, body: &Value, limit: usize, cursor: &Value) -> Result<Value, Failed> {
    let mut body = body.clone();
    body["dry_run"] = json!(true);
    body["limit"] = json!(limit);
    body["cursor"] = cursor.clone();
    let mut answer = client.call(Method::POST, ROUTE, Some(&body))?;
    Ok(answer["plan"].take())
}

/// Reads a plan to its end, page by page. Returns the number of its lines, and of those that
/// change something.
pub(super) fn plan(
    client: &Client,
    body: &Value,
    mut each: impl FnMut(&Value),
) -> Result<(u64, u64), Failed> {
    let (mut cursor, mut counts) = (Value::Null, None);
    for _ in 0..PAGES_MAX {
        let page = page(client, body, PAGE, &cursor)?;
        let number = |name: &str| page[name].as_u64().unwrap_or_default();
        let counts = *counts.get_or_insert((number("total"), number("changing")));
        page["items"]
            .as_array()
            .into_iter()
            .flatten()
            .for_each(&mut each);
        if page["next_cursor"].is_null() || page["next_cursor"] == cursor {
            return Ok(counts);
        }
        cursor = page["next_cursor"].clone();
    }
    Err(Failed::new("the daemon's plan does not end"))
}

fn dry_run(client: &Client, body: &Value, session: &Session) -> CommandResult {
    let printer = session.printer;
    if printer.json {
        let mut writer = Writer::default();
        plan(client, body, |item| writer.item("plan", item))?;
        writer.end("plan", None);
        return Ok(());
    }
    let mut sheet = printer.sheet(&COLUMNS);
    let (total, changing) = plan(client, body, |item| sheet.add(item))?;
    printer.show(sheet);
    printer.say(&format!("{changing} to change, of {total} selected"));
    Ok(())
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let client = session.client()?.in_bulk();
    let body = args.body();
    if args.how.dry_run {
        return dry_run(&client, &body, session);
    }
    if let Some(what) = args.action.question().filter(|_| !args.how.yes) {
        let first = page(&client, &body, 1, &Value::Null)?;
        let count = first["total"].as_u64().unwrap_or_default();
        let question = format!("{what} {count} connections?");
        let instead = format!("use --yes for {count} connections, or --dry-run to only list them");
        if count > 0 && !agree(&question, &instead)? {
            return Err(Failed::new("nothing changed"));
        }
    }
    let mut answer = client.call(Method::POST, ROUTE, Some(&body))?;
    let operation = answer["operation"].take();
    if args.how.no_wait {
        operations::begun(&operation, session);
        return Ok(());
    }
    operations::follow(&client, operation, session)
}

#[cfg(test)]
#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn of(line: &str) -> Result<Value, clap::Error> {
        let words = std::iter::once("bulk").chain(line.split(' '));
        Line::try_parse_from(words).map(|line| line.args.body())
    }

    #[test]
    fn what_is_given_is_asked_for_and_nothing_else() {
        for (line, body) in [
            (
                "check --all",
                json!({ "action": "check", "select": { "all": true } }),
            ),
            (
                "rotate-secret --owner octo --provider github --status active",
                json!({ "action": "rotate_secret", "select": {
                    "owner": "octo", "provider": "github", "status": "active",
                } }),
            ),
            (
                "disconnect --match octo/* --keep-webhooks --yes",
                json!({
                    "action": "disconnect", "select": { "match": "octo/*" },
                    "delete_webhook": false,
                }),
            ),
            (
                "set-events --id con_1 --id con_2 --event push --event create",
                json!({
                    "action": "set_events", "select": { "ids": ["con_1", "con_2"] },
                    "webhook_events": ["push", "create"],
                }),
            ),
        ] {
            assert_eq!(of(line).unwrap(), body, "{line}");
        }
        for wrong in [
            "check",
            "explode --all",
            "set-events --all",
            "check --status fine",
            "check --all --dry-run --yes",
        ] {
            assert_eq!(of(wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }
}
