//! `hookherd connect PROVIDER OWNER/REPO`.

use super::Outcome;
use super::client::Client;
use super::output::Printer;
use reqwest::Method;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// `github` or `gitlab`.
    provider: String,
    /// The repository, as OWNER/NAME; for GitLab groups may nest.
    repository: String,
    /// An event to subscribe to, by the provider's name; may be given more than once. Default: CI,
    /// pull or merge requests, and pushes.
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<String>,
    /// The provider's host, when there is more than one.
    #[arg(long)]
    host: Option<String>,
    /// The stored credential to use. Default: your newest that fits.
    #[arg(long, value_name = "ID")]
    credential: Option<String>,
    /// Connect without creating a webhook yet: the connection starts paused.
    #[arg(long)]
    no_webhook: bool,
}

pub(super) fn run(args: &Args, printer: Printer) -> Outcome {
    let mut body = json!({
        "provider": args.provider,
        "repository_full_name": args.repository,
        "setup_webhook": !args.no_webhook,
    });
    if !args.events.is_empty() {
        body["webhook_events"] = json!(args.events);
    }
    if let Some(host) = &args.host {
        body["host"] = json!(host);
    }
    if let Some(credential) = &args.credential {
        body["credential_id"] = json!(credential);
    }
    let answer = Client::from_env()?.call(Method::POST, "repositories/connect", Some(&body))?;
    let text = |pointer: &str| {
        answer
            .pointer(pointer)
            .and_then(|v| v.as_str())
            .unwrap_or("-")
    };
    let mut words = format!(
        "connected {} as {}; webhook {}",
        text("/repository_full_name"),
        text("/id"),
        text("/webhook_status")
    );
    if let Some(message) = answer
        .pointer("/last_error/message")
        .and_then(|v| v.as_str())
    {
        words.push_str(": ");
        words.push_str(message);
    }
    printer.words(&answer, &words);
    Ok(())
}
