//! `hookherd incidents`: list, acknowledge, resolve.

use super::Outcome;
use super::client::{Client, query};
use super::output::Printer;
use reqwest::Method;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only with this status: open, acknowledged or resolved.
    #[arg(long)]
    status: Option<String>,
    /// Only of this connection.
    #[arg(long, value_name = "ID")]
    connection: Option<String>,
    /// Only of this repository, as OWNER/NAME.
    #[arg(long)]
    repository: Option<String>,
    /// At most this many.
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show an incident.
    Show {
        /// The incident.
        id: String,
    },
    /// Say that an incident is known.
    Acknowledge {
        /// The incident.
        id: String,
    },
    /// Say that an incident is over.
    Resolve {
        /// The incident.
        id: String,
    },
}

pub(super) fn run(args: &Args, printer: Printer) -> Outcome {
    let client = session.client()?;
    match &args.action {
        Some(Action::Show { id }) => printer.record(&client.get(&format!("incidents/{id}"))?),
        Some(Action::Acknowledge { id }) => {
            let answer = client.call(Method::POST, &format!("incidents/{id}/acknowledge"), None)?;
            printer.words(&answer, &format!("acknowledged {id}"));
        }
        Some(Action::Resolve { id }) => {
            let answer = client.call(Method::POST, &format!("incidents/{id}/resolve"), None)?;
            printer.words(&answer, &format!("resolved {id}"));
        }
        None => {
            let limit = args.limit.to_string();
            let query = query(&[
                ("status", args.status.as_deref()),
                ("connection_id", args.connection.as_deref()),
                ("repository", args.repository.as_deref()),
                ("limit", Some(&limit)),
            ]);
            let columns = [
                ("ID", "/id"),
                ("STATUS", "/status"),
                ("SEVERITY", "/severity"),
                ("REPOSITORY", "/repository_full_name"),
                ("TIMES", "/occurrences"),
                ("LAST SEEN", "/last_seen_at"),
                ("TITLE", "/title"),
            ];
            printer.table(
                &client.get(&format!("incidents{query}"))?,
                "items",
                &columns,
            );
        }
    }
    Ok(())
}
