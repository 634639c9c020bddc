//! Lanes: whose code a run ran, and what kind of run it was.
//!
//! Only a pass in the same lane resolves a failure: a pull request from a fork's `main` does not
//! concern our `main`, nor does a scheduled run concern a push. The table of ADR 14 lists the lane
//! of each provider's event, and what ends one. Names made from titles are in no lane.

use super::repo::RepositoryId;
use super::run::Family;

pub mod children;
pub mod place;
pub mod second;

pub use place::Place;

/// Whose code it was. By the provider's id of the head repository if there is one: a fork keeps it
/// when it is renamed, and two forks of one owner have different ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// The connection's own repository.
    Own,
    /// Another repository, by id.
    Fork(RepositoryId),
    /// Another repository of which only the name is known, in lower case.
    ForkNamed(String),
    /// Unknown: a deleted fork, or an event without it.
    Unreported,
}

/// The lane of a run. The names of triggers are the provider's (`pull_request_target`); they
/// separate what one workflow does for different reasons.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// A push to a branch; also results for a branch's head without a trigger.
    Push {
        /// The owner of the branch.
        code: Code,
        /// Its name.
        branch: String,
    },
    /// A push of a tag.
    Tag {
        /// Its name.
        name: String,
    },
    /// By schedule. Several schedules on one branch cannot be distinguished: no event names them.
    Schedule {
        /// Its branch.
        branch: String,
    },
    /// Started by a person. The inputs are not reported.
    Dispatch {
        /// Its branch.
        branch: String,
    },
    /// Of a pull or merge request with a known number.
    PullRequest {
        /// The trigger.
        trigger: String,
        /// The number in the connection's repository.
        number: u64,
    },
    /// Of a pull request without a known number: by the source of its code.
    PullRequestFrom {
        /// The trigger.
        trigger: String,
        /// The owner of the branch.
        code: Code,
        /// Its name.
        branch: String,
    },
    /// Of an entry of a merge queue. Each try of an entry has its own branch; the entry can be
    /// queued again.
    Queue {
        /// The trigger.
        trigger: String,
        /// The branch that the queue merges into.
        base: String,
        /// The pull or merge request.
        number: u64,
    },
    /// For another reason, such as `release` or `workflow_run`.
    Other {
        /// The reason.
        trigger: String,
        /// The owner of the branch.
        code: Code,
        /// Its name.
        branch: String,
    },
    /// Of a commit without a known branch (checks and statuses of forks): another commit's pass
    /// does not concern it.
    Commit {
        /// The trigger; empty when that is unknown, too.
        trigger: String,
        /// The owner of the commit.
        code: Code,
        /// Its hash.
        sha: String,
    },
    /// Started by a job of another pipeline.
    Child {
        /// The lane of that pipeline.
        parent: Box<Lane>,
        /// The project of that pipeline, when it is another one.
        project: Option<RepositoryId>,
        /// The number of the child among that pipeline's children, from 0, in order of arrival.
        nth: u32,
    },
}

/// The prefix of the branches of GitHub's merge queues.
const QUEUE_PREFIX: &str = "gh-readonly-queue/";

impl Lane {
    /// The lane of results for one of the repository's own branches.
    pub fn of_branch(trigger: &str, branch: String) -> Self {
        match queue_entry(&branch) {
            Some((base, number)) => Self::Queue {
                trigger: trigger.to_owned(),
                base: base.to_owned(),
                number,
            },
            None => Self::Push {
                code: Code::Own,
                branch,
            },
        }
    }

    /// The branch, if version 0.1 had a track by workflow and branch for this lane, too: such a
    /// track is continued.
    pub fn branch_in_v1(&self, family: Family) -> Option<&str> {
        let is_gitlab = family == Family::Pipelines;
        match self {
            Self::Push {
                code: Code::Own,
                branch,
            } => Some(branch),
            Self::Tag { name } if is_gitlab => Some(name),
            Self::Schedule { branch } if is_gitlab => Some(branch),
            Self::PullRequestFrom {
                code: Code::Own,
                branch,
                ..
            } if is_gitlab => Some(branch),
            Self::Push { .. }
            | Self::Tag { .. }
            | Self::Schedule { .. }
            | Self::Dispatch { .. }
            | Self::PullRequest { .. }
            | Self::PullRequestFrom { .. }
            | Self::Queue { .. }
            | Self::Other { .. }
            | Self::Commit { .. }
            | Self::Child { .. } => None,
        }
    }

    /// The lane of a track of version 0.1, which had workflow and branch only: the pushes to the
    /// branch, except for kinds of GitLab's pipelines that were its workflow.
    pub fn from_v1(family: Family, workflow: &str, branch: String) -> Self {
        match (family, workflow) {
            (Family::Pipelines, "tag") => Self::Tag { name: branch },
            (Family::Pipelines, "schedule") => Self::Schedule { branch },
            (Family::Pipelines, "merge_request") => Self::PullRequestFrom {
                trigger: String::new(),
                code: Code::Own,
                branch,
            },
            (Family::Statuses | Family::Checks | Family::Actions | Family::Pipelines, _) => {
                Self::Push {
                    code: Code::Own,
                    branch,
                }
            }
        }
    }

    /// The lane as one text, different for different lanes: a key for an index. It is stored: never
    /// change it for an existing lane.
    pub fn to_key(&self) -> String {
        let parts: Vec<&str> = match self {
            Self::Push { code, branch } => return joined(&["push", &code.to_key(), branch]),
            Self::Tag { name } => vec!["tag", name],
            Self::Schedule { branch } => vec!["schedule", branch],
            Self::Dispatch { branch } => vec!["dispatch", branch],
            Self::PullRequest { trigger, number } => {
                return joined(&["pull", trigger, &number.to_string()]);
            }
            Self::PullRequestFrom {
                trigger,
                code,
                branch,
            } => return joined(&["pull-from", trigger, &code.to_key(), branch]),
            Self::Queue {
                trigger,
                base,
                number,
            } => return joined(&["queue", trigger, base, &number.to_string()]),
            Self::Other {
                trigger,
                code,
                branch,
            } => return joined(&["other", trigger, &code.to_key(), branch]),
            Self::Commit { trigger, code, sha } => {
                return joined(&["commit", trigger, &code.to_key(), sha]);
            }
            Self::Child {
                parent,
                project,
                nth,
            } => {
                let project = project.map(|id| id.0.to_string()).unwrap_or_default();
                return joined(&["child", &parent.to_key(), &project, &nth.to_string()]);
            }
        };
        joined(&parts)
    }

    /// The text after "CI failed: CI on". `head` is the name of the repository of the code, when it
    /// is another one.
    pub fn words(&self, family: Family, head: Option<&str>) -> String {
        let mark = match family {
            Family::Pipelines => '!',
            Family::Statuses | Family::Checks | Family::Actions => '#',
        };
        let from = |code: &Code, branch: &str| match code {
            Code::Own => branch.to_owned(),
            Code::Fork(_) | Code::ForkNamed(_) | Code::Unreported => {
                format!("fork {}/{branch}", fork_owner(code, head))
            }
        };
        match self {
            Self::Push { code, branch } => from(code, branch),
            Self::Tag { name } => format!("tag {name}"),
            Self::Schedule { branch } => format!("{branch} (schedule)"),
            Self::Dispatch { branch } => format!("{branch} (manual)"),
            Self::PullRequest { trigger, number } => match trigger.as_str() {
                "" | "pull_request" | "merge_request_event" => format!("{mark}{number}"),
                other => format!("{mark}{number} ({other})"),
            },
            Self::PullRequestFrom { code, branch, .. } => {
                format!("{} (pull request)", from(code, branch))
            }
            Self::Queue { base, number, .. } => {
                format!("{mark}{number} in the merge queue of {base}")
            }
            Self::Other {
                trigger,
                code,
                branch,
            } => format!("{} ({trigger})", from(code, branch)),
            Self::Commit { sha, .. } => format!("commit {}", sha.get(..7).unwrap_or(sha)),
            Self::Child { parent, nth, .. } => {
                let child = nth.saturating_add(1);
                format!("{} (child pipeline {child})", parent.words(family, head))
            }
        }
    }

    /// The number of the pull or merge request, if the lane has one.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::PullRequest { number, .. } | Self::Queue { number, .. } => Some(*number),
            Self::Child { parent, .. } => parent.number(),
            Self::Push { .. }
            | Self::Tag { .. }
            | Self::Schedule { .. }
            | Self::Dispatch { .. }
            | Self::PullRequestFrom { .. }
            | Self::Other { .. }
            | Self::Commit { .. } => None,
        }
    }
}

impl Code {
    fn to_key(&self) -> String {
        match self {
            Self::Own => "own".to_owned(),
            Self::Fork(id) => joined(&["fork", &id.0.to_string()]),
            Self::ForkNamed(name) => joined(&["fork-named", name]),
            Self::Unreported => "untold".to_owned(),
        }
    }
}

/// The owner of a fork, as far as known.
fn fork_owner(code: &Code, head: Option<&str>) -> String {
    let named = |name: &str| {
        name.rsplit_once('/')
            .map_or(name, |(owner, _)| owner)
            .to_owned()
    };
    match (head, code) {
        (Some(name), _) => named(name),
        (None, Code::ForkNamed(name)) => named(name),
        (None, Code::Fork(id)) => id.0.to_string(),
        (None, Code::Own | Code::Unreported) => "unknown".to_owned(),
    }
}

/// Base and number of the entry of a branch `gh-readonly-queue/BASE/pr-NUMBER-COMMIT`.
fn queue_entry(branch: &str) -> Option<(&str, u64)> {
    let (base, entry) = branch.strip_prefix(QUEUE_PREFIX)?.rsplit_once('/')?;
    let (number, commit) = entry.strip_prefix("pr-")?.split_once('-')?;
    let is_entry = !base.is_empty() && !commit.is_empty();
    is_entry.then_some(())?;
    Some((base, number.parse().ok()?))
}

/// Parts as one text that can be split again: each ends with a separator that is escaped inside.
fn joined(parts: &[&str]) -> String {
    let mut text = String::new();
    for part in parts {
        for c in part.chars() {
            if matches!(c, '\\' | '|') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push('|');
    }
    text
}

#[cfg(test)]
pub(crate) mod tests;
