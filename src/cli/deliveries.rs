//! `hookherd deliveries`: list, follow, show, replay.

mod follow;
mod replay;
mod which;

use super::address::route;
use super::failed::CommandResult;
use super::list::{Listing, Part};
use super::output::Column;
use super::session::Session;
use which::Which;

/// How deliveries are listed.
const LISTING: Listing = Listing::of("deliveries").with(&[
    Column::id("ID", "/id"),
    Column::text("REPOSITORY", "/repository_full_name"),
    Column::text("EVENT", "/event"),
    Column::text("ACTION", "/action").optional(),
    Column::time("RECEIVED", "/received_at"),
    Column::status("OUTCOME", "/outcome"),
    Column::text("SOURCE", "/source").optional(),
    Column::text("BYTES", "/body_bytes").optional(),
]);

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    which: Which,
    /// Show deliveries as they arrive, and again when they are processed. `--since` begins with
    /// stored ones.
    #[arg(long, short, conflicts_with_all = ["limit", "cursor", "until", "provider_delivery_id"])]
    follow: bool,
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
    /// Process deliveries again: those with these ids, or all that the filters select.
    Replay(Box<replay::Args>),
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let client = session.client()?;
    match &args.action {
        Some(Action::Show { id }) => {
            let text = client.text(&route(&["deliveries", id])?)?;
            session.printer.delivery(&text)
        }
        Some(Action::Replay(args)) => replay::run(args, &client, session.printer),
        None if args.follow => follow::run(&args.which, &client, session.printer),
        None => {
            let wanted = args.which.wanted(&client)?;
            LISTING.show(
                session,
                &client,
                "deliveries",
                &wanted.filters(),
                &args.part,
            )
        }
    }
}
