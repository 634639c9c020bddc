//! What ends: deleted branches and tags, closed pull requests.
//!
//! The shapes are those of GitHub's own examples (`@octokit/webhooks-examples`: `push` with
//! `deleted`, `delete`, `pull_request` with `closed` and `dequeued`) and of its description of
//! `workflow_run.pull_requests`.

use super::runs::head_repository;
use super::{named, push, time};
use crate::simulator::state::github::State;
use serde_json::{Value, json};

/// A pull request that ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullSpec {
    /// Its number.
    pub number: u64,
    /// The branch that its code is on.
    pub branch: String,
    /// The fork that it is from, when it is not the repository's own.
    pub fork: Option<String>,
    /// `closed`, or `dequeued` from its merge queue.
    pub action: String,
    /// Whether it was merged.
    pub is_merged: bool,
}

impl PullSpec {
    /// One from the repository's own branch that is closed.
    pub fn closed(number: u64, branch: &str, is_merged: bool) -> Self {
        Self {
            number,
            branch: branch.into(),
            fork: None,
            action: "closed".into(),
            is_merged,
        }
    }

    /// The same from a fork.
    #[must_use]
    pub fn of_fork(mut self, fork: &str) -> Self {
        self.fork = Some(fork.into());
        self
    }
}

/// A pull request is closed, with or without having been merged, or leaves its queue.
pub(crate) fn pull_request_ended(state: &State, full_name: &str, spec: &PullSpec) -> Value {
    let (repository, sender) = named(state, full_name);
    let now = time(state.now_s());
    let is_closed = spec.action == "closed";
    let head = head_repository(&repository, spec.fork.as_deref());
    let url = repository["html_url"].as_str().unwrap_or_default();
    json!({
        "action": spec.action, "number": spec.number,
        "pull_request": {
            "id": 40_000 + spec.number, "number": spec.number, "title": "A change",
            "state": if is_closed { "closed" } else { "open" }, "draft": false,
            "html_url": format!("{url}/pull/{}", spec.number), "user": sender,
            "created_at": time(1_700_000_000), "updated_at": now,
            "closed_at": is_closed.then_some(&now),
            "merged": spec.is_merged, "merged_at": spec.is_merged.then_some(&now),
            "merge_commit_sha": "e".repeat(40),
            "head": {
                "label": format!("{}:{}", sender["login"], spec.branch), "ref": spec.branch,
                "sha": format!("{:040x}", 0xab_0000 + spec.number), "repo": head,
            },
            "base": { "label": "main", "ref": "main", "sha": "f".repeat(40), "repo": repository },
        },
        "repository": repository, "sender": sender,
    })
}

/// A branch or tag is deleted: a push to nothing, and `delete`, which has no time of its own.
pub(crate) fn deletion(
    state: &State,
    full_name: &str,
    (kind, name): (&str, &str),
) -> [(&'static str, Value); 2] {
    let mut pushed = push(state, full_name);
    let prefix = if kind == "tag" { "tags" } else { "heads" };
    pushed["ref"] = format!("refs/{prefix}/{name}").into();
    pushed["before"] = "a".repeat(40).into();
    pushed["after"] = "0".repeat(40).into();
    pushed["deleted"] = true.into();
    // In a push it is a number.
    pushed["repository"]["pushed_at"] = state.now_s().into();
    let (repository, sender) = named(state, full_name);
    let deleted = json!({
        "ref": name, "ref_type": kind, "pusher_type": "user",
        "repository": repository, "sender": sender,
    });
    [("push", pushed), ("delete", deleted)]
}
