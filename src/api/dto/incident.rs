//! Incidents and runs in JSON.

use crate::api::schema::{ResolutionName, RunStatusName};
use crate::domain::id::{ConnectionId, IncidentId, RunId, SinkId, UserId};
use crate::domain::incident::{CiFailure, IncidentSource, IncidentStatus, Severity};
use crate::domain::lane::Code;
use crate::domain::repo::{FullName, Host, ProviderKind};
use crate::domain::run::{Conclusion, Family};
use crate::domain::time::Timestamp;
use crate::domain::{incident, run};

/// What an incident about CI says; `None` for another one, and for an empty text.
fn of_ci(
    incident: &incident::Incident,
    field: impl Fn(&CiFailure) -> Option<&String>,
) -> Option<String> {
    let text = incident.ci.as_ref().and_then(field);
    text.filter(|text| !text.is_empty()).cloned()
}

/// The branch of a run's code, if that is this repository's (`is_own`), or if it is another's.
fn branch_of(run: &run::Run, is_own: bool) -> Option<String> {
    let branch = run.facts.branch.clone();
    branch.filter(|_| (run.facts.code == Code::Own) == is_own)
}

shapes! {
    /// A failed job of a run.
    FailedJob(job: &run::FailedJob) {
        /// Name of the job.
        #[schema(example = "test (ubuntu-latest)")]
        name: String = job.name.clone(),
        /// Stage of the job, if the provider has stages.
        stage: Option<String> = job.stage.clone(),
        /// Why it failed, as the provider says.
        reason: Option<String> = job.reason.clone(),
    }

    /// An incident.
    Incident(incident: &incident::Incident, repository: Option<&FullName>) {
        /// Id of the incident.
        id: IncidentId = incident.id,
        /// State of the incident.
        status: IncidentStatus = incident.status,
        /// Severity of the incident.
        severity: Severity = incident.severity,
        /// How it was detected.
        source: IncidentSource = incident.source,
        /// Kind of failure.
        #[schema(example = "failure")]
        failure_type: String = incident.failure_type.clone(),
        /// One line for people.
        #[schema(example = "CI failed on main")]
        title: String = incident.title.clone(),
        /// Connection concerned. Null for an incident about something else.
        connection_id: Option<ConnectionId> = incident.subject.connection(),
        /// Repository of the connection; its last known name when the connection no longer exists.
        /// Null for an incident about something else.
        repository_full_name: Option<FullName> =
            repository.or(incident.repository.as_ref()).cloned(),
        /// Sink that is disabled, for an incident about that.
        sink_id: Option<SinkId> = incident.subject.sink(),
        /// Provider that does not answer, for an incident about that.
        provider: Option<ProviderKind> =
            incident.affected.as_ref().map(|affected| affected.instance.provider),
        /// Host of that provider.
        host: Option<Host> =
            incident.affected.as_ref().map(|affected| affected.instance.host.clone()),
        /// Your connections that wait until that provider answers.
        connections_affected: Option<u32> =
            incident.affected.as_ref().map(|affected| affected.connections),
        /// Run that failed last, for an incident about CI.
        run_id: Option<RunId> = incident.ci.as_ref().map(|ci| ci.run),
        /// Name of the workflow.
        workflow_name: Option<String> = of_ci(incident, |ci| Some(&ci.workflow_name)),
        /// Branch of this repository. Null for code of another repository.
        #[schema(example = "main")]
        branch: Option<String> =
            of_ci(incident, |ci| ci.branch.as_ref().filter(|_| ci.head.is_none())),
        /// Repository that the code comes from, when it is another one: its name, or else its id.
        head_repository: Option<String> = of_ci(incident, |ci| ci.head.as_ref()),
        /// Branch of that repository.
        head_branch: Option<String> =
            of_ci(incident, |ci| ci.branch.as_ref().filter(|_| ci.head.is_some())),
        /// Number of the pull or merge request, if the provider reports it.
        pull_request: Option<u64> = incident.ci.as_ref().and_then(|ci| ci.track.lane.number()),
        /// What started the run, such as `push` or `schedule`.
        #[schema(example = "push")]
        trigger: Option<String> = of_ci(incident, |ci| Some(&ci.trigger)),
        /// Commit that the run tested.
        commit_sha: Option<String> = of_ci(incident, |ci| Some(&ci.commit_sha)),
        /// First line of the commit message.
        commit_message: Option<String> = of_ci(incident, |ci| ci.commit_message.as_ref()),
        /// Login of the user who started the run.
        author: Option<String> = of_ci(incident, |ci| ci.author.as_ref()),
        /// Page of the run at the provider.
        run_url: Option<String> = of_ci(incident, |ci| ci.url.as_ref()),
        /// Failed jobs of the attempt that failed last, as far as the provider reports them.
        failed_jobs: Vec<FailedJob> = {
            let jobs = incident.ci.iter().flat_map(|ci| &ci.failed_jobs);
            jobs.map(FailedJob::of).collect()
        },
        /// How often the failure occurred.
        occurrences: u32 = incident.occurrences,
        /// When it first occurred.
        first_seen_at: Timestamp = incident.first_seen_at,
        /// When it last occurred.
        last_seen_at: Timestamp = incident.last_seen_at,
        /// When it was acknowledged.
        acknowledged_at: Option<Timestamp> = incident.acknowledged_at,
        /// When it was resolved.
        resolved_at: Option<Timestamp> = incident.resolved_at,
        /// Why it was resolved.
        resolution: Option<ResolutionName> = incident.resolution.as_ref().map(Into::into),
        /// Whether the commit that had failed passed: another attempt, or another run of the same
        /// commit, resolved it.
        flaky: bool = incident.is_flaky,
        /// Whether its workflow fails and passes in turn: then its status may not last, and sinks
        /// get no more until that ends.
        flapping: bool = incident.is_flapping,
        /// User who works on it.
        assignee_id: Option<UserId> = incident.care.assignee,
        /// Until when no notification of it is sent.
        muted_until: Option<Timestamp> = incident.care.muted_until,
        /// Number of its notes. They are in its timeline.
        notes: usize = incident.care.notes(),
    }

    /// A run of a workflow, a pipeline, a check suite or a commit status.
    Run(run: &run::Run, repository: Option<&FullName>) {
        /// Id of the run.
        id: RunId = run.id,
        /// Connection that it belongs to.
        connection_id: ConnectionId = run.connection,
        /// Repository of the connection. Null when the connection no longer exists.
        repository_full_name: Option<FullName> = repository.cloned(),
        /// The events that report the run.
        family: Family = run.family,
        /// The provider's id of the run. For a commit status: a number made of its commit and
        /// context.
        provider_run_id: String = run.provider_run_id.to_string(),
        /// Number of the run within its workflow.
        run_number: u64 = run.position.number,
        /// Number of the attempt, from 1.
        run_attempt: u32 = run.position.attempt,
        /// Name of the workflow.
        #[schema(example = "CI")]
        workflow_name: String = run.facts.workflow_name.clone(),
        /// State of the run.
        status: RunStatusName = (&run.status).into(),
        /// Conclusion of the run. Null until it completes.
        conclusion: Option<Conclusion> = run.status.conclusion(),
        /// Branch of this repository. Null for code of another repository.
        #[schema(example = "main")]
        branch: Option<String> = branch_of(run, true),
        /// Repository that the code comes from, when it is another one and known.
        head_repository: Option<String> = run.facts.head.clone(),
        /// Branch of that repository.
        head_branch: Option<String> = branch_of(run, false),
        /// Number of the pull or merge request, if the provider reports it.
        pull_request: Option<u64> = run.facts.lane.number(),
        /// Commit that the run tested.
        commit_sha: String = run.facts.commit_sha.clone(),
        /// First line of the commit message.
        commit_message: Option<String> = run.facts.commit_message.clone(),
        /// Login of the user who started the run.
        author: Option<String> = run.facts.author.clone(),
        /// What started the run, such as `push`.
        #[schema(example = "push")]
        trigger: String = run.facts.trigger.clone(),
        /// Page of the run at the provider.
        run_url: Option<String> = run.facts.url.clone(),
        /// Failed jobs of all attempts, as far as the provider reports them.
        failed_jobs: Vec<FailedJob> = {
            let jobs = run.failed_jobs_of(None, u32::MAX);
            jobs.iter().map(FailedJob::of).collect()
        },
        /// When the provider last changed the run.
        updated_at: Timestamp = run.updated_at,
        /// When the run was first reported.
        first_seen_at: Timestamp = run.first_seen_at,
    }
}
