//! `check_suite` and `check_run`: the CI of apps. A suite is a run, its check runs are the jobs.
//!
//! A suite keeps its id when it is run again, without a counter: the seconds from its creation to
//! its last change stand for the attempt.

use super::super::payload::{AppPart, Body, SuitePart};
use super::ended::are_of_forks;
use super::lanes;
use super::parts::{author, is_failed, login, of_run, status, subject};
use crate::domain::event::Event;
use crate::domain::lane::{Code, Lane};
use crate::domain::run::{FailedJob, Family, Position, RunEvent, RunFacts, RunStatus, Twin};
use crate::provider::payload::{
    BRANCH_BYTES_MAX, COMMIT_BYTES_MAX, TITLE_BYTES_MAX, WORD_BYTES_MAX, clean_of, moment, name_of,
    web_url,
};

/// The app whose suites mirror workflow runs: its slug, and its id at github.com.
const ACTIONS_APP: &str = "github-actions";
/// See [`ACTIONS_APP`].
const ACTIONS_APP_ID: u64 = 15_368;

/// The conclusion of a suite. Only a `completed` one has it: when it is requested again, it still
/// shows its last one.
pub(super) fn suite_event(body: &Body<'_>) -> Option<Event> {
    let suite = body.check_suite.0.as_ref()?;
    let action = body.action.text();
    let status = if action == Some("completed") {
        status(&suite.conclusion, &suite.status, action)
    } else {
        RunStatus::Queued
    };
    event(suite, suite.app.0.as_ref()?, status, body).map(of_run)
}

/// A check run never decides its suite: it reports the failed jobs.
pub(super) fn run_event(body: &Body<'_>) -> Option<Event> {
    let check = body.check_run.0.as_ref()?;
    let suite = check.check_suite.0.as_ref()?;
    let id = check.id.number()?;
    let app = suite.app.0.as_ref().or(check.app.0.as_ref())?;
    let mut event = event(suite, app, RunStatus::InProgress, body)?;
    event.position.number = 0;
    let is_repeated = matches!(body.action.text(), Some("rerequested" | "requested_action"));
    if is_failed(&check.conclusion) && !is_repeated {
        event.failed_jobs.push(FailedJob {
            id,
            name: clean_of(&check.name, TITLE_BYTES_MAX).unwrap_or_else(|| id.to_string()),
            stage: None,
            reason: clean_of(&check.conclusion, WORD_BYTES_MAX),
        });
    }
    Some(of_run(event))
}

fn is_actions(app: &AppPart<'_>) -> bool {
    app.slug.text() == Some(ACTIONS_APP) || app.id.number() == Some(ACTIONS_APP_ID)
}

/// The branch of the suite's commit. Null for pushes to a fork: then by commit alone.
fn lane(suite: &SuitePart<'_>, body: &Body<'_>, commit: &str) -> (Code, Lane) {
    let branch = name_of(&suite.head_branch, BRANCH_BYTES_MAX);
    if let Some(branch) = branch.filter(|_| !are_of_forks(&suite.pull_requests.0, body)) {
        return (Code::Own, Lane::of_branch("", branch));
    }
    let (trigger, sha) = (String::new(), commit.to_owned());
    let code = Code::Unreported;
    (Code::Unreported, Lane::Commit { trigger, code, sha })
}

fn event(
    suite: &SuitePart<'_>,
    app: &AppPart<'_>,
    status: RunStatus,
    body: &Body<'_>,
) -> Option<RunEvent> {
    let id = suite.id.number()?;
    let slug = || name_of(&app.slug, WORD_BYTES_MAX);
    let app_key = app.id.number().map(|id| id.to_string()).or_else(slug)?;
    // Every workflow has its own suite, all of the same app: nothing distinguishes them.
    let (workflow_key, twin) = if is_actions(app) {
        (format!("{app_key}/{id}"), Twin::OfRun)
    } else {
        (app_key.clone(), Twin::None)
    };
    let name = clean_of(&app.name, TITLE_BYTES_MAX).or_else(slug);
    let updated_at = [&suite.updated_at, &suite.created_at]
        .into_iter()
        .find_map(moment)
        .unwrap_or_default();
    let created_at = moment(&suite.created_at).unwrap_or(updated_at);
    let commit_sha = clean_of(&suite.head_sha, COMMIT_BYTES_MAX).unwrap_or_default();
    let (code, lane) = lane(suite, body, &commit_sha);
    let branch = name_of(&suite.head_branch, BRANCH_BYTES_MAX);
    Some(RunEvent {
        provider_run_id: id,
        position: Position::by_time(id, created_at, updated_at),
        status,
        updated_at,
        began_at: created_at,
        family: Family::Checks,
        twin,
        parent: None,
        commit: None,
        failed_jobs: Vec::new(),
        facts: RunFacts {
            workflow_name: name.unwrap_or(app_key),
            workflow_key,
            branch_kind: lanes::branch_kind((&lane, &code), branch.as_deref(), body),
            lane,
            code,
            head: None,
            branch,
            commit_message: subject(&suite.head_commit),
            author: author(&suite.head_commit).or_else(|| login(&body.sender)),
            trigger: "check_suite".to_owned(),
            url: page(body, &commit_sha),
            commit_sha,
        },
    })
}

/// The page of the commit's checks: the payload has none of the suite.
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
