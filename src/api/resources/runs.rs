//! Workflow runs.

use super::{names, ok};
use crate::api::dto;
use crate::api::error::{Answer, Problem};
use crate::api::extract::{after, path_id, query};
use crate::api::filter::{branch, choice, whose};
use crate::api::scope::{Caller, Shared};
use crate::domain::run::{Conclusion, Run, RunStatus};
use crate::store::RunFilter;
use actix_web::{HttpRequest, web};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    limit: Option<usize>,
    cursor: Option<String>,
    connection_id: Option<String>,
    repository: Option<String>,
    provider: Option<String>,
    branch: Option<String>,
    status: Option<String>,
    conclusion: Option<String>,
}

impl ListQuery {
    fn filter(&self) -> Result<RunFilter, Problem> {
        let (repository, provider) = (self.repository.as_ref(), self.provider.as_ref());
        let (status, ended) = (self.status.as_ref(), self.conclusion.as_ref());
        Ok(RunFilter {
            whose: whose(self.connection_id.as_ref(), repository, provider)?,
            branch: branch(self.branch.as_ref())?,
            status: choice("status", status, &RunStatus::NAMES, |status| status)?,
            conclusion: choice("conclusion", ended, &Conclusion::ALL, Conclusion::as_str)?,
        })
    }
}

/// `GET /api/v2/workflows/runs`
pub(in crate::api) async fn list(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let asked: ListQuery = query(&request)?;
    let filter = asked.filter()?;
    let after = after(asked.limit, asked.cursor.as_ref())?;
    let owned = shared.owned(caller);
    let found = owned.runs(&filter, after).await?;
    let names = names(owned, found.items.iter().map(|run| run.connection)).await?;
    let shape = |run: Run| {
        let name = names.get(&run.connection);
        dto::Run::of(run, name)
    };
    ok(&dto::List::narrowed(found, shape))
}

/// `GET /api/v2/workflows/runs/{id}`
pub(in crate::api) async fn one(
    caller: Caller,
    shared: web::Data<Shared>,
    request: HttpRequest,
) -> Answer {
    let owned = shared.owned(caller);
    let run = owned.run(path_id(&request)?).await?;
    let name = owned.full_name(run.connection).await?;
    ok(&dto::Run::of(run, name.as_ref()))
}
