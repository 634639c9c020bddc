//! API tokens: shown once, kept as a hash.

use super::json;
use super::users::new_token;
use crate::api::dto;
use crate::api::error::{Answer, Code, Problem};
use crate::api::extract::Json;
use crate::api::scope::{Caller, Shared};
use actix_web::http::StatusCode;
use actix_web::web;
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewToken {
    /// For whom, by name; oneself when left out.
    user: Option<String>,
}

/// A new token: the one answer that it stands in.
#[derive(Serialize)]
struct Shown {
    id: String,
    user: String,
    created_at: String,
    token: String,
}

/// `POST /api/v2/tokens`
pub(in crate::api) async fn create(
    caller: Caller,
    shared: web::Data<Shared>,
    Json(new): Json<NewToken>,
) -> Answer {
    let own = shared.accounts().user(caller.user)?;
    let user = match &new.user {
        None => own,
        Some(name) if own.as_ref().is_some_and(|own| own.name == *name) => own,
        Some(name) if caller.is_admin => shared.accounts().by_name(name)?,
        Some(_) => {
            let detail = "only an admin creates tokens for other users";
            return Err(Problem::new(Code::Forbidden, detail));
        }
    };
    let user = user.ok_or_else(Problem::not_found)?;
    shared.counters.make_token(user.id)?;
    let (token, record) = new_token(&shared, user.id);
    let shown = Shown {
        id: record.id.to_string(),
        user: user.name,
        created_at: dto::time(record.created_at),
        token: token.expose().to_owned(),
    };
    shared.accounts().add_token(record).await?;
    tracing::info!(user.id = %user.id, token.id = shown.id, "api_token_created");
    json(StatusCode::CREATED, &shown)
}
