//! Histories of connections.

use crate::api::dto;
use crate::api::error::Answer;
use crate::api::extract::Path;
use crate::api::me::Me;
use crate::api::query::{Limit, Query};
use crate::api::reply::ok;
use crate::domain::history::Entry;
use crate::domain::id::ConnectionId;
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct HistoryQuery {
    limit: Option<Limit>,
    cursor: Option<i64>,
}

/// List what happened to a connection's webhook
///
/// Each entry says what happened, how that is known, and what was done about it. The newest 100
/// entries are stored, up to 90 days. The history ends with the connection.
#[utoipa::path(
    get, path = "/api/v2/repositories/connections/{id}/history", params(HistoryQuery),
    responses((status = 200, body = dto::List<dto::HistoryEntry>))
)]
pub(in crate::api) async fn list(
    me: Me,
    Path(id): Path<ConnectionId>,
    Query(asked): Query<HistoryQuery>,
) -> Answer {
    let history = me.owned().history(id).await?;
    let entries = history.map(|history| history.entries).unwrap_or_default();
    // None is below 0: nothing follows on such a number.
    let cursor = asked
        .cursor
        .map(|number| u64::try_from(number).unwrap_or(0));
    let after = Limit::after(asked.limit, cursor);
    let page = dto::cut(entries, after, |entry| entry.number);
    ok(&dto::List::of(page, |entry: Entry| {
        dto::HistoryEntry::of(&entry)
    }))
}
