//! Deliveries of providers: the routes of [`ingress`].

use crate::api::dto;
use crate::api::error::Answer;
use crate::api::ingress;
use crate::api::scope::Shared;
use actix_web::{HttpRequest, web};

/// Receive a delivery for a webhook without a key
///
/// The payload's repository decides which webhooks it may belong to.
#[utoipa::path(
    post, path = "/api/v2/webhooks/{provider}", request_body = Object,
    responses(
        (status = 200, body = dto::IngressAnswer, description = "Stored; nothing to process."),
        (status = 202, body = dto::IngressAnswer, description = "Stored; will be processed."),
    )
)]
pub(in crate::api) async fn receive(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> Answer {
    ingress::receive(shared, request, payload).await
}

/// Receive a delivery for a webhook
///
/// The provider calls this URL. The delivery must be signed with the webhook's secret.
#[utoipa::path(
    post, path = "/api/v2/webhooks/{provider}/{hook_key}", request_body = Object,
    responses(
        (status = 200, body = dto::IngressAnswer, description = "Stored; nothing to process."),
        (status = 202, body = dto::IngressAnswer, description = "Stored; will be processed."),
    )
)]
pub(in crate::api) async fn receive_for_hook(
    shared: web::Data<Shared>,
    request: HttpRequest,
    payload: web::Payload,
) -> Answer {
    ingress::receive(shared, request, payload).await
}
