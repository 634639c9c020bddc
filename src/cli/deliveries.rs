//! `hookherd deliveries`: list, show, replay.

use super::Outcome;
use super::client::{Client, query};
use super::output::Printer;
use reqwest::Method;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only of this connection.
    #[arg(long, value_name = "ID")]
    connection: Option<String>,
    /// At most this many.
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show a delivery with headers, payload and outcome.
    Show {
        /// The delivery.
        id: String,
    },
    /// Process a delivery again.
    Replay {
        /// The delivery.
        id: String,
    },
}

pub(super) fn run(args: &Args, printer: Printer) -> Outcome {
    let client = session.client()?;
    match &args.action {
        Some(Action::Show { id }) => printer.record(&client.get(&format!("deliveries/{id}"))?),
        Some(Action::Replay { id }) => {
            let answer = client.call(Method::POST, &format!("deliveries/{id}/replay"), None)?;
            printer.words(&answer, &format!("{id} will be processed again"));
        }
        None => {
            let limit = args.limit.to_string();
            let pairs = [
                ("connection_id", args.connection.as_deref()),
                ("limit", Some(&limit)),
            ];
            let columns = [
                ("ID", "/id"),
                ("EVENT", "/event"),
                ("RECEIVED", "/received_at"),
                ("STATE", "/state"),
                ("OUTCOME", "/outcome"),
                ("BYTES", "/body_bytes"),
            ];
            let answer = client.get(&format!("deliveries{}", query(&pairs)))?;
            printer.table(&answer, "items", &columns);
        }
    }
    Ok(())
}
