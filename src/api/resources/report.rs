//! Reports: what broke in a time.

use crate::api::dto;
use crate::api::error::{Answer, Code, Problem};
use crate::api::me::Me;
use crate::api::query::{Moment, Query};
use crate::api::reply::ok;
use crate::api::scope::Owned;
use crate::domain::report::Reporter;
use crate::store::{After, ConnectionFilter, IncidentFilter};
use serde::Deserialize;
use std::time::Duration;
use utoipa::IntoParams;

/// The newest incidents, and the newest connections, that a report looks at.
const SCANNED_MAX: usize = 20_000;
/// Records that are read at a time.
const PAGE: usize = 500;
/// The time of a report for which no beginning was named.
const WEEK: Duration = Duration::from_hours(7 * 24);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ReportQuery {
    /// Beginning. Without: 7 days before the end.
    since: Option<Moment>,
    /// End. Without: now.
    until: Option<Moment>,
}

/// Get a report of your incidents
///
/// What broke, how long it was red, what is flaky, what took longest to resolve, and which webhooks
/// needed repair. A report looks at your newest 20,000 incidents and connections.
#[utoipa::path(
    get, path = "/api/v2/report", params(ReportQuery),
    responses((status = 200, body = dto::Report))
)]
pub(in crate::api) async fn show(me: Me, Query(asked): Query<ReportQuery>) -> Answer {
    let until = asked.until.map_or_else(|| me.now(), |Moment(at)| at);
    let since = asked
        .since
        .map_or_else(|| until.minus(WEEK), |Moment(at)| at);
    if since >= until {
        let why = "since: expected a time before the end of the report.";
        return Err(Problem::new(Code::TimeUnfit, why));
    }
    let owned = me.owned();
    let mut reporter = Reporter::new(since, until);
    let are_all = incidents(owned, &mut reporter).await?;
    let are_all = histories(owned, &mut reporter).await? && are_all;
    ok(&dto::Report::of(&reporter.finish(), !are_all))
}

/// Returns whether all of them were looked at.
async fn incidents(owned: Owned<'_>, reporter: &mut Reporter) -> Result<bool, Problem> {
    let filter = IncidentFilter::default();
    let mut after = After::first(PAGE);
    for _ in 0..SCANNED_MAX / PAGE {
        let found = owned.incidents(&filter, after).await?;
        for incident in &found.items {
            reporter.take(incident);
        }
        let Some(last) = found.next else {
            return Ok(true);
        };
        after.last = Some(last);
    }
    Ok(false)
}

/// Returns whether those of all connections were looked at.
async fn histories(owned: Owned<'_>, reporter: &mut Reporter) -> Result<bool, Problem> {
    let filter = ConnectionFilter::default();
    let mut after = After::first(PAGE);
    for _ in 0..SCANNED_MAX / PAGE {
        let found = owned.connections(&filter, after).await?;
        for connection in &found.items {
            if let Some(history) = owned.history_of(connection).await? {
                let name = connection.full_name.as_str();
                reporter.take_history(connection.id, name, &history);
            }
        }
        let Some(last) = found.next else {
            return Ok(true);
        };
        after.last = Some(last);
    }
    Ok(false)
}
