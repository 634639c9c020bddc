//! `hookherd gaps`: what was missed, and the result of its recovery.

use super::failed::CommandResult;
use super::list::{Listing, Part};
use super::output::Column;
use super::reference::find::id_of;
use super::session::Session;

/// How gaps are listed.
const LISTING: Listing = Listing::of("gaps").with(&[
    Column::text("REPOSITORY", "/repository_full_name"),
    Column::text("CAUSE", "/cause"),
    Column::time("FROM", "/from"),
    Column::time("TO", "/to"),
    Column::text("MISSED", "/totals/missed"),
    Column::text("RECOVERED", "/totals/recovered"),
    Column::text("LOST", "/totals/unrecoverable"),
    Column::time("CLOSED", "/closed_at").optional(),
]);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only of this connection: OWNER/REPO, its URL, or an id.
    #[arg(long)]
    connection: Option<String>,
    #[command(flatten)]
    part: Part,
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let client = session.client()?;
    let id = id_of(&client, args.connection.as_deref())?;
    let filters = [("connection_id", id.as_deref())];
    LISTING.show(session, &client, "gaps", &filters, &args.part)?;
    let stats = client.get("stats")?;
    if let Some(since) = stats["behind_since"].as_str() {
        let words = format!("Missing deliveries are being recovered; the oldest was sent {since}.");
        session.printer.beside(&words);
    }
    Ok(())
}
