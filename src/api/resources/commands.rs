//! Commands: requests for connections, and their outcomes.

use crate::api::dto;
use crate::api::error::Answer;
use crate::api::extract::Path;
use crate::api::me::Me;
use crate::api::query::{Limit, Query};
use crate::api::reply::ok;
use crate::domain::command::Command;
use crate::domain::id::{CommandId, ConnectionId};
use serde::Deserialize;
use utoipa::IntoParams;

/// Get a command
///
/// A stored command is carried out, also after a restart, and kept as long as history.
#[utoipa::path(
    get, path = "/api/v2/commands/{id}",
    responses((status = 200, body = dto::Command))
)]
pub(in crate::api) async fn one(me: Me, Path(id): Path<CommandId>) -> Answer {
    let command = me.owned().command(id).await?;
    ok(&dto::Command::of(&command))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct CommandQuery {
    limit: Option<Limit>,
    cursor: Option<CommandId>,
}

/// List the commands of a connection
///
/// Pending and ended ones. A disconnected connection has them as long as its history is kept.
#[utoipa::path(
    get, path = "/api/v2/repositories/connections/{id}/commands", params(CommandQuery),
    responses((status = 200, body = dto::List<dto::Command>))
)]
pub(in crate::api) async fn list(
    me: Me,
    Path(id): Path<ConnectionId>,
    Query(asked): Query<CommandQuery>,
) -> Answer {
    let after = Limit::after(asked.limit, asked.cursor);
    let found = me.owned().commands(id, after).await?;
    ok(&dto::List::of(found, |command: Command| {
        dto::Command::of(&command)
    }))
}
