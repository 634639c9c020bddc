//! The explanation of an incident about CI: what the provider says about the run that failed, read
//! after the incident opened.
//!
//! An incident is explained once in each of its episodes: from when it opens, or opens again, until
//! it is resolved. What cannot be read has its reason, and is no error for the user.

use super::connection::LastError;
use super::excerpt::Excerpt;
use super::id::{ConnectionId, IncidentId, RunId};
use super::time::Timestamp;

mod bounds;
mod progress;

pub use bounds::{COMMITS_MAX, JOBS_MAX, STEPS_MAX};
pub use progress::{Next, TRIES_MAX, WAIT_MAX, due};

named! {
    /// Why a part of an explanation is missing.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Unread {
        /// The provider has nothing there.
        NotFound = "not_found",
        /// The provider has deleted it.
        Gone = "gone",
        /// The provider refuses it to our credential.
        Refused = "refused",
        /// It is longer than what is read.
        TooLong = "too_long",
        /// There was no answer, or none that can be read.
        Failed = "failed",
        /// There is nothing in it.
        Empty = "empty",
        /// The operator has switched it off.
        Off = "off",
        /// Only the logs of the first failed jobs are read.
        Beyond = "beyond",
        /// Runs of this kind have no jobs.
        NoJobs = "no_jobs",
        /// The run is of no branch of the repository.
        NoBranch = "no_branch",
        /// None of the latest runs before it passed.
        NoPassedRun = "no_passed_run",
        /// The commit does not descend from the one that passed.
        Diverged = "diverged",
    }
}

/// A part of an explanation, or why it is missing.
pub type Part<T> = Result<T, Unread>;

/// A job that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedJob {
    /// The provider's id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The names of the steps that failed, in order, at most [`STEPS_MAX`]. GitLab's jobs have
    /// none.
    pub steps: Vec<String>,
    /// The end of its log.
    pub log: Part<Excerpt>,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedCommit {
    /// Its id.
    pub sha: String,
    /// The first line of its message.
    pub title: String,
    /// The provider's id of its author's account. GitLab does not say; GitHub does where the
    /// e-mail address of the commit belongs to an account.
    pub author_id: Option<u64>,
    /// The author, for people: the login, or else the name that the commit has.
    pub author: Option<String>,
}

/// The pull or merge request by which a commit came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedRequest {
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// The provider's id of its author's account.
    pub author_id: Option<u64>,
    /// The login of its author.
    pub author: Option<String>,
}

/// The last run before that passed, and what came since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedRange {
    /// The provider's id of the run that passed.
    pub run: u64,
    /// Its commit.
    pub base: String,
    /// The commits since, the latest first; at most [`COMMITS_MAX`].
    pub commits: Vec<ExplainedCommit>,
    /// Whether there are more.
    pub has_more: bool,
}

/// What the provider says about a failed run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The jobs that failed, at most [`JOBS_MAX`].
    pub jobs: Part<Vec<ExplainedJob>>,
    /// The commit that was tested.
    pub commit: Part<ExplainedCommit>,
    /// The pull or merge request by which it came.
    pub request: Part<ExplainedRequest>,
    /// The last run that passed, and the commits since.
    pub range: Part<ExplainedRange>,
}

named! {
    /// How far an explanation is.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum ExplanationState {
        /// The provider is to be asked.
        Pending {
            /// Tries so far. One counts before it begins.
            tries: u32,
            /// When the next try is due.
            due_at: Timestamp,
            /// Why the last one failed.
            error: Option<LastError>,
        } = "pending",
        /// It has what there is.
        Explained {
            /// When it was read.
            at: Timestamp,
        } = "explained",
        /// It was given up.
        Failed {
            /// Why.
            error: LastError,
        } = "failed",
    }
}

/// The explanation of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The incident.
    pub incident: IncidentId,
    /// Its connection.
    pub connection: ConnectionId,
    /// The episode of the incident that it is about, from 1.
    pub episode: u32,
    /// The run that failed.
    pub run: RunId,
    /// The attempt of that run.
    pub attempt: u32,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// How far it is.
    pub state: ExplanationState,
    /// What is known. Also while it is pending, once something is.
    pub explained: Option<Explained>,
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
