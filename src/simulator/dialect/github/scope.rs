//! The scopes that a hook needs, and the headers in which GitHub reports them.

use super::answer::Answer;
use super::operation::{Asked, Operation};
use crate::simulator::payload::github::expiration;
use crate::simulator::state::github::State;

/// Any of these is enough to delete, too.
const ALL: &[&str] = &["admin:repo_hook", "public_repo", "repo"];
const WRITE: &[&str] = &["admin:repo_hook", "public_repo", "repo", "write:repo_hook"];
const READ: &[&str] = &[
    "admin:repo_hook",
    "public_repo",
    "read:repo_hook",
    "repo",
    "write:repo_hook",
];

/// The scopes of which one is needed; none is when there are none.
const fn accepted(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::ListHooks
        | Operation::GetHook
        | Operation::GetConfig
        | Operation::PingHook
        | Operation::TestHook
        | Operation::ListDeliveries
        | Operation::GetDelivery => READ,
        Operation::CreateHook
        | Operation::UpdateHook
        | Operation::UpdateConfig
        | Operation::Redeliver => WRITE,
        Operation::DeleteHook => ALL,
        Operation::User
        | Operation::Repositories
        | Operation::RateLimit
        | Operation::Versions
        | Operation::Repository
        | Operation::Installations
        | Operation::Installation
        | Operation::InstallationToken
        | Operation::App
        | Operation::Account
        | Operation::InstallationRepositories
        | Operation::ListRuns
        | Operation::GetRun
        | Operation::GetRunAttempt
        | Operation::ListJobs
        | Operation::ListAttemptJobs
        | Operation::JobLog
        | Operation::Compare
        | Operation::ListCommits
        | Operation::CommitPulls
        | Operation::ListWorkflows
        | Operation::ListWorkflowRuns
        | Operation::Unknown => &[],
    }
}

/// What the token may do: everything when nothing is said of it.
fn held<'a>(state: &'a State, asked: &Asked<'_>) -> Vec<&'a str> {
    let token = state.tokens.get(&asked.token);
    let scope = token.and_then(|token| token.scope.as_deref());
    let scope = scope.unwrap_or("repo admin:repo_hook");
    scope
        .split([' ', ','])
        .filter(|word| !word.is_empty())
        .collect()
}

/// Whether the token may do what is asked.
pub(super) fn suffices(state: &State, asked: &Asked<'_>) -> bool {
    let wanted = accepted(asked.operation);
    let held = held(state, asked);
    wanted.is_empty() || wanted.iter().any(|scope| held.contains(scope))
}

/// With what the token may do, and what would be needed. An installation has no scopes.
pub(super) fn with_scopes(answer: Answer, state: &State, asked: &Asked<'_>) -> Answer {
    let answer = with_expiration(answer, state, asked);
    if asked.reach.is_some() {
        return answer;
    }
    answer
        .with("x-oauth-scopes", held(state, asked).join(", "))
        .with(
            "x-accepted-oauth-scopes",
            accepted(asked.operation).join(", "),
        )
}

/// With the end of a personal token that has one, as in
/// <https://github.com/google/go-github/issues/2649>. The tokens of applications say it when they
/// are issued.
fn with_expiration(answer: Answer, state: &State, asked: &Asked<'_>) -> Answer {
    let token = state.tokens.get(&asked.token);
    let personal = token.filter(|token| token.is_personal);
    match personal.and_then(|token| token.expires_at_s) {
        Some(at_s) => answer.with("github-authentication-token-expiration", expiration(at_s)),
        None => answer,
    }
}
