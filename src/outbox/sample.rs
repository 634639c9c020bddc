//! What a test message is about.

use super::room::Room;
use crate::domain::id::{ConnectionId, IncidentId, OwnerId, RunId};
use crate::domain::incident::care::Care;
use crate::domain::incident::track::TrackKey;
use crate::domain::incident::{
    CiFailure, Incident, IncidentSource, IncidentStatus, Severity, Subject,
};
use crate::domain::lane::{Code, Lane};
use crate::domain::run::{BranchKind, FailedJob, Family, RunFacts};
use crate::domain::wording;

/// An incident as there are many.
pub(super) fn incident(room: &Room, owner: OwnerId) -> Incident {
    let (now, id) = (room.tools.now(), room.tools.clock.now_for_id());
    Incident {
        id: IncidentId::generate(id, &*room.tools.entropy),
        owner,
        subject: Subject::Connection(ConnectionId::generate(id, &*room.tools.entropy)),
        repository: "example/repository".parse().ok(),
        status: IncidentStatus::Open,
        severity: Severity::Error,
        source: IncidentSource::Webhook,
        failure_type: "failure".to_owned(),
        title: wording::SAMPLE_TITLE.to_owned(),
        ci: None,
        affected: None,
        occurrences: 1,
        first_seen_at: now,
        last_seen_at: now,
        acknowledged_at: None,
        resolved_at: None,
        resolution: None,
        is_flaky: false,
        is_flapping: false,
        care: Care::default(),
    }
}

/// The same with a run, for templates: so each of their names stands for something.
pub(super) fn failing(incident: &Incident) -> Incident {
    let number = incident.id.as_u128();
    let connection = incident.subject.connection();
    let connection = connection.unwrap_or(ConnectionId::from_u128(number));
    let (branch, trigger) = ("main".to_owned(), "push".to_owned());
    let facts = RunFacts {
        workflow_key: "build".to_owned(),
        workflow_name: "build".to_owned(),
        lane: Lane::of_branch(&trigger, branch.clone()),
        code: Code::Own,
        head: None,
        branch: Some(branch),
        commit_sha: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        commit_message: Some("Add a cache".to_owned()),
        author: Some("ann".to_owned()),
        trigger,
        url: None,
        branch_kind: BranchKind::Default,
    };
    let job = FailedJob {
        id: 1,
        name: "test".to_owned(),
        stage: None,
        reason: None,
    };
    let ci = CiFailure {
        run: RunId::from_u128(number),
        family: Family::Actions,
        track: TrackKey::of(connection, Family::Actions, &facts),
        workflow_name: facts.workflow_name,
        head: facts.head,
        branch: facts.branch,
        trigger: facts.trigger,
        commit_sha: facts.commit_sha,
        commit_message: facts.commit_message,
        author: facts.author,
        url: facts.url,
        failed_jobs: vec![job],
    };
    Incident {
        ci: Some(ci),
        ..incident.clone()
    }
}
