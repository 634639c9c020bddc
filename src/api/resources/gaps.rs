//! Gaps: times in which deliveries were missed, and the result of their recovery.

use crate::api::dto;
use crate::api::error::Answer;
use crate::api::me::Me;
use crate::api::query::{Limit, Query};
use crate::api::reply::ok;
use crate::domain::id::{ConnectionId, GapId};
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct GapQuery {
    limit: Option<Limit>,
    cursor: Option<GapId>,
    connection_id: Option<ConnectionId>,
}

/// List gaps
///
/// Times in which deliveries were missed, or may have been; the newest 20 of each connection. The
/// totals of all are in `health.gaps` of a connection and in `GET /api/v2/stats`.
#[utoipa::path(
    get, path = "/api/v2/gaps", params(GapQuery),
    responses((status = 200, body = dto::List<dto::Gap>))
)]
pub(in crate::api) async fn list(me: Me, Query(asked): Query<GapQuery>) -> Answer {
    let after = Limit::after(asked.limit, asked.cursor);
    let owned = me.owned();
    let found = owned.gaps(asked.connection_id, after).await?;
    let mut items = Vec::with_capacity(found.items.len());
    for gap in &found.items {
        let name = owned.full_name(gap.connection).await?;
        items.push(dto::Gap::of(gap, name));
    }
    ok(&dto::List {
        items,
        next_cursor: found.next.map(|id| id.to_string()),
    })
}
