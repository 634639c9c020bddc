//! What GitHub says of a failed run.
//!
//! Sources: GitHub's documentation, "REST API endpoints for workflow jobs" (the log of a job is
//! answered with a redirect to a URL that is good for a minute and needs no token), "for workflow
//! runs", "for commits" (a comparison has at most 250 commits, the oldest first, paged on request;
//! the list of commits from one on begins with it, and has no files; the pull requests of a commit
//! are the one that merged it into the default branch, or else those that are open).

use super::dialect::Talk;
use crate::domain::explanation::{
    COMMITS_MAX, ExplainedCommit, ExplainedJob, ExplainedRequest, JOBS_MAX, Part, STEPS_MAX, Unread,
};
use crate::domain::repo::Repository;
use crate::provider::access::ProviderError;
use crate::provider::explain::{FailedRun, FoundRequest, PASSED_LOOKED_AT, REQUESTS_LOOKED_AT};
use crate::provider::part::{encoded, part};
use serde::Deserialize;

#[derive(Deserialize)]
struct JobsBody {
    jobs: Vec<JobBody>,
}

#[derive(Deserialize)]
struct JobBody {
    id: u64,
    name: Option<String>,
    conclusion: Option<String>,
    #[serde(default)]
    steps: Vec<StepBody>,
}

#[derive(Deserialize)]
struct StepBody {
    name: Option<String>,
    conclusion: Option<String>,
}

#[derive(Deserialize)]
struct RunsBody {
    workflow_runs: Vec<RunBody>,
}

#[derive(Deserialize)]
struct RunBody {
    id: u64,
    run_number: u64,
    head_sha: String,
    head_repository: Option<RepositoryBody>,
}

#[derive(Deserialize)]
struct RepositoryBody {
    id: u64,
}

#[derive(Deserialize)]
struct ComparisonBody {
    status: String,
    total_commits: usize,
    commits: Vec<CommitBody>,
}

#[derive(Deserialize)]
struct CommitBody {
    sha: String,
    commit: CommitText,
    author: Option<AccountBody>,
}

#[derive(Deserialize)]
struct CommitText {
    message: Option<String>,
    author: Option<NameBody>,
}

#[derive(Deserialize)]
struct NameBody {
    name: Option<String>,
}

#[derive(Deserialize)]
struct AccountBody {
    id: Option<u64>,
    login: Option<String>,
}

fn has_failed(conclusion: Option<&str>) -> bool {
    matches!(
        conclusion,
        Some("failure" | "timed_out" | "startup_failure")
    )
}

impl From<JobBody> for ExplainedJob {
    fn from(job: JobBody) -> Self {
        let failed = |step: &StepBody| has_failed(step.conclusion.as_deref());
        let steps = job.steps.into_iter().filter(failed);
        Self {
            id: job.id,
            name: job.name.unwrap_or_default(),
            steps: steps.filter_map(|step| step.name).take(STEPS_MAX).collect(),
            log: Err(Unread::Beyond),
        }
    }
}

impl From<CommitBody> for ExplainedCommit {
    fn from(body: CommitBody) -> Self {
        let message = body.commit.message.unwrap_or_default();
        let (login, name) = (
            body.author.as_ref().and_then(|it| it.login.clone()),
            body.commit.author.and_then(|it| it.name),
        );
        Self {
            sha: body.sha,
            title: message.lines().next().unwrap_or_default().to_owned(),
            author_id: body.author.and_then(|it| it.id),
            author: login.or(name),
        }
    }
}

#[derive(Deserialize)]
struct RequestBody {
    number: u64,
    title: Option<String>,
    user: Option<AccountBody>,
    merged_at: Option<String>,
    merge_commit_sha: Option<String>,
}

/// The failed jobs of the attempt.
pub(super) async fn jobs(
    s: &mut Talk<'_>,
    repository: &Repository,
    run: &FailedRun,
) -> Result<Part<Vec<ExplainedJob>>, ProviderError> {
    /// Most pages: 1,000 jobs.
    const PAGES_MAX: u32 = 10;
    let path = format!(
        "repos/{}/actions/runs/{}/attempts/{}/jobs?per_page=100",
        repository.full_name, run.id, run.attempt
    );
    let mut all: Vec<ExplainedJob> = Vec::new();
    for page in 1..=PAGES_MAX {
        let (body, answer) = match part::<_, JobsBody>(s, &format!("{path}&page={page}")).await? {
            Ok(found) => found,
            Err(unread) if page == 1 => return Ok(Err(unread)),
            Err(_) => break,
        };
        let failed = |job: &JobBody| has_failed(job.conclusion.as_deref());
        all.extend(body.jobs.into_iter().filter(failed).map(ExplainedJob::from));
        if all.len() >= JOBS_MAX || !answer.links_to_next() {
            break;
        }
    }
    all.truncate(JOBS_MAX);
    Ok(Ok(all))
}

/// The last run of the workflow on this branch before this one that passed: its id and commit.
pub(super) async fn last_passed(
    s: &mut Talk<'_>,
    repository: &Repository,
    run: &FailedRun,
    branch: &str,
) -> Result<Part<Option<(u64, String)>>, ProviderError> {
    let Some(workflow) = run.workflow else {
        return Ok(Ok(None));
    };
    let path = format!(
        "repos/{}/actions/workflows/{workflow}/runs\
         ?status=success&branch={}&per_page={PASSED_LOOKED_AT}",
        repository.full_name,
        encoded(branch)
    );
    // A fork's branch may have the same name.
    let is_own = |it: &RunBody| {
        it.head_repository
            .as_ref()
            .is_some_and(|of| of.id == repository.id.0)
    };
    let found = part::<_, RunsBody>(s, &path).await?;
    Ok(found.map(|(body, _)| {
        let runs = body.workflow_runs.into_iter();
        let before = runs.filter(|it| it.run_number < run.number && is_own(it));
        let last = before.max_by_key(|it| it.run_number);
        last.map(|it| (it.id, it.head_sha))
    }))
}

/// The commits after one up to another, the latest first, and whether there are more.
pub(super) async fn commits_since(
    s: &mut Talk<'_>,
    repository: &Repository,
    base: &str,
    head: &str,
) -> Result<Part<(Vec<ExplainedCommit>, bool)>, ProviderError> {
    let path = |page: usize| {
        let name = &repository.full_name;
        format!("repos/{name}/compare/{base}...{head}?per_page={COMMITS_MAX}&page={page}")
    };
    let first = match part::<_, ComparisonBody>(s, &path(1)).await? {
        Ok((first, _)) => first,
        Err(unread) => return Ok(Err(unread)),
    };
    if !matches!(first.status.as_str(), "ahead" | "identical") {
        return Ok(Err(Unread::Diverged));
    }
    // The oldest come first: the latest are on the last page, and the one before it.
    let (mut all, last) = (first.commits, first.total_commits.div_ceil(COMMITS_MAX));
    for page in [last.saturating_sub(1), last] {
        if page > 1 {
            match part::<_, ComparisonBody>(s, &path(page)).await? {
                Ok((more, _)) => all.extend(more.commits),
                Err(unread) => return Ok(Err(unread)),
            }
        }
    }
    let latest = all.into_iter().rev().take(COMMITS_MAX);
    let commits = latest.map(ExplainedCommit::from).collect();
    Ok(Ok((commits, first.total_commits > COMMITS_MAX)))
}

/// A commit, without the files that it changes.
pub(super) async fn commit(
    s: &mut Talk<'_>,
    repository: &Repository,
    sha: &str,
) -> Result<Part<ExplainedCommit>, ProviderError> {
    let path = format!(
        "repos/{}/commits?sha={sha}&per_page=1",
        repository.full_name
    );
    let found = part::<_, Vec<CommitBody>>(s, &path).await?;
    Ok(found.and_then(|(commits, _)| {
        let first = commits.into_iter().next().filter(|it| it.sha == sha);
        first.map(ExplainedCommit::from).ok_or(Unread::NotFound)
    }))
}

/// The pull requests of a commit.
pub(super) async fn requests_of(
    s: &mut Talk<'_>,
    repository: &Repository,
    sha: &str,
) -> Result<Part<Vec<FoundRequest>>, ProviderError> {
    let path = format!(
        "repos/{}/commits/{sha}/pulls?per_page={REQUESTS_LOOKED_AT}",
        repository.full_name
    );
    let found = part::<_, Vec<RequestBody>>(s, &path).await?;
    let shown = |body: RequestBody| {
        let (id, login) = body.user.map_or((None, None), |it| (it.id, it.login));
        let is_merged = body.merged_at.is_some();
        FoundRequest {
            is_merged_by_it: is_merged && body.merge_commit_sha.as_deref() == Some(sha),
            request: ExplainedRequest {
                number: body.number,
                title: body.title.unwrap_or_default(),
                author_id: id,
                author: login,
            },
        }
    };
    Ok(found.map(|(all, _)| all.into_iter().map(shown).collect()))
}
