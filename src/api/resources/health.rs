//! Liveness, readiness, metrics, and the description of this API.

use crate::api::error::{Answer, Code, Problem};
use crate::api::reply::ok;
use crate::api::scope::Shared;
use crate::api::server::answers::IsShared;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

/// The description of this API; a test keeps it in step with the routes and the shapes.
pub const OPENAPI: &str = include_str!("../../../docs/openapi.json");

/// State of the daemon.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Status {
    /// `ok` or `ready`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Check that the process answers
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = Status)))]
pub(in crate::api) async fn live() -> Answer {
    ok(&Status { status: "ok" })
}

/// Check that deliveries can be stored
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = Status)))]
pub(in crate::api) async fn ready(shared: web::Data<Shared>) -> Answer {
    if shared.store_is_ready() {
        ok(&Status { status: "ready" })
    } else {
        // The reason is in the log: this answer is public.
        Err(Problem::new(
            Code::StoreUnavailable,
            "Deliveries cannot be stored. See the daemon's log.",
        ))
    }
}

/// Get the daemon's metrics
///
/// In Prometheus' text format. They name no repository and no user. With `server.metrics_public` no
/// API token is needed.
#[utoipa::path(
    get, path = "/metrics",
    responses((status = 200, body = String, content_type = "text/plain"))
)]
pub(in crate::api) async fn metrics(shared: web::Data<Shared>) -> Answer {
    let render = shared.metrics.as_ref().ok_or_else(|| {
        Problem::new(Code::NoSuchRoute, "Metrics are not served at this address.")
    })?;
    Ok(HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(render()))
}

/// Get this description of the API
///
/// An `OpenAPI` 3.1 document. `/docs` shows it to people.
#[utoipa::path(get, path = "/api/v2/openapi.json", responses((status = 200, body = Object)))]
pub(in crate::api) async fn openapi() -> Answer {
    let mut answer = HttpResponse::Ok()
        .content_type("application/json")
        .body(OPENAPI);
    answer.extensions_mut().insert(IsShared);
    Ok(answer)
}
