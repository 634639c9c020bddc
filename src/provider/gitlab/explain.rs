//! What GitLab says of a failed pipeline.
//!
//! Sources: GitLab's documentation, "Jobs API" (the log of a job is plain text), "Pipelines API",
//! "Commits API" (a range of revisions can stand for a branch; the latest come first; the merge
//! requests of a commit). It does not say which account a commit's author has.

use super::dialect::{GitlabDialect, Talk};
use crate::domain::explanation::{
    COMMITS_MAX, ExplainedCommit, ExplainedJob, ExplainedRequest, JOBS_MAX, Part, Unread,
};
use crate::domain::repo::Repository;
use crate::provider::access::ProviderError;
use crate::provider::dialect::Dialect;
use crate::provider::explain::{FailedRun, FoundRequest, PASSED_LOOKED_AT, REQUESTS_LOOKED_AT};
use crate::provider::part::{encoded, part};
use serde::Deserialize;

#[derive(Deserialize)]
struct JobBody {
    id: u64,
    name: Option<String>,
    #[serde(default)]
    allow_failure: bool,
}

#[derive(Deserialize)]
struct PipelineBody {
    id: u64,
    sha: String,
    source: Option<String>,
}

#[derive(Deserialize)]
struct CommitBody {
    id: String,
    title: Option<String>,
    author_name: Option<String>,
}

#[derive(Deserialize)]
struct RequestBody {
    iid: u64,
    title: Option<String>,
    author: Option<AccountBody>,
    merge_commit_sha: Option<String>,
    squash_commit_sha: Option<String>,
    state: Option<String>,
}

#[derive(Deserialize)]
struct AccountBody {
    id: Option<u64>,
    username: Option<String>,
}

impl From<CommitBody> for ExplainedCommit {
    fn from(body: CommitBody) -> Self {
        Self {
            sha: body.id,
            title: body.title.unwrap_or_default(),
            author_id: None,
            author: body.author_name,
        }
    }
}

/// The failed jobs of the pipeline that were not allowed to fail.
pub(super) async fn jobs(
    s: &mut Talk<'_>,
    repository: &Repository,
    run: &FailedRun,
) -> Result<Part<Vec<ExplainedJob>>, ProviderError> {
    let path = format!(
        "projects/{}/pipelines/{}/jobs?scope[]=failed&per_page=100",
        repository.id, run.id
    );
    let shown = |job: JobBody| ExplainedJob {
        id: job.id,
        name: job.name.unwrap_or_default(),
        steps: Vec::new(),
        log: Err(Unread::Beyond),
    };
    let found = part::<_, Vec<JobBody>>(s, &path).await?;
    Ok(found.map(|(mut failed, _)| {
        failed.retain(|job| !job.allow_failure);
        // GitLab lists the latest first.
        failed.sort_by_key(|job| job.id);
        failed.into_iter().take(JOBS_MAX).map(shown).collect()
    }))
}

/// The last pipeline of this branch before this one that passed: its id and commit. Children and
/// pipelines that another project started are parts of others.
pub(super) async fn last_passed(
    s: &mut Talk<'_>,
    repository: &Repository,
    run: &FailedRun,
    branch: &str,
) -> Result<Part<Option<(u64, String)>>, ProviderError> {
    let path = format!(
        "projects/{}/pipelines\
         ?status=success&ref={}&order_by=id&sort=desc&per_page={PASSED_LOOKED_AT}",
        repository.id,
        encoded(branch)
    );
    let is_part =
        |it: &PipelineBody| matches!(it.source.as_deref(), Some("parent_pipeline" | "pipeline"));
    let found = part::<_, Vec<PipelineBody>>(s, &path).await?;
    Ok(found.map(|(all, _)| {
        let before = all.into_iter().filter(|it| it.id < run.id && !is_part(it));
        let last = before.max_by_key(|it| it.id);
        last.map(|it| (it.id, it.sha))
    }))
}

/// The commits after one up to another, the latest first, and whether there are more.
pub(super) async fn commits_since(
    s: &mut Talk<'_>,
    repository: &Repository,
    base: &str,
    head: &str,
) -> Result<Part<(Vec<ExplainedCommit>, bool)>, ProviderError> {
    let path = format!(
        "projects/{}/repository/commits?ref_name={base}..{head}&per_page={COMMITS_MAX}",
        repository.id
    );
    let found = part::<_, Vec<CommitBody>>(s, &path).await?;
    Ok(found.map(|(commits, answer)| {
        let all = commits.into_iter().take(COMMITS_MAX);
        let all = all.map(ExplainedCommit::from).collect();
        (all, GitlabDialect::has_next(&answer))
    }))
}

/// A commit.
pub(super) async fn commit(
    s: &mut Talk<'_>,
    repository: &Repository,
    sha: &str,
) -> Result<Part<ExplainedCommit>, ProviderError> {
    let path = format!("projects/{}/repository/commits/{sha}", repository.id);
    let found = part::<_, CommitBody>(s, &path).await?;
    Ok(found.map(|(body, _)| ExplainedCommit::from(body)))
}

/// The merge requests of a commit.
pub(super) async fn requests_of(
    s: &mut Talk<'_>,
    repository: &Repository,
    sha: &str,
) -> Result<Part<Vec<FoundRequest>>, ProviderError> {
    let path = format!(
        "projects/{}/repository/commits/{sha}/merge_requests?per_page={REQUESTS_LOOKED_AT}",
        repository.id
    );
    let found = part::<_, Vec<RequestBody>>(s, &path).await?;
    let shown = |body: RequestBody| {
        let (id, login) = body.author.map_or((None, None), |it| (it.id, it.username));
        let merging = [body.merge_commit_sha, body.squash_commit_sha];
        let is_its = merging.iter().flatten().any(|it| it == sha);
        FoundRequest {
            is_merged_by_it: is_its && body.state.as_deref() == Some("merged"),
            request: ExplainedRequest {
                number: body.iid,
                title: body.title.unwrap_or_default(),
                author_id: id,
                author: login,
            },
        }
    };
    Ok(found.map(|(all, _)| all.into_iter().map(shown).collect()))
}
