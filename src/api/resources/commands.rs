//! Commands: what was asked of connections, and what became of it.

use crate::api::access::Caller;
use crate::api::dto;
use crate::api::error::Answer;
use crate::api::extract::Path;
use crate::api::reply::ok;
use crate::api::scope::Shared;
use crate::domain::id::CommandId;
use actix_web::web;

/// Get a command
///
/// A command that was asked is carried out, also after a restart, and kept for a while.
#[utoipa::path(
    get, path = "/api/v2/commands/{id}",
    responses((status = 200, body = dto::Command))
)]
pub(in crate::api) async fn one(
    caller: Caller,
    shared: web::Data<Shared>,
    Path(id): Path<CommandId>,
) -> Answer {
    let command = shared.owned(caller).command(id).await?;
    ok(&dto::Command::of(&command))
}
