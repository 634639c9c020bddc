//! Workflow runs, their jobs, and workflows.

use super::answer::{Answer, error, ok, page};
use super::code;
use super::operation::{Asked, Operation};
use crate::simulator::dialect::answer::value_of;
use crate::simulator::payload::github::time;
use crate::simulator::state::github::{Run, State};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// So many results has a search.
const RESULTS_MAX: usize = 1000;
/// What makes a list of runs a search.
const FILTERS: [&str; 4] = ["created", "branch", "status", "event"];

pub(super) fn act(state: &State, repository: u64, asked: &Asked<'_>) -> Answer {
    if let Some(answer) = code::act(state, repository, asked) {
        return answer;
    }
    let name = &state.repositories[&repository].full_name;
    let base = format!("{}/repos/{name}/actions", state.api_url());
    let named = |at: usize| asked.rest.get(at).and_then(|id| id.parse::<u64>().ok());
    if asked.operation == Operation::ListRuns {
        return list(state, repository, None, asked, &format!("{base}/runs"));
    }
    if asked.operation == Operation::ListWorkflowRuns {
        let workflow = named(2);
        let url = format!("{base}/workflows/{}/runs", workflow.unwrap_or(0));
        return list(state, repository, workflow, asked, &url);
    }
    if asked.operation == Operation::ListWorkflows {
        let url = format!("{base}/workflows");
        return counted("workflows", workflows(state, repository), asked.query, &url);
    }
    let Some(run) = named(2).and_then(|id| state.runs.get(&(repository, id))) else {
        return error(404, "Not Found");
    };
    if asked.operation == Operation::GetRun {
        return ok(200, run.body.clone());
    }
    if asked.operation == Operation::GetRunAttempt {
        let attempt = named(4).and_then(|number| run.attempt(number));
        return attempt.map_or_else(|| error(404, "Not Found"), |body| ok(200, body.clone()));
    }
    let url = format!("{base}/runs/{}/jobs", run.id);
    // Of earlier attempts only the last one's jobs are kept.
    let is_of_attempt = |number: u64| run.body["run_attempt"] == number;
    let is_last = asked.operation == Operation::ListJobs || named(4).is_some_and(is_of_attempt);
    let jobs = if is_last {
        run.jobs.clone()
    } else {
        Vec::new()
    };
    counted("jobs", jobs, asked.query, &url)
}

/// The workflows that ever ran.
fn workflows(state: &State, repository: u64) -> Vec<Value> {
    let mut workflows = BTreeMap::new();
    for run in state.runs_of(repository) {
        let id = run.body["workflow_id"].as_u64().unwrap_or(0);
        let url = &run.body["workflow_url"];
        let shown = json!({
            "id": id, "node_id": format!("W_{id}"), "name": run.body["name"],
            "path": run.body["path"], "state": "active", "url": url, "html_url": url,
            "badge_url": url, "created_at": time(run.created_at_s),
            "updated_at": time(run.created_at_s),
        });
        workflows.insert(id, shown);
    }
    workflows.into_values().collect()
}

/// A page of a list within an object that counts it.
fn counted(name: &str, all: Vec<Value>, query: &str, url: &str) -> Answer {
    let total = all.len();
    // The links repeat what was asked, but for the page.
    let kept: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name != "page" && name != "per_page")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    let rest = pairs.extend_pairs(&kept).finish();
    let url = if rest.is_empty() {
        url.to_owned()
    } else {
        format!("{url}?{rest}")
    };
    let mut answer = page(all, query, &url);
    answer.wrap(name, total);
    answer
}

fn list(
    state: &State,
    repository: u64,
    workflow: Option<u64>,
    asked: &Asked<'_>,
    url: &str,
) -> Answer {
    let wanted = |name: &str| value_of(asked.query, name);
    let created = wanted("created");
    let fits = |run: &&Run| {
        let is = |field: &str, name: &str| {
            wanted(name).is_none_or(|wanted| run.body[field] == wanted.as_str())
        };
        let has_status = wanted("status").is_none_or(|wanted| {
            run.body["status"] == wanted.as_str() || run.body["conclusion"] == wanted.as_str()
        });
        workflow.is_none_or(|id| run.body["workflow_id"] == id)
            && is("head_branch", "branch")
            && is("event", "event")
            && has_status
            && created
                .as_deref()
                .is_none_or(|range| is_within(run.created_at_s, range))
    };
    let found = state.runs_of(repository).into_iter().filter(fits);
    let mut all: Vec<Value> = found.map(|run| run.body.clone()).collect();
    if FILTERS.iter().any(|name| wanted(name).is_some()) {
        all.truncate(RESULTS_MAX);
    }
    counted("workflow_runs", all, asked.query, url)
}

/// Whether a second is in a range such as `>=2026-11-24T10:00:00Z` or `A..B`. Times of one form
/// sort as texts do.
fn is_within(at_s: u64, range: &str) -> bool {
    let at = time(at_s);
    match range.split_once("..") {
        Some((from, until)) => (from..=until).contains(&at.as_str()),
        None => range
            .strip_prefix(">=")
            .is_some_and(|from| at.as_str() >= from),
    }
}
