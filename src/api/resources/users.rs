//! Users, for admins; and who one is, for everybody.

use super::{json, ok};
use crate::api::dto;
use crate::api::error::{Answer, Code, Problem};
use crate::api::extract::{Json, PageQuery, after, query};
use crate::api::scope::{Caller, Shared};
use crate::domain::id::{TokenId, UserId};
use crate::domain::secret::ApiToken;
use crate::domain::user::{TokenRecord, User, is_valid_user_name};
use crate::store::{After, Page};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewUser {
    name: String,
    #[serde(default)]
    is_admin: bool,
}

/// A new user with their first API token: the one answer that it stands in.
#[derive(Serialize)]
struct Created {
    #[serde(flatten)]
    user: dto::User,
    token: String,
}

/// A new token for a user, and the record that is kept of it.
pub(super) fn new_token(shared: &Shared, user: UserId) -> (ApiToken, TokenRecord) {
    let now = shared.now();
    let token = ApiToken::generate(shared.entropy.as_ref());
    let record = TokenRecord {
        id: TokenId::generate(shared.clock.now_for_id(), shared.entropy.as_ref()),
        user,
        hash: *blake3::hash(token.expose().as_bytes()).as_bytes(),
        created_at: now,
    };
    (token, record)
}

/// `POST /api/v2/users`
pub(in crate::api) async fn create(
    _: Caller,
    shared: web::Data<Shared>,
    Json(new): Json<NewUser>,
) -> Answer {
    if !is_valid_user_name(&new.name) {
        let why = "expected 1 to 64 letters, digits, '.', '_', '-' or '@'";
        return Err(Problem::invalid("name", why));
    }
    let now = shared.now();
    let user = User {
        id: UserId::generate(shared.clock.now_for_id(), shared.entropy.as_ref()),
        name: new.name,
        is_admin: new.is_admin,
        created_at: now,
    };
    let (token, record) = new_token(&shared, user.id);
    shared.accounts().add_user(user.clone(), record).await?;
    tracing::info!(user.id = %user.id, user.is_admin, "user_added");
    let created = Created {
        user: (&user).into(),
        token: token.expose().to_owned(),
    };
    json(StatusCode::CREATED, &created)
}

/// `GET /api/v2/users`
pub(in crate::api) async fn list(
    _: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let asked: PageQuery = query(&request)?;
    let After { last, limit } = after::<UserId>(asked.limit, asked.cursor.as_ref())?;
    let mut users = shared.accounts().all()?;
    users.sort_by_key(|user| std::cmp::Reverse(user.id));
    users.retain(|user| last.is_none_or(|last| user.id < last));
    let has_more = users.len() > limit;
    users.truncate(limit);
    let page = Page {
        items: users,
        has_more,
    };
    let shape = |user: User| Ok::<_, Problem>(dto::User::from(&user));
    ok(&dto::List::of(page, |user| user.id, shape)?)
}

/// `GET /api/v2/whoami`
pub(in crate::api) async fn whoami(caller: Caller, shared: web::Data<Shared>) -> Answer {
    let user = shared.accounts().user(caller.user)?;
    let user = user.ok_or_else(|| Problem::new(Code::Unauthenticated, "this user is gone"))?;
    ok(&dto::User::from(&user))
}
