//! `hookherd incidents`: list, show, acknowledge, resolve, assign, mute, note, timeline.

use super::address::route;
use super::failed::CommandResult;
use super::list::{Listing, Part, Whose};
use super::output::Column;
use super::session::Session;
use reqwest::Method;
use serde_json::{Value, json};

/// How incidents are listed.
const LISTING: Listing = Listing::of("incidents").with(&[
    Column::id("ID", "/id"),
    Column::status("STATUS", "/status"),
    Column::status("SEVERITY", "/severity").optional(),
    Column::text("REPOSITORY", "/repository_full_name"),
    Column::text("TIMES", "/occurrences").optional(),
    Column::time("LAST SEEN", "/last_seen_at"),
    Column::text("TITLE", "/title"),
]);

/// How a timeline is shown.
const TIMELINE: &[Column] = &[
    Column::time("AT", "/at"),
    Column::text("WHAT", "/kind"),
    Column::text("TIMES", "/times").optional(),
    Column::text("BY", "/user"),
    Column::text("RUN", "/run_id"),
    Column::text("ATTEMPT", "/run_attempt").optional(),
    Column::text("HOW", "/resolution"),
    Column::text("TO", "/assignee").optional(),
    Column::time("UNTIL", "/until").optional(),
    Column::text("NOTE", "/text"),
];

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// Only with this status.
    #[arg(long, value_parser = ["open", "acknowledged", "resolved"])]
    status: Option<String>,
    /// Only those that were resolved by a pass of the commit that had failed; with `=false`, only
    /// others.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    flaky: Option<bool>,
    /// Only those whose workflow fails and passes in turn now; with `=false`, only others.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    flapping: Option<bool>,
    #[command(flatten)]
    whose: Whose,
    #[command(flatten)]
    part: Part,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show an incident.
    Show {
        /// The incident.
        id: String,
    },
    /// Acknowledge an incident.
    Acknowledge {
        /// The incident.
        id: String,
    },
    /// Resolve an incident.
    Resolve {
        /// The incident.
        id: String,
    },
    /// Assign an incident to a user.
    Assign {
        /// The incident.
        id: String,
        /// Name or id of a user who may see it.
        user: String,
    },
    /// Remove the assignment of an incident.
    Unassign {
        /// The incident.
        id: String,
    },
    /// Send no notifications of an incident for a time.
    Mute {
        /// The incident.
        id: String,
        /// For how long: 1m to 30d.
        #[arg(long = "for", value_name = "DURATION", default_value = "4h")]
        time: String,
        /// Until this time instead, such as 2026-11-28T14:30:00Z.
        #[arg(long, value_name = "TIME", conflicts_with = "time")]
        until: Option<String>,
    },
    /// Send notifications of an incident again.
    Unmute {
        /// The incident.
        id: String,
    },
    /// Add a note to an incident.
    Note {
        /// The incident.
        id: String,
        /// Up to 1000 characters.
        text: String,
    },
    /// Show what happened to an incident.
    Timeline {
        /// The incident.
        id: String,
    },
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let client = session.client()?;
    let printer = session.printer;
    let act = |id: &str, action: &str, done: &str, body: Option<Value>| {
        let path = route(&["incidents", id, action])?;
        let answer = client.call(Method::POST, &path, body.as_ref())?;
        // A command: it is stored, and still pending.
        let is_pending = answer["state"] == "asked";
        let done = if is_pending { action } else { done };
        let more = if is_pending { ": requested" } else { "" };
        printer.words(&answer, &format!("{done} {id}{more}"));
        Ok(())
    };
    match &args.action {
        Some(Action::Show { id }) => {
            printer.incident(&client.get(&route(&["incidents", id])?)?);
            Ok(())
        }
        Some(Action::Acknowledge { id }) => act(id, "acknowledge", "acknowledged", None),
        Some(Action::Resolve { id }) => act(id, "resolve", "resolved", None),
        Some(Action::Assign { id, user }) => {
            act(id, "assign", "assigned", Some(json!({ "user": user })))
        }
        Some(Action::Unassign { id }) => {
            act(id, "assign", "unassigned", Some(json!({ "user": null })))
        }
        Some(Action::Mute { id, time, until }) => {
            let body = match until {
                Some(until) => json!({ "until": until }),
                None => json!({ "for": time }),
            };
            act(id, "mute", "muted", Some(body))
        }
        Some(Action::Unmute { id }) => act(id, "unmute", "unmuted", None),
        Some(Action::Note { id, text }) => act(id, "notes", "noted", Some(json!({ "text": text }))),
        Some(Action::Timeline { id }) => {
            let answer = client.get(&route(&["incidents", id, "timeline"])?)?;
            printer.table(&answer, "entries", TIMELINE);
            Ok(())
        }
        None => {
            let whose = args.whose.filters(&client)?;
            let [flaky, flapping] =
                [args.flaky, args.flapping].map(|wanted| wanted.map(|wanted| wanted.to_string()));
            let own = [
                ("status", args.status.as_deref()),
                ("flaky", flaky.as_deref()),
                ("flapping", flapping.as_deref()),
            ];
            let filters = whose.and(&own);
            LISTING.show(session, &client, "incidents", &filters, &args.part)
        }
    }
}
