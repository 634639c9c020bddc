//! Incidents and runs in JSON.

use super::time;
use crate::domain::lane::Code;
use crate::domain::repo::FullName;
use crate::domain::{incident, run};
use serde::Serialize;

/// A job that failed.
#[derive(Clone, Debug, Serialize)]
pub struct FailedJob {
    /// Its name.
    pub name: String,
    /// Its stage, where the provider has stages.
    pub stage: Option<String>,
    /// Why it failed, in the provider's word.
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
#[derive(Clone, Debug, Serialize)]
pub struct Incident {
    /// Our id.
    pub id: String,
    /// `open`, `acknowledged` or `resolved`.
    pub status: &'static str,
    /// `warning`, `error` or `critical`.
    pub severity: &'static str,
    /// `webhook`, `reconcile` or `health`.
    pub source: &'static str,
    /// What kind of failure it is.
    pub failure_type: String,
    /// One line for people.
    pub title: String,
    /// The connection; null when it is about a credential.
    pub connection_id: Option<String>,
    /// The connection's repository: its present name, or, when the connection is gone, the one
    /// that it had; null when it is about a credential.
    pub repository_full_name: Option<String>,
    /// The run that failed last, when it is about CI.
    pub run_id: Option<String>,
    /// The workflow.
    pub workflow_name: Option<String>,
    /// The branch of this repository; null for the code of another one.
    pub branch: Option<String>,
    /// The repository that the code is from, when it is another one: by name, else by id.
    pub head_repository: Option<String>,
    /// The branch of that repository.
    pub head_branch: Option<String>,
    /// The number of the pull or merge request, where it is told.
    pub pull_request: Option<u64>,
    /// What started the run, such as `push` or `schedule`.
    pub trigger: Option<String>,
    /// The commit.
    pub commit_sha: Option<String>,
    /// Its message's first line.
    pub commit_message: Option<String>,
    /// Who started the run, by login.
    pub author: Option<String>,
    /// The run's page at the provider.
    pub run_url: Option<String>,
    /// The jobs that failed in the attempt that failed last, as far as the provider told.
    pub failed_jobs: Vec<FailedJob>,
    /// How often it was seen.
    pub occurrences: u32,
    /// When it was first seen.
    pub first_seen_at: String,
    /// When it was last seen.
    pub last_seen_at: String,
    /// When somebody said that it is known.
    pub acknowledged_at: Option<String>,
    /// When it was over.
    pub resolved_at: Option<String>,
    /// `passed`, `manual`, `recovered`, `disconnected`, `branch_deleted`, `tag_deleted`,
    /// `pull_request_closed`, `merged`, `left_queue`, `mirrored`, or `superseded` (by version 0.1).
    pub resolution: Option<&'static str>,
}

impl Incident {
    /// The shape of an incident of a connection to this repository.
    pub fn of(incident: incident::Incident, repository: Option<&FullName>) -> Self {
        let ci = incident.ci;
        let of_ci = |field: fn(&incident::CiFailure) -> Option<String>| {
            ci.as_ref().and_then(field).filter(|text| !text.is_empty())
        };
        Self {
            id: incident.id.to_string(),
            status: incident.status.as_str(),
            severity: incident.severity.as_str(),
            source: incident.source.as_str(),
            failure_type: incident.failure_type,
            title: incident.title,
            connection_id: incident.subject.connection().map(|id| id.to_string()),
            repository_full_name: repository
                .or(incident.repository.as_ref())
                .map(ToString::to_string),
            run_id: of_ci(|ci| Some(ci.run.to_string())),
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
            first_seen_at: time(incident.first_seen_at),
            last_seen_at: time(incident.last_seen_at),
            acknowledged_at: incident.acknowledged_at.map(time),
            resolved_at: incident.resolved_at.map(time),
            resolution: incident.resolution.map(incident::Resolution::as_str),
        }
    }
}

/// A run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Our id.
    pub id: String,
    /// The connection.
    pub connection_id: String,
    /// Its repository; null once the connection is forgotten.
    pub repository_full_name: Option<String>,
    /// How it is told: `actions`, `checks`, `statuses` or `pipelines`.
    pub family: &'static str,
    /// The provider's id of the run; of a commit status, a number made of its commit and context.
    pub provider_run_id: String,
    /// The run's number within its workflow.
    pub run_number: u64,
    /// The attempt, from 1.
    pub run_attempt: u32,
    /// The workflow.
    pub workflow_name: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: &'static str,
    /// How it ended; null before.
    pub conclusion: Option<&'static str>,
    /// The branch of this repository; null for the code of another one.
    pub branch: Option<String>,
    /// The repository that the code is from, when it is another one and told.
    pub head_repository: Option<String>,
    /// The branch of another repository.
    pub head_branch: Option<String>,
    /// The number of the pull or merge request, where it is told.
    pub pull_request: Option<u64>,
    /// The commit.
    pub commit_sha: String,
    /// Its message's first line.
    pub commit_message: Option<String>,
    /// Who started the run, by login.
    pub author: Option<String>,
    /// What started the run, such as `push`.
    pub trigger: String,
    /// The run's page at the provider.
    pub run_url: Option<String>,
    /// The jobs that failed, of all attempts, as far as the provider told.
    pub failed_jobs: Vec<FailedJob>,
    /// When the provider last changed it.
    pub updated_at: String,
    /// When we first heard of it.
    pub first_seen_at: String,
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
            id: run.id.to_string(),
            connection_id: run.connection.to_string(),
            repository_full_name: repository.map(ToString::to_string),
            family: run.family.as_str(),
            provider_run_id: run.provider_run_id.to_string(),
            run_number: run.position.number,
            run_attempt: run.position.attempt,
            workflow_name: run.facts.workflow_name,
            status: run.status.as_str(),
            conclusion: run.status.conclusion().map(run::Conclusion::as_str),
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
            updated_at: time(run.updated_at),
            first_seen_at: time(run.first_seen_at),
        }
    }
}
