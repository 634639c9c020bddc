//! Connections: seen, changed, disconnected, and their lifecycle actions.

use super::repositories::{decoder, events_named};
use super::{json, ok};
use crate::actor::{Command, Farewell};
use crate::api::dto;
use crate::api::error::{Answer, Code, Problem};
use crate::api::extract::{Json, after, path_id, query};
use crate::api::filter;
use crate::api::scope::{Caller, Shared};
use crate::domain::connection::{Connection, WebhookStatus};
use crate::domain::id::ConnectionId;
use crate::domain::repo::FullName;
use crate::store::ConnectionFilter;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use serde::Deserialize;

fn shape(shared: &Shared, connection: &Connection) -> dto::Connection {
    dto::Connection::of(connection, &shared.settings.public_url)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    limit: Option<usize>,
    cursor: Option<String>,
    repository: Option<String>,
    provider: Option<String>,
    host: Option<String>,
    owner: Option<String>,
    status: Option<String>,
    deleting: Option<bool>,
}

impl ListQuery {
    fn filter(&self) -> Result<ConnectionFilter, Problem> {
        let status = self.status.as_ref();
        let owner_name = match &self.owner {
            Some(owner) if format!("{owner}/x").parse::<FullName>().is_err() => {
                let why = "owner: expected a user, an organisation or a group";
                return Err(Problem::new(Code::BadQuery, why));
            }
            owner => owner.clone(),
        };
        Ok(ConnectionFilter {
            repository: filter::repository(self.repository.as_ref())?,
            provider: filter::provider(self.provider.as_ref())?,
            host: filter::host(self.host.as_ref())?,
            owner_name,
            status: filter::choice("status", status, &WebhookStatus::ALL, WebhookStatus::as_str)?,
            are_leaving: self.deleting.unwrap_or(false),
        })
    }
}

/// `GET /api/v2/repositories/connections`
pub(in crate::api) async fn list(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let asked: ListQuery = query(&request)?;
    let filter = asked.filter()?;
    let after = after::<ConnectionId>(asked.limit, asked.cursor.as_ref())?;
    let owned = shared.owned(caller);
    let found = owned.connections(&filter, after).await?;
    let total = owned.connection_counts().await?.values().sum();
    ok(&dto::ConnectionList {
        connections: found.items.iter().map(|c| shape(&shared, c)).collect(),
        total,
        next_cursor: found.next.map(|id| id.to_string()),
    })
}

/// `GET /api/v2/repositories/connections/{id}`
pub(in crate::api) async fn one(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let connection = shared.owned(caller).connection(path_id(&request)?).await?;
    ok(&shape(&shared, &connection))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Patch {
    is_enabled: Option<bool>,
    webhook_events: Option<Vec<String>>,
}

/// `PATCH /api/v2/repositories/connections/{id}`
pub(in crate::api) async fn patch(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
    Json(patch): Json<Patch>,
) -> Answer {
    let connection = shared.owned(caller).connection(path_id(&request)?).await?;
    let id = connection.id;
    let named = |events| events_named(decoder(&shared, connection.instance.provider)?, events);
    let events = patch.webhook_events.map(named).transpose()?;
    if events.is_none() && patch.is_enabled.is_none() {
        return Err(Problem::invalid(
            "body",
            "expected is_enabled, webhook_events or both",
        ));
    }
    let wanted = [
        events.map(Command::SetEvents),
        patch.is_enabled.map(Command::SetEnabled),
    ];
    for command in wanted.into_iter().flatten() {
        shared.herd.command(id, command).await?;
    }
    let connection = shared.owned(caller).connection(id).await?;
    ok(&shape(&shared, &connection))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteQuery {
    delete_webhook: Option<bool>,
}

/// `DELETE /api/v2/repositories/connections/{id}`
pub(in crate::api) async fn disconnect(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let asked: DeleteQuery = query(&request)?;
    let delete_hook = asked.delete_webhook.unwrap_or(true);
    let connection = shared.owned(caller).connection(path_id(&request)?).await?;
    let (id, within) = (connection.id, shared.settings.disconnect_wait);
    let farewell = shared.herd.disconnect(id, delete_hook, within).await?;
    let message = match farewell {
        Farewell::Deleted => "disconnected; the webhook is deleted at the provider",
        Farewell::NeverMade => "disconnected; no webhook was ever made at the provider",
        Farewell::Left => "disconnected; the webhook was left at the provider, as asked",
        Farewell::Pending if delete_hook => {
            "disconnected; the webhook could not be deleted yet, which goes on in the background"
        }
        Farewell::Pending => "disconnected; a call to the provider is still under way",
    };
    ok(&dto::Disconnected {
        success: true,
        connection_id: id.to_string(),
        repository_full_name: connection.full_name.to_string(),
        webhook_deleted: farewell == Farewell::Deleted,
        webhook_outcome: farewell.as_str(),
        message,
    })
}

async fn act(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
    command: Command,
) -> Answer {
    let id = shared
        .owned(caller)
        .connection(path_id(&request)?)
        .await?
        .id;
    shared.herd.command(id, command).await?;
    let connection = shared.owned(caller).connection(id).await?;
    json(StatusCode::ACCEPTED, &shape(&shared, &connection))
}

/// `POST .../{id}/check`
pub(in crate::api) async fn check(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    act(caller, shared, request, Command::Check).await
}

/// `POST .../{id}/ping`
pub(in crate::api) async fn ping(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    act(caller, shared, request, Command::Ping).await
}

/// `POST .../{id}/recreate`
pub(in crate::api) async fn recreate(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    act(caller, shared, request, Command::Recreate).await
}

/// `POST .../{id}/rotate-secret`
pub(in crate::api) async fn rotate_secret(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    act(caller, shared, request, Command::RotateSecret).await
}
