//! How handlers answer.

use super::error::Answer;
use super::scope::Owned;
use crate::domain::id::ConnectionId;
use crate::domain::repo::FullName;
use crate::store::ReadError;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// An answer in JSON.
#[expect(clippy::unnecessary_wraps, reason = "handlers end with it")]
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    Ok(HttpResponse::build(status).json(body))
}

/// A success in JSON.
pub(super) fn ok(body: &impl Serialize) -> Answer {
    json(StatusCode::OK, body)
}

/// `1 webhook` or `2 webhooks`, with words behind; `None` for none.
pub(super) fn counted(count: usize, one: &str, behind: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {one}{behind}")),
        many => Some(format!("{many} {one}s{behind}")),
    }
}

/// The names of the repositories of connections.
type Names = HashMap<ConnectionId, FullName>;

/// The names of the repositories of these connections, each looked up once.
pub(super) async fn names(
    owned: Owned<'_>,
    ids: impl IntoIterator<Item = ConnectionId>,
) -> Result<Names, ReadError> {
    let mut names = Names::new();
    for id in ids.into_iter().collect::<HashSet<_>>() {
        if let Some(name) = owned.full_name(id).await? {
            names.insert(id, name);
        }
    }
    Ok(names)
}
