//! Repositories that the caller's credential can reach.

use super::credentials::instance;
use crate::api::State;
use crate::api::dto::List;
use crate::api::error::Problem;
use crate::api::scope::Owned;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

/// What the list understands; the cursor is the number of the next page.
#[derive(Debug, Deserialize)]
pub struct Query {
    host: Option<String>,
    cursor: Option<u32>,
}

/// `GET /api/v2/repositories/{provider}`
pub async fn list(
    state: web::Data<State>,
    owned: Owned,
    path: web::Path<String>,
    query: web::Query<Query>,
) -> Result<HttpResponse, Problem> {
    let instance = instance(&state, &path, query.host.as_deref())?;
    let page = query.cursor.unwrap_or(1).max(1);
    let found = state
        .herd
        .repositories(owned.caller.user, &instance, page)
        .await?;
    let (repositories, has_more) = found;
    let items = repositories.iter().map(|r| {
        json!({
            "id": r.id.to_string(),
            "full_name": r.full_name.as_str(),
            "is_archived": r.is_archived,
            "can_manage_hooks": r.can_manage_hooks,
        })
    });
    let next_cursor = has_more.then(|| (page + 1).to_string());
    Ok(HttpResponse::Ok().json(List {
        items: items.collect(),
        next_cursor,
    }))
}
