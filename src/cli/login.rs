//! `hookherd login PROVIDER`: signs in on this terminal, through the daemon.

use super::client::Client;
use super::output::{Printer, printable};
use super::{Failed, Outcome, credential};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The wait between two questions when the daemon names none.
const INTERVAL_DEFAULT: u64 = 5;
/// Shortest wait between two questions, whatever the daemon says.
const INTERVAL_MIN: u64 = 1;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// `github` or `gitlab`.
    provider: String,
    /// The provider's host, when there is more than one.
    #[arg(long)]
    host: Option<String>,
}

fn text(value: &Value, field: &str) -> Result<String, Failed> {
    let found = value.get(field).and_then(Value::as_str);
    let found = found.ok_or_else(|| Failed(format!("the daemon named no {field}")))?;
    Ok(printable(found))
}

fn seconds(value: &Value, field: &str, otherwise: u64) -> Duration {
    let found = value.get(field).and_then(Value::as_u64);
    Duration::from_secs(found.unwrap_or(otherwise).max(INTERVAL_MIN))
}

pub(super) fn run(args: &Args, printer: Printer) -> Outcome {
    let client = Client::from_env()?;
    let provider = &args.provider;
    let path = format!("oauth/{provider}/device");
    let begun = client.call(Method::POST, &path, Some(&json!({ "host": args.host })))?;
    let (code, page) = (
        text(&begun, "user_code")?,
        text(&begun, "verification_uri")?,
    );
    printer.beside(&format!("Open {page} and type in {code}"));
    let until = Instant::now() + seconds(&begun, "expires_in", 0);
    let mut wait = seconds(&begun, "interval", INTERVAL_DEFAULT);
    let path = format!("{path}/{}", text(&begun, "id")?);
    while Instant::now() + wait < until {
        client.pause(wait);
        let state = client.call(Method::POST, &path, None)?;
        if let Some(found) = state.get("credential").filter(|found| !found.is_null()) {
            printer.words(found, &credential::stored(found));
            return Ok(());
        }
        wait = seconds(&state, "interval", INTERVAL_DEFAULT);
    }
    Err(Failed("the code is over: begin again".into()))
}
