//! `hookherd deliveries`: list, show, replay.

use super::address::route;
use super::failed::CommandResult;
use super::list::{Listing, Part, Whose};
use super::output::Column;
use super::session::Session;
use reqwest::Method;

/// How deliveries are listed.
const LISTING: Listing = Listing::of("deliveries").with(&[
    Column::id("ID", "/id"),
    Column::text("REPOSITORY", "/repository_full_name"),
    Column::text("EVENT", "/event"),
    Column::time("RECEIVED", "/received_at"),
    Column::status("OUTCOME", "/outcome"),
    Column::text("BYTES", "/body_bytes").optional(),
]);

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    whose: Whose,
    /// Only of this event, such as `workflow_run` or `Pipeline Hook`.
    #[arg(long)]
    event: Option<String>,
    /// Only with this outcome, such as `dead_letter`.
    #[arg(long)]
    outcome: Option<String>,
    /// Only in this state: `received` or `processed`.
    #[arg(long)]
    state: Option<String>,
    #[command(flatten)]
    part: Part,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show a delivery with headers, payload and outcome.
    Show {
        /// The delivery.
        id: String,
    },
    /// Process a delivery again.
    Replay {
        /// The delivery.
        id: String,
    },
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let client = session.client()?;
    match &args.action {
        Some(Action::Show { id }) => {
            let text = client.text(&route(&["deliveries", id])?)?;
            session.printer.delivery(&text)?;
        }
        Some(Action::Replay { id }) => {
            let path = route(&["deliveries", id, "replay"])?;
            let answer = client.call(Method::POST, &path, None)?;
            let words = format!("{id} queued for reprocessing");
            session.printer.words(&answer, &words);
        }
        None => {
            let whose = args.whose.filters(&client)?;
            let filters = whose.and(&[
                ("event", args.event.as_deref()),
                ("outcome", args.outcome.as_deref()),
                ("state", args.state.as_deref()),
            ]);
            LISTING.show(session, &client, "deliveries", &filters, &args.part)?;
        }
    }
    Ok(())
}
