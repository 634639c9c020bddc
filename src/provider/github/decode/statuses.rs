//! `status`: commit statuses, which any CI may post. All statuses of one context on one commit
//! are one run.
//!
//! Commits have no numbers: they are ordered by commit date, those of one second by their parents
//! and by the statuses' numbers ([`crate::domain::lane::second`]), and the statuses of one commit
//! by their own time.

use super::super::payload::{Body, BranchPart, GitCommitPart};
use super::lanes;
use super::parts::{login, person};
use crate::domain::lane::second::{Commit, RANK_BITS, own_rank};
use crate::domain::lane::{Code, Lane};
use crate::domain::run::{Conclusion, Family, Position, RunEvent, RunFacts, RunStatus, Twin};
use crate::domain::time::Timestamp;
use crate::provider::payload::{
    BRANCH_BYTES_MAX, COMMIT_BYTES_MAX, TITLE_BYTES_MAX, clean_of, first_line, moment, name_of,
    web_url,
};
use sha2::{Digest, Sha256};

/// Hexadecimal digits of a hash that identify a commit.
const NAME_DIGITS: usize = 15;

/// `None` when it cannot be identified or ordered.
pub(super) fn event(body: &Body<'_>) -> Option<RunEvent> {
    let state = body.state.text()?;
    let sha = clean_of(&body.sha, COMMIT_BYTES_MAX)?;
    let context = name_of(&body.context, TITLE_BYTES_MAX)?;
    let updated_at = [&body.updated_at, &body.created_at]
        .into_iter()
        .find_map(moment)?;
    let outer = body.commit.0.as_ref()?;
    let commit = outer.commit.0.as_ref()?;
    // A commit with a date in the future would stay the last one.
    let began = committed_at(commit)?.min(updated_at);
    let made = Commit {
        name: name(&sha),
        parents: outer
            .parents
            .0
            .iter()
            .filter_map(|p| p.sha.text())
            .map(name)
            .collect(),
        status: body.id.number().unwrap_or(0),
        second: u64::try_from(began.0 / 1000).unwrap_or(0),
    };
    let branch = branch(body, &sha);
    let (code, lane) = lane(branch.clone(), &sha);
    Some(RunEvent {
        provider_run_id: identity(&sha, &context),
        position: Position::by_time(number(&made), began, updated_at),
        status: match state {
            "pending" => RunStatus::InProgress,
            "success" => RunStatus::Completed(Conclusion::Success),
            "failure" | "error" => RunStatus::Completed(Conclusion::Failure),
            _ => RunStatus::Completed(Conclusion::Unknown),
        },
        updated_at,
        // The start of its build is not reported: a status is about the current state.
        began_at: updated_at,
        family: Family::Statuses,
        twin: Twin::None,
        parent: None,
        commit: Some(made),
        failed_jobs: Vec::new(),
        facts: RunFacts {
            workflow_key: context.clone(),
            workflow_name: context,
            branch_kind: lanes::branch_kind((&lane, &code), branch.as_deref(), body),
            lane,
            code,
            head: None,
            branch,
            commit_sha: sha,
            commit_message: first_line(&commit.message),
            author: login(&outer.author)
                .or_else(|| person(&commit.author))
                .or_else(|| login(&body.sender)),
            trigger: "status".to_owned(),
            url: web_url(&body.target_url),
        },
    })
}

/// A fork's commit is on no branch of ours: another commit's status does not concern it.
fn lane(branch: Option<String>, sha: &str) -> (Code, Lane) {
    if let Some(branch) = branch {
        return (Code::Own, Lane::of_branch("", branch));
    }
    let (trigger, sha) = (String::new(), sha.to_owned());
    let code = Code::Unreported;
    (Code::Unreported, Lane::Commit { trigger, code, sha })
}

fn committed_at(commit: &GitCommitPart<'_>) -> Option<Timestamp> {
    [&commit.committer, &commit.author]
        .into_iter()
        .find_map(|person| moment(&person.0.as_ref()?.date))
}

/// A number that identifies runs of this family.
fn identity(sha: &str, context: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update(sha.as_bytes());
    hash.update([0]);
    hash.update(context.as_bytes());
    let digest = hash.finalize();
    digest
        .iter()
        .take(size_of::<u64>())
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The name of the commit among those of its second.
fn name(sha: &str) -> u64 {
    let digits = sha.get(..NAME_DIGITS);
    let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number.unwrap_or(0)
}

/// The second of the commit, and its rank in that second. With so few bits the number stays exact
/// in JSON.
fn number(commit: &Commit) -> u64 {
    commit.second << RANK_BITS | u64::from(own_rank(commit.name))
}

/// The branch of a status. A commit is in many branches: those with it as head count. If no head is
/// at it any more, any branch with it counts: of several the default branch, else the first by
/// name. A fork's commit is in none.
fn branch(body: &Body<'_>, sha: &str) -> Option<String> {
    let repository = body.repository.0.as_ref();
    let default = repository.and_then(|r| name_of(&r.default_branch, BRANCH_BYTES_MAX));
    let is_head = |branch: &&BranchPart<'_>| {
        let head = branch.commit.0.as_ref();
        head.is_some_and(|head| head.sha.text() == Some(sha))
    };
    let name = |branch: &BranchPart<'_>| name_of(&branch.name, BRANCH_BYTES_MAX);
    let branches = &body.branches.0;
    let first = |names: &mut dyn Iterator<Item = String>| {
        names.min_by_key(|name| (Some(name) != default.as_ref(), name.clone()))
    };
    first(&mut branches.iter().filter(is_head).filter_map(name))
        .or_else(|| first(&mut branches.iter().filter_map(name)))
}
