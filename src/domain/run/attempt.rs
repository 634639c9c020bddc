//! Attempts: their family, order, progress and end.

use crate::domain::time::Timestamp;

named! {
    /// How a run, or one attempt of it, ended.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Conclusion {
        /// Success.
        Success = "success",
        /// Something failed.
        Failure = "failure",
        /// Timed out.
        TimedOut = "timed_out",
        /// Could not be started, for instance because of a broken workflow file.
        StartupFailure = "startup_failure",
        /// Waits for a person.
        ActionRequired = "action_required",
        /// Ended without a result.
        Neutral = "neutral",
        /// Cancelled.
        Cancelled = "cancelled",
        /// Did not need to run.
        Skipped = "skipped",
        /// Given up by the provider after a long time without updates.
        Stale = "stale",
        /// A value that is unknown to this version. Kept, shown, never counted as a failure.
        Unknown = "unknown",
    }
}

named! {
    /// The progress of an attempt. The order is the order of precedence within one attempt:
    /// finished outranks unfinished.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum RunStatus {
        /// Requested, queued, pending or waiting.
        Queued = "queued",
        /// In progress.
        InProgress = "in_progress",
        /// Ended so.
        Completed(Conclusion) = "completed",
    }
}

impl RunStatus {
    /// Its conclusion, if it has ended.
    pub const fn conclusion(self) -> Option<Conclusion> {
        match self {
            Self::Queued | Self::InProgress => None,
            Self::Completed(conclusion) => Some(conclusion),
        }
    }

    pub(super) const fn rank(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::InProgress => 1,
            Self::Completed(_) => 2,
        }
    }
}

/// The position of an attempt among those of its workflow: by run number, then by attempt.
///
/// Deliveries arrive in any order, so "later" always means a greater position, never a later
/// arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The provider's running number of the run within its workflow.
    pub number: u64,
    /// 1 for the first attempt, higher for re-runs.
    pub attempt: u32,
}

impl Position {
    /// The position for repeated reports without a counter: the seconds since the start stand for
    /// the attempt.
    pub fn by_time(number: u64, began: Timestamp, at: Timestamp) -> Self {
        let seconds = at.since(began).as_secs();
        Self {
            number,
            attempt: u32::try_from(seconds).unwrap_or(u32::MAX).saturating_add(1),
        }
    }
}

named! {
    /// A family of CI events. Families are tracked separately; only mirrors of the same run count
    /// once: see [`Twin`](super::Twin).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Family {
        /// Commit statuses, which any CI may post to GitHub.
        Statuses = "statuses",
        /// Check suites and check runs of apps other than GitHub Actions.
        Checks = "checks",
        /// GitHub Actions: workflow runs and their jobs.
        Actions = "actions",
        /// GitLab's pipelines.
        Pipelines = "pipelines",
    }
}

impl Family {
    /// Whether each attempt has its own position. Otherwise the same end may be reported
    /// repeatedly, each time at another position: see [`Position::by_time`].
    pub const fn counts_attempts(self) -> bool {
        match self {
            Self::Actions | Self::Pipelines => true,
            Self::Statuses | Self::Checks => false,
        }
    }
}

/// A job that failed, and was not allowed to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FailedJob {
    /// The provider's id of it. A retried job has a new one.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The stage it belongs to, where the provider has stages.
    pub stage: Option<String>,
    /// Why it failed, in the provider's terms, such as `script_failure`.
    pub reason: Option<String>,
}
