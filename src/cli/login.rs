//! `hookherd login PROVIDER`: signs in on this terminal, through the daemon.

use super::address::route;
use super::client::{Client, refusal};
use super::credential;
use super::failed::{CommandResult, Failed};
use super::output::{Printer, printable};
use super::session::Session;
use crate::domain::repo::ProviderKind;
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
    #[arg(value_parser = super::provider::parse)]
    provider: ProviderKind,
    /// The provider's host, if several are configured.
    #[arg(long)]
    host: Option<String>,
}

fn text(value: &Value, field: &str) -> Result<String, Failed> {
    let found = value.get(field).and_then(Value::as_str);
    let found =
        found.ok_or_else(|| Failed::new(format!("the daemon's response has no {field}")))?;
    Ok(printable(found))
}

fn seconds(value: &Value, field: &str, otherwise: u64) -> Duration {
    let found = value.get(field).and_then(Value::as_u64);
    Duration::from_secs(found.unwrap_or(otherwise).max(INTERVAL_MIN))
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let printer = session.printer;
    let client = session.client()?;
    let found = sign_in(&client, args, printer)?;
    printer.words(&found, &credential::stored(&found));
    Ok(())
}

/// Shows the code, waits, and returns the new credential.
fn sign_in(client: &Client, args: &Args, printer: Printer) -> Result<Value, Failed> {
    let provider = args.provider.as_str();
    let path = route(&["oauth", provider, "device"])?;
    let begun = client.call(Method::POST, &path, Some(&json!({ "host": args.host })))?;
    let (code, page) = (
        text(&begun, "user_code")?,
        text(&begun, "verification_uri")?,
    );
    printer.beside(&format!("Open {page} and enter the code {code}"));
    let until = Instant::now() + seconds(&begun, "expires_in", 0);
    let mut wait = seconds(&begun, "interval", INTERVAL_DEFAULT);
    let path = route(&["oauth", provider, "device", &text(&begun, "id")?])?;
    // Trouble at the provider passes, and the code lives on. When it does not, it is the reason.
    let mut trouble = None;
    while Instant::now() + wait < until {
        client.pause(wait);
        let (status, state) = client.ask(Method::POST, &path, None)?;
        if status.is_server_error() {
            trouble.get_or_insert(refusal(status, &state));
            continue;
        }
        if !status.is_success() {
            return Err(trouble.unwrap_or_else(|| refusal(status, &state)));
        }
        if let Some(found) = state.get("credential").filter(|found| !found.is_null()) {
            return Ok(found.clone());
        }
        wait = seconds(&state, "interval", INTERVAL_DEFAULT);
    }
    Err(trouble.unwrap_or_else(|| Failed::new("The device code expired. Start again.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::access::{Access, Origin};
    use crate::cli::address::Address;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// A daemon that answers these, in turn; and the first lines of what it was asked.
    fn daemon(answers: Vec<Value>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let serve = |answer: Value| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut bytes = vec![0; 4096];
                let n = stream.read(&mut bytes).unwrap();
                let asked = String::from_utf8_lossy(&bytes[..n]).into_owned();
                let body = answer.to_string();
                let status = answer["status"].as_u64().unwrap_or(200);
                let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
                let length = body.len();
                let text = format!("{head}content-length: {length}\r\n\r\n{body}");
                stream.write_all(text.as_bytes()).unwrap();
                asked.lines().next().unwrap_or_default().to_owned()
            };
            answers.into_iter().map(serve).collect()
        });
        (address, thread)
    }

    fn client(address: &str) -> Client {
        let access = Access {
            address: Address::parse(address).unwrap(),
            address_from: Origin::Default,
            token: "token".to_owned().into(),
            token_from: Origin::Default,
        };
        Client::new(access).unwrap()
    }

    fn signs_in(answers: Vec<Value>) -> (Result<Value, Failed>, Vec<String>) {
        let (address, thread) = daemon(answers);
        let client = client(&address);
        let args = Args {
            provider: ProviderKind::Github,
            host: None,
        };
        let outcome = sign_in(&client, &args, Printer::plain());
        (outcome, thread.join().unwrap())
    }

    fn begun(expires_in: u64) -> Value {
        json!({
            "id": "x",
            "user_code": "AB-12",
            "verification_uri": "https://github.com/login/device",
            "expires_in": expires_in,
            "interval": 1
        })
    }

    #[test]
    fn it_asks_until_the_user_has_agreed() {
        let pending = json!({"status": "pending", "interval": 1, "credential": null});
        let connected = json!({"status": "connected", "interval": null, "credential": {"id": "c"}});
        let (outcome, asked) = signs_in(vec![begun(900), pending, connected]);
        assert_eq!(outcome.unwrap()["id"], "c");
        let poll = "POST /api/v2/oauth/github/device/x HTTP/1.1";
        let begin = "POST /api/v2/oauth/github/device HTTP/1.1";
        assert_eq!(asked, [begin, poll, poll]);
    }

    #[test]
    fn trouble_passes_and_what_is_told_in_the_end_is_what_went_wrong_first() {
        let trouble = json!({"status": 503, "code": "provider_unavailable", "detail": "away"});
        let connected = json!({"credential": {"id": "c"}});
        let (outcome, _) = signs_in(vec![begun(900), trouble.clone(), connected]);
        assert_eq!(outcome.unwrap()["id"], "c");
        let gone = json!({"status": 404, "code": "not_found", "detail": "no such thing"});
        let (outcome, _) = signs_in(vec![begun(900), trouble, gone.clone()]);
        assert!(outcome.unwrap_err().to_string().contains("away"));
        let (outcome, asked) = signs_in(vec![begun(900), gone]);
        assert!(outcome.unwrap_err().to_string().contains("no such thing"));
        assert_eq!(asked.len(), 2);
    }

    #[test]
    fn it_stops_when_the_code_is_over() {
        let (outcome, asked) = signs_in(vec![begun(1)]);
        assert!(outcome.unwrap_err().to_string().contains("expired"));
        assert_eq!(asked.len(), 1);
    }
}
