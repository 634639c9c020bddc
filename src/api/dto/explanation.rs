//! Explanations of incidents in JSON.

use super::{Incident, LastError};
use crate::api::schema::ExplanationStateName;
use crate::domain::explanation::{self, ExplanationState, Unread};
use crate::domain::id::{RunId, UserId};
use crate::domain::pages::Pages;
use crate::domain::suspects::{self, Author};
use crate::domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// How explanations are shown.
#[derive(Clone, Copy, Debug)]
pub struct ShownAs<'a> {
    /// The pages of the repository, when its installation is configured.
    pub pages: Option<Pages<'a>>,
    /// Whether excerpts of logs are shown.
    pub log_excerpts: bool,
    /// The users whom the caller may know, as authors at the installation.
    pub authors: &'a [Author],
}

impl ShownAs<'_> {
    fn author(&self, account: Option<u64>) -> Option<&Author> {
        self.authors
            .iter()
            .find(|author| Some(author.account) == account)
    }
}

/// What is there of a part.
fn there<T>(part: &explanation::Part<T>) -> Option<&T> {
    part.as_ref().ok()
}

/// Why a part is missing.
fn missing<T>(part: &explanation::Part<T>) -> Option<Unread> {
    part.as_ref().err().copied()
}

/// The excerpt of a job's log, as it may be shown.
fn log<'a>(
    job: &'a explanation::ExplainedJob,
    by: ShownAs<'_>,
) -> Result<&'a crate::domain::excerpt::Excerpt, Unread> {
    match &job.log {
        Ok(_) if !by.log_excerpts => Err(Unread::Off),
        Ok(excerpt) => Ok(excerpt),
        Err(why) => Err(*why),
    }
}

shapes! {
    /// A job that failed.
    ExplainedJob(job: &explanation::ExplainedJob, run: u64, by: ShownAs<'_>) {
        /// Name of the job.
        #[schema(example = "test (ubuntu-latest)")]
        name: String = job.name.clone(),
        /// Names of the steps that failed, at most 5. GitLab's jobs have none.
        #[schema(example = json!(["Run make test"]))]
        steps: Vec<String> = job.steps.clone(),
        /// Page of the job at the provider.
        url: Option<String> = by.pages.map(|pages| pages.job(run, job.id)),
        /// The last lines of its log, at most 40 of them and 6 KB. What has the form of a secret is
        /// masked. Text of the job: show it as text only.
        log: Option<String> = log(job, by).ok().map(|excerpt| excerpt.text.clone()),
        /// Whether the log has lines before these.
        log_is_cut: bool = log(job, by).is_ok_and(|excerpt| excerpt.is_cut),
        /// Why there is no excerpt.
        log_missing: Option<Unread> = log(job, by).err(),
    }

    /// A commit.
    ExplainedCommit(commit: &explanation::ExplainedCommit, by: ShownAs<'_>) {
        /// Id of the commit.
        sha: String = commit.sha.clone(),
        /// First line of its message.
        title: String = commit.title.clone(),
        /// Author, for people: the login, or else the name that the commit has.
        author: Option<String> = commit.author.clone(),
        /// The provider's id of the author's account. GitLab does not say; GitHub does when the
        /// e-mail address of the commit belongs to an account.
        author_id: Option<String> = commit.author_id.map(|id| id.to_string()),
        /// Page of the commit at the provider.
        url: Option<String> = by.pages.and_then(|pages| pages.commit(&commit.sha)),
    }

    /// A pull or merge request.
    ExplainedRequest(request: &explanation::ExplainedRequest, by: ShownAs<'_>) {
        /// Its number.
        number: u64 = request.number,
        /// Its title.
        title: String = request.title.clone(),
        /// Login of its author.
        author: Option<String> = request.author.clone(),
        /// The provider's id of the author's account.
        author_id: Option<String> = request.author_id.map(|id| id.to_string()),
        /// Page of the request at the provider.
        url: Option<String> = by.pages.map(|pages| pages.request(request.number)),
    }

    /// A run that passed.
    PassedRun(range: &explanation::ExplainedRange, by: ShownAs<'_>) {
        /// The provider's id of the run.
        provider_run_id: String = range.run.to_string(),
        /// Commit that it tested.
        commit_sha: String = range.base.clone(),
        /// Page of the run at the provider.
        url: Option<String> = by.pages.map(|pages| pages.run(range.run)),
    }

    /// An author of commits since the last run that passed.
    Suspect(suspect: &suspects::Suspect<'_>, by: ShownAs<'_>) {
        /// Author, for people.
        author: Option<String> = suspect.author.map(str::to_owned),
        /// The provider's id of the author's account.
        author_id: Option<String> = suspect.author_id.map(|id| id.to_string()),
        /// User who has this account, where you may know them: yourself. Known by the provider's
        /// id, never by a name or an e-mail address.
        user_id: Option<UserId> = by.author(suspect.author_id).map(|author| author.user),
        /// Name of that user.
        user: Option<String> = by.author(suspect.author_id).map(|author| author.name.clone()),
        /// Number of the commits.
        commits: usize = suspect.commits,
    }
}

/// What the provider says about the failed run of an incident.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Explanation {
    /// Whether it was read.
    pub state: ExplanationStateName,
    /// Run that it is about: the one that had failed last when it was begun.
    pub run_id: RunId,
    /// Attempt of that run.
    pub run_attempt: u32,
    /// When it was read.
    pub explained_at: Option<Timestamp>,
    /// When the next attempt to read it is due.
    pub due_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub error: Option<LastError>,
    /// Jobs that failed, at most 10.
    pub failed_jobs: Vec<ExplainedJob>,
    /// Why there are no jobs.
    pub failed_jobs_missing: Option<Unread>,
    /// Commit that the run tested.
    pub commit: Option<ExplainedCommit>,
    /// Why there is no commit.
    pub commit_missing: Option<Unread>,
    /// Pull or merge request that was tested, or that the commit merged.
    pub pull_request: Option<ExplainedRequest>,
    /// Why there is no pull or merge request.
    pub pull_request_missing: Option<Unread>,
    /// Last run before it that passed, of the same workflow and branch.
    pub last_passed: Option<PassedRun>,
    /// Commits since, the latest first: one of them broke it. At most 50.
    pub commits: Vec<ExplainedCommit>,
    /// Whether there are more.
    pub has_more_commits: bool,
    /// Why there are no commits.
    pub commits_missing: Option<Unread>,
    /// Authors of these commits, who has most of them first.
    pub suspects: Vec<Suspect>,
}

impl Explanation {
    /// The shape of this. `run` is the provider's id of the run.
    pub fn of(it: &explanation::Explanation, run: Option<u64>, by: ShownAs<'_>) -> Self {
        let explained = it.explained.as_ref();
        let jobs = explained.map(|explained| &explained.jobs);
        let range = explained.map(|explained| &explained.range);
        let passed = range.and_then(there);
        let commits = passed.map_or(&[][..], |range| &range.commits);
        // Without the run no page of its jobs can be named.
        let of_jobs = ShownAs {
            pages: by.pages.filter(|_| run.is_some()),
            ..by
        };
        let job = |job| ExplainedJob::of(job, run.unwrap_or_default(), of_jobs);
        let (explained_at, error) = match &it.state {
            ExplanationState::Pending { error, .. } => (None, error.as_ref()),
            ExplanationState::Explained { at } => (Some(*at), None),
            ExplanationState::Failed { error } => (None, Some(error)),
        };
        let commit = explained.map(|explained| &explained.commit);
        let request = explained.map(|explained| &explained.request);
        Self {
            state: (&it.state).into(),
            run_id: it.run,
            run_attempt: it.attempt,
            explained_at,
            due_at: it.due_at(),
            error: error.map(LastError::of),
            failed_jobs: jobs
                .and_then(there)
                .into_iter()
                .flatten()
                .map(job)
                .collect(),
            failed_jobs_missing: jobs.and_then(missing),
            commit: commit.and_then(there).map(|it| ExplainedCommit::of(it, by)),
            commit_missing: commit.and_then(missing),
            pull_request: request
                .and_then(there)
                .map(|it| ExplainedRequest::of(it, by)),
            pull_request_missing: request.and_then(missing),
            last_passed: passed.map(|range| PassedRun::of(range, by)),
            commits: commits
                .iter()
                .map(|it| ExplainedCommit::of(it, by))
                .collect(),
            has_more_commits: passed.is_some_and(|range| range.has_more),
            commits_missing: range.and_then(missing),
            suspects: suspects::of(commits)
                .iter()
                .map(|suspect| Suspect::of(suspect, by))
                .collect(),
        }
    }
}

/// An incident with its explanation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IncidentDetail {
    /// The incident.
    #[serde(flatten)]
    pub incident: Incident,
    /// What the provider says about the failure. Null until it is first read, and for incidents
    /// that are not about CI.
    pub explanation: Option<Explanation>,
}
