//! `hookherd credential`: the provider tokens that the daemon may use for you.

use super::client::{Client, read_secret_file};
use super::output::{Column, Printer};
use super::session::Session;
use super::{Failed, Outcome};
use reqwest::Method;
use serde_json::{Value, json};
use std::io::Read;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Credential {
    /// Store a token, read from standard input or a file, never from the command line.
    Add {
        /// `github` or `gitlab`.
        provider: String,
        /// The provider's host, when there is more than one.
        #[arg(long)]
        host: Option<String>,
        /// Read the token from this file.
        #[arg(long, value_name = "FILE")]
        token_file: Option<String>,
    },
    /// Store an installation of the GitHub App that the daemon is configured with (admin).
    App {
        /// `github`.
        provider: String,
        /// The number of the installation, as in the URL of its settings.
        #[arg(long, value_name = "ID")]
        installation: String,
        /// The provider's host, when there is more than one.
        #[arg(long)]
        host: Option<String>,
    },
    /// Let connections of other users fall back on a credential. They are shown nothing of it.
    Share {
        /// The credential.
        id: String,
        /// Share it no longer.
        #[arg(long)]
        off: bool,
    },
    /// List the stored tokens, without the tokens.
    List,
    /// Forget a token.
    Remove {
        /// The credential.
        id: String,
    },
}

/// Longest token that is read from standard input.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

pub(super) fn run(command: &Credential, session: &Session) -> Outcome {
    let printer = session.printer;
    let client = session.client()?;
    match command {
        Credential::Add {
            provider,
            host,
            token_file,
        } => {
            let token = if let Some(path) = token_file {
                read_secret_file(path)?
            } else {
                let mut text = String::new();
                std::io::stdin()
                    .take(TOKEN_BYTES_MAX)
                    .read_to_string(&mut text)?;
                text.trim().to_owned()
            };
            if token.is_empty() {
                return Err(Failed::new("no token was given on standard input"));
            }
            let body = json!({ "provider": provider, "token": token, "host": host });
            add(&client, &body, printer)?;
        }
        Credential::App {
            provider,
            installation,
            host,
        } => {
            let body = json!({ "provider": provider, "installation": installation, "host": host });
            add(&client, &body, printer)?;
        }
        Credential::Share { id, off } => {
            let path = format!("credentials/{id}");
            let body = json!({ "is_shared": !off });
            let answer = client.call(Method::PATCH, &path, Some(&body))?;
            let words = if *off { "no longer shared" } else { "shared" };
            printer.words(&answer, &format!("{id} is {words}"));
        }
        Credential::List => {
            let columns = [
                ("ID", "/id"),
                ("PROVIDER", "/provider"),
                ("HOST", "/host"),
                ("ACCOUNT", "/account/login"),
                ("KIND", "/kind"),
                ("PROBLEM", "/rejected_because"),
                ("CREATED", "/created_at"),
            ];
            printer.table(&client.get("credentials")?, "items", &columns);
        }
        Credential::Remove { id } => {
            let answer = client.call(Method::DELETE, &format!("credentials/{id}"), None)?;
            printer.words(&answer, &format!("removed {id}"));
        }
    }
    Ok(())
}

fn add(client: &Client, body: &Value, printer: Printer) -> Outcome {
    let answer = client.call(Method::POST, "credentials", Some(body))?;
    printer.words(&answer, &stored(&answer));
    Ok(())
}

/// What is said of a credential that was stored.
pub(super) fn stored(credential: &Value) -> String {
    let text = |p: &str| {
        credential
            .pointer(p)
            .and_then(Value::as_str)
            .unwrap_or("-")
            .to_owned()
    };
    format!("stored {} for {}", text("/id"), text("/account/login"))
}
