//! API tokens: shown once, kept as a hash, with an end if that is wanted, and revoked at once.

use super::users::new_token;
use crate::api::access::Caller;
use crate::api::dto;
use crate::api::error::{Answer, Code, Problem};
use crate::api::extract::{Json, Path};
use crate::api::me::Me;
use crate::api::query::{Limit, Query};
use crate::api::quota::Owned;
use crate::api::reply::{json, ok};
use crate::api::schema::ShownName;
use crate::api::scope::Accounts;
use crate::domain::id::TokenId;
use crate::domain::text::clean;
use crate::domain::time::Timestamp;
use crate::domain::user::{TOKEN_LIFE_MAX, TOKEN_NAME_CHARS_MAX, TokenRecord, User};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// All users, where an admin names the one whose tokens to list.
const EVERYBODY: &str = "*";
/// Shortest life that a token may be given.
const LIFE_MIN: Duration = Duration::from_mins(1);

/// An API token to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewToken {
    /// Name of the user; yourself when left out. Other users: admins only.
    user: Option<String>,
    /// Name of the token: up to 100 visible characters, without blanks at the ends.
    #[schema(value_type = Option<ShownName>)]
    name: Option<String>,
    /// Time until it expires, from 1 minute to 10 years; it does not expire when left out.
    #[schema(
        pattern = "^([1-9][0-9]{0,5}m|[1-9][0-9]{0,3}h|([1-9][0-9]?[0-9]?|[12][0-9]{3})d)$",
        example = "30d"
    )]
    expires_in: Option<String>,
}

/// The user that a caller names: themselves, or for an admin any user.
async fn named(
    accounts: Accounts<'_>,
    caller: Caller,
    name: Option<&String>,
) -> Result<User, Problem> {
    let own = accounts.user(caller.user).await?;
    let user = match name {
        None => own,
        Some(name) if own.as_ref().is_some_and(|own| own.name == *name) => own,
        Some(name) if caller.is_admin => accounts.by_name(name).await?,
        Some(_) => {
            let detail = "Only an admin manages the API tokens of other users.";
            return Err(Problem::new(Code::Forbidden, detail));
        }
    };
    user.ok_or_else(Problem::not_found)
}

/// The name of a token, which must be fit to be shown.
fn name_of(text: Option<String>) -> Result<Option<String>, Problem> {
    let fits = |text: &String| {
        let is_short = text.chars().count() <= TOKEN_NAME_CHARS_MAX;
        is_short && clean(text, TOKEN_NAME_CHARS_MAX * 4).as_ref() == Some(text)
    };
    match text {
        Some(text) if !fits(&text) => {
            let why = format!("expected 1 to {TOKEN_NAME_CHARS_MAX} visible characters");
            Err(Problem::invalid("name", why))
        }
        name => Ok(name),
    }
}

/// The end of a token's life.
fn end_of(text: Option<&String>, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
    let why = "expected a time from 1m to 10 years, such as 12h or 30d";
    let Some(text) = text else {
        return Ok(None);
    };
    let life = humantime::parse_duration(text.trim()).ok();
    let life = life.filter(|life| (LIFE_MIN..=TOKEN_LIFE_MAX).contains(life));
    let life = life.ok_or_else(|| Problem::invalid("expires_in", why))?;
    Ok(Some(now.plus(life)))
}

/// Create an API token
///
/// The token is shown only in this answer.
#[utoipa::path(
    post, path = "/api/v2/tokens", request_body = NewToken,
    responses((status = 201, body = dto::CreatedToken))
)]
pub(in crate::api) async fn create(me: Me, Json(new): Json<NewToken>) -> Answer {
    let name = name_of(new.name)?;
    let now = me.now();
    let expires_at = end_of(new.expires_in.as_ref(), now)?;
    let user = named(me.accounts(), me.caller, new.user.as_ref()).await?;
    let have = me.accounts().counts(user.id).await?.tokens;
    let counters = &me.counters;
    counters.may_have_one_more(Owned::Tokens, have)?;
    counters.make_token(user.id)?;
    let (token, record) = new_token(&me, user.id);
    let record = TokenRecord {
        name,
        expires_at,
        ..record
    };
    let shown = dto::CreatedToken {
        record: dto::Token::of(&record, Some(user.name), now, me.caller.token),
        token: token.expose().to_owned(),
    };
    me.accounts().add_token(record).await?;
    tracing::info!(user.id = %user.id, token.id = %shown.record.id, "api_token_created");
    json(StatusCode::CREATED, &shown)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct TokenQuery {
    limit: Option<Limit>,
    cursor: Option<TokenId>,
    /// Name of the user; yourself when left out. Other users, or `*` for all: admins only.
    user: Option<String>,
}

/// List API tokens
#[utoipa::path(
    get, path = "/api/v2/tokens", params(TokenQuery),
    responses((status = 200, body = dto::List<dto::Token>))
)]
pub(in crate::api) async fn list(me: Me, Query(asked): Query<TokenQuery>) -> Answer {
    let after = Limit::after(asked.limit, asked.cursor);
    let accounts = me.accounts();
    let tokens = match &asked.user {
        Some(name) if name == EVERYBODY && me.caller.is_admin => accounts.all_tokens().await?,
        name => {
            let user = named(accounts, me.caller, name.as_ref()).await?;
            accounts.tokens_of(user.id).await?
        }
    };
    let page = dto::cut(tokens, after, |token| token.id);
    let (mut names, now) = (HashMap::new(), me.now());
    for user in page.items.iter().map(|t| t.user).collect::<HashSet<_>>() {
        names.insert(user, accounts.user(user).await?.map(|user| user.name));
    }
    let name_of = |user| names.get(&user).cloned().flatten();
    let shape = |t: TokenRecord| dto::Token::of(&t, name_of(t.user), now, me.caller.token);
    ok(&dto::List::of(page, shape))
}

/// Get an API token
#[utoipa::path(get, path = "/api/v2/tokens/{id}", responses((status = 200, body = dto::Token)))]
pub(in crate::api) async fn one(me: Me, Path(id): Path<TokenId>) -> Answer {
    let token = me.accounts().token(me.caller, id).await?;
    let user = me.accounts().user(token.user).await?;
    let (name, current) = (user.map(|user| user.name), me.caller.token);
    ok(&dto::Token::of(&token, name, me.now(), current))
}

/// Revoke an API token
#[utoipa::path(delete, path = "/api/v2/tokens/{id}", responses((status = 204)))]
pub(in crate::api) async fn revoke(me: Me, Path(id): Path<TokenId>) -> Answer {
    let token = me.accounts().token(me.caller, id).await?;
    me.accounts().revoke_token(token.id).await?;
    let (user, by) = (token.user, me.caller.user);
    tracing::info!(user.id = %user, token.id = %token.id, %by, "api_token_revoked");
    Ok(HttpResponse::NoContent().finish())
}
