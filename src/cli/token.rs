//! `hookherd token create`.

use super::Outcome;
use super::client::Client;
use super::output::Printer;
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

pub(super) fn run(command: &Token, printer: Printer) -> Outcome {
    let Token::Create { user } = command;
    let body = user
        .as_ref()
        .map_or_else(|| json!({}), |name| json!({ "user": name }));
    let answer = Client::from_env()?.call(Method::POST, "tokens", Some(&body))?;
    let token = answer.get("token").and_then(|v| v.as_str()).unwrap_or("-");
    printer.words(&answer, token);
    Ok(())
}
