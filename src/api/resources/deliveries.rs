//! The history of deliveries.

use super::{away, json, ok};
use crate::actor::Command;
use crate::api::dto;
use crate::api::error::{Answer, Problem};
use crate::api::extract::{ConnectionPageQuery, after, path_id, query, query_id};
use crate::api::scope::{Caller, Shared};
use crate::domain::delivery::Delivery;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};

/// `GET /api/v2/deliveries`
pub(in crate::api) async fn list(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let asked: ConnectionPageQuery = query(&request)?;
    let connection = query_id("connection_id", asked.connection_id.as_ref())?;
    let after = after(asked.limit, asked.cursor.as_ref())?;
    let list = away(&shared, move |shared| {
        let page = shared.owned(caller).deliveries(connection, after)?;
        let shape = |delivery: Delivery| Ok::<_, Problem>(dto::DeliverySummary::from(&delivery));
        dto::List::of(page, |delivery| delivery.id, shape)
    });
    ok(&list.await?)
}

/// `GET /api/v2/deliveries/{id}`
pub(in crate::api) async fn one(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let owned = shared.owned(caller);
    let delivery = owned.delivery(path_id(&request)?)?;
    let payload = owned
        .payload(&delivery)?
        .map(dto::Payload::from)
        .unwrap_or_default();
    ok(&dto::DeliveryDetail {
        summary: (&delivery).into(),
        payload,
    })
}

/// `POST /api/v2/deliveries/{id}/replay`
pub(in crate::api) async fn replay(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let delivery = shared.owned(caller).delivery(path_id(&request)?)?;
    shared
        .herd
        .command(delivery.connection, Command::Replay(delivery.id))
        .await?;
    let accepted = dto::Accepted {
        status: "accepted",
        delivery_id: delivery.id.to_string(),
    };
    json(StatusCode::ACCEPTED, &accepted)
}
