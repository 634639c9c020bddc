//! `hookherd credential`: the provider tokens that the daemon may use for you.

use super::access::{read_token_file, token_of};
use super::address::route;
use super::client::Client;
use super::failed::{CommandResult, Failed};
use super::output::{Column, Printer, text_of};
use super::session::Session;
use crate::domain::repo::ProviderKind;
use reqwest::Method;
use serde_json::{Value, json};
use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use zeroize::Zeroizing;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Credential {
    /// Store a token, read from standard input or a file, never from the command line.
    Add {
        /// `github` or `gitlab`.
        #[arg(value_parser = super::provider::parse)]
        provider: ProviderKind,
        /// The provider's host, if several are configured.
        #[arg(long)]
        host: Option<String>,
        /// Read the provider's token from this file. (`--token-file` is for the API token.)
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
    /// Store an installation of the GitHub App that the daemon is configured with (admin).
    App {
        /// `github`.
        #[arg(value_parser = super::provider::parse)]
        provider: ProviderKind,
        /// The number of the installation, as in the URL of its settings.
        #[arg(long, value_name = "ID")]
        installation: String,
        /// The provider's host, if several are configured.
        #[arg(long)]
        host: Option<String>,
    },
    /// Share a credential: connections of other users can use it, but not see it.
    Share {
        /// The credential.
        id: String,
        /// Stop sharing it.
        #[arg(long)]
        off: bool,
    },
    /// List stored credentials. The tokens themselves are not shown.
    List,
    /// Remove a token. One that is still in use needs confirmation.
    Remove {
        /// The credential.
        id: String,
        /// Remove it even if connections or pending webhook deletions depend on it.
        #[arg(long)]
        force: bool,
    },
}

/// How credentials are listed.
const COLUMNS: [Column; 8] = [
    Column::id("ID", "/id"),
    Column::text("PROVIDER", "/provider"),
    Column::text("HOST", "/host"),
    Column::text("ACCOUNT", "/account/login"),
    Column::text("KIND", "/kind").optional(),
    Column::text("PROBLEM", "/rejected_because"),
    Column::time("EXPIRES", "/expires_at"),
    Column::time("CREATED", "/created_at").optional(),
];
/// Longest token that is read from standard input.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

pub(super) fn run(command: &Credential, session: &Session) -> CommandResult {
    let printer = session.printer;
    let client = session.client()?;
    match command {
        Credential::Add {
            provider,
            host,
            from,
        } => {
            let token = match from {
                Some(path) => read_token_file(path)?,
                None => token_of_input()?,
            };
            let body = json!({ "provider": provider.as_str(), "token": *token, "host": host });
            add(&client, &body, printer)?;
        }
        Credential::App {
            provider,
            installation,
            host,
        } => {
            let body = json!({
                "provider": provider.as_str(), "installation": installation, "host": host,
            });
            add(&client, &body, printer)?;
        }
        Credential::Share { id, off } => {
            let path = route(&["credentials", id])?;
            let body = json!({ "is_shared": !off });
            let answer = client.call(Method::PATCH, &path, Some(&body))?;
            let words = if *off { "no longer shared" } else { "shared" };
            printer.words(&answer, &format!("{id} is {words}"));
        }
        Credential::List => {
            printer.table(&client.get("credentials")?, "items", &COLUMNS);
        }
        Credential::Remove { id, force } => {
            remove(&client, &route(&["credentials", id])?, *force)?;
            let answer = json!({ "id": id, "removed": true });
            printer.words(&answer, &format!("removed {id}"));
        }
    }
    Ok(())
}

/// Removes a credential. When it is still in use, the user is asked.
fn remove(client: &Client, path: &str, force: bool) -> Result<Value, Failed> {
    let forced = format!("{path}?force=true");
    if force {
        return client.call(Method::DELETE, &forced, None);
    }
    let (status, answer) = client.ask(Method::DELETE, path, None)?;
    if status.is_success() {
        return Ok(answer);
    }
    if answer["code"] != IN_USE {
        // The second question repeats the reason in full.
        return client.call(Method::DELETE, path, None);
    }
    let why = answer["detail"].as_str().unwrap_or("it is still in use");
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        let failed = Failed::new(format!("{why} (--force)"));
        return Err(failed.coded(IN_USE).http(status.as_u16()));
    }
    let ask = dialoguer::Confirm::new().with_prompt(format!("{why}\nRemove it anyway?"));
    if ask.default(false).interact()? {
        client.call(Method::DELETE, &forced, None)
    } else {
        Err(Failed::new("nothing removed"))
    }
}

/// The code of a refusal that says what still needs a credential.
const IN_USE: &str = "credential_in_use";

/// The token on standard input.
fn token_of_input() -> Result<Zeroizing<String>, Failed> {
    if std::io::stdin().is_terminal() {
        let ask = dialoguer::Password::new().with_prompt("Token of the provider");
        let token = Zeroizing::new(ask.interact()?);
        return token_of(&token, "the input");
    }
    let mut text = Zeroizing::new(String::new());
    let input = std::io::stdin().take(TOKEN_BYTES_MAX);
    let mut input = std::io::BufReader::new(input);
    input.read_to_string(&mut text)?;
    if text.trim().is_empty() {
        return Err(Failed::new("no token on standard input"));
    }
    token_of(&text, "standard input")
}

fn add(client: &Client, body: &Value, printer: Printer) -> CommandResult {
    let answer = client.call(Method::POST, "credentials", Some(body))?;
    printer.words(&answer, &stored(&answer));
    Ok(())
}

/// What is said of a credential that was stored.
pub(super) fn stored(credential: &Value) -> String {
    let (id, login) = (
        text_of(credential, "/id"),
        text_of(credential, "/account/login"),
    );
    format!("stored {id} for {login}")
}
