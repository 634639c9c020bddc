//! The history of deliveries.

use super::{json, names, ok, payload};
use crate::actor::Command;
use crate::api::dto;
use crate::api::error::{Answer, Code, Problem};
use crate::api::extract::{after, path_id, query};
use crate::api::filter::{choice, event, whose};
use crate::api::scope::{Caller, Shared};
use crate::domain::delivery::{Delivery, Outcome};
use crate::store::DeliveryFilter;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use serde::Deserialize;

/// What may have become of a delivery.
const STATES: [&str; 2] = ["received", "processed"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    limit: Option<usize>,
    cursor: Option<String>,
    connection_id: Option<String>,
    repository: Option<String>,
    provider: Option<String>,
    event: Option<String>,
    outcome: Option<String>,
    state: Option<String>,
}

impl ListQuery {
    fn filter(&self) -> Result<DeliveryFilter, Problem> {
        let (repository, provider) = (self.repository.as_ref(), self.provider.as_ref());
        let state = choice("state", self.state.as_ref(), &STATES, |state| state)?;
        let outcome = self.outcome.as_ref();
        Ok(DeliveryFilter {
            whose: whose(self.connection_id.as_ref(), repository, provider)?,
            event: event(self.event.as_ref())?,
            outcome: choice("outcome", outcome, &Outcome::NAMES, |outcome| outcome)?,
            is_processed: state.map(|state| state == STATES[1]),
        })
    }
}

/// `GET /api/v2/deliveries`
pub(in crate::api) async fn list(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let asked: ListQuery = query(&request)?;
    let filter = asked.filter()?;
    let after = after(asked.limit, asked.cursor.as_ref())?;
    let owned = shared.owned(caller);
    let found = owned.deliveries(&filter, after).await?;
    let names = names(owned, found.items.iter().map(|d| d.connection)).await?;
    let shape = |d: Delivery| dto::DeliverySummary::of(&d, names.get(&d.connection));
    ok(&dto::List::narrowed(found, shape))
}

/// `GET /api/v2/deliveries/{id}`
pub(in crate::api) async fn one(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let id = path_id(&request)?;
    let owned = shared.owned(caller);
    let delivery = owned.delivery(id).await?;
    let spent = payload::spend(&shared, caller, &delivery)?;
    let name = owned.full_name(delivery.connection).await?;
    let body = owned.body(&delivery).await?;
    let summary = dto::DeliverySummary::of(&delivery, name.as_ref());
    // The whole body is looked at, which must not hold up the deliveries that arrive meanwhile.
    let shown = web::block(move || payload::shown(&summary, body)).await;
    let stopping = |_| Problem::new(Code::Unavailable, "the daemon is shutting down");
    Ok(shown.map_err(stopping)??.answer(spent))
}

/// `POST /api/v2/deliveries/{id}/replay`
pub(in crate::api) async fn replay(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let delivery = shared.owned(caller).delivery(path_id(&request)?).await?;
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
