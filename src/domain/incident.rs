//! Incidents: failures that need a person's attention, from the first failure to the resolution.

use super::id::{ConnectionId, CredentialId, IncidentId, RunId, SinkId, UserId};
use super::repo::{FullName, Instance, InstanceId};
use super::run::{FailedJob, Family};
use super::time::Timestamp;
use care::Care;
use track::TrackKey;

pub mod care;
pub mod ci;
pub mod health;
pub mod life;
mod resolution;
mod severity;
mod tend;
pub mod timeline;
pub mod track;

pub use resolution::Resolution;
pub use severity::Severity;

named! {
    /// The status of an incident.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum IncidentStatus {
        /// Not acknowledged yet.
        Open = "open",
        /// Acknowledged by a user.
        Acknowledged = "acknowledged",
        /// Resolved.
        Resolved = "resolved",
    }
}

named! {
    /// The source of an incident.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum IncidentSource {
        /// A delivery.
        Webhook = "webhook",
        /// The provider's log, after a delivery was missed.
        Reconcile = "reconcile",
        /// Our own checks.
        Health = "health",
    }
}

/// The subject of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A connection: its CI, or its hook.
    Connection(ConnectionId),
    /// A credential that no longer works, for any number of connections.
    Credential(CredentialId),
    /// A provider's installation that does not answer. Each owner with connections there has an
    /// incident of their own about it.
    Provider(InstanceId),
    /// A sink: sinks of its owner are notified, but never this one.
    Sink(SinkId),
    /// The server itself. Each operator has an incident of their own about it.
    Server,
}

impl Subject {
    /// The connection, when it is about one.
    pub const fn connection(self) -> Option<ConnectionId> {
        match self {
            Self::Connection(id) => Some(id),
            Self::Credential(_) | Self::Provider(_) | Self::Sink(_) | Self::Server => None,
        }
    }

    /// The number behind the subject's id.
    pub const fn as_u128(self) -> u128 {
        match self {
            Self::Connection(id) => id.as_u128(),
            Self::Credential(id) => id.as_u128(),
            Self::Provider(id) => id.as_u128(),
            Self::Sink(id) => id.as_u128(),
            // No id is this: they begin with the time of their creation.
            Self::Server => u128::from_be_bytes(*b"the server itsel"),
        }
    }

    /// The sink, when it is about one.
    pub const fn sink(self) -> Option<SinkId> {
        match self {
            Self::Sink(id) => Some(id),
            Self::Connection(_) | Self::Credential(_) | Self::Provider(_) | Self::Server => None,
        }
    }
}

/// An incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Our id.
    pub id: IncidentId,
    /// The owner of the subject.
    pub owner: UserId,
    /// The subject.
    pub subject: Subject,
    /// The repository's last name, for when the connection is removed; `None` for what is
    /// about no connection, and for incidents of version 0.1.
    pub repository: Option<FullName>,
    /// The status.
    pub status: IncidentStatus,
    /// The severity.
    pub severity: Severity,
    /// The source.
    pub source: IncidentSource,
    /// The kind of failure, by a stable name: a conclusion, or `hook_silent`, `hook_suspended`,
    /// `credential_rejected`, ...
    pub failure_type: String,
    /// The title, in one line.
    pub title: String,
    /// The last failed run, for failing CI.
    pub ci: Option<CiFailure>,
    /// What a provider's outage affects, for one.
    pub affected: Option<Affected>,
    /// How often it failed: each failed attempt of a run counts once.
    pub occurrences: u32,
    /// When the first failure happened, by the provider's clock if it has one.
    pub first_seen_at: Timestamp,
    /// When the last failure happened.
    pub last_seen_at: Timestamp,
    /// When it was acknowledged.
    pub acknowledged_at: Option<Timestamp>,
    /// When it was resolved.
    pub resolved_at: Option<Timestamp>,
    /// How it was resolved.
    pub resolution: Option<Resolution>,
    /// Whether the commit that had failed passed: then nothing was changed to resolve it.
    pub is_flaky: bool,
    /// Whether its workflow fails and passes in turn, so that what it is now may not last.
    pub is_flapping: bool,
    /// What people did with it.
    pub care: Care,
}

/// What a provider's outage affects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affected {
    /// The installation.
    pub instance: Instance,
    /// Connections of the incident's owner that wait for its end.
    pub connections: u32,
}

/// The data of the run in an incident about failing CI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiFailure {
    /// The last failed run.
    pub run: RunId,
    /// Its family.
    pub family: Family,
    /// The track of the failures.
    pub track: TrackKey,
    /// Its workflow, for people.
    pub workflow_name: String,
    /// The repository of the code, by name or else by id, when it is another one.
    pub head: Option<String>,
    /// The branch, of any repository.
    pub branch: Option<String>,
    /// The trigger.
    pub trigger: String,
    /// The commit.
    pub commit_sha: String,
    /// The commit, for people.
    pub commit_message: Option<String>,
    /// The user who triggered it, for display only.
    pub author: Option<String>,
    /// Page of the run.
    pub url: Option<String>,
    /// The failed jobs of its last failed attempt, as far as the provider reported them.
    pub failed_jobs: Vec<FailedJob>,
}

impl CiFailure {
    /// The branch as people read it. One of another repository is never taken for the one of the
    /// same name here: `evil/app:main`.
    pub fn shown_branch(&self) -> Option<String> {
        let branch = self.branch.as_deref()?;
        let shown = match &self.head {
            Some(head) => format!("{head}:{branch}"),
            None => branch.to_owned(),
        };
        Some(shown)
    }
}
