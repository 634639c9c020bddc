//! `hookherd runs`: list, show.

use super::address::route;
use super::failed::CommandResult;
use super::list::{Listing, Part, Whose};
use super::output::Column;
use super::session::Session;

/// How runs are listed.
const LISTING: Listing = Listing::of("runs").with(&[
    Column::id("ID", "/id"),
    Column::text("REPOSITORY", "/repository_full_name"),
    Column::text("WORKFLOW", "/workflow_name"),
    Column::text("BRANCH", "/branch"),
    Column::status("STATUS", "/status").optional(),
    Column::status("CONCLUSION", "/conclusion"),
    Column::time("UPDATED", "/updated_at").optional(),
]);

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    whose: Whose,
    /// Only of this branch, or of those that a pattern such as `release/*` matches.
    #[arg(long)]
    branch: Option<String>,
    /// Only with this status: `queued`, `in_progress` or `completed`.
    #[arg(long)]
    status: Option<String>,
    /// Only with this conclusion, such as `failure`.
    #[arg(long)]
    conclusion: Option<String>,
    #[command(flatten)]
    part: Part,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show a run with its failed jobs.
    Show {
        /// The run.
        id: String,
    },
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let client = session.client()?;
    if let Some(Action::Show { id }) = &args.action {
        let path = route(&["workflows", "runs", id])?;
        session.printer.record(&client.get(&path)?);
        return Ok(());
    }
    let whose = args.whose.filters(&client)?;
    let filters = whose.and(&[
        ("branch", args.branch.as_deref()),
        ("status", args.status.as_deref()),
        ("conclusion", args.conclusion.as_deref()),
    ]);
    LISTING.show(session, &client, "workflows/runs", &filters, &args.part)
}
