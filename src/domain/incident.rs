//! Incidents: something that a person has to know about, from first failure to resolution.

use super::id::{ConnectionId, CredentialId, IncidentId, RunId, UserId};
use super::repo::FullName;
use super::run::{FailedJob, Family};
use super::time::Timestamp;
use track::TrackKey;

pub mod ci;
pub mod health;
pub mod life;
pub mod track;

/// How far people have come with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IncidentStatus {
    /// Nobody has said that they know.
    Open,
    /// Somebody knows.
    Acknowledged,
    /// Over.
    Resolved,
}

impl IncidentStatus {
    /// Every status there is.
    pub const ALL: [Self; 3] = [Self::Open, Self::Acknowledged, Self::Resolved];

    /// The name used in JSON and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == name)
    }
}

/// How we came to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IncidentSource {
    /// A delivery told.
    Webhook,
    /// The provider's log told, after a delivery was missed.
    Reconcile,
    /// Our own watch over the hook.
    Health,
}

impl IncidentSource {
    /// Every source there is.
    pub const ALL: [Self; 3] = [Self::Webhook, Self::Reconcile, Self::Health];

    /// The name used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Reconcile => "reconcile",
            Self::Health => "health",
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Warning,
    /// Somebody has to act.
    Error,
    /// Deliveries are or may be lost until somebody acts.
    Critical,
}

impl Severity {
    /// Every severity there is.
    pub const ALL: [Self; 3] = [Self::Warning, Self::Error, Self::Critical];

    /// The name used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// What an incident is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A connection: its CI, or its hook.
    Connection(ConnectionId),
    /// A credential that no longer works, whatever number of connections used it.
    Credential(CredentialId),
}

impl Subject {
    /// The connection, when it is about one.
    pub const fn connection(self) -> Option<ConnectionId> {
        match self {
            Self::Connection(id) => Some(id),
            Self::Credential(_) => None,
        }
    }

    /// The number behind the subject's id.
    pub const fn as_u128(self) -> u128 {
        match self {
            Self::Connection(id) => id.as_u128(),
            Self::Credential(id) => id.as_u128(),
        }
    }
}

/// An incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Our id.
    pub id: IncidentId,
    /// Whose it is: the subject's owner.
    pub owner: UserId,
    /// What it is about.
    pub subject: Subject,
    /// The name that the repository had, for when the connection is gone; `None` when it is
    /// about a credential, and for incidents that version 0.1 wrote.
    pub repository: Option<FullName>,
    /// How far people have come with it.
    pub status: IncidentStatus,
    /// How bad it is.
    pub severity: Severity,
    /// How we came to know.
    pub source: IncidentSource,
    /// What failed, by a stable name: a conclusion, or `hook_silent`, `hook_suspended`,
    /// `credential_rejected`, ...
    pub failure_type: String,
    /// One line for people.
    pub title: String,
    /// The run that failed last, for failing CI.
    pub ci: Option<CiFailure>,
    /// How often it failed: each failed attempt of a run counts once.
    pub occurrences: u32,
    /// When the first failure happened, by the provider's clock where there is one.
    pub first_seen_at: Timestamp,
    /// When the last one did.
    pub last_seen_at: Timestamp,
    /// When somebody said that they know.
    pub acknowledged_at: Option<Timestamp>,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// How it ended.
    pub resolution: Option<Resolution>,
}

/// What an incident about failing CI says of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiFailure {
    /// The run that failed last.
    pub run: RunId,
    /// The way in which it was told.
    pub family: Family,
    /// The track that the failures stand in.
    pub track: TrackKey,
    /// Its workflow, for people.
    pub workflow_name: String,
    /// The repository that the code is from, by name or else by id, when it is another one.
    pub head: Option<String>,
    /// The branch, of whatever repository.
    pub branch: Option<String>,
    /// What set it off.
    pub trigger: String,
    /// What it ran on.
    pub commit_sha: String,
    /// What it ran on, for people.
    pub commit_message: Option<String>,
    /// Who set it off, for display only.
    pub author: Option<String>,
    /// Page of the run.
    pub url: Option<String>,
    /// The jobs that failed in its attempt that failed last, as far as the provider told.
    pub failed_jobs: Vec<FailedJob>,
}

/// How an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// A later run, or a later attempt, passed.
    Passed(RunId),
    /// Somebody said that it is over.
    ByHand,
    /// The hook, or the credential, works again.
    Recovered,
    /// The connection was paused or disconnected, or the credential was removed.
    Disconnected,
    /// Version 0.1 followed one way of telling about CI at a time, and closed what another had
    /// told. Read, never written.
    Superseded,
    /// The branch was deleted.
    BranchDeleted,
    /// The tag was deleted.
    TagDeleted,
    /// The pull or merge request was closed without being merged.
    PullRequestClosed,
    /// The pull or merge request was merged.
    Merged,
    /// The entry left the merge queue.
    LeftQueue,
    /// A check suite had told of it; its workflow run tells of the same failure in an incident
    /// that goes on.
    Mirrored,
}

impl Resolution {
    /// The names of all resolutions.
    pub const NAMES: [&str; 11] = [
        "passed",
        "manual",
        "recovered",
        "disconnected",
        "superseded",
        "branch_deleted",
        "tag_deleted",
        "pull_request_closed",
        "merged",
        "left_queue",
        "mirrored",
    ];

    /// The name used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed(_) => "passed",
            Self::ByHand => "manual",
            Self::Recovered => "recovered",
            Self::Disconnected => "disconnected",
            Self::Superseded => "superseded",
            Self::BranchDeleted => "branch_deleted",
            Self::TagDeleted => "tag_deleted",
            Self::PullRequestClosed => "pull_request_closed",
            Self::Merged => "merged",
            Self::LeftQueue => "left_queue",
            Self::Mirrored => "mirrored",
        }
    }

    /// Whether it follows from what was told of runs and places, and not from what somebody did
    /// here: then a telling that comes late may correct it.
    pub const fn is_derived(self) -> bool {
        match self {
            Self::Passed(_)
            | Self::BranchDeleted
            | Self::TagDeleted
            | Self::PullRequestClosed
            | Self::Merged
            | Self::LeftQueue => true,
            Self::ByHand
            | Self::Recovered
            | Self::Disconnected
            | Self::Superseded
            | Self::Mirrored => false,
        }
    }
}
