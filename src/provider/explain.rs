//! Explaining a failed run: its failed jobs and steps, the end of their logs, its commit, and the
//! commits since the last run that passed.
//!
//! Everything is asked for by ids at the installation's own API; no URL of a payload is called. A
//! part has a reason where the provider has none, refuses it, or answers with what cannot be read:
//! only a provider that does not answer at all, or asks for a wait, is an error.

use super::access::{Access, Calling, Target};
use crate::domain::explanation::{Explained, ExplainedRequest};
use crate::domain::run::Family;

/// Runs that are looked at for the last one that passed.
pub(super) const PASSED_LOOKED_AT: u32 = 30;
/// Requests that are looked at for the one by which a commit came.
pub(super) const REQUESTS_LOOKED_AT: u32 = 20;

/// The run that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRun {
    /// Its family. Only GitHub Actions and GitLab's pipelines have jobs.
    pub family: Family,
    /// The provider's id.
    pub id: u64,
    /// Its number among the runs of its workflow.
    pub number: u64,
    /// The attempt.
    pub attempt: u32,
    /// The provider's id of the workflow, if it has one.
    pub workflow: Option<u64>,
    /// The branch of the repository's own for which it ran.
    pub branch: Option<String>,
    /// The commit.
    pub commit: String,
    /// The number of the pull or merge request that it tested.
    pub request: Option<u64>,
    /// Whether the logs of its jobs are read.
    pub with_logs: bool,
}

/// Explaining failures.
pub trait Explain: Send + Sync + 'static {
    /// What the provider says about a failed run.
    fn explain<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        run: &'a FailedRun,
    ) -> Calling<'a, Explained>;
}

/// A request by which a commit may have come.
pub(super) struct FoundRequest {
    pub(super) request: ExplainedRequest,
    /// Whether this commit is the one that merged it.
    pub(super) is_merged_by_it: bool,
}
