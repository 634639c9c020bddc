//! Reports: what broke in a time.

use crate::api::dto;
use crate::api::error::{Answer, Code, Problem};
use crate::api::me::Me;
use crate::api::query::{Moment, Query};
use crate::api::reply::ok;
use serde::Deserialize;
use std::time::Duration;
use utoipa::IntoParams;

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
    let (report, is_partial) = me.owned().report(since, until).await?;
    ok(&dto::Report::of(&report, is_partial))
}
