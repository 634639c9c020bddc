//! Is it alive, is it ready, how is it doing.

use crate::api::State;
use crate::api::error::Problem;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, web};
use serde_json::json;

/// `GET /healthz`: the process answers.
pub async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// `GET /readyz`: deliveries can be stored.
pub async fn ready(state: web::Data<State>) -> Result<HttpResponse, Problem> {
    match state.store.status().trouble {
        None => Ok(HttpResponse::Ok().json(json!({ "status": "ready" }))),
        Some(trouble) => Err(Problem::unavailable("not_ready", trouble)),
    }
}

/// `GET /metrics`, unless they are served elsewhere.
pub async fn metrics(state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let render = state
        .metrics
        .as_ref()
        .ok_or_else(|| Problem::not_found("resource"))?;
    let text = render();
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4"))
        .body(text))
}
