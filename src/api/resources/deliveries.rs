//! The history of deliveries.

mod follow;

use self::follow::{Follow, FollowQuery};
use super::payload;
use crate::api::dto;
use crate::api::error::{Answer, Code, Problem};
use crate::api::extract::Path;
use crate::api::me::Me;
use crate::api::query::{
    ActionName, EventName, Limit, Moment, ProviderDeliveryId, Query, RepositoryPattern, whose,
};
use crate::api::reply::{json, names, ok};
use crate::api::schema::{DeliveryStatus, OutcomeName};
use crate::api::server::stopping::Stopping;
use crate::domain::command::CommandKind;
use crate::domain::delivery::{Delivery, Source};
use crate::domain::id::{ConnectionId, DeliveryId};
use crate::domain::repo::ProviderKind;
use crate::store::{After, DeliveryFilter, Order};
use crate::telemetry::{Limit as Bound, limit_reached};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
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
    action: Option<ActionName>,
    outcome: Option<OutcomeName>,
    state: Option<DeliveryStatus>,
    source: Option<Source>,
    /// Only those that arrived at this time or later.
    since: Option<Moment>,
    /// Only those that arrived before this time.
    until: Option<Moment>,
    provider_delivery_id: Option<ProviderDeliveryId>,
}

impl DeliveryQuery {
    fn filter(self) -> (DeliveryFilter, After<DeliveryId>) {
        let after = Limit::after(self.limit, self.cursor);
        let filter = DeliveryFilter {
            whose: whose(self.connection_id, self.repository, self.provider),
            event: self.event.map(|EventName(name)| name),
            action: self.action.map(|ActionName(name)| name),
            outcome: self.outcome.map(OutcomeName::as_str),
            is_processed: self.state.map(|state| state == DeliveryStatus::PROCESSED),
            source: self.source,
            since: self.since.map(|Moment(at)| at),
            until: self.until.map(|Moment(at)| at),
            provider_delivery_id: self.provider_delivery_id.map(|ProviderDeliveryId(id)| id),
            order: Order::NewestFirst,
        };
        (filter, after)
    }
}

/// List deliveries
#[utoipa::path(
    get, path = "/api/v2/deliveries", params(DeliveryQuery),
    responses((status = 200, body = dto::List<dto::DeliverySummary>))
)]
pub(in crate::api) async fn list(me: Me, Query(asked): Query<DeliveryQuery>) -> Answer {
    let (filter, after) = asked.filter();
    let owned = me.owned();
    let found = owned.deliveries(&filter, after).await?;
    let names = names(owned, found.items.iter().map(|d| d.connection)).await?;
    let shape = |d: Delivery| dto::DeliverySummary::of(&d, names.get(&d.connection));
    ok(&dto::List::of(found, shape))
}

/// Follow deliveries as they arrive
///
/// Server-sent events named `delivery`, each with a delivery as in the list: when it arrives, and
/// once more when it is processed, the oldest first.
#[utoipa::path(
    get, path = "/api/v2/deliveries/stream",
    params(
        FollowQuery,
        ("Last-Event-ID" = Option<DeliveryId>, Header,
            description = "Continue after this delivery, as a browser asks when it comes again.")
    ),
    responses((status = 200, content_type = "text/event-stream", body = String))
)]
pub(in crate::api) async fn follow(
    me: Me,
    request: HttpRequest,
    Query(asked): Query<FollowQuery>,
) -> Answer {
    let last = match request.headers().get("Last-Event-ID") {
        None => None,
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.parse().ok());
            let words = "Last-Event-ID: expected the id of an event of this stream.";
            Some(id.ok_or_else(|| Problem::new(Code::BadCursor, words))?)
        }
    };
    let begin = asked.begin(last, me.clock.now_for_id());
    let spent = me.answers.take(Some(me.caller.user), follow::STREAM_BYTES);
    let spent = spent.ok_or_else(|| {
        limit_reached(Bound::AnswerBytes);
        let words = "Too many streams are open. Try again after Retry-After.";
        Problem::new(Code::Overloaded, words)
    })?;
    asked.may_follow(&me).await?;
    let stopping = Stopping::of(&request);
    let follow = Follow::new(
        me.shared.clone(),
        me.caller,
        stopping,
        (asked, begin),
        spent,
    );
    let next = |mut follow: Follow| async move {
        let event = follow.next().await?;
        Some((event, follow))
    };
    let mut answer = HttpResponse::Ok();
    // A proxy must not gather what is to be seen at once.
    answer.insert_header(("X-Accel-Buffering", "no"));
    answer.content_type("text/event-stream");
    Ok(answer.streaming(stream::unfold(follow, next)))
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

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ReplayQuery {
    /// Only show what would change.
    dry_run: Option<bool>,
}

/// Process a delivery again
#[utoipa::path(
    post, path = "/api/v2/deliveries/{id}/replay", params(ReplayQuery),
    responses(
        (status = 200, description = "With `dry_run`: what would change.",
            body = dto::ReplayPreview),
        (status = 202, body = dto::Accepted)
    )
)]
pub(in crate::api) async fn replay(
    me: Me,
    Path(id): Path<DeliveryId>,
    Query(asked): Query<ReplayQuery>,
) -> Answer {
    let delivery = me.owned().delivery(id).await?;
    if asked.dry_run == Some(true) {
        // The whole payload is read, few at a time.
        let _turn = me.looks.acquire().await;
        let preview = me.connections.preview(id).await?;
        return ok(&dto::ReplayPreview::of(id, &preview));
    }
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
