//! `hookherd token`: the API tokens of this daemon.

use super::Outcome;
use super::address::route;
use super::list::{self, Listing, Part};
use super::output::{Column, text_of};
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
        /// What to call it, so that you know it again.
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// How long it is good, such as 12h or 30d. Default: until it is revoked.
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
    },
    /// List API tokens, without the tokens: who has them, when they end, when they were used.
    List {
        /// Of this user (admin). Default: yourself.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
        /// Of everybody (admin).
        #[arg(long, conflicts_with = "user")]
        all: bool,
        #[command(flatten)]
        part: Part,
    },
    /// Revoke an API token: it is refused from now on.
    Revoke {
        /// Its id, as `hookherd token list` shows it.
        id: String,
    },
}

/// How tokens are listed.
const COLUMNS: [Column; 6] = [
    Column::id("ID", "/id"),
    Column::text("USER", "/user"),
    Column::text("NAME", "/name"),
    Column::time("CREATED", "/created_at"),
    Column::time("LAST USE", "/last_used_at"),
    Column::time("EXPIRES", "/expires_at"),
];

pub(super) fn run(command: &Token, session: &Session) -> Outcome {
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
            let listing = Listing {
                path: "tokens",
                field: "items",
                what: "API tokens",
                filters: &[("user", user)],
                columns: &COLUMNS,
            };
            list::show(session, &client, &listing, part)
        }
        Token::Revoke { id } => {
            let answer = client.call(Method::DELETE, &route(&["tokens", id])?, None)?;
            session.printer.words(&answer, &format!("revoked {id}"));
            Ok(())
        }
    }
}
