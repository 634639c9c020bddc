//! Who asks.
//!
//! A bearer token, in the header and nowhere else. Tokens have 256 random bits, so one look-up by
//! their hash is all it takes; only the hash is stored.

use super::State;
use super::error::Problem;
use crate::domain::id::UserId;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, web};
use std::future::{Ready, ready};

/// Somebody who was authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub user: UserId,
    /// Whether they may manage users.
    pub is_admin: bool,
}

/// A caller who may manage users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admin(pub Caller);

/// Names under which tokens are put into query strings by mistake, where logs would keep them.
const QUERY_NAMES: [&str; 3] = ["token", "access_token", "api_token"];

fn caller(request: &HttpRequest) -> Result<Caller, Problem> {
    let state = request
        .app_data::<web::Data<State>>()
        .expect("every app of ours has its state");
    let query = url::form_urlencoded::parse(request.query_string().as_bytes());
    if query
        .into_iter()
        .any(|(name, _)| QUERY_NAMES.contains(&name.as_ref()))
    {
        let detail = "a token does not belong into a URL; consider it leaked and make a new one";
        return Err(Problem::bad_request("token_in_query", detail));
    }
    let mut values = request.headers().get_all(AUTHORIZATION);
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Problem::unauthenticated());
    };
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.strip_prefix("Bearer "));
    let token = token.ok_or_else(Problem::unauthenticated)?;
    let hash = *blake3::hash(token.trim().as_bytes()).as_bytes();
    if let Some((admin_hash, user)) = &state.admin {
        // Comparing hashes of secrets gives nothing away, whatever the time it takes.
        if *admin_hash == hash {
            return Ok(Caller {
                user: *user,
                is_admin: true,
            });
        }
    }
    let record = state
        .store
        .token_by_hash(&hash)?
        .ok_or_else(Problem::unauthenticated)?;
    let user = state
        .store
        .user(record.user)?
        .ok_or_else(Problem::unauthenticated)?;
    Ok(Caller {
        user: user.id,
        is_admin: user.is_admin,
    })
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(caller(request))
    }
}

impl FromRequest for Admin {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let admin = caller(request).and_then(|caller| {
            let detail = "only admins may do this";
            let forbidden = || Problem::new(StatusCode::FORBIDDEN, "admin_only", detail);
            if caller.is_admin {
                Ok(Self(caller))
            } else {
                Err(forbidden())
            }
        });
        ready(admin)
    }
}
