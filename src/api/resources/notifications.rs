//! Notifications: what sinks are sent.

use crate::api::dto;
use crate::api::error::Answer;
use crate::api::extract::Path;
use crate::api::me::Me;
use crate::api::query::{Limit, Query};
use crate::api::reply::ok;
use crate::api::schema::NotificationStateName;
use crate::domain::id::{IncidentId, NotificationId, SinkId};
use crate::domain::notification::Notification;
use crate::store::NotificationFilter;
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct NotificationQuery {
    limit: Option<Limit>,
    cursor: Option<NotificationId>,
    state: Option<NotificationStateName>,
    incident_id: Option<IncidentId>,
    sink_id: Option<SinkId>,
}

/// List notifications
#[utoipa::path(
    get, path = "/api/v2/notifications", params(NotificationQuery),
    responses((status = 200, body = dto::List<dto::Notification>))
)]
pub(in crate::api) async fn list(me: Me, Query(asked): Query<NotificationQuery>) -> Answer {
    let filter = NotificationFilter {
        incident: asked.incident_id,
        sink: asked.sink_id,
        state: asked.state.map(NotificationStateName::as_str),
    };
    let after = Limit::after(asked.limit, asked.cursor);
    let found = me.owned().notifications(filter, after).await?;
    ok(&dto::List::of(found, |it: Notification| {
        dto::Notification::of(&it)
    }))
}

/// Get a notification
#[utoipa::path(
    get, path = "/api/v2/notifications/{id}",
    responses((status = 200, body = dto::Notification))
)]
pub(in crate::api) async fn one(me: Me, Path(id): Path<NotificationId>) -> Answer {
    ok(&dto::Notification::of(&me.owned().notification(id).await?))
}

/// Send a notification again
///
/// One that has failed, or one that waits for its next try, which is made at once. Its tries are
/// counted from zero again.
#[utoipa::path(
    post, path = "/api/v2/notifications/{id}/retry",
    responses((status = 200, body = dto::Notification))
)]
pub(in crate::api) async fn retry(me: Me, Path(id): Path<NotificationId>) -> Answer {
    let own = me.owned().notification(id).await?;
    let again = me.notifying.retry(own.id).await?;
    ok(&dto::Notification::of(&again))
}
