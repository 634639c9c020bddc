//! Runs.

use super::{Paging, id, query_id};
use crate::api::dto;
use crate::api::error::Problem;
use crate::api::scope::Owned;
use actix_web::{HttpResponse, web};
use serde::Deserialize;

/// What the list understands.
#[derive(Debug, Deserialize)]
pub struct Filter {
    connection_id: Option<String>,
}

/// `GET /api/v2/workflows/runs`
pub async fn list(
    owned: Owned,
    paging: web::Query<Paging>,
    filter: web::Query<Filter>,
) -> Result<HttpResponse, Problem> {
    let connection = query_id(filter.connection_id.as_ref(), "connection_id")?;
    let page = owned.runs(connection, paging.after()?)?;
    Ok(HttpResponse::Ok().json(super::list(page, |run| Ok(dto::run(run)))?))
}

/// `GET /api/v2/workflows/runs/{id}`
pub async fn get(owned: Owned, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(dto::run(&owned.run(id(&path, "run")?)?)))
}
