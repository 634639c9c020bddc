//! Deliveries: the history, with payloads, and processing one again.

use super::{Paging, id, query_id};
use crate::actor::Command;
use crate::api::State;
use crate::api::dto;
use crate::api::error::Problem;
use crate::api::scope::Owned;
use crate::domain::id::DeliveryId;
use actix_web::{HttpResponse, web};
use serde::Deserialize;

/// What the list understands.
#[derive(Debug, Deserialize)]
pub struct Filter {
    connection_id: Option<String>,
}

/// `GET /api/v2/deliveries`
pub async fn list(
    owned: Owned,
    paging: web::Query<Paging>,
    filter: web::Query<Filter>,
) -> Result<HttpResponse, Problem> {
    let connection = query_id(filter.connection_id.as_ref(), "connection_id")?;
    let page = owned.deliveries(connection, paging.after()?)?;
    Ok(HttpResponse::Ok().json(super::list(page, |d| Ok(dto::delivery(d)))?))
}

/// `GET /api/v2/deliveries/{id}`
pub async fn get(owned: Owned, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    let delivery = owned.delivery(id(&path, "delivery")?)?;
    let payload = owned.payload(&delivery)?;
    Ok(HttpResponse::Ok().json(dto::delivery_with_payload(&delivery, payload.as_ref())))
}

/// `POST /api/v2/deliveries/{id}/replay`
pub async fn replay(
    state: web::Data<State>,
    owned: Owned,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id: DeliveryId = id(&path, "delivery")?;
    let delivery = owned.delivery(id)?;
    state
        .herd
        .command(delivery.connection, Command::Replay(id))
        .await?;
    Ok(HttpResponse::Accepted().json(dto::delivery(&owned.delivery(id)?)))
}
