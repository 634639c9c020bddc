//! Ends without a pass: deleted branches and tags, closed pull requests, merge queues.
//!
//! A deletion has no time of its own. `repository.pushed_at` is the time of the reported push
//! (seconds in `push`, RFC 3339 elsewhere), also of a deletion.

use super::super::payload::{Body, PullPart, RepositoryPart};
use super::lanes::of_repository;
use crate::domain::event::Event;
use crate::domain::incident::Resolution;
use crate::domain::lane::place::Ended;
use crate::domain::lane::{Code, Place};
use crate::domain::time::Timestamp;
use crate::provider::payload::{
    BRANCH_BYTES_MAX, COMMIT_BYTES_MAX, clean_of, moment, name, name_of,
};

const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";

/// A push that deletes its ref.
pub(super) fn by_push(body: &Body<'_>) -> Event {
    let git_ref = body.git_ref.text().unwrap_or_default();
    if !body.deleted.is_true() {
        return Event::Recorded;
    }
    if let Some(branch) = git_ref.strip_prefix(BRANCHES) {
        return deleted_branch(branch, body);
    }
    git_ref
        .strip_prefix(TAGS)
        .map_or(Event::Recorded, |tag| deleted_tag(tag, body))
}

/// `delete` names the branch or tag without a prefix.
pub(super) fn by_deletion(body: &Body<'_>) -> Event {
    let name = body.git_ref.text().unwrap_or_default();
    match body.ref_type.text() {
        Some("branch") => deleted_branch(name, body),
        Some("tag") => deleted_tag(name, body),
        Some(_) | None => Event::Recorded,
    }
}

fn deleted_branch(raw: &str, body: &Body<'_>) -> Event {
    let Some(name) = name(raw, BRANCH_BYTES_MAX) else {
        return Event::Recorded;
    };
    Event::Ended(Ended {
        places: vec![Place::Branch(name)],
        at: pushed_at(body),
        why: Resolution::BranchDeleted,
    })
}

/// Runs do not say whether a tag or a branch was pushed. The default branch is never deleted: a tag
/// with its name does not concern it.
fn deleted_tag(raw: &str, body: &Body<'_>) -> Event {
    let repository = body.repository.0.as_ref();
    let default = repository.and_then(|r| r.default_branch.text());
    match name(raw, BRANCH_BYTES_MAX) {
        Some(name) if Some(raw) != default => Event::Ended(Ended {
            places: vec![Place::Tag(name)],
            at: pushed_at(body),
            why: Resolution::TagDeleted,
        }),
        Some(_) | None => Event::Recorded,
    }
}

fn pushed_at(body: &Body<'_>) -> Option<Timestamp> {
    let repository: &RepositoryPart<'_> = body.repository.0.as_ref()?;
    let seconds = || {
        let seconds = i64::try_from(repository.pushed_at.number()?).ok()?;
        seconds.checked_mul(1000).map(Timestamp)
    };
    moment(&repository.pushed_at).or_else(seconds)
}

/// A pull request that is closed, or has left its merge queue.
pub(super) fn by_pull_request(body: &Body<'_>) -> Event {
    let Some(pull) = body.pull_request.0.as_ref() else {
        return Event::Recorded;
    };
    let number = pull.number.number().or_else(|| body.number.number());
    let at = |first| [first, &pull.updated_at].into_iter().find_map(moment);
    match body.action.text() {
        Some("closed") => Event::Ended(Ended {
            places: number
                .map(Place::PullRequest)
                .into_iter()
                .chain(head(pull, body))
                .collect(),
            at: at(&pull.closed_at),
            why: if pull.merged.is_true() {
                Resolution::Merged
            } else {
                Resolution::PullRequestClosed
            },
        }),
        Some("dequeued") => Event::Ended(Ended {
            places: number.map(Place::Entry).into_iter().collect(),
            at: at(&pull.updated_at),
            why: Resolution::LeftQueue,
        }),
        Some(_) | None => Event::Recorded,
    }
}

/// The source of a pull request: runs of forks are matched by it, checks and statuses by its
/// commit.
fn head(pull: &PullPart<'_>, body: &Body<'_>) -> Vec<Place> {
    let Some(head) = pull.head.0.as_ref() else {
        return Vec::new();
    };
    let code = head.repo.0.as_ref();
    let code = code.and_then(|repo| of_repository(repo, &body.repository));
    let branch = name_of(&head.git_ref, BRANCH_BYTES_MAX);
    let from = code
        .zip(branch)
        .map(|(code, branch)| Place::Head { code, branch });
    let commit = clean_of(&head.sha, COMMIT_BYTES_MAX).map(Place::Commit);
    from.into_iter().chain(commit).collect()
}

/// A merge group that was destroyed: so was its branch.
pub(super) fn by_merge_group(body: &Body<'_>) -> Event {
    let group = body.merge_group.0.as_ref();
    let branch = group
        .and_then(|group| group.head_ref.text())
        .and_then(|name| name.strip_prefix(BRANCHES))
        .and_then(|branch| name(branch, BRANCH_BYTES_MAX));
    match (body.action.text(), branch) {
        (Some("destroyed"), Some(branch)) => Event::Ended(Ended {
            places: vec![Place::Branch(branch)],
            at: None,
            why: Resolution::LeftQueue,
        }),
        (_, _) => Event::Recorded,
    }
}

/// Whether all of a suite's pull requests are from other repositories.
pub(super) fn are_of_forks(pulls: &[PullPart<'_>], body: &Body<'_>) -> bool {
    let is_foreign = |pull: &PullPart<'_>| {
        let head = pull.head.0.as_ref().and_then(|head| head.repo.0.as_ref());
        let code = head.and_then(|repo| of_repository(repo, &body.repository));
        code.is_some_and(|code| code != Code::Own)
    };
    !pulls.is_empty() && pulls.iter().all(is_foreign)
}
