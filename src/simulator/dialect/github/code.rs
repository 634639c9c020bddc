//! Commits, and the logs of jobs.
//!
//! Known from GitHub's documentation: the log of a job is a redirect to a storage service of
//! another host, good for a minute, where no token is sent; a comparison names its commits, the
//! oldest first, and pages them on request.

use super::answer::{Answer, empty, error, ok};
use super::operation::{Asked, Operation};
use crate::simulator::dialect::answer::{merged_by, number, value_of};
use crate::simulator::shared::Shared;
use crate::simulator::state::github::State;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// Below this path of the other host the storage service has its texts.
pub(in crate::simulator::dialect) const STORAGE: &str = "/_storage/logs/";
/// What a URL of the storage service must have.
const SIGNATURE: &str = "sig=good-for-a-minute";
/// Most commits of a comparison that is not paged.
const COMMITS_MAX: usize = 250;

/// The answer, when the request is about commits or logs.
pub(super) fn act(state: &State, repository: u64, asked: &Asked<'_>) -> Option<Answer> {
    let place = |at: usize| asked.rest.get(at).copied().unwrap_or_default();
    let is = |operation: Operation| asked.operation == operation;
    if is(Operation::Compare) {
        return Some(compare(place(1), asked.query));
    }
    if is(Operation::ListCommits) {
        return Some(commits(asked.query));
    }
    if is(Operation::CommitPulls) {
        return Some(pulls(state, repository, place(1)));
    }
    is(Operation::JobLog).then(|| log(state, repository, place(2)))
}

fn log(state: &State, repository: u64, job: &str) -> Answer {
    let job: Option<u64> = job.parse().ok();
    let Some(job) = job.filter(|job| state.logs.contains_key(&(repository, *job))) else {
        return error(404, "Not Found");
    };
    // The same server under another name is another origin.
    let host = state.api_url().replace("127.0.0.1", "localhost");
    let url = format!("{host}{STORAGE}{repository}/{job}?{SIGNATURE}");
    empty(302).with("location", url)
}

/// The storage service: it takes no token, and refuses who sends one.
pub(in crate::simulator::dialect) fn storage(
    shared: &Shared,
    request: &HttpRequest,
) -> HttpResponse {
    let rest = request.path().strip_prefix(STORAGE).unwrap_or_default();
    let named = rest.split_once('/').and_then(|(repository, job)| {
        let named = (repository.parse().ok()?, job.parse().ok()?);
        Some(named)
    });
    if request.headers().contains_key("authorization") || request.query_string() != SIGNATURE {
        return HttpResponse::Forbidden().finish();
    }
    let state = shared.github();
    match named.and_then(|named: (u64, u64)| state.logs.get(&named)) {
        Some(log) => HttpResponse::Ok()
            .content_type("text/plain")
            .body(log.clone()),
        None => HttpResponse::NotFound().finish(),
    }
}

/// The number that a commit's id is.
fn commit_of(sha: &str) -> Option<u64> {
    let digits = sha.trim_start_matches('0');
    (sha.len() == 40).then(|| u64::from_str_radix(digits, 16).ok())?
}

/// The history is a line: each commit follows the one whose number is one less.
fn compare(range: &str, query: &str) -> Answer {
    let pair = range.split_once("...");
    let pair = pair.and_then(|(base, head)| Some((commit_of(base)?, commit_of(head)?)));
    let Some((base, head)) = pair else {
        return error(404, "Not Found");
    };
    let (status, total) = match head.cmp(&base) {
        std::cmp::Ordering::Less => ("behind", 0),
        std::cmp::Ordering::Equal => ("identical", 0),
        std::cmp::Ordering::Greater => ("ahead", head - base),
    };
    let per_page = number(query, "per_page")
        .unwrap_or(COMMITS_MAX)
        .clamp(1, COMMITS_MAX);
    let page = number(query, "page").unwrap_or(1).max(1);
    let shown = (base + 1..=base + total)
        .skip((page - 1) * per_page)
        .take(per_page);
    let commits: Vec<Value> = shown.map(commit).collect();
    ok(
        200,
        json!({
            "status": status, "ahead_by": total, "behind_by": base.saturating_sub(head),
            "total_commits": total, "commits": commits, "files": [],
        }),
    )
}

fn commit(number: u64) -> Value {
    json!({
        "sha": format!("{number:040x}"),
        "commit": {
            "message": format!("Change {number}\n\nFor a reason."),
            "author": { "name": "Ann", "email": "ann@example.org", "date": "2026-11-01T00:00:00Z" },
        },
        "author": { "login": "ann", "id": 4001, "type": "User" },
        "parents": [{ "sha": format!("{:040x}", number - 1) }],
    })
}

/// The commits from one on, of which one is asked for.
fn commits(query: &str) -> Answer {
    let from = value_of(query, "sha").unwrap_or_default();
    match commit_of(&from) {
        Some(number) => ok(200, json!([commit(number)])),
        None => error(404, "Not Found"),
    }
}

/// The pull requests of a commit: the one that it merged, else those whose runs tested it.
fn pulls(state: &State, repository: u64, sha: &str) -> Answer {
    let Some(number) = commit_of(sha) else {
        return error(422, "No commit found for SHA");
    };
    let pull = |number: u64, merge: Option<&str>| {
        json!({
            "number": number, "title": format!("Request {number}"),
            "state": if merge.is_some() { "closed" } else { "open" },
            "user": { "login": "ann", "id": 4001, "type": "User" },
            "merged_at": merge.map(|_| "2026-11-01T00:00:00Z"), "merge_commit_sha": merge,
        })
    };
    if let Some(merged) = merged_by(number) {
        return ok(200, json!([pull(merged, Some(sha))]));
    }
    let runs = state.runs_of(repository).into_iter();
    let tested = runs.filter(|run| run.body["head_sha"] == sha);
    let numbers = tested.filter_map(|run| run.body["pull_requests"][0]["number"].as_u64());
    ok(
        200,
        json!(numbers.map(|it| pull(it, None)).collect::<Vec<Value>>()),
    )
}
