//! Users and their API tokens.

use crate::api::State;
use crate::api::auth::Admin;
use crate::api::dto::{self, List};
use crate::api::error::Problem;
use crate::api::scope::Owned;
use crate::domain::id::{TokenId, UserId};
use crate::domain::secret::ApiToken;
use crate::domain::user::{TokenRecord, User, is_valid_user_name};
use crate::store::{Batch, Change, CommitError, Guard};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;

/// A user to add.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    name: String,
    #[serde(default)]
    is_admin: bool,
}

fn new_token(state: &State, user: UserId) -> (ApiToken, TokenRecord) {
    let now = state.clock.now();
    let token = ApiToken::generate(&*state.entropy);
    let record = TokenRecord {
        id: TokenId::generate(now, &*state.entropy),
        user,
        hash: *blake3::hash(token.expose().as_bytes()).as_bytes(),
        created_at: now,
    };
    (token, record)
}

/// The one answer that shows a token.
fn with_token(user: &User, token: &ApiToken) -> HttpResponse {
    let mut body = dto::user(user);
    body["token"] = token.expose().into();
    HttpResponse::Created().json(body)
}

/// `POST /api/v2/users`
pub async fn add(
    state: web::Data<State>,
    _: Admin,
    add: web::Json<Add>,
) -> Result<HttpResponse, Problem> {
    let Add { name, is_admin } = add.into_inner();
    if !is_valid_user_name(&name) {
        let detail = "a name has 1 to 64 of letters, digits, '.', '_', '-', '@'";
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            detail,
        ));
    }
    let now = state.clock.now();
    let id = UserId::generate(now, &*state.entropy);
    let user = User {
        id,
        name: name.clone(),
        is_admin,
        created_at: now,
    };
    let (token, record) = new_token(&state, id);
    let batch = Batch::of(vec![
        Change::PutUser(user.clone()),
        Change::PutToken(record),
    ]);
    match state
        .store
        .commit(batch.guarded_by(Guard::NewUser { name }))
        .await
    {
        Ok(()) => Ok(with_token(&user, &token)),
        Err(CommitError::Conflict(_)) => {
            let detail = "there is a user of this name already";
            Err(Problem::new(StatusCode::CONFLICT, "user_exists", detail))
        }
        Err(error) => Err(error.into()),
    }
}

/// `GET /api/v2/users`
pub async fn list(state: web::Data<State>, _: Admin) -> Result<HttpResponse, Problem> {
    let items = state.store.users()?.iter().map(dto::user).collect();
    Ok(HttpResponse::Ok().json(List {
        items,
        next_cursor: None,
    }))
}

/// `GET /api/v2/user`
pub async fn me(owned: Owned) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(dto::user(&owned.user()?)))
}

/// A token to create.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    user: Option<String>,
}

/// `POST /api/v2/tokens`
pub async fn create_token(
    state: web::Data<State>,
    owned: Owned,
    create: web::Json<CreateToken>,
) -> Result<HttpResponse, Problem> {
    let user = match &create.user {
        None => owned.user()?,
        Some(name) => {
            let found = state.store.user_by_name(name)?;
            let is_allowed = |user: &User| owned.caller.is_admin || user.id == owned.caller.user;
            found
                .filter(is_allowed)
                .ok_or_else(|| Problem::not_found("user"))?
        }
    };
    let (token, record) = new_token(&state, user.id);
    state
        .store
        .commit(Batch::of(vec![Change::PutToken(record)]))
        .await?;
    Ok(with_token(&user, &token))
}
