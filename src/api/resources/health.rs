//! Liveness, readiness, metrics, and the description of this API.

use super::ok;
use crate::api::error::{Answer, Code, Problem};
use crate::api::scope::Shared;
use crate::api::server::answers::IsShared;
use actix_web::{HttpResponse, web};
use serde::Serialize;

/// The description of this API; a test keeps it in step with the routes and the shapes.
pub const OPENAPI: &str = include_str!("../../../docs/openapi.json");

#[derive(Serialize)]
struct Status {
    status: &'static str,
}

/// `GET /healthz`: the process answers. What is behind it is for `/readyz`.
pub(in crate::api) async fn live() -> Answer {
    ok(&Status { status: "ok" })
}

/// `GET /readyz`: deliveries can be stored.
pub(in crate::api) async fn ready(shared: web::Data<Shared>) -> Answer {
    if shared.store_is_ready() {
        ok(&Status { status: "ready" })
    } else {
        // Why stands in the log: this answer is for everybody.
        Err(Problem::new(
            Code::StoreUnavailable,
            "deliveries cannot be stored at the moment",
        ))
    }
}

/// `GET /metrics`: of the whole daemon, without a name of anybody's.
pub(in crate::api) async fn metrics(shared: web::Data<Shared>) -> Answer {
    let render = shared.metrics.as_ref().ok_or_else(|| {
        Problem::new(Code::NoSuchRoute, "metrics are served elsewhere, if at all")
    })?;
    Ok(HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(render()))
}

/// `GET /api/v2/openapi.json`
pub(in crate::api) async fn openapi() -> Answer {
    let mut answer = HttpResponse::Ok()
        .content_type("application/json")
        .body(OPENAPI);
    answer.extensions_mut().insert(IsShared);
    Ok(answer)
}
