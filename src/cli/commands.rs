//! `hookherd commands`: list, show.

use super::address::route;
use super::client::Client;
use super::connections;
use super::failed::{CommandResult, Failed};
use super::list::{Listing, Part};
use super::output::Column;
use super::reference::find::find;
use super::session::Session;
use serde_json::Value;

/// How commands are listed.
const LISTING: Listing = Listing::of("commands").with(&[
    Column::id("ID", "/id"),
    Column::text("COMMAND", "/kind"),
    Column::time("ASKED", "/asked_at"),
    Column::status("STATE", "/state"),
    Column::text("OUTCOME", "/outcome"),
    Column::text("ERROR", "/code"),
]);

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
    /// List the commands of a connection.
    List {
        /// The connection: OWNER/REPO, its URL, or an id.
        connection: String,
        #[command(flatten)]
        part: Part,
    },
    /// Show a command: who asked for it, when, and its outcome.
    Show {
        /// The command.
        id: String,
    },
}

/// A stored command.
pub(super) fn get(client: &Client, id: &str) -> Result<Value, Failed> {
    client.get(&route(&["commands", id])?)
}

pub(super) fn run(command: &Commands, session: &Session) -> CommandResult {
    let client = session.client()?;
    match command {
        Commands::List { connection, part } => {
            let found = find(&client, connection)?;
            let path = connections::path(&found, Some("commands"))?;
            LISTING.show(session, &client, &path, &[], part)
        }
        Commands::Show { id } => {
            session.printer.record(&get(&client, id)?);
            Ok(())
        }
    }
}
