//! One file a resource: checks the request, asks the herd or the caller's own reader, answers.

pub(super) mod connections;
pub(super) mod credentials;
pub(super) mod deliveries;
pub(super) mod health;
pub(super) mod incidents;
pub(super) mod oauth;
mod payload;
pub(super) mod repositories;
pub(super) mod runs;
pub(super) mod stats;
pub(super) mod tokens;
pub(super) mod users;

use super::error::{Answer, Code, Problem};
use super::scope::{Owned, Shared};
use crate::domain::id::ConnectionId;
use crate::domain::repo::FullName;
use crate::store::ReadError;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use std::collections::HashMap;

#[expect(clippy::unnecessary_wraps, reason = "handlers end with it")]
fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    Ok(HttpResponse::build(status).json(body))
}

fn ok(body: &impl Serialize) -> Answer {
    json(StatusCode::OK, body)
}

/// Reads away from the threads that serve requests: a walk over many records, or a list whose
/// shape is costly, must not hold up the deliveries that arrive meanwhile. Few at a time, in the
/// order they came.
async fn away<T: Send + 'static>(
    shared: &web::Data<Shared>,
    read: impl FnOnce(&Shared) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let stopping = || Problem::new(Code::Unavailable, "the daemon is shutting down");
    let _turn = shared.reads.acquire().await.map_err(|_| stopping())?;
    let shared = shared.clone();
    web::block(move || read(&shared))
        .await
        .map_err(|_| stopping())?
}

/// Names of repositories by connection, each looked up once a page.
struct Names<'a> {
    owned: Owned<'a>,
    known: HashMap<ConnectionId, Option<FullName>>,
}

impl<'a> Names<'a> {
    fn new(owned: Owned<'a>) -> Self {
        Self {
            owned,
            known: HashMap::new(),
        }
    }

    fn of(&mut self, id: ConnectionId) -> Result<Option<&FullName>, ReadError> {
        if !self.known.contains_key(&id) {
            let name = self.owned.full_name(id)?;
            self.known.insert(id, name);
        }
        Ok(self.known.get(&id).and_then(Option::as_ref))
    }
}
