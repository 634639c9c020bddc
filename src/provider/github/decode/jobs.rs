//! `workflow_job`: the failed jobs of a run. Never decides the run.

use super::super::payload::Body;
use super::parts::{attempt, is_failed, login};
use crate::domain::lane::{Code, Lane};
use crate::domain::run::{
    BranchKind, FailedJob, Family, Position, RunEvent, RunFacts, RunStatus, Twin,
};
use crate::provider::payload::{
    BRANCH_BYTES_MAX, COMMIT_BYTES_MAX, TITLE_BYTES_MAX, WORD_BYTES_MAX, clean_of, moment, name_of,
};

/// What a job reports about its run. It lacks the run's number: with 0 in its place, the run's own
/// data takes precedence.
pub(super) fn event(body: &Body<'_>) -> Option<RunEvent> {
    let job = body.workflow_job.0.as_ref()?;
    let (id, provider_run_id) = (job.id.number()?, job.run_id.number()?);
    let failed = is_failed(&job.conclusion).then(|| FailedJob {
        id,
        name: clean_of(&job.name, TITLE_BYTES_MAX).unwrap_or_else(|| id.to_string()),
        stage: None,
        reason: clean_of(&job.conclusion, WORD_BYTES_MAX),
    });
    let branch = name_of(&job.head_branch, BRANCH_BYTES_MAX);
    let updated_at = [&job.completed_at, &job.started_at, &job.created_at]
        .into_iter()
        .find_map(moment)
        .unwrap_or_default();
    let workflow_name = clean_of(&job.workflow_name, TITLE_BYTES_MAX).unwrap_or_default();
    Some(RunEvent {
        provider_run_id,
        position: Position {
            number: 0,
            attempt: attempt(&job.run_attempt),
        },
        status: RunStatus::InProgress,
        updated_at,
        began_at: updated_at,
        family: Family::Actions,
        twin: Twin::None,
        parent: None,
        commit: None,
        failed_jobs: failed.into_iter().collect(),
        facts: RunFacts {
            workflow_key: workflow_name.clone(),
            workflow_name,
            // A job does not say whose code it ran: its run does.
            lane: Lane::of_branch("", branch.clone().unwrap_or_default()),
            code: Code::Unreported,
            head: None,
            branch,
            commit_sha: clean_of(&job.head_sha, COMMIT_BYTES_MAX).unwrap_or_default(),
            commit_message: None,
            author: login(&body.sender),
            trigger: String::new(),
            url: None,
            branch_kind: BranchKind::Unknown,
        },
    })
}
