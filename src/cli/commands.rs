//! `hookherd commands`: show.

use super::CommandResult;
use super::address::route;
use super::client::Client;
use super::failed::Failed;
use super::session::Session;
use serde_json::Value;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Commands {
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
    let Commands::Show { id } = command;
    session.printer.record(&get(&session.client()?, id)?);
    Ok(())
}
