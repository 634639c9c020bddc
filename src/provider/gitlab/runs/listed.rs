//! Pipelines as lists have them, and how they are read.

use crate::domain::repo::Repository;
use crate::domain::run::{Family, RunStatus};
use crate::domain::time::Timestamp;
use crate::provider::access::ProviderError;
use crate::provider::dialect::Asked;
use crate::provider::gitlab::decode::status_of;
use crate::provider::gitlab::dialect::Talk;
use crate::provider::gitlab::errors;
use crate::provider::http::Answer;
use crate::provider::logs::ListedRun;
use crate::provider::payload::moment_of;
use crate::provider::reading::changed_at;
use serde::Deserialize;
use std::sync::Arc;

/// A pipeline in a list.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ListedBody {
    pub(super) id: u64,
    pub(super) status: Option<String>,
    pub(super) source: Option<String>,
    #[serde(rename = "ref")]
    pub(super) git_ref: Option<String>,
    pub(super) sha: Option<String>,
    /// Only the detail has it.
    pub(super) tag: Option<bool>,
    updated_at: Option<String>,
    created_at: Option<String>,
}

impl ListedBody {
    /// As other rooms see it, in a list since a moment that is read now. Each time may be missing.
    pub(super) fn run(&self, of_list: (Option<Timestamp>, Timestamp)) -> ListedRun {
        let times = [&self.updated_at, &self.created_at];
        let [updated, created] = times.map(|at| moment_of(at.as_deref()?));
        ListedRun {
            id: self.id,
            family: Family::Pipelines,
            attempt: None,
            status: self.run_status(),
            at: changed_at(updated, created, of_list),
            with_jobs: false,
            item: Arc::default(),
        }
    }

    /// Whether another pipeline of its project started it.
    pub(super) fn is_child(&self) -> bool {
        self.source.as_deref() == Some("parent_pipeline")
    }

    /// Whether a pipeline of another project did.
    pub(super) fn is_downstream(&self) -> bool {
        self.source.as_deref() == Some("pipeline")
    }

    pub(super) fn run_status(&self) -> RunStatus {
        status_of(self.status.as_deref().unwrap_or_default())
    }

    pub(super) fn is_over(&self) -> bool {
        self.run_status().conclusion().is_some()
    }
}

pub(super) fn pipelines_path(repository: &Repository) -> String {
    format!("projects/{}/pipelines", repository.id)
}

pub(super) async fn get(
    s: &mut Talk<'_>,
    path: &str,
    repository: &Repository,
) -> Result<Answer, ProviderError> {
    let answer = s.get(s.url(path)).await?;
    match answer.status.as_u16() {
        200 => Ok(answer),
        _ => Err(errors::refusal(&answer, Asked::Runs(&repository.full_name))),
    }
}

/// The same; `None` when there is no such thing.
pub(super) async fn get_if_there(
    s: &mut Talk<'_>,
    path: &str,
    repository: &Repository,
) -> Result<Option<Answer>, ProviderError> {
    let answer = s.get(s.url(path)).await?;
    match answer.status.as_u16() {
        200 => Ok(Some(answer)),
        404 => Ok(None),
        _ => Err(errors::refusal(&answer, Asked::Runs(&repository.full_name))),
    }
}

/// The pipelines of a list that can be read.
pub(super) fn readable(
    listed: &[ListedBody],
    of_list: (Option<Timestamp>, Timestamp),
) -> Vec<ListedRun> {
    let own = listed.iter().filter(|it| !it.is_downstream());
    own.map(|it| it.run(of_list)).collect()
}
