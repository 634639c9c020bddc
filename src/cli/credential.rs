//! `hookherd credential`: the provider tokens that the daemon may use for you.

use super::client::{Client, read_secret_file};
use super::output::Printer;
use super::{Failed, Outcome};
use reqwest::Method;
use serde_json::json;
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

pub(super) fn run(command: &Credential, printer: Printer) -> Outcome {
    let client = Client::from_env()?;
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
                return Err(Failed("no token was given on standard input".into()));
            }
            let body = json!({ "provider": provider, "token": token, "host": host });
            let answer = client.call(Method::POST, "credentials", Some(&body))?;
            let text = |p: &str| answer.pointer(p).and_then(|v| v.as_str()).unwrap_or("-");
            printer.words(
                &answer,
                &format!("stored {} for {}", text("/id"), text("/account/login")),
            );
        }
        Credential::List => {
            let columns = [
                ("ID", "/id"),
                ("PROVIDER", "/provider"),
                ("HOST", "/host"),
                ("ACCOUNT", "/account/login"),
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
