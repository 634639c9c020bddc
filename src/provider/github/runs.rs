//! GitHub's workflow runs, found by listing them.
//!
//! A run of the list has the fields that the event `workflow_run` has for it (GitHub's API
//! description, `workflow-run`). What the list does not say: earlier attempts of the same run,
//! which are read one by one; and its jobs, which are read for failed runs that are the last of
//! their kind to decide on a page.

mod latest;
mod listed;
mod place;

use super::dialect::Talk;
use super::errors;
use crate::domain::repo::Repository;
use crate::domain::time::Timestamp;
use crate::provider::access::ProviderError;
use crate::provider::dialect::Asked;
use crate::provider::logs::{Found, ListedRun, RunsPage};
use crate::provider::payload::moment_of;
pub(super) use latest::of_each_workflow;
use listed::{Listed, RunHead, event, get, listed, read_runs, runs_path};
use place::{PER_PAGE, Place};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Most attempts before the last one that are read of a run: the latest of them.
const ATTEMPTS_MAX: usize = 10;
/// Most pages of the jobs of a run: 1,000 jobs.
const JOB_PAGES_MAX: u32 = 10;

/// A page of jobs.
#[derive(Deserialize)]
struct JobsBody<'a> {
    #[serde(borrow)]
    jobs: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct JobHead {
    id: u64,
    conclusion: Option<String>,
    started_at: Option<String>,
    completed_at: Option<String>,
}

impl JobHead {
    /// When it ended, or began: one that could not start has no end.
    fn ended_at(&self) -> Option<Timestamp> {
        let times = [&self.completed_at, &self.started_at];
        times.into_iter().find_map(|at| moment_of(at.as_deref()?))
    }
}

fn found((head, at): (&RunHead, Timestamp), json: &RawValue, repository: &Repository) -> Found {
    let word = head.conclusion.as_deref().filter(|word| !word.is_empty());
    let word = word.or(head.status.as_deref()).unwrap_or("unknown");
    let attempt = head.run_attempt.unwrap_or(1);
    Found {
        delivery_id: format!("found:run:{}:{attempt}:{word}", head.id),
        event: "workflow_run".to_owned(),
        at,
        payload: event("workflow_run", head.action(), json, head, repository),
    }
}

/// The failed jobs of a run's last attempt.
async fn failed_jobs(
    s: &mut Talk<'_>,
    (run, at): (&RunHead, Timestamp),
    repository: &Repository,
    all: &mut Vec<Found>,
) -> Result<(), ProviderError> {
    let path = format!(
        "{}/{}/jobs?filter=latest&per_page=100",
        runs_path(repository),
        run.id
    );
    let odd = |_| errors::bad_answer("not the expected JSON");
    for page in 1..=JOB_PAGES_MAX {
        let answer = s.get(s.url(&format!("{path}&page={page}"))).await?;
        match answer.status.as_u16() {
            200 => {}
            // It was deleted meanwhile.
            404 => return Ok(()),
            _ => return Err(errors::refusal(&answer, Asked::Runs(&repository.full_name))),
        }
        let jobs: JobsBody<'_> = serde_json::from_slice(&answer.body).map_err(odd)?;
        for json in jobs.jobs {
            let job: JobHead = serde_json::from_str(json.get()).map_err(odd)?;
            let word = job.conclusion.as_deref().unwrap_or_default();
            if !matches!(word, "failure" | "timed_out" | "startup_failure") {
                continue;
            }
            all.push(Found {
                delivery_id: format!("found:job:{}:{word}", job.id),
                event: "workflow_job".to_owned(),
                at: job.ended_at().unwrap_or(at),
                payload: event("workflow_job", "completed", json, run, repository),
            });
        }
        if !answer.links_to_next() {
            return Ok(());
        }
    }
    Ok(())
}

/// The attempts of a run before its last one that ended since a moment, the oldest first.
///
/// Source: GitHub's API description, "Get a workflow run attempt": the run as that attempt left it.
/// The awkward case: an installation without this route, and a run that was deleted meanwhile. Then
/// the last attempt is all that is found.
async fn earlier_attempts(
    s: &mut Talk<'_>,
    run: &RunHead,
    since: Timestamp,
    repository: &Repository,
) -> Result<Vec<Found>, ProviderError> {
    let mut all = Vec::new();
    if run.began_before(since) {
        return Ok(all);
    }
    let odd = |_| errors::bad_answer("not the expected JSON");
    let before = (1..run.run_attempt.unwrap_or(1)).rev();
    for attempt in before.take(ATTEMPTS_MAX) {
        let path = format!("{}/{}/attempts/{attempt}", runs_path(repository), run.id);
        let answer = s.get(s.url(&path)).await?;
        match answer.status.as_u16() {
            200 => {}
            404 => break,
            _ => return Err(errors::refusal(&answer, Asked::Runs(&repository.full_name))),
        }
        let json: &RawValue = serde_json::from_slice(&answer.body).map_err(odd)?;
        let head: RunHead = serde_json::from_str(json.get()).map_err(odd)?;
        if head.updated_at().is_some_and(|at| at < since) {
            break;
        }
        let is_last = head.began_before(since);
        let at = head.at((Some(since), s.now()));
        all.push(found((&head, at), json, repository));
        if is_last {
            break;
        }
    }
    all.reverse();
    Ok(all)
}

/// A run of a list, with what the list lacks.
pub(super) async fn read(
    s: &mut Talk<'_>,
    repository: &Repository,
    (run, since): (&ListedRun, Option<Timestamp>),
) -> Result<Vec<Found>, ProviderError> {
    let odd = |_| errors::bad_answer("not the expected JSON");
    let json: &RawValue = serde_json::from_str(&run.item).map_err(odd)?;
    let head: RunHead = serde_json::from_str(json.get()).map_err(odd)?;
    let mut all = match since {
        Some(since) => earlier_attempts(s, &head, since, repository).await?,
        None => Vec::new(),
    };
    all.push(found((&head, run.at), json, repository));
    if run.with_jobs {
        failed_jobs(s, (&head, run.at), repository, &mut all).await?;
    }
    Ok(all)
}

pub(super) async fn since(
    s: &mut Talk<'_>,
    repository: &Repository,
    since: Timestamp,
    cursor: Option<&str>,
) -> Result<RunsPage, ProviderError> {
    let place = cursor.and_then(Place::read).unwrap_or(Place::FIRST);
    let path = format!(
        "{}?per_page={PER_PAGE}&created={}&page={}",
        runs_path(repository),
        place.created(since),
        place.page
    );
    let answer = get(s, &path, repository).await?;
    let mut runs = read_runs(&answer, repository)?;
    let earliest = runs.iter().filter_map(|run| run.head.created_at()).min();
    let has_next = answer.links_to_next();
    let next = place.next(has_next, runs.len(), earliest.unwrap_or(since));
    runs.retain(|run| run.head.is_of(since));
    Ok(RunsPage {
        runs: listed(&runs, (Some(since), s.now())),
        next: next.map(Place::to_text),
    })
}

pub(super) async fn one(
    s: &mut Talk<'_>,
    repository: &Repository,
    run: u64,
) -> Result<Vec<Found>, ProviderError> {
    let answer = s
        .get(s.url(&format!("{}/{run}", runs_path(repository))))
        .await?;
    match answer.status.as_u16() {
        200 => {}
        404 => {
            // Gone, or not for this token: the list shows which.
            let path = format!("{}?per_page=1", runs_path(repository));
            get(s, &path, repository).await?;
            return Ok(Vec::new());
        }
        _ => return Err(errors::refusal(&answer, Asked::Runs(&repository.full_name))),
    }
    let odd = |_| errors::bad_answer("not the expected JSON");
    let json: &RawValue = serde_json::from_slice(&answer.body).map_err(odd)?;
    let run = Listed::read(json, repository)?;
    let [run] = &listed(&[run], (None, s.now()))[..] else {
        return Ok(Vec::new());
    };
    read(s, repository, (run, None)).await
}
