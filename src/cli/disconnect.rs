//! `hookherd disconnect CONNECTION`.

use super::address::route;
use super::failed::CommandResult;
use super::reference::find::find;
use super::session::Session;
use reqwest::Method;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The connection: OWNER/REPO, its URL, or an id.
    connection: String,
    /// Leave the webhook at the provider.
    #[arg(long)]
    keep_webhook: bool,
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let client = session.client()?;
    let found = find(&client, &args.connection)?;
    let path = route(&["repositories", "connections", &found.id])?;
    let delete = !args.keep_webhook;
    let path = format!("{path}?delete_webhook={delete}");
    let answer = client.call(Method::DELETE, &path, None)?;
    let words = answer.get("message").and_then(|v| v.as_str());
    let words = format!("{}: {}", found.name, words.unwrap_or("disconnected"));
    session.printer.words(&answer, &words);
    Ok(())
}
