//! Branches, commits, and the merge requests that have them.
//!
//! Known from GitLab's documentation, "Branches API" and "Commits API".

use super::answer::{error, page};
use super::asked::Asked;
use super::operation::Operation;
use crate::simulator::dialect::answer::{Answer, merged_by, ok, value_of};
use crate::simulator::payload::gitlab::DEFAULT_BRANCH;
use crate::simulator::state::gitlab::Project;
use serde_json::{Value, json};

/// The answer, when the request is about commits.
pub(super) fn act(of: &Project, asked: &Asked<'_>, base: &str) -> Option<Answer> {
    let sha = asked.rest.get(2).map_or("", String::as_str);
    let is = |operation: Operation| asked.operation == operation;
    if is(Operation::GetBranch) {
        return Some(branch(of, sha));
    }
    if is(Operation::ListCommits) {
        let url = format!("{base}/repository/commits");
        return Some(commits(asked.query, &url));
    }
    if is(Operation::GetCommit) {
        let found = number(sha).map(|number| ok(200, commit(number)));
        return Some(found.unwrap_or_else(|| error(404, "404 Commit Not Found")));
    }
    is(Operation::CommitRequests).then(|| requests(of, sha))
}

/// A branch that a pipeline ran for.
fn branch(of: &Project, name: &str) -> Answer {
    let mut all = of.pipelines.values();
    if !all.any(|it| it.spec.ref_name == name && !it.spec.is_tag) {
        return error(404, "404 Branch Not Found");
    }
    let is_protected = of.protected.contains(name);
    ok(
        200,
        json!({
            "name": name, "merged": false, "protected": is_protected,
            "default": name == DEFAULT_BRANCH, "developers_can_push": false,
            "developers_can_merge": false, "can_push": true, "commit": commit(1),
        }),
    )
}

/// The number that a commit's id is.
fn number(sha: &str) -> Option<u64> {
    let digits = sha.trim_start_matches('0');
    (sha.len() == 40).then(|| u64::from_str_radix(digits, 16).ok())?
}

fn commit(number: u64) -> Value {
    json!({
        "id": format!("{number:040x}"), "short_id": format!("{number:08x}"),
        "title": format!("Change {number}"),
        "message": format!("Change {number}\n\nFor a reason."), "author_name": "Ann",
        "author_email": "ann@example.org",
    })
}

/// The commits of a range of revisions, the latest first. The history is a line: each commit
/// follows the one whose number is one less.
fn commits(query: &str, url: &str) -> Answer {
    let range = value_of(query, "ref_name").unwrap_or_default();
    let pair = range.split_once("..");
    let pair = pair.and_then(|(base, head)| Some((number(base)?, number(head)?)));
    let Some((base, head)) = pair else {
        return error(404, "404 Not Found");
    };
    page((base + 1..=head).rev().map(commit).collect(), query, url)
}

/// The merge requests of a commit: the one that it merged, else those whose pipelines tested it.
fn requests(of: &Project, sha: &str) -> Answer {
    let Some(number) = number(sha) else {
        return error(404, "404 Commit Not Found");
    };
    let request = |iid: u64, merge: Option<&str>| {
        json!({
            "id": 7000 + iid, "iid": iid, "title": format!("Request {iid}"),
            "state": if merge.is_some() { "merged" } else { "opened" },
            "author": { "id": 4001, "username": "ann", "name": "Ann" },
            "merge_commit_sha": merge, "squash_commit_sha": null,
        })
    };
    if let Some(merged) = merged_by(number) {
        return ok(200, json!([request(merged, Some(sha))]));
    }
    let tested = of.pipelines.values().filter(|it| it.sha() == sha);
    let wished = tested.filter_map(|it| it.spec.merge_request.as_ref());
    let all: Vec<Value> = wished.map(|it| request(it.iid, None)).collect();
    ok(200, json!(all))
}
