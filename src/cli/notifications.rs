//! `hookherd notifications`: what sinks were sent, and what waits.

use super::address::route;
use super::failed::CommandResult;
use super::list::{Listing, Part};
use super::output::Column;
use super::session::Session;
use super::sinks::id_of;
use reqwest::Method;

/// How notifications are listed.
const LISTING: Listing = Listing::of("notifications").with(&[
    Column::id("ID", "/id"),
    Column::text("KIND", "/kind"),
    Column::text("INCIDENT", "/incident_id"),
    Column::text("SINK", "/sink_id").optional(),
    Column::status("STATE", "/state"),
    Column::text("TRIES", "/tries").optional(),
    Column::time("CREATED", "/created_at"),
    Column::time("DUE", "/due_at"),
    Column::text("ERROR", "/error"),
]);

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only with this state.
    #[arg(long, value_parser = ["waiting", "sent", "dropped", "failed"])]
    state: Option<String>,
    /// Only for this sink, by its name or id.
    #[arg(long)]
    sink: Option<String>,
    /// Only about this incident.
    #[arg(long, value_name = "ID")]
    incident: Option<String>,
    #[command(flatten)]
    part: Part,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show a notification.
    Show {
        /// The notification.
        id: String,
    },
    /// Send a notification again that has failed, or now one that waits.
    Retry {
        /// The notification.
        id: String,
    },
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let (client, printer) = (session.client()?, session.printer);
    match &args.action {
        Some(Action::Show { id }) => {
            printer.record(&client.get(&route(&["notifications", id])?)?);
            Ok(())
        }
        Some(Action::Retry { id }) => {
            let path = route(&["notifications", id, "retry"])?;
            let answer = client.call(Method::POST, &path, None)?;
            printer.words(&answer, &format!("{id} is sent again"));
            Ok(())
        }
        None => {
            let sink = args.sink.as_deref().map(|sink| id_of(&client, sink));
            let sink = sink.transpose()?;
            let filters = [
                ("state", args.state.as_deref()),
                ("sink_id", sink.as_deref()),
                ("incident_id", args.incident.as_deref()),
            ];
            LISTING.show(session, &client, "notifications", &filters, &args.part)
        }
    }
}
