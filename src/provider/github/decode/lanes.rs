//! The lane of a workflow run: see the table of ADR 14.

use super::super::payload::{Body, RepositoryPart, RunPart};
use crate::domain::lane::{Code, Lane};
use crate::domain::repo::{FullName, RepositoryId};
use crate::domain::run::{BranchKind, Branches};
use crate::provider::payload::{
    BRANCH_BYTES_MAX, COMMIT_BYTES_MAX, Object, TITLE_BYTES_MAX, WORD_BYTES_MAX, clean_of, name_of,
};

/// Triggered by a pull request. Only these may run a fork's code.
const PULL_REQUESTS: [&str; 4] = [
    "pull_request",
    "pull_request_target",
    "pull_request_review",
    "pull_request_review_comment",
];
/// The end of a workflow's path when it was read at a tag.
const TAG_MARK: &str = "@refs/tags/";

/// Whose code it was. A deleted fork is null; a run without a pull request is never from a fork.
pub(super) fn whose(run: &RunPart<'_>, body: &Body<'_>) -> Code {
    let head = run.head_repository.0.as_ref();
    match head.and_then(|head| of_repository(head, &body.repository)) {
        Some(code) => code,
        None if is_of_pull_request(run) => Code::Unreported,
        None => Code::Own,
    }
}

fn is_of_pull_request(run: &RunPart<'_>) -> bool {
    let event = run.event.text().unwrap_or_default();
    PULL_REQUESTS.contains(&event)
}

/// The repository. By id, because a name may belong to another one by now; by name only if there is
/// no id.
pub(super) fn of_repository(
    head: &RepositoryPart<'_>,
    own: &Object<RepositoryPart<'_>>,
) -> Option<Code> {
    let own = own.0.as_ref();
    let own_id = own.and_then(|own| own.id.number());
    let folded = |part: &RepositoryPart<'_>| {
        let name: FullName = part.full_name.text()?.parse().ok()?;
        Some(name.folded())
    };
    match (head.id.number(), own_id) {
        (Some(id), Some(own)) if id == own => Some(Code::Own),
        (Some(id), _) => Some(Code::Fork(RepositoryId(id))),
        (None, _) => {
            let name = folded(head)?;
            let is_own = own.and_then(folded).is_some_and(|own| own == name);
            Some(if is_own {
                Code::Own
            } else {
                Code::ForkNamed(name)
            })
        }
    }
}

/// The name of the repository of the code, when it is another one.
pub(super) fn head_name(run: &RunPart<'_>, code: &Code) -> Option<String> {
    let head = run.head_repository.0.as_ref()?;
    let name = clean_of(&head.full_name, TITLE_BYTES_MAX)?;
    (*code != Code::Own).then_some(name)
}

/// What a branch is to the repository, as far as the delivery says.
pub(super) fn branch_kind(
    (lane, code): (&Lane, &Code),
    branch: Option<&str>,
    body: &Body<'_>,
) -> BranchKind {
    let repository = body.repository.0.as_ref();
    let branches = Branches {
        default: repository.and_then(|it| it.default_branch.text()),
        is_protected: false,
    };
    BranchKind::of(lane, code, branch, branches)
}

pub(super) fn of_run(run: &RunPart<'_>, code: &Code, body: &Body<'_>) -> Lane {
    let trigger = clean_of(&run.event, WORD_BYTES_MAX).unwrap_or_default();
    let code = code.clone();
    if is_of_pull_request(run)
        && let Some(number) = number(run, body)
    {
        return Lane::PullRequest { trigger, number };
    }
    let sha = || clean_of(&run.head_sha, COMMIT_BYTES_MAX).unwrap_or_default();
    let Some(branch) = name_of(&run.head_branch, BRANCH_BYTES_MAX) else {
        let sha = sha();
        return Lane::Commit { trigger, code, sha };
    };
    let is_tag = run.path.text().is_some_and(|path| path.contains(TAG_MARK));
    match trigger.as_str() {
        "" | "push" | "merge_group" if code == Code::Own => {
            if is_tag {
                Lane::Tag { name: branch }
            } else {
                Lane::of_branch(&trigger, branch)
            }
        }
        "" | "push" => Lane::Push { code, branch },
        "schedule" if code == Code::Own => Lane::Schedule { branch },
        "workflow_dispatch" if code == Code::Own => Lane::Dispatch { branch },
        _ if !is_of_pull_request(run) => Lane::Other {
            trigger,
            code,
            branch,
        },
        // Two deleted forks may have had branches of one name.
        _ if code == Code::Unreported => {
            let sha = sha();
            Lane::Commit { trigger, code, sha }
        }
        _ => Lane::PullRequestFrom {
            trigger,
            code,
            branch,
        },
    }
}

/// The pull request's number. Those of forks are not reported; with several on a branch, it is not
/// reported which one it is; and those of other repositories, where this one is the fork, are
/// listed, too.
fn number(run: &RunPart<'_>, body: &Body<'_>) -> Option<u64> {
    let own = body.repository.0.as_ref().and_then(|own| own.id.number());
    let mut numbers = run.pull_requests.0.iter().filter_map(|pull| {
        let base = pull.base.0.as_ref().and_then(|base| base.repo.0.as_ref());
        let base = base.and_then(|repo| repo.id.number());
        let is_ours = base.is_none() || own.is_none() || base == own;
        pull.number.number().filter(|_| is_ours)
    });
    let first = numbers.next()?;
    numbers.all(|other| other == first).then_some(first)
}
