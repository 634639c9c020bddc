//! `hookherd user add NAME`.

use super::Outcome;
use super::session::Session;
use reqwest::Method;
use serde_json::json;

#[derive(Debug, clap::Subcommand)]
pub(super) enum User {
    /// Add a user and print their first API token. It is shown once.
    Add {
        /// The name: letters, digits, '.', '_', '-', '@'.
        name: String,
        /// May add users.
        #[arg(long)]
        admin: bool,
    },
}

pub(super) fn run(command: &User, session: &Session) -> Outcome {
    let User::Add { name, admin } = command;
    let body = json!({ "name": name, "is_admin": admin });
    let answer = session.client()?.call(Method::POST, "users", Some(&body))?;
    let token = answer.get("token").and_then(|v| v.as_str()).unwrap_or("-");
    session.printer.words(&answer, token);
    Ok(())
}
