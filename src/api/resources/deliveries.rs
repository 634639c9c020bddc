//! The history of deliveries.

use super::payload;
use crate::api::dto;
use crate::api::error::Answer;
use crate::api::extract::Path;
use crate::api::me::Me;
use crate::api::query::{EventName, Limit, Query, RepositoryPattern, whose};
use crate::api::reply::{json, names, ok};
use crate::api::schema::{DeliveryStatus, OutcomeName};
use crate::domain::command::CommandKind;
use crate::domain::delivery::Delivery;
use crate::domain::id::{ConnectionId, DeliveryId};
use crate::domain::repo::ProviderKind;
use crate::store::DeliveryFilter;
use actix_web::http::StatusCode;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct DeliveryQuery {
    limit: Option<Limit>,
    cursor: Option<DeliveryId>,
    connection_id: Option<ConnectionId>,
    repository: Option<RepositoryPattern>,
    provider: Option<ProviderKind>,
    event: Option<EventName>,
    outcome: Option<OutcomeName>,
    state: Option<DeliveryStatus>,
}

/// List deliveries
#[utoipa::path(
    get, path = "/api/v2/deliveries", params(DeliveryQuery),
    responses((status = 200, body = dto::List<dto::DeliverySummary>))
)]
pub(in crate::api) async fn list(me: Me, Query(asked): Query<DeliveryQuery>) -> Answer {
    let filter = DeliveryFilter {
        whose: whose(asked.connection_id, asked.repository, asked.provider),
        event: asked.event.map(|EventName(name)| name),
        outcome: asked.outcome.map(OutcomeName::as_str),
        is_processed: asked.state.map(|state| state == DeliveryStatus::PROCESSED),
    };
    let after = Limit::after(asked.limit, asked.cursor);
    let owned = me.owned();
    let found = owned.deliveries(&filter, after).await?;
    let names = names(owned, found.items.iter().map(|d| d.connection)).await?;
    let shape = |d: Delivery| dto::DeliverySummary::of(&d, names.get(&d.connection));
    ok(&dto::List::of(found, shape))
}

/// Get a delivery with its payload
#[utoipa::path(
    get, path = "/api/v2/deliveries/{id}",
    responses((status = 200, body = dto::DeliveryDetail))
)]
pub(in crate::api) async fn one(me: Me, Path(id): Path<DeliveryId>) -> Answer {
    let owned = me.owned();
    let delivery = owned.delivery(id).await?;
    let spent = payload::spend(&me, me.caller, &delivery)?;
    let name = owned.full_name(delivery.connection).await?;
    let body = owned.body(&delivery).await?;
    let summary = dto::DeliverySummary::of(&delivery, name.as_ref());
    let shown = payload::looked_at(Arc::clone(&me.looks), summary, body).await?;
    Ok(shown.answer(spent))
}

/// Process a delivery again
#[utoipa::path(
    post, path = "/api/v2/deliveries/{id}/replay",
    responses((status = 202, body = dto::Accepted))
)]
pub(in crate::api) async fn replay(me: Me, Path(id): Path<DeliveryId>) -> Answer {
    let delivery = me.owned().delivery(id).await?;
    let kind = CommandKind::Replay(id);
    let asking = me.asking(delivery.connection, delivery.owner, kind);
    let command = me.connections.ask(asking).await?;
    let accepted = dto::Accepted {
        status: "accepted",
        delivery_id: delivery.id,
        command: dto::Command::of(&command),
    };
    json(StatusCode::ACCEPTED, &accepted)
}
