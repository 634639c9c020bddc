//! GitHub's workflow runs, found by listing them.
//!
//! A run of the list has the fields that the event `workflow_run` has for it (GitHub's API
//! description, `workflow-run`). What the list does not say: earlier attempts of the same run,
//! which are read one by one; and its jobs, which are read for failed runs that are the last of
//! their kind on a page.

mod place;

use super::decode::status_of;
use super::dialect::Talk;
use super::errors;
use crate::domain::delivery::Payload;
use crate::domain::repo::Repository;
use crate::domain::run::Family;
use crate::domain::time::Timestamp;
use crate::provider::access::ProviderError;
use crate::provider::dialect::Asked;
use crate::provider::http::Answer;
use crate::provider::logs::{Found, ListedRun, RunsPage};
use crate::provider::part::encoded;
use crate::provider::payload::moment_of;
use crate::provider::reading::changed_at;
use place::{PER_PAGE, Place};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Most workflows whose latest run is read one by one.
const WORKFLOWS_MAX: usize = 50;
/// Most attempts before the last one that are read of a run: the latest of them.
const ATTEMPTS_MAX: usize = 10;
/// Most pages of the jobs of a run: 1,000 jobs.
const JOB_PAGES_MAX: u32 = 10;

/// A page of runs.
#[derive(Deserialize)]
struct RunsBody<'a> {
    #[serde(borrow)]
    workflow_runs: Vec<&'a RawValue>,
}

/// A page of jobs.
#[derive(Deserialize)]
struct JobsBody<'a> {
    #[serde(borrow)]
    jobs: Vec<&'a RawValue>,
}

/// A page of workflows.
#[derive(Deserialize)]
struct WorkflowsBody {
    workflows: Vec<WorkflowBody>,
}

#[derive(Deserialize)]
struct WorkflowBody {
    id: u64,
    state: Option<String>,
}

/// What is needed of a run to tell it from others.
#[derive(Debug, Deserialize)]
struct RunHead {
    id: u64,
    #[serde(default)]
    run_number: u64,
    run_attempt: Option<u32>,
    status: Option<String>,
    conclusion: Option<String>,
    workflow_id: Option<u64>,
    head_branch: Option<String>,
    event: Option<String>,
    created_at: Option<String>,
    /// When the attempt began.
    run_started_at: Option<String>,
    updated_at: Option<String>,
    triggering_actor: Option<ActorBody>,
    actor: Option<ActorBody>,
}

/// A person or a bot.
#[derive(Debug, Deserialize)]
struct ActorBody {
    login: Option<String>,
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

/// What a run is the latest of.
type Kind = (Option<u64>, Option<String>, Option<String>);

impl RunHead {
    fn kind(&self) -> Kind {
        let (branch, event) = (self.head_branch.clone(), self.event.clone());
        (self.workflow_id, branch, event)
    }

    fn is_over(&self) -> bool {
        self.conclusion
            .as_deref()
            .is_some_and(|word| !word.is_empty())
    }

    fn has_failed(&self) -> bool {
        let word = self.conclusion.as_deref();
        matches!(word, Some("failure" | "timed_out" | "startup_failure"))
    }

    /// The person or bot of the last attempt.
    fn sender(&self) -> Option<&str> {
        let mut all = [&self.triggering_actor, &self.actor].into_iter().flatten();
        all.find_map(|actor| actor.login.as_deref())
    }

    fn created_at(&self) -> Option<Timestamp> {
        moment_of(self.created_at.as_deref()?)
    }

    fn updated_at(&self) -> Option<Timestamp> {
        moment_of(self.updated_at.as_deref()?)
    }

    /// When it changed, in a list since a moment that is read now. Each time may be missing.
    fn at(&self, of_list: (Option<Timestamp>, Timestamp)) -> Timestamp {
        let began = self.run_started_at.as_deref().and_then(moment_of);
        let other = began.or_else(|| self.created_at());
        changed_at(self.updated_at(), other, of_list)
    }

    /// Whether it may have changed, or was created, since.
    fn is_of(&self, since: Timestamp) -> bool {
        let is_since = |at| at >= since;
        self.updated_at().is_none_or(is_since) || self.created_at().is_some_and(is_since)
    }

    /// Whether this attempt began before. Then the attempts before it had ended.
    fn began_before(&self, at: Timestamp) -> bool {
        let began = self.run_started_at.as_deref().and_then(moment_of);
        began.is_some_and(|began| began < at)
    }

    /// The action of the event that would tell of this state.
    fn action(&self) -> &'static str {
        match self.status.as_deref() {
            _ if self.is_over() => "completed",
            Some("completed") => "completed",
            Some("in_progress") => "in_progress",
            Some(_) | None => "requested",
        }
    }
}

/// A run as it was listed.
struct Listed<'a> {
    head: RunHead,
    json: &'a RawValue,
}

fn read_runs<'a>(answer: &'a Answer) -> Result<Vec<Listed<'a>>, ProviderError> {
    let odd = |_| errors::bad_answer("not the expected JSON");
    let page: RunsBody<'a> = serde_json::from_slice(&answer.body).map_err(odd)?;
    let listed = |json: &'a RawValue| {
        let head = serde_json::from_str(json.get()).map_err(odd)?;
        Ok(Listed { head, json })
    };
    page.workflow_runs.into_iter().map(listed).collect()
}

/// An event about a run or a job of this repository, from what the API says of it. The event's
/// name is that of its part, too.
fn event(
    name: &str,
    action: &str,
    json: &RawValue,
    run: &RunHead,
    repository: &Repository,
) -> Payload {
    let about = serde_json::json!({
        "id": repository.id.0, "full_name": repository.full_name.as_str(),
        "default_branch": repository.default_branch,
    });
    let sender = serde_json::json!({ "login": run.sender() });
    let json = json.get();
    let body = format!(
        r#"{{"action":"{action}","{name}":{json},"repository":{about},"sender":{sender}}}"#
    );
    Payload {
        headers: vec![("x-github-event".to_owned(), name.to_owned())],
        body: body.into(),
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

fn runs_path(repository: &Repository) -> String {
    format!("repos/{}/actions/runs", repository.full_name)
}

async fn get(
    s: &mut Talk<'_>,
    path: &str,
    repository: &Repository,
) -> Result<Answer, ProviderError> {
    let answer = s.get(s.url(path)).await?;
    match answer.status.as_u16() {
        200 => Ok(answer),
        _ => Err(errors::refusal(&answer, Asked::Runs(&repository.full_name))),
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

/// The runs of a list since a moment that is read now. Each failed one that is the last of its kind
/// among them is to be read with its jobs.
fn listed(runs: &[Listed<'_>], of_list: (Option<Timestamp>, Timestamp)) -> Vec<ListedRun> {
    let mut last: HashMap<Kind, u64> = HashMap::new();
    for run in runs {
        let number = last.entry(run.head.kind()).or_default();
        *number = run.head.run_number.max(*number);
    }
    let named = |Listed { head, json }: &Listed<'_>| {
        let is_last = last.get(&head.kind()) == Some(&head.run_number);
        let words = (head.conclusion.as_deref(), head.status.as_deref());
        ListedRun {
            id: head.id,
            family: Family::Actions,
            attempt: Some(head.run_attempt.unwrap_or(1)),
            status: status_of(words.0, words.1, Some(head.action())),
            at: head.at(of_list),
            with_jobs: is_last && head.has_failed(),
            item: Arc::from(json.get()),
        }
    };
    runs.iter().map(named).collect()
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
    let mut runs = read_runs(&answer)?;
    let earliest = runs.iter().filter_map(|run| run.head.created_at()).min();
    let has_next = answer.links_to_next();
    let next = place.next(has_next, runs.len(), earliest.unwrap_or(since));
    runs.retain(|run| run.head.is_of(since));
    Ok(RunsPage {
        runs: listed(&runs, (Some(since), s.now())),
        next: next.map(Place::to_text),
    })
}

/// The latest of each kind: the last finished one, and those that are not finished yet.
fn latest<'a>(runs: Vec<Listed<'a>>) -> Vec<Listed<'a>> {
    let mut last: HashMap<Kind, u64> = HashMap::new();
    for run in runs.iter().filter(|run| run.head.is_over()) {
        let number = last.entry(run.head.kind()).or_default();
        *number = run.head.run_number.max(*number);
    }
    let is_latest = |run: &Listed<'a>| match last.get(&run.head.kind()) {
        Some(number) if run.head.is_over() => run.head.run_number == *number,
        Some(number) => run.head.run_number > *number,
        None => true,
    };
    runs.into_iter().filter(is_latest).collect()
}

pub(super) async fn of_each_workflow(
    s: &mut Talk<'_>,
    repository: &Repository,
) -> Result<Vec<ListedRun>, ProviderError> {
    let full_name = &repository.full_name;
    let path = format!("{}?per_page={PER_PAGE}", runs_path(repository));
    let recent = get(s, &path, repository).await?;
    let runs = latest(read_runs(&recent)?);
    let branch = repository.default_branch.as_deref().unwrap_or_default();
    let is_known =
        |run: &&Listed<'_>| run.head.is_over() && run.head.head_branch.as_deref() == Some(branch);
    let known: HashSet<u64> = runs
        .iter()
        .filter(is_known)
        .filter_map(|r| r.head.workflow_id)
        .collect();
    let of_list = (None, s.now());
    let mut all = listed(&runs, of_list);
    let path = format!("repos/{full_name}/actions/workflows?per_page=100");
    let answer = get(s, &path, repository).await?;
    let workflows: WorkflowsBody = errors::parse(&answer)?;
    let escaped = encoded(branch);
    let is_active = |w: &WorkflowBody| w.state.as_deref().is_none_or(|state| state == "active");
    let others = workflows.workflows.into_iter().filter(is_active);
    let others = others
        .map(|workflow| workflow.id)
        .filter(|id| !known.contains(id));
    for workflow in others.take(WORKFLOWS_MAX) {
        let path = format!(
            "repos/{full_name}/actions/workflows/{workflow}/runs?per_page=1&status=completed\
             &branch={escaped}"
        );
        let answer = get(s, &path, repository).await?;
        all.extend(listed(&read_runs(&answer)?, of_list));
    }
    Ok(all)
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
    let head = serde_json::from_str(json.get()).map_err(odd)?;
    let [run] = &listed(&[Listed { head, json }], (None, s.now()))[..] else {
        return Ok(Vec::new());
    };
    read(s, repository, (run, None)).await
}

#[cfg(test)]
mod tests;
