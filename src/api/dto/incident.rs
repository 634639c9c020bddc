//! Incidents and runs in JSON.

use crate::api::schema::{ResolutionName, RunStatusName};
use crate::domain::id::{ConnectionId, IncidentId, RunId};
use crate::domain::incident::{IncidentSource, IncidentStatus, Severity};
use crate::domain::lane::Code;
use crate::domain::repo::FullName;
use crate::domain::run::{Conclusion, Family};
use crate::domain::time::Timestamp;
use crate::domain::{incident, run};
use serde::Serialize;
use utoipa::ToSchema;

/// A failed job of a run.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FailedJob {
    /// Name of the job.
    #[schema(example = "test (ubuntu-latest)")]
    pub name: String,
    /// Stage of the job, if the provider has stages.
    pub stage: Option<String>,
    /// Why it failed, as the provider says.
    pub reason: Option<String>,
}

impl From<&run::FailedJob> for FailedJob {
    fn from(job: &run::FailedJob) -> Self {
        Self {
            name: job.name.clone(),
            stage: job.stage.clone(),
            reason: job.reason.clone(),
        }
    }
}

/// An incident.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Incident {
    /// Id of the incident.
    pub id: IncidentId,
    /// State of the incident.
    pub status: IncidentStatus,
    /// Severity of the incident.
    pub severity: Severity,
    /// How it was detected.
    pub source: IncidentSource,
    /// Kind of failure.
    #[schema(example = "failure")]
    pub failure_type: String,
    /// One line for people.
    #[schema(example = "CI failed on main")]
    pub title: String,
    /// Connection concerned. Null for an incident about a credential.
    pub connection_id: Option<ConnectionId>,
    /// Repository of the connection; its last known name when the connection no longer exists.
    /// Null for an incident about a credential.
    pub repository_full_name: Option<FullName>,
    /// Run that failed last, for an incident about CI.
    pub run_id: Option<RunId>,
    /// Name of the workflow.
    pub workflow_name: Option<String>,
    /// Branch of this repository. Null for code of another repository.
    #[schema(example = "main")]
    pub branch: Option<String>,
    /// Repository that the code comes from, when it is another one: its name, or else its id.
    pub head_repository: Option<String>,
    /// Branch of that repository.
    pub head_branch: Option<String>,
    /// Number of the pull or merge request, if the provider reports it.
    pub pull_request: Option<u64>,
    /// What started the run, such as `push` or `schedule`.
    #[schema(example = "push")]
    pub trigger: Option<String>,
    /// Commit that the run tested.
    pub commit_sha: Option<String>,
    /// First line of the commit message.
    pub commit_message: Option<String>,
    /// Login of the user who started the run.
    pub author: Option<String>,
    /// Page of the run at the provider.
    pub run_url: Option<String>,
    /// Failed jobs of the attempt that failed last, as far as the provider reports them.
    pub failed_jobs: Vec<FailedJob>,
    /// How often the failure occurred.
    pub occurrences: u32,
    /// When it first occurred.
    pub first_seen_at: Timestamp,
    /// When it last occurred.
    pub last_seen_at: Timestamp,
    /// When it was acknowledged.
    pub acknowledged_at: Option<Timestamp>,
    /// When it was resolved.
    pub resolved_at: Option<Timestamp>,
    /// Why it was resolved.
    pub resolution: Option<ResolutionName>,
}

impl Incident {
    /// The shape of an incident of a connection to this repository.
    pub fn of(incident: incident::Incident, repository: Option<&FullName>) -> Self {
        let ci = incident.ci;
        let of_ci = |field: fn(&incident::CiFailure) -> Option<String>| {
            ci.as_ref().and_then(field).filter(|text| !text.is_empty())
        };
        Self {
            id: incident.id,
            status: incident.status,
            severity: incident.severity,
            source: incident.source,
            failure_type: incident.failure_type,
            title: incident.title,
            connection_id: incident.subject.connection(),
            repository_full_name: repository.or(incident.repository.as_ref()).cloned(),
            run_id: ci.as_ref().map(|ci| ci.run),
            workflow_name: of_ci(|ci| Some(ci.workflow_name.clone())),
            branch: of_ci(|ci| ci.branch.clone().filter(|_| ci.head.is_none())),
            head_repository: of_ci(|ci| ci.head.clone()),
            head_branch: of_ci(|ci| ci.branch.clone().filter(|_| ci.head.is_some())),
            pull_request: ci.as_ref().and_then(|ci| ci.track.lane.number()),
            trigger: of_ci(|ci| Some(ci.trigger.clone())),
            commit_sha: of_ci(|ci| Some(ci.commit_sha.clone())),
            commit_message: of_ci(|ci| ci.commit_message.clone()),
            author: of_ci(|ci| ci.author.clone()),
            run_url: of_ci(|ci| ci.url.clone()),
            failed_jobs: ci
                .as_ref()
                .map(|ci| ci.failed_jobs.iter().map(FailedJob::from).collect())
                .unwrap_or_default(),
            occurrences: incident.occurrences,
            first_seen_at: incident.first_seen_at,
            last_seen_at: incident.last_seen_at,
            acknowledged_at: incident.acknowledged_at,
            resolved_at: incident.resolved_at,
            resolution: incident.resolution.map(Into::into),
        }
    }
}

/// A run of a workflow, a pipeline, a check suite or a commit status.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Run {
    /// Id of the run.
    pub id: RunId,
    /// Connection that it belongs to.
    pub connection_id: ConnectionId,
    /// Repository of the connection. Null when the connection no longer exists.
    pub repository_full_name: Option<FullName>,
    /// The events that report the run.
    pub family: Family,
    /// The provider's id of the run. For a commit status: a number made of its commit and context.
    pub provider_run_id: String,
    /// Number of the run within its workflow.
    pub run_number: u64,
    /// Number of the attempt, from 1.
    pub run_attempt: u32,
    /// Name of the workflow.
    #[schema(example = "CI")]
    pub workflow_name: String,
    /// State of the run.
    pub status: RunStatusName,
    /// Conclusion of the run. Null until it completes.
    pub conclusion: Option<Conclusion>,
    /// Branch of this repository. Null for code of another repository.
    #[schema(example = "main")]
    pub branch: Option<String>,
    /// Repository that the code comes from, when it is another one and known.
    pub head_repository: Option<String>,
    /// Branch of that repository.
    pub head_branch: Option<String>,
    /// Number of the pull or merge request, if the provider reports it.
    pub pull_request: Option<u64>,
    /// Commit that the run tested.
    pub commit_sha: String,
    /// First line of the commit message.
    pub commit_message: Option<String>,
    /// Login of the user who started the run.
    pub author: Option<String>,
    /// What started the run, such as `push`.
    #[schema(example = "push")]
    pub trigger: String,
    /// Page of the run at the provider.
    pub run_url: Option<String>,
    /// Failed jobs of all attempts, as far as the provider reports them.
    pub failed_jobs: Vec<FailedJob>,
    /// When the provider last changed the run.
    pub updated_at: Timestamp,
    /// When the run was first reported.
    pub first_seen_at: Timestamp,
}

impl Run {
    /// The shape of a run of a connection to this repository.
    pub fn of(run: run::Run, repository: Option<&FullName>) -> Self {
        let failed_jobs = run.failed_jobs_of(None, u32::MAX);
        let is_own = run.facts.code == Code::Own;
        let (branch, head_branch) = match run.facts.branch {
            Some(branch) if is_own => (Some(branch), None),
            branch => (None, branch),
        };
        Self {
            id: run.id,
            connection_id: run.connection,
            repository_full_name: repository.cloned(),
            family: run.family,
            provider_run_id: run.provider_run_id.to_string(),
            run_number: run.position.number,
            run_attempt: run.position.attempt,
            workflow_name: run.facts.workflow_name,
            status: run.status.into(),
            conclusion: run.status.conclusion(),
            branch,
            head_branch,
            head_repository: run.facts.head,
            pull_request: run.facts.lane.number(),
            commit_sha: run.facts.commit_sha,
            commit_message: run.facts.commit_message,
            author: run.facts.author,
            trigger: run.facts.trigger,
            run_url: run.facts.url,
            failed_jobs: failed_jobs.iter().map(FailedJob::from).collect(),
            updated_at: run.updated_at,
            first_seen_at: run.first_seen_at,
        }
    }
}
