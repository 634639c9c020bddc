//! What an incident says: all of it follows from its group and from the run that failed last.

use crate::domain::incident::track::{Closed, Group, GroupEnd, TrackKey};
use crate::domain::incident::{CiFailure, Incident, IncidentStatus, Resolution};
use crate::domain::lane::Code;
use crate::domain::run::{Run, RunFacts};
use crate::domain::time::Timestamp;

/// What follows from the group.
pub(super) fn bring_in_line(incident: &mut Incident, group: &Group) {
    incident.failure_type = group.last.conclusion.as_str().to_owned();
    incident.occurrences = group.occurrences;
    incident.first_seen_at = group.first_seen_at;
    incident.last_seen_at = group.last_seen_at;
    let (at, why) = match group.end {
        None => return,
        Some(GroupEnd::Passed(run, at)) => (at, Resolution::Passed(run)),
        Some(GroupEnd::Closed(Closed { at, why })) => (at, why),
    };
    // The first end after the last failure counts, and it may be told late.
    if incident.resolution.is_some_and(Resolution::is_derived) && why.is_derived() {
        incident.resolved_at = Some(at);
        incident.resolution = Some(why);
    }
    resolve(incident, why, at);
}

/// What follows from the run that failed last.
pub(super) fn show(incident: &mut Incident, key: &TrackKey, group: &Group, run: &Run) {
    let facts = &run.facts;
    let head = head(facts);
    let lane = key.lane.words(key.family, head.as_deref());
    incident.title = if lane.is_empty() {
        format!("CI failed: {}", facts.workflow_name)
    } else {
        format!("CI failed: {} on {lane}", facts.workflow_name)
    };
    incident.ci = Some(CiFailure {
        run: run.id,
        family: key.family,
        track: key.clone(),
        workflow_name: facts.workflow_name.clone(),
        head,
        branch: facts.branch.clone(),
        trigger: facts.trigger.clone(),
        commit_sha: facts.commit_sha.clone(),
        commit_message: facts.commit_message.clone(),
        author: facts.author.clone(),
        url: facts.url.clone(),
        failed_jobs: run.failed_jobs_of(group.decided_before, group.last.position.attempt),
    });
}

/// The repository that the code is from, when it is another one.
fn head(facts: &RunFacts) -> Option<String> {
    let told = facts.head.clone();
    match &facts.code {
        Code::Own => None,
        Code::Fork(id) => told.or_else(|| Some(id.0.to_string())),
        Code::ForkNamed(name) => told.or_else(|| Some(name.clone())),
        Code::Untold => told.or_else(|| Some("unknown".to_owned())),
    }
}

/// Ends an incident. One that ended already keeps its first end.
pub(in crate::actor) fn resolve(incident: &mut Incident, resolution: Resolution, at: Timestamp) {
    if incident.status != IncidentStatus::Resolved {
        incident.status = IncidentStatus::Resolved;
        incident.resolved_at = Some(at);
        incident.resolution = Some(resolution);
    }
}

pub(super) fn log(incident: &Incident, was_open: Option<bool>, is_open: bool) {
    let Some(connection) = incident.subject.connection() else {
        return;
    };
    let id = incident.id;
    match (was_open, is_open) {
        (None, _) => tracing::info!(
            incident.id = %id, connection.id = %connection, is_open,
            "incident_created_from_webhook"
        ),
        (Some(true), false) => {
            tracing::info!(incident.id = %id, connection.id = %connection, "incident_resolved");
        }
        (Some(_), _) => {}
    }
}
