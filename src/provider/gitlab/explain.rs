//! What GitLab says of a failed pipeline.
//!
//! Sources: GitLab's documentation, "Jobs API" (the log of a job is plain text), "Pipelines API",
//! "Commits API" (a range of revisions can stand for a branch; the latest come first). It does not
//! say which account a commit's author has.

use super::dialect::{GitlabDialect, Talk};
use super::errors;
use crate::domain::excerpt::{Excerpt, LogForm};
use crate::domain::repo::Repository;
use crate::provider::access::ProviderError;
use crate::provider::dialect::Dialect;
use crate::provider::explain::{
    COMMITS_MAX, ExplainedCommit, ExplainedJob, FailedRun, JOBS_MAX, LOGS_MAX, PASSED_LOOKED_AT,
    encoded,
};
use crate::provider::http::Answer;
use serde::Deserialize;
use serde::de::DeserializeOwned;

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

/// The answer, if it is one: `None` where there is nothing, it is refused, or cannot be read. A
/// project may hide its pipelines from those who see its code, and its code from those who see its
/// pipelines.
async fn part<T: DeserializeOwned>(
    s: &mut Talk<'_>,
    path: &str,
) -> Result<Option<(T, Answer)>, ProviderError> {
    let Some(answer) = s.get_if_fits(s.url(path)).await? else {
        return Ok(None);
    };
    if answer.status.as_u16() != 200 {
        return Ok(None);
    }
    Ok(errors::parse(&answer).ok().map(|body| (body, answer)))
}

/// The failed jobs of the pipeline that were not allowed to fail; the first ones with the end of
/// their logs.
pub(super) async fn jobs(
    s: &mut Talk<'_>,
    repository: &Repository,
    run: &FailedRun,
) -> Result<Vec<ExplainedJob>, ProviderError> {
    let project = repository.id;
    let path = format!(
        "projects/{project}/pipelines/{}/jobs?scope[]=failed&per_page=100",
        run.id
    );
    let found = part::<Vec<JobBody>>(s, &path).await?;
    let mut failed = found.map_or_else(Vec::new, |(jobs, _)| jobs);
    failed.retain(|job| !job.allow_failure);
    // GitLab lists the latest first.
    failed.sort_by_key(|job| job.id);
    failed.truncate(JOBS_MAX);
    let mut all = Vec::with_capacity(failed.len());
    for (nth, job) in failed.into_iter().enumerate() {
        let mut log = None;
        if nth < LOGS_MAX {
            let path = format!("projects/{project}/jobs/{}/trace", job.id);
            let tail = s.tail(s.url(&path)).await?;
            log = tail.and_then(|it| Excerpt::of(&it.bytes, LogForm::Gitlab, it.is_cut));
        }
        all.push(ExplainedJob {
            id: job.id,
            name: job.name.unwrap_or_default(),
            steps: Vec::new(),
            log,
        });
    }
    Ok(all)
}

/// The last pipeline of this branch before this one that passed: its id and commit. Children and
/// pipelines that another project started are parts of others.
pub(super) async fn last_passed(
    s: &mut Talk<'_>,
    repository: &Repository,
    run: &FailedRun,
    branch: &str,
) -> Result<Option<(u64, String)>, ProviderError> {
    let path = format!(
        "projects/{}/pipelines?status=success&ref={}&order_by=id&sort=desc&per_page={PASSED_LOOKED_AT}",
        repository.id,
        encoded(branch)
    );
    let found = part::<Vec<PipelineBody>>(s, &path).await?;
    let all = found.map_or_else(Vec::new, |(pipelines, _)| pipelines);
    let is_part =
        |it: &PipelineBody| matches!(it.source.as_deref(), Some("parent_pipeline" | "pipeline"));
    let before = all.into_iter().filter(|it| it.id < run.id && !is_part(it));
    let last = before.max_by_key(|it| it.id);
    Ok(last.map(|it| (it.id, it.sha)))
}

/// The commits after one up to another, the latest first, and whether there are more. `None` when
/// the project does not have them.
pub(super) async fn commits_since(
    s: &mut Talk<'_>,
    repository: &Repository,
    base: &str,
    head: &str,
) -> Result<Option<(Vec<ExplainedCommit>, bool)>, ProviderError> {
    let path = format!(
        "projects/{}/repository/commits?ref_name={base}..{head}&per_page={COMMITS_MAX}",
        repository.id
    );
    let found = part::<Vec<CommitBody>>(s, &path).await?;
    Ok(found.map(|(commits, answer)| {
        let all = commits
            .into_iter()
            .take(COMMITS_MAX)
            .map(|it| ExplainedCommit {
                sha: it.id,
                title: it.title.unwrap_or_default(),
                author_id: None,
                author: it.author_name,
            });
        (all.collect(), GitlabDialect::has_next(&answer))
    }))
}
