//! `hookherd token create`.

use super::Outcome;
use super::session::Session;
use reqwest::Method;
use serde_json::json;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Token {
    /// Create another API token and print it. It is shown once.
    Create {
        /// For this user (admin). Default: yourself.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
}

pub(super) fn run(command: &Token, session: &Session) -> Outcome {
    let Token::Create { user } = command;
    let body = user
        .as_ref()
        .map_or_else(|| json!({}), |name| json!({ "user": name }));
    let answer = session
        .client()?
        .call(Method::POST, "tokens", Some(&body))?;
    let token = answer.get("token").and_then(|v| v.as_str()).unwrap_or("-");
    session.printer.words(&answer, token);
    Ok(())
}
