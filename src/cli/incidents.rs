//! `hookherd incidents`: list, show, acknowledge, resolve.

use super::address::route;
use super::failed::CommandResult;
use super::list::{Listing, Part, Whose};
use super::output::Column;
use super::session::Session;
use reqwest::Method;

/// How incidents are listed.
const LISTING: Listing = Listing::of("incidents").with(&[
    Column::id("ID", "/id"),
    Column::status("STATUS", "/status"),
    Column::status("SEVERITY", "/severity").optional(),
    Column::text("REPOSITORY", "/repository_full_name"),
    Column::text("TIMES", "/occurrences").optional(),
    Column::time("LAST SEEN", "/last_seen_at"),
    Column::text("TITLE", "/title"),
]);

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only with this status.
    #[arg(long, value_parser = ["open", "acknowledged", "resolved"])]
    status: Option<String>,
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    part: Part,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show an incident.
    Show {
        /// The incident.
        id: String,
    },
    /// Acknowledge an incident.
    Acknowledge {
        /// The incident.
        id: String,
    },
    /// Resolve an incident.
    Resolve {
        /// The incident.
        id: String,
    },
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let client = session.client()?;
    let printer = session.printer;
    let act = |id: &str, action: &str, done: &str| {
        let path = route(&["incidents", id, action])?;
        let answer = client.call(Method::POST, &path, None)?;
        // A command: it is stored, and still pending.
        let is_pending = answer["state"] == "asked";
        let done = if is_pending { action } else { done };
        let more = if is_pending { ": requested" } else { "" };
        printer.words(&answer, &format!("{done} {id}{more}"));
        Ok(())
    };
    match &args.action {
        Some(Action::Show { id }) => {
            printer.record(&client.get(&route(&["incidents", id])?)?);
            Ok(())
        }
        Some(Action::Acknowledge { id }) => act(id, "acknowledge", "acknowledged"),
        Some(Action::Resolve { id }) => act(id, "resolve", "resolved"),
        None => {
            let whose = args.whose.filters(&client)?;
            let filters = whose.and(&[("status", args.status.as_deref())]);
            LISTING.show(session, &client, "incidents", &filters, &args.part)
        }
    }
}
