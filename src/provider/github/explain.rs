//! What GitHub says of a failed run.
//!
//! Sources: GitHub's documentation, "REST API endpoints for workflow jobs" (the log of a job is
//! answered with a redirect to a URL that is good for a minute and needs no token), "for workflow
//! runs", "for commits" (a comparison has at most 250 commits, the oldest first, paged on request).

use super::dialect::Talk;
use super::errors;
use crate::domain::excerpt::{Excerpt, LogForm};
use crate::domain::repo::Repository;
use crate::provider::access::ProviderError;
use crate::provider::explain::{
    COMMITS_MAX, ExplainedCommit, ExplainedJob, FailedRun, JOBS_MAX, LOGS_MAX, PASSED_LOOKED_AT,
    STEPS_MAX, encoded,
};
use crate::provider::http::Answer;
use serde::Deserialize;
use serde::de::DeserializeOwned;

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
            log: None,
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

/// The answer, if it is one: `None` where there is nothing, it is refused, or cannot be read.
/// GitHub refuses a single route to tokens without its permission.
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

/// The failed jobs of the attempt; the first ones with the end of their logs.
pub(super) async fn jobs(
    s: &mut Talk<'_>,
    repository: &Repository,
    run: &FailedRun,
) -> Result<Vec<ExplainedJob>, ProviderError> {
    /// Most pages: 1,000 jobs.
    const PAGES_MAX: u32 = 10;
    let path = format!(
        "repos/{}/actions/runs/{}/attempts/{}/jobs?per_page=100",
        repository.full_name, run.id, run.attempt
    );
    let mut all: Vec<ExplainedJob> = Vec::new();
    for page in 1..=PAGES_MAX {
        let Some((body, answer)) = part::<JobsBody>(s, &format!("{path}&page={page}")).await?
        else {
            break;
        };
        let failed = |job: &JobBody| has_failed(job.conclusion.as_deref());
        all.extend(body.jobs.into_iter().filter(failed).map(ExplainedJob::from));
        if all.len() >= JOBS_MAX || !answer.links_to_next() {
            break;
        }
    }
    all.truncate(JOBS_MAX);
    for job in all.iter_mut().take(LOGS_MAX) {
        let path = format!(
            "repos/{}/actions/jobs/{}/logs",
            repository.full_name, job.id
        );
        let tail = s.tail(s.url(&path)).await?;
        job.log = tail.and_then(|it| Excerpt::of(&it.bytes, LogForm::Actions, it.is_cut));
    }
    Ok(all)
}

/// The last run of the workflow on this branch before this one that passed: its id and commit.
pub(super) async fn last_passed(
    s: &mut Talk<'_>,
    repository: &Repository,
    run: &FailedRun,
    branch: &str,
) -> Result<Option<(u64, String)>, ProviderError> {
    let Some(workflow) = run.workflow else {
        return Ok(None);
    };
    let path = format!(
        "repos/{}/actions/workflows/{workflow}/runs?status=success&branch={}&per_page={PASSED_LOOKED_AT}",
        repository.full_name,
        encoded(branch)
    );
    let found = part::<RunsBody>(s, &path).await?;
    let runs = found.map_or_else(Vec::new, |(body, _)| body.workflow_runs);
    // A fork's branch may have the same name.
    let is_own = |it: &RunBody| {
        it.head_repository
            .as_ref()
            .is_some_and(|of| of.id == repository.id.0)
    };
    let before = runs
        .into_iter()
        .filter(|it| it.run_number < run.number && is_own(it));
    let last = before.max_by_key(|it| it.run_number);
    Ok(last.map(|it| (it.id, it.head_sha)))
}

/// The commits after one up to another, the latest first, and whether there are more. `None` when
/// the later one does not descend from the earlier one.
pub(super) async fn commits_since(
    s: &mut Talk<'_>,
    repository: &Repository,
    base: &str,
    head: &str,
) -> Result<Option<(Vec<ExplainedCommit>, bool)>, ProviderError> {
    let path = |page: usize| {
        let name = &repository.full_name;
        format!("repos/{name}/compare/{base}...{head}?per_page={COMMITS_MAX}&page={page}")
    };
    let Some((first, _)) = part::<ComparisonBody>(s, &path(1)).await? else {
        return Ok(None);
    };
    if !matches!(first.status.as_str(), "ahead" | "identical") {
        return Ok(None);
    }
    // The oldest come first: the latest are on the last page, and the one before it.
    let (mut all, last) = (first.commits, first.total_commits.div_ceil(COMMITS_MAX));
    for page in [last.saturating_sub(1), last] {
        if page > 1 {
            let Some((more, _)) = part::<ComparisonBody>(s, &path(page)).await? else {
                return Ok(None);
            };
            all.extend(more.commits);
        }
    }
    let latest = all.into_iter().rev().take(COMMITS_MAX);
    let commits = latest.map(ExplainedCommit::from).collect();
    Ok(Some((commits, first.total_commits > COMMITS_MAX)))
}
