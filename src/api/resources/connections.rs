//! Connections: seen, changed, disconnected, and their lifecycle actions.

use super::events::{self, decoder, events_named};
use crate::api::dto;
use crate::api::error::{Answer, Problem};
use crate::api::extract::{Json, Path};
use crate::api::me::Me;
use crate::api::query::{Limit, Owner, Query, RepositoryPattern, UrlPattern};
use crate::api::reply::{json, ok};
use crate::domain::command::{Command, CommandKind};
use crate::domain::connection::{Connection, WebhookStatus};
use crate::domain::id::ConnectionId;
use crate::domain::removal::HookOutcome;
use crate::domain::repo::{Host, ProviderKind};
use crate::domain::takeover::Replace;
use crate::store::ConnectionFilter;
use actix_web::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// A connection of the caller's with its health.
async fn shape(me: &Me, connection: &Connection) -> Result<dto::Connection, Problem> {
    let history = me.owned().history_of(connection).await?;
    let ledger = me.owned().ledger(connection.id).await?;
    let takeover = me.owned().takeover_of(connection).await?;
    let watch = me.settings.watch();
    let (history, ledger) = (history.as_ref(), ledger.as_ref());
    let takeover = takeover.as_ref();
    let around = dto::Around::of(&*me.connections, connection);
    Ok(dto::Connection::of(
        connection, history, &watch, ledger, takeover, &around,
    ))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ConnectionQuery {
    limit: Option<Limit>,
    cursor: Option<ConnectionId>,
    repository: Option<RepositoryPattern>,
    provider: Option<ProviderKind>,
    host: Option<Host>,
    owner: Option<Owner>,
    status: Option<WebhookStatus>,
    /// Show instead the connections that were disconnected and whose webhooks still have to be
    /// deleted.
    deleting: Option<bool>,
}

/// List connections
#[utoipa::path(
    get, path = "/api/v2/repositories/connections", params(ConnectionQuery),
    responses((status = 200, body = dto::ConnectionList))
)]
pub(in crate::api) async fn list(me: Me, Query(asked): Query<ConnectionQuery>) -> Answer {
    let filter = ConnectionFilter {
        repository: asked.repository.map(|RepositoryPattern(pattern)| pattern),
        provider: asked.provider,
        host: asked.host,
        owner_name: asked.owner.map(|Owner(name)| name),
        status: asked.status,
        are_leaving: asked.deleting.unwrap_or(false),
    };
    let after = Limit::after(asked.limit, asked.cursor);
    let owned = me.owned();
    let found = owned.connections(&filter, after).await?;
    let total = owned.counts().await?.connections_present();
    let mut connections = Vec::with_capacity(found.items.len());
    for connection in &found.items {
        connections.push(shape(&me, connection).await?);
    }
    ok(&dto::ConnectionList {
        connections,
        total,
        next_cursor: found.next,
    })
}

/// Get a connection
#[utoipa::path(
    get, path = "/api/v2/repositories/connections/{id}",
    responses((status = 200, body = dto::Connection))
)]
pub(in crate::api) async fn one(me: Me, Path(id): Path<ConnectionId>) -> Answer {
    let connection = me.owned().connection(id).await?;
    ok(&shape(&me, &connection).await?)
}

/// Changes to a connection.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ConnectionPatch {
    /// False pauses the connection, true resumes it.
    is_enabled: Option<bool>,
    #[schema(schema_with = events::of_any)]
    webhook_events: Option<Vec<String>>,
}

/// Change a connection
///
/// Pauses or resumes it, or changes its events. 202 when the change is stored but takes longer than
/// a few seconds: its command continues in the background.
#[utoipa::path(
    patch, path = "/api/v2/repositories/connections/{id}", request_body = ConnectionPatch,
    responses((status = 200, body = dto::Connection), (status = 202, body = dto::Acted))
)]
pub(in crate::api) async fn patch(
    me: Me,
    Path(id): Path<ConnectionId>,
    Json(patch): Json<ConnectionPatch>,
) -> Answer {
    let connection = me.owned().connection(id).await?;
    let named = |events| events_named(decoder(&me, connection.instance.provider)?, events);
    let events = patch.webhook_events.map(named).transpose()?;
    if events.is_none() && patch.is_enabled.is_none() {
        let why = "expected is_enabled, webhook_events or both";
        return Err(Problem::invalid("body", why));
    }
    let wanted = [
        events.map(CommandKind::SetEvents),
        patch.is_enabled.map(CommandKind::SetEnabled),
    ];
    let mut pending = None;
    for kind in wanted.into_iter().flatten() {
        let asking = me.asking(id, connection.owner, kind);
        let command = me.connections.ask(asking).await?;
        pending = Some(command).filter(Command::is_asked).or(pending);
    }
    let connection = me.owned().connection(id).await?;
    match pending {
        Some(command) => acted(&me, &connection, &command).await,
        None => ok(&shape(&me, &connection).await?),
    }
}

/// The answer to a command that may be pending.
async fn acted(me: &Me, connection: &Connection, command: &Command) -> Answer {
    let acted = dto::Acted {
        connection: shape(me, connection).await?,
        command: dto::Command::of(command),
    };
    json(StatusCode::ACCEPTED, &acted)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct DisconnectQuery {
    /// Whether to delete the webhook at the provider.
    #[param(default = true)]
    delete_webhook: Option<bool>,
}

/// Disconnect a repository
///
/// Waits up to five seconds for the webhook's deletion; after that it continues in the background.
#[utoipa::path(
    delete, path = "/api/v2/repositories/connections/{id}", params(DisconnectQuery),
    responses((status = 200, body = dto::Disconnected))
)]
pub(in crate::api) async fn disconnect(
    me: Me,
    Path(id): Path<ConnectionId>,
    Query(asked): Query<DisconnectQuery>,
) -> Answer {
    let delete_hook = asked.delete_webhook.unwrap_or(true);
    let connection = me.owned().connection(id).await?;
    let within = me.settings.disconnect_wait;
    let disconnect = CommandKind::Disconnect { delete_hook };
    let asking = me.asking(id, connection.owner, disconnect);
    let outcome = me.connections.disconnect(asking, within).await?;
    let message = match outcome {
        HookOutcome::Deleted => "Disconnected. The webhook was deleted at the provider.",
        HookOutcome::NeverMade => "Disconnected. No webhook had been created at the provider.",
        HookOutcome::Left => "Disconnected. The webhook was left at the provider, as requested.",
        HookOutcome::Pending if delete_hook => {
            "Disconnected. The webhook could not be deleted yet; Hookherd keeps trying."
        }
        HookOutcome::Pending => "Disconnected. A call to the provider is still in progress.",
    };
    ok(&dto::Disconnected {
        success: true,
        connection_id: id,
        repository_full_name: connection.full_name,
        webhook_deleted: outcome == HookOutcome::Deleted,
        webhook_outcome: outcome,
        message,
    })
}

async fn act(me: Me, id: ConnectionId, kind: CommandKind) -> Answer {
    let connection = me.owned().connection(id).await?;
    let asking = me.asking(id, connection.owner, kind);
    let command = me.connections.ask(asking).await?;
    let connection = me.owned().connection(id).await?;
    acted(&me, &connection, &command).await
}

/// Check a webhook
///
/// Compares the webhook at the provider with what it should be, and repairs it. Resumes a suspended
/// connection.
#[utoipa::path(
    post, path = "/api/v2/repositories/connections/{id}/check",
    responses((status = 202, body = dto::Acted))
)]
pub(in crate::api) async fn check(me: Me, Path(id): Path<ConnectionId>) -> Answer {
    act(me, id, CommandKind::Check).await
}

/// Ping a webhook
///
/// Asks the provider for a test delivery.
#[utoipa::path(
    post, path = "/api/v2/repositories/connections/{id}/ping",
    responses((status = 202, body = dto::Acted))
)]
pub(in crate::api) async fn ping(me: Me, Path(id): Path<ConnectionId>) -> Answer {
    act(me, id, CommandKind::Ping).await
}

/// Recreate a webhook
///
/// Deletes the webhook at the provider and creates a new one.
#[utoipa::path(
    post, path = "/api/v2/repositories/connections/{id}/recreate",
    responses((status = 202, body = dto::Acted))
)]
pub(in crate::api) async fn recreate(me: Me, Path(id): Path<ConnectionId>) -> Answer {
    act(me, id, CommandKind::Recreate).await
}

/// Rotate a webhook's secret
///
/// The former secret is accepted for one more hour.
#[utoipa::path(
    post, path = "/api/v2/repositories/connections/{id}/rotate-secret",
    responses((status = 202, body = dto::Acted))
)]
pub(in crate::api) async fn rotate_secret(me: Me, Path(id): Path<ConnectionId>) -> Answer {
    act(me, id, CommandKind::RotateSecret).await
}

/// Webhooks of others to replace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ReplaceBody {
    /// Replace the webhooks whose URL matches this, wherever they deliver to. When left out: those
    /// that deliver to the host of this server.
    url: Option<UrlPattern>,
}

/// Replace webhooks of others
///
/// Removes the webhooks that others made in the repository for this server, or those that match,
/// once the connection's own webhook is proven to work by a delivery. Progress is in
/// `existing_webhooks`.
#[utoipa::path(
    post, path = "/api/v2/repositories/connections/{id}/replace-existing",
    request_body = ReplaceBody, responses((status = 202, body = dto::Acted))
)]
pub(in crate::api) async fn replace_existing(
    me: Me,
    Path(id): Path<ConnectionId>,
    Json(asked): Json<ReplaceBody>,
) -> Answer {
    let pattern = match asked.url {
        Some(UrlPattern(Replace::Matching(pattern))) => Some(pattern),
        Some(UrlPattern(Replace::SameReceiver)) | None => None,
    };
    act(me, id, CommandKind::ReplaceExisting(pattern)).await
}

/// Reconcile a connection
///
/// Compares the provider's delivery log with what is stored, and recovers what is missing. The
/// result is in `health.gaps` once `health.gaps.reconciled_at` is later than the command.
#[utoipa::path(
    post, path = "/api/v2/repositories/connections/{id}/reconcile",
    responses((status = 202, body = dto::Acted))
)]
pub(in crate::api) async fn reconcile(me: Me, Path(id): Path<ConnectionId>) -> Answer {
    let recovery = std::sync::Arc::clone(&me.recovery);
    let answer = act(me, id, CommandKind::Reconcile).await;
    recovery.asked();
    answer
}
