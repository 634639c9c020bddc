//! Workflow runs.

use crate::api::dto;
use crate::api::error::Answer;
use crate::api::extract::Path;
use crate::api::me::Me;
use crate::api::query::{BranchPattern, Limit, Query, RepositoryPattern, whose};
use crate::api::reply::{names, ok};
use crate::api::schema::RunStatusName;
use crate::domain::id::{ConnectionId, RunId};
use crate::domain::repo::ProviderKind;
use crate::domain::run::{Conclusion, Run};
use crate::store::RunFilter;
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct RunQuery {
    limit: Option<Limit>,
    cursor: Option<RunId>,
    connection_id: Option<ConnectionId>,
    repository: Option<RepositoryPattern>,
    provider: Option<ProviderKind>,
    branch: Option<BranchPattern>,
    status: Option<RunStatusName>,
    conclusion: Option<Conclusion>,
}

/// List runs
#[utoipa::path(
    get, path = "/api/v2/workflows/runs", params(RunQuery),
    responses((status = 200, body = dto::List<dto::Run>))
)]
pub(in crate::api) async fn list(me: Me, Query(asked): Query<RunQuery>) -> Answer {
    let filter = RunFilter {
        whose: whose(asked.connection_id, asked.repository, asked.provider),
        branch: asked.branch.map(|BranchPattern(pattern)| pattern),
        status: asked.status.map(RunStatusName::as_str),
        conclusion: asked.conclusion,
    };
    let after = Limit::after(asked.limit, asked.cursor);
    let owned = me.owned();
    let found = owned.runs(&filter, after).await?;
    let names = names(owned, found.items.iter().map(|run| run.connection)).await?;
    let shape = |run: Run| {
        let name = names.get(&run.connection);
        dto::Run::of(&run, name)
    };
    ok(&dto::List::of(found, shape))
}

/// Get a run
#[utoipa::path(
    get, path = "/api/v2/workflows/runs/{id}",
    responses((status = 200, body = dto::Run))
)]
pub(in crate::api) async fn one(me: Me, Path(id): Path<RunId>) -> Answer {
    let owned = me.owned();
    let run = owned.run(id).await?;
    let name = owned.full_name(run.connection).await?;
    ok(&dto::Run::of(&run, name.as_ref()))
}
