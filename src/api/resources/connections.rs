//! Connections: connect, look, change, disconnect.

use super::{Paging, id};
use crate::actor::{Command, ConnectRequest};
use crate::api::State;
use crate::api::dto;
use crate::api::error::Problem;
use crate::api::scope::Owned;
use crate::domain::connection::{Connection, EVENTS_DEFAULT, EVENTS_MAX};
use crate::domain::delivery::EVENT_NAME_BYTES_MAX;
use crate::domain::id::ConnectionId;
use crate::domain::repo::ProviderKind;
use crate::domain::secret::HOOK_SECRET_BYTES_MIN;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a disconnect waits for the hook's deletion before it answers that it goes on.
const DISCONNECT_WAIT: Duration = Duration::from_secs(5);

const _: () = assert!(
    HOOK_SECRET_BYTES_MIN >= 32,
    "hooks without good secrets are not made"
);

/// What connecting takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    provider: Option<String>,
    host: Option<String>,
    repository_full_name: String,
    #[serde(default = "yes")]
    setup_webhook: bool,
    webhook_events: Option<Vec<String>>,
    credential_id: Option<String>,
}

fn yes() -> bool {
    true
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
}

/// Names of events, sorted and without repetition.
fn events(names: Vec<String>) -> Result<Vec<String>, Problem> {
    let fits = |name: &String| {
        name == "*"
            || ((1..=EVENT_NAME_BYTES_MAX).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    if names.is_empty() || names.len() > EVENTS_MAX || !names.iter().all(fits) {
        let detail = "webhook_events must be 1 to 100 names such as \"workflow_run\", or \"*\"";
        return Err(invalid(detail));
    }
    let mut names = names;
    names.sort();
    names.dedup();
    Ok(names)
}

fn show(state: &State, connection: &Connection) -> Value {
    let provider = connection.instance.provider;
    let (base, key) = (&state.public_url, connection.hook_key);
    dto::connection(
        connection,
        &format!("{base}/api/v2/webhooks/{provider}/{key}"),
    )
}

/// `POST /api/v2/repositories/connect`
pub async fn connect(
    state: web::Data<State>,
    owned: Owned,
    wish: web::Json<Connect>,
) -> Result<HttpResponse, Problem> {
    let wish = wish.into_inner();
    let provider = wish.provider.as_deref().unwrap_or("github");
    let provider: ProviderKind = provider.parse().map_err(|e| invalid(format!("{e}")))?;
    let full_name = wish
        .repository_full_name
        .parse()
        .map_err(|e| invalid(format!("{e}")))?;
    let host = wish
        .host
        .map(|h| h.parse())
        .transpose()
        .map_err(|e| invalid(format!("{e}")))?;
    let credential = wish
        .credential_id
        .as_deref()
        .map(|text| id(text, "credential"))
        .transpose()?;
    if let Some(credential) = credential {
        owned.credential(credential)?;
    }
    let chosen = wish.webhook_events;
    let names = chosen.unwrap_or_else(|| EVENTS_DEFAULT.map(String::from).to_vec());
    let request = ConnectRequest {
        owner: owned.caller.user,
        provider,
        host,
        full_name,
        events: events(names)?,
        setup_webhook: wish.setup_webhook,
        credential,
    };
    let connection = state.herd.connect(request).await?;
    Ok(HttpResponse::Created().json(show(&state, &connection)))
}

/// `GET /api/v2/repositories/connections`
pub async fn list(
    state: web::Data<State>,
    owned: Owned,
    paging: web::Query<Paging>,
) -> Result<HttpResponse, Problem> {
    let page = owned.connections(paging.after()?)?;
    let total = owned.each_connection(|_| ())?;
    let list = super::list(page, |connection| Ok(show(&state, connection)))?;
    let (items, next) = (list.items, list.next_cursor);
    Ok(HttpResponse::Ok().json(json!({
        "connections": items, "total": total, "next_cursor": next,
    })))
}

/// `GET /api/v2/repositories/connections/{id}`
pub async fn get(
    state: web::Data<State>,
    owned: Owned,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let connection = owned.connection(id(&path, "connection")?)?;
    Ok(HttpResponse::Ok().json(show(&state, &connection)))
}

/// What can be changed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    is_enabled: Option<bool>,
    webhook_events: Option<Vec<String>>,
}

/// `PATCH /api/v2/repositories/connections/{id}`
pub async fn change(
    state: web::Data<State>,
    owned: Owned,
    path: web::Path<String>,
    changes: web::Json<Changes>,
) -> Result<HttpResponse, Problem> {
    let id = owned.connection(id(&path, "connection")?)?.id;
    let changes = changes.into_inner();
    let wanted = changes.webhook_events.map(events).transpose()?;
    if let Some(wanted) = wanted {
        state.herd.command(id, Command::SetEvents(wanted)).await?;
    }
    if let Some(is_enabled) = changes.is_enabled {
        state
            .herd
            .command(id, Command::SetEnabled(is_enabled))
            .await?;
    }
    Ok(HttpResponse::Ok().json(show(&state, &owned.connection(id)?)))
}

/// What disconnecting understands.
#[derive(Debug, Deserialize)]
pub struct Disconnect {
    #[serde(default = "yes")]
    delete_webhook: bool,
}

/// `DELETE /api/v2/repositories/connections/{id}`
pub async fn disconnect(
    state: web::Data<State>,
    owned: Owned,
    path: web::Path<String>,
    how: web::Query<Disconnect>,
) -> Result<HttpResponse, Problem> {
    let id: ConnectionId = id(&path, "connection")?;
    let connection = owned.connection(id)?;
    let delete_hook = how.delete_webhook;
    state
        .herd
        .command(id, Command::Disconnect { delete_hook })
        .await?;
    let is_done =
        delete_hook && state.herd.settled(id, DISCONNECT_WAIT).await && !owned.is_leaving(id)?;
    let message = match (delete_hook, is_done) {
        (true, true) => "disconnected; the webhook is deleted",
        (true, false) => "disconnected; the webhook is deleted as soon as the provider answers",
        (false, _) => "disconnected; the webhook was left alone",
    };
    Ok(HttpResponse::Ok().json(json!({
        "success": true,
        "connection_id": id.to_string(),
        "repository_full_name": connection.full_name.as_str(),
        "webhook_deleted": is_done,
        "message": message,
    })))
}

async fn order(
    state: &State,
    owned: &Owned,
    path: &str,
    command: Command,
) -> Result<HttpResponse, Problem> {
    let id = owned.connection(id(path, "connection")?)?.id;
    state.herd.command(id, command).await?;
    Ok(HttpResponse::Accepted().json(show(state, &owned.connection(id)?)))
}

macro_rules! orders {
    ($($(#[$doc:meta])* $name:ident = $command:expr;)*) => {$(
        $(#[$doc])*
        pub async fn $name(
            state: web::Data<State>,
            owned: Owned,
            path: web::Path<String>,
        ) -> Result<HttpResponse, Problem> {
            order(&state, &owned, &path, $command).await
        }
    )*};
}

orders! {
    /// `POST /api/v2/repositories/connections/{id}/check`
    check = Command::Check;
    /// `POST /api/v2/repositories/connections/{id}/ping`
    ping = Command::Ping;
    /// `POST /api/v2/repositories/connections/{id}/recreate`
    recreate = Command::Recreate;
    /// `POST /api/v2/repositories/connections/{id}/rotate-secret`
    rotate_secret = Command::RotateSecret;
}
