//! `check_suite` and `check_run`: the CI of apps. A suite is a run, its check runs are the jobs.
//!
//! A suite keeps its id when it is run again, and nothing counts how often: the seconds from its
//! creation to its last change stand for the attempt.

use super::super::payload::{AppPart, Body, SuitePart};
use super::{is_failed, login, of_run, status, subject};
use crate::domain::event::Event;
use crate::domain::run::{FailedJob, Family, Position, RunEvent, RunFacts, RunStatus};
use crate::provider::payload::{
    BRANCH_BYTES_MAX, COMMIT_BYTES_MAX, Object, TITLE_BYTES_MAX, WORD_BYTES_MAX, clean_of, moment,
    web_url,
};

/// The app whose suites mirror workflow runs.
const ACTIONS_APP: &str = "github-actions";

/// The verdict of a suite. Only a `completed` one has it: when it is asked for again, it still
/// shows its last one.
pub(super) fn suite_event(body: &Body<'_>) -> Option<Event> {
    let suite = body.check_suite.0.as_ref()?;
    if is_actions(&suite.app) {
        return Some(Event::Mirrored);
    }
    let action = body.action.text();
    let status = if action == Some("completed") {
        status(&suite.conclusion, &suite.status, action)
    } else {
        RunStatus::Queued
    };
    event(suite, suite.app.0.as_ref()?, status, body).map(of_run)
}

/// A check run never gives a verdict about its suite: it tells which jobs failed.
pub(super) fn run_event(body: &Body<'_>) -> Option<Event> {
    let check = body.check_run.0.as_ref()?;
    let suite = check.check_suite.0.as_ref()?;
    if is_actions(&check.app) || is_actions(&suite.app) {
        return Some(Event::Mirrored);
    }
    let id = check.id.number()?;
    let app = suite.app.0.as_ref().or(check.app.0.as_ref())?;
    let mut event = event(suite, app, RunStatus::InProgress, body)?;
    event.position.number = 0;
    let is_told_again = matches!(body.action.text(), Some("rerequested" | "requested_action"));
    if is_failed(&check.conclusion) && !is_told_again {
        event.failed_jobs.push(FailedJob {
            id,
            name: clean_of(&check.name, TITLE_BYTES_MAX).unwrap_or_else(|| id.to_string()),
            stage: None,
            reason: clean_of(&check.conclusion, WORD_BYTES_MAX),
        });
    }
    Some(of_run(event))
}

fn is_actions(app: &Object<AppPart<'_>>) -> bool {
    let slug = app.0.as_ref().and_then(|app| app.slug.text());
    slug == Some(ACTIONS_APP)
}

fn event(
    suite: &SuitePart<'_>,
    app: &AppPart<'_>,
    status: RunStatus,
    body: &Body<'_>,
) -> Option<RunEvent> {
    let id = suite.id.number()?;
    let slug = || clean_of(&app.slug, WORD_BYTES_MAX);
    let workflow_key = app.id.number().map(|id| id.to_string()).or_else(slug)?;
    let name = clean_of(&app.name, TITLE_BYTES_MAX).or_else(slug);
    let updated_at = [&suite.updated_at, &suite.created_at]
        .into_iter()
        .find_map(moment)
        .unwrap_or_default();
    let created_at = moment(&suite.created_at).unwrap_or(updated_at);
    let commit_sha = clean_of(&suite.head_sha, COMMIT_BYTES_MAX).unwrap_or_default();
    Some(RunEvent {
        provider_run_id: id,
        position: Position::by_time(id, created_at, updated_at),
        status,
        updated_at,
        family: Family::Checks,
        failed_jobs: Vec::new(),
        facts: RunFacts {
            workflow_name: name.unwrap_or_else(|| workflow_key.clone()),
            workflow_key,
            // Null for what was pushed to a fork.
            branch: clean_of(&suite.head_branch, BRANCH_BYTES_MAX),
            commit_message: subject(&suite.head_commit),
            author: login(&body.sender),
            trigger: "check_suite".to_owned(),
            url: page(body, &commit_sha),
            commit_sha,
        },
    })
}

/// The page of the commit's checks: the payload names none of the suite.
fn page(body: &Body<'_>, commit: &str) -> Option<String> {
    let repository = web_url(&body.repository.0.as_ref()?.html_url)?;
    let is_hash = !commit.is_empty() && commit.bytes().all(|b| b.is_ascii_hexdigit());
    is_hash.then(|| {
        format!(
            "{}/commit/{commit}/checks",
            repository.trim_end_matches('/')
        )
    })
}
