//! The filters of deliveries.

use crate::cli::client::Client;
use crate::cli::failed::Failed;
use crate::cli::list::{Filter, Filters, Whose};
use crate::cli::moment::Moment;
use time::OffsetDateTime;

/// Which deliveries are wanted.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    #[command(flatten)]
    whose: Whose,
    /// Only of this event, such as `workflow_run` or `Pipeline Hook`.
    #[arg(long)]
    event: Option<String>,
    /// Only with this action, such as `completed`.
    #[arg(long)]
    action: Option<String>,
    /// Only with this outcome, such as `dead_letter`.
    #[arg(long)]
    outcome: Option<String>,
    /// Only in this state: `received` or `processed`.
    #[arg(long)]
    state: Option<String>,
    /// Only those that the provider sent (`webhook`), or that were fetched after they were missed
    /// (`reconcile`).
    #[arg(long)]
    source: Option<String>,
    /// Only those that arrived at this time or later: `2h` for two hours ago, `2026-11-28`, or
    /// `2026-11-28T14:30:00Z`.
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only those that arrived before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Only those with this id of the provider, such as GitHub's GUID.
    #[arg(long, value_name = "ID")]
    provider_delivery_id: Option<String>,
}

/// The same in the daemon's words.
pub(super) struct Wanted<'a> {
    which: &'a Which,
    whose: Filters,
    since: Option<String>,
    until: Option<String>,
}

impl Which {
    pub(super) fn wanted(&self, client: &Client) -> Result<Wanted<'_>, Failed> {
        let now = OffsetDateTime::now_utc();
        let moment = |moment: Option<Moment>| moment.map(|moment| moment.before(now));
        Ok(Wanted {
            whose: self.whose.filters(client)?,
            since: moment(self.since),
            until: moment(self.until),
            which: self,
        })
    }
}

impl Wanted<'_> {
    pub(super) fn filters(&self) -> Vec<Filter<'_>> {
        let which = self.which;
        self.whose.and(&[
            ("event", which.event.as_deref()),
            ("action", which.action.as_deref()),
            ("outcome", which.outcome.as_deref()),
            ("state", which.state.as_deref()),
            ("source", which.source.as_deref()),
            ("since", self.since.as_deref()),
            ("until", self.until.as_deref()),
            (
                "provider_delivery_id",
                which.provider_delivery_id.as_deref(),
            ),
        ])
    }
}
