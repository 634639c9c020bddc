//! `hookherd disconnect ID`.

use super::Outcome;
use super::session::Session;
use reqwest::Method;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The connection.
    id: String,
    /// Leave the webhook at the provider.
    #[arg(long)]
    keep_webhook: bool,
}

pub(super) fn run(args: &Args, session: &Session) -> Outcome {
    let delete = !args.keep_webhook;
    let path = format!(
        "repositories/connections/{}?delete_webhook={delete}",
        args.id
    );
    let answer = session.client()?.call(Method::DELETE, &path, None)?;
    let words = answer
        .get("message")
        .and_then(|v| v.as_str())
        .unwrap_or("disconnected");
    session.printer.words(&answer, words);
    Ok(())
}
