//! `hookherd user`: who may use this daemon. For admins.

use super::address::{query, route};
use super::client::Client;
use super::failed::{CommandResult, Failed};
use super::list::{Listing, Part};
use super::output::{Column, text_of};
use super::session::Session;
use reqwest::Method;
use serde_json::json;

#[derive(Debug, clap::Subcommand)]
pub(super) enum User {
    /// Add a user and print their first API token. It is shown once.
    Add {
        /// The name: letters, digits, '.', '_', '-', '@'.
        name: String,
        /// Make the user an admin.
        #[arg(long)]
        admin: bool,
    },
    /// List users.
    List {
        #[command(flatten)]
        part: Part,
    },
    /// Remove a user with all API tokens, credentials and sign-ins.
    ///
    /// Refused while the user has connections, unless --disconnect is given.
    Remove {
        /// The name, or the id.
        user: String,
        /// Disconnect the user's repositories and delete their webhooks first.
        #[arg(long)]
        disconnect: bool,
        /// Leave the webhooks at the providers.
        #[arg(long, requires = "disconnect")]
        keep_webhooks: bool,
    },
}

/// How users are listed.
const LISTING: Listing = Listing::of("users").with(&[
    Column::id("ID", "/id"),
    Column::text("NAME", "/name"),
    Column::text("ADMIN", "/is_admin"),
    Column::time("ADDED", "/created_at"),
    Column::time("BEING REMOVED", "/removal/asked_at"),
]);

pub(super) fn run(command: &User, session: &Session) -> CommandResult {
    let client = session.client()?;
    match command {
        User::Add { name, admin } => {
            let body = json!({ "name": name, "is_admin": admin });
            let answer = client.call(Method::POST, "users", Some(&body))?;
            session.printer.token(&answer, name);
            Ok(())
        }
        User::List { part } => LISTING.show(session, &client, "users", &[], part),
        User::Remove {
            user,
            disconnect,
            keep_webhooks,
        } => {
            let id = id_of(&client, user)?;
            let delete = (!keep_webhooks).to_string();
            let choice = disconnect.then_some("disconnect");
            let asked = query(&[("connections", choice), ("delete_webhooks", Some(&delete))]);
            let path = format!("{}{asked}", route(&["users", &id])?);
            let answer = client.call(Method::DELETE, &path, None);
            // What the API calls a parameter is an option here.
            let answer = answer.map_err(|failed| match failed.code() {
                Some("user_in_use") => {
                    failed.and("Here these are --disconnect and --keep-webhooks.")
                }
                _ => failed,
            })?;
            let message = text_of(&answer, "/message");
            let words = match answer["connections_left"].as_u64() {
                Some(left) if left > 0 => format!("{user}: {message} ({left} left)"),
                Some(_) | None => format!("{user}: {message}"),
            };
            session.printer.words(&answer, &words);
            Ok(())
        }
    }
}

/// The id of the user with this name or id.
fn id_of(client: &Client, user: &str) -> Result<String, Failed> {
    let users = client.every("users", "items", &[])?;
    let is_meant = |key: &str| users.iter().find(|one| one[key] == user);
    let found = is_meant("name").or_else(|| is_meant("id"));
    let id = found.and_then(|found| found["id"].as_str());
    let none = || Failed::new(format!("no user {user}; see `hookherd user list`"));
    id.map(str::to_owned)
        .ok_or_else(|| none().coded("not_found"))
}
