//! Workflow runs.

use super::{Names, away, ok};
use crate::api::dto;
use crate::api::error::{Answer, Problem};
use crate::api::extract::{ConnectionPageQuery, after, path_id, query, query_id};
use crate::api::scope::{Caller, Shared};
use crate::domain::run::Run;
use actix_web::{HttpRequest, web};

/// `GET /api/v2/workflows/runs`
pub(in crate::api) async fn list(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let asked: ConnectionPageQuery = query(&request)?;
    let connection = query_id("connection_id", asked.connection_id.as_ref())?;
    let after = after(asked.limit, asked.cursor.as_ref())?;
    let list = away(&shared, move |shared| {
        let owned = shared.owned(caller);
        let mut names = Names::new(owned);
        let shape = |run: Run| -> Result<_, Problem> {
            let name = names.of(run.connection)?;
            Ok(dto::Run::of(run, name))
        };
        dto::List::of(owned.runs(connection, after)?, |run| run.id, shape)
    });
    ok(&list.await?)
}

/// `GET /api/v2/workflows/runs/{id}`
pub(in crate::api) async fn one(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let owned = shared.owned(caller);
    let run = owned.run(path_id(&request)?)?;
    let name = owned.full_name(run.connection)?;
    ok(&dto::Run::of(run, name.as_ref()))
}
