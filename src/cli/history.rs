//! `hookherd history`.

use super::connections;
use super::failed::CommandResult;
use super::list::{Listing, Part};
use super::output::Column;
use super::reference::find::find;
use super::session::Session;

/// How the entries are listed.
const LISTING: Listing = Listing::of("entries").with(&[
    Column::time("AT", "/at"),
    Column::text("WHAT", "/kind"),
    Column::text("TIMES", "/times").optional(),
    Column::text("FIELDS", "/fields"),
    Column::text("PROOF", "/proof"),
    Column::text("ACTION", "/action"),
    Column::text("REASON", "/code").optional(),
]);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The connection: OWNER/REPO, its URL, or an id.
    connection: String,
    #[command(flatten)]
    part: Part,
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let client = session.client()?;
    let found = find(&client, &args.connection)?;
    let path = connections::path(&found, Some("history"))?;
    LISTING.show(session, &client, &path, &[], &args.part)
}
