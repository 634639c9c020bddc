//! `hookherd token`: the API tokens of this daemon.

use super::address::route;
use super::client::Client;
use super::failed::{CommandResult, Failed};
use super::list::{Listing, Part};
use super::output::{Column, text_of};
use super::session::Session;
use crate::domain::id::TokenId;
use reqwest::Method;
use serde_json::{Value, json};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Token {
    /// Create another API token and print it. It is shown once.
    Create {
        /// For this user (admin). Default: yourself.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// A name for it.
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// How long it is valid, such as 12h or 30d. Default: until it is revoked.
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// List API tokens: owner, expiry and last use. The tokens themselves are not shown.
    List {
        /// Of this user (admin). Default: yourself.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// Of all users (admin).
        #[arg(long, conflicts_with = "user")]
        all: bool,
        #[command(flatten)]
        part: Part,
    },
    /// Revoke an API token.
    Revoke {
        /// Its id or name, as `hookherd token list` shows it, or the start of either.
        token: String,
    },
}

/// How tokens are listed.
const LISTING: Listing = Listing::of("API tokens").with(&[
    Column::id("ID", "/id"),
    Column::text("USER", "/user"),
    Column::text("NAME", "/name"),
    Column::time("CREATED", "/created_at"),
    Column::time("LAST USE", "/last_used_at"),
    Column::time("EXPIRES", "/expires_at"),
]);

pub(super) fn run(command: &Token, session: &Session) -> CommandResult {
    let client = session.client()?;
    match command {
        Token::Create {
            user,
            name,
            expires,
        } => {
            let body = json!({ "user": user, "name": name, "expires_in": expires });
            let answer = client.call(Method::POST, "tokens", Some(&body))?;
            session.printer.token(&answer, text_of(&answer, "/user"));
            Ok(())
        }
        Token::List { user, all, part } => {
            let user = if *all { Some("*") } else { user.as_deref() };
            LISTING.show(session, &client, "tokens", &[("user", user)], part)
        }
        Token::Revoke { token } => {
            let id = id_of(&client, token)?;
            let answer = client.call(Method::DELETE, &route(&["tokens", &id])?, None)?;
            session.printer.words(&answer, &format!("revoked {id}"));
            Ok(())
        }
    }
}

/// The id of the one token that is meant: by its id, its name, or how one of them begins. An id as
/// it stands is the daemon's to find: an admin can revoke what another user has.
fn id_of(client: &Client, text: &str) -> Result<String, Failed> {
    if text.parse::<TokenId>().is_ok() {
        return Ok(text.to_owned());
    }
    let tokens = client.every("tokens", "items", &[])?;
    let fits = |is_meant: &dyn Fn(&str) -> bool| -> Vec<&Value> {
        let named = |one: &&Value| {
            ["/id", "/name"]
                .iter()
                .filter_map(|field| one.pointer(field)?.as_str())
                .any(is_meant)
        };
        tokens.iter().filter(named).collect()
    };
    let whole = fits(&|found| found == text);
    let begun = || fits(&|found| !text.is_empty() && found.starts_with(text));
    let meant = if whole.is_empty() { begun() } else { whole };
    match meant[..] {
        [one] => Ok(text_of(one, "/id").to_owned()),
        [] => {
            let words = format!("no API token `{text}`; see `hookherd token list`");
            Err(Failed::new(words).coded("not_found"))
        }
        _ => {
            let lines = meant
                .iter()
                .map(|one| format!("{}  {}", text_of(one, "/id"), text_of(one, "/name")));
            let lines = lines.collect();
            let items = meant.iter().map(|one| one["id"].clone()).collect();
            let words = format!("several API tokens match `{text}`: use an id");
            let failed = Failed::new(words).coded("ambiguous");
            Err(failed.among("candidates", items, lines))
        }
    }
}
