//! Operations that differ between providers and make their own requests.

use super::dialect::Dialect;
use super::explain::{FailedRun, FoundRequest};
use super::http::Answer;
use super::logs::{Found, ListedRun, LogRead, Redelivered, RunsPage};
use super::outbound::{Identity, Pinged, ProviderError, Target};
use super::session::Session;
use crate::domain::delivery::Payload;
use crate::domain::excerpt::LogForm;
use crate::domain::explanation::{ExplainedCommit, ExplainedJob, Part};
use crate::domain::id::HookId;
use crate::domain::repo::Repository;
use crate::domain::time::Timestamp;
use std::future::Future;

/// A repository, or the answer that says that there is none.
pub(super) type LookedUp = Result<Repository, Answer>;

/// The result of an operation.
type Outcome<T> = Result<T, ProviderError>;

/// The operations of a dialect.
pub(super) trait Operations: Dialect {
    /// What is learned of other runs while one is read.
    type Kin: Default + Send;

    /// Finds a repository under its current name.
    fn look_up(
        s: &mut Session<'_, Self>,
        target: &Target,
    ) -> impl Future<Output = Outcome<LookedUp>> + Send;

    /// Requests a test delivery.
    fn ping(
        s: &mut Session<'_, Self>,
        repository: &Repository,
        hook: HookId,
    ) -> impl Future<Output = Outcome<Pinged>> + Send;

    /// Looks up a user, an organisation or a group. See [`super::outbound::Hooks::owner`].
    fn owner(s: &mut Session<'_, Self>, name: &str) -> impl Future<Output = Outcome<()>> + Send;

    /// A page of the token's repositories, and whether more follow.
    fn page(
        s: &mut Session<'_, Self>,
        page: u32,
    ) -> impl Future<Output = Outcome<(Vec<Repository>, bool)>> + Send;

    /// The account that the token belongs to.
    fn identity(s: &mut Session<'_, Self>) -> impl Future<Output = Outcome<Identity>> + Send;

    /// Reads a page of a hook's log; else the refusal, which only a look at the hook explains.
    fn delivery_log(
        s: &mut Session<'_, Self>,
        target: &Target,
        hook: HookId,
        cursor: Option<&str>,
    ) -> impl Future<Output = Outcome<Result<LogRead, Answer>>> + Send;

    /// Where a log is read on. See [`super::logs::Logs::place_in_log`].
    fn place_in_log(page: &str, before: u64) -> String;

    /// Reads the payload of an attempt, or the refusal.
    fn logged_payload(
        s: &mut Session<'_, Self>,
        target: &Target,
        hook: HookId,
        attempt: u64,
    ) -> impl Future<Output = Outcome<Result<Option<Payload>, Answer>>> + Send;

    /// Requests that an attempt be made again, or the refusal.
    fn redeliver(
        s: &mut Session<'_, Self>,
        target: &Target,
        hook: HookId,
        attempt: u64,
    ) -> impl Future<Output = Outcome<Result<Redelivered, Answer>>> + Send;

    /// See [`super::logs::Logs::runs_since`].
    fn runs_since(
        s: &mut Session<'_, Self>,
        repository: &Repository,
        since: Timestamp,
        cursor: Option<&str>,
    ) -> impl Future<Output = Outcome<RunsPage>> + Send;

    /// See [`super::logs::Logs::latest_runs`].
    fn latest_runs(
        s: &mut Session<'_, Self>,
        repository: &Repository,
    ) -> impl Future<Output = Outcome<Vec<ListedRun>>> + Send;

    /// Reads one run of a list; with a time also its earlier attempts that ended since. What is
    /// learned of others on the way is kept for them in `kin`.
    fn read_run(
        s: &mut Session<'_, Self>,
        repository: &Repository,
        listed: (&ListedRun, Option<Timestamp>),
        kin: &mut Self::Kin,
    ) -> impl Future<Output = Outcome<Vec<Found>>> + Send;

    /// See [`super::logs::Logs::run`].
    fn run(
        s: &mut Session<'_, Self>,
        repository: &Repository,
        run: u64,
    ) -> impl Future<Output = Outcome<Vec<Found>>> + Send;

    /// The form of the logs of jobs.
    const LOG_FORM: LogForm;

    /// The path of the log of a job.
    fn log_path(repository: &Repository, job: u64) -> String;

    /// The jobs of a run that failed, without their logs.
    fn explain_jobs(
        s: &mut Session<'_, Self>,
        repository: &Repository,
        run: &FailedRun,
    ) -> impl Future<Output = Outcome<Part<Vec<ExplainedJob>>>> + Send;

    /// The last run before one, of its workflow and branch, that passed: its id and its commit.
    fn last_passed(
        s: &mut Session<'_, Self>,
        repository: &Repository,
        run: &FailedRun,
        branch: &str,
    ) -> impl Future<Output = Outcome<Part<Option<(u64, String)>>>> + Send;

    /// The commits after one up to another, the latest first, and whether there are more.
    fn commits_since(
        s: &mut Session<'_, Self>,
        repository: &Repository,
        base: &str,
        head: &str,
    ) -> impl Future<Output = Outcome<Part<(Vec<ExplainedCommit>, bool)>>> + Send;

    /// A commit.
    fn commit(
        s: &mut Session<'_, Self>,
        repository: &Repository,
        sha: &str,
    ) -> impl Future<Output = Outcome<Part<ExplainedCommit>>> + Send;

    /// The pull or merge requests that have a commit.
    fn requests_of(
        s: &mut Session<'_, Self>,
        repository: &Repository,
        sha: &str,
    ) -> impl Future<Output = Outcome<Part<Vec<FoundRequest>>>> + Send;
}
