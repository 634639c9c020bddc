//! GitHub's operations: finding a repository under its current name, accounts.

use super::dialect::{GithubDialect, Talk};
use super::wire::{InstallationRepositories, RepositoryBody, UserBody};
use super::{errors, explain, hooks, log, runs};
use crate::domain::delivery::Payload;
use crate::domain::excerpt::LogForm;
use crate::domain::explanation::{ExplainedCommit, ExplainedJob, Part};
use crate::domain::id::HookId;
use crate::domain::repo::Repository;
use crate::domain::time::Timestamp;
use crate::domain::user::{Account, scopes_reported};
use crate::provider::dialect::Asked;
use crate::provider::errors::no_owner;
use crate::provider::explain::{FailedRun, FoundRequest};
use crate::provider::http::Answer;
use crate::provider::logs::{Found, ListedRun, LogRead, Redelivered, RunsPage};
use crate::provider::operations::{LookedUp, Operations};
use crate::provider::outbound::{Identity, Pinged, ProviderError, Target};

fn repository(answer: &Answer) -> Result<Repository, ProviderError> {
    errors::parse::<RepositoryBody>(answer)?
        .into_repository()
        .ok_or_else(|| errors::bad_answer("a repository with an invalid name"))
}

/// When the token expires, on each answer to a call with one that does. Of personal tokens since
/// 2021: <https://github.blog/changelog/2021-07-26-expiration-options-for-personal-access-tokens/>.
const EXPIRATION: &str = "github-authentication-token-expiration";

/// The header's time: `2026-11-30 17:00:00 UTC`, or `2026-11-30 17:00:00 +0900` (both are read by
/// GitHub's Go client: <https://github.com/google/go-github/issues/2649>).
fn expiration(text: &str) -> Option<Timestamp> {
    let text = text.trim().replace(" UTC", " +0000");
    let parsed = jiff::fmt::strtime::parse("%Y-%m-%d %H:%M:%S %z", text).ok()?;
    Some(Timestamp(parsed.to_timestamp().ok()?.as_millisecond()))
}

/// The prefix of tokens of App installations. They have no user, and a separate list.
const INSTALLATION_TOKEN: &str = "ghs_";

impl Operations for GithubDialect {
    /// A run says all of itself.
    type Kin = ();

    /// The repository that `target` means.
    ///
    /// By name first, the documented way; a renamed or moved one answers with a redirect, which is
    /// followed. Names are reused: when the answer has another id than the known one, or there is
    /// none, it is requested by id (`/repositories/{id}`, where GitHub's own redirects point).
    async fn look_up(s: &mut Talk<'_>, target: &Target) -> Result<LookedUp, ProviderError> {
        let answer = s.get(s.url(&format!("repos/{}", target.full_name))).await?;
        let by_name = match answer.status.as_u16() {
            200 => {
                let found = repository(&answer)?;
                if target.repository.is_none_or(|id| id == found.id) {
                    return Ok(Ok(found));
                }
                None
            }
            _ => Some(answer),
        };
        let Some(id) = target.repository else {
            return match by_name {
                Some(answer) => Ok(Err(answer)),
                None => Err(errors::bad_answer("a repository without an id")),
            };
        };
        if by_name.as_ref().is_some_and(|a| a.status.as_u16() != 404) {
            return Ok(Err(by_name.expect("it was there a line ago")));
        }
        let answer = s.get(s.url(&format!("repositories/{id}"))).await?;
        if answer.status.as_u16() != 200 {
            return Ok(Err(answer));
        }
        let found = repository(&answer)?;
        if found.id == id {
            Ok(Ok(found))
        } else {
            Err(errors::bad_answer("another repository than requested"))
        }
    }

    /// Checks that a user or an organisation of this name exists. GitHub shows each to every token.
    async fn owner(s: &mut Talk<'_>, name: &str) -> Result<(), ProviderError> {
        let answer = s.get(s.url(&format!("users/{name}"))).await?;
        match answer.status.as_u16() {
            200 => Ok(()),
            404 => Err(no_owner(&format!(
                "GitHub has no user or organisation {name}. Check the name."
            ))),
            _ => Err(errors::refusal(&answer, Asked::Own)),
        }
    }

    async fn page(s: &mut Talk<'_>, page: u32) -> Result<(Vec<Repository>, bool), ProviderError> {
        let is_installation = s.token().expose().starts_with(INSTALLATION_TOKEN);
        let list = if is_installation {
            "installation/repositories?per_page=100"
        } else {
            "user/repos?per_page=100&sort=full_name"
        };
        let answer = s.get_own(&format!("{list}&page={page}")).await?;
        let bodies: Vec<RepositoryBody> = if is_installation {
            errors::parse::<InstallationRepositories>(&answer)?.repositories
        } else {
            errors::parse(&answer)?
        };
        let repositories = bodies
            .into_iter()
            .filter_map(RepositoryBody::into_repository)
            .collect();
        Ok((repositories, answer.links_to_next()))
    }

    async fn identity(s: &mut Talk<'_>) -> Result<Identity, ProviderError> {
        let answer = s.get_own("user").await?;
        let user: UserBody = errors::parse(&answer)?;
        let scopes = answer.header("x-oauth-scopes").unwrap_or_default();
        Ok(Identity {
            account: Account::reported(user.id, &user.login),
            scopes: scopes_reported(scopes.split(',')),
            expires_at: answer.header(EXPIRATION).and_then(expiration),
        })
    }

    async fn ping(
        s: &mut Talk<'_>,
        repository: &Repository,
        hook: HookId,
    ) -> Result<Pinged, ProviderError> {
        hooks::ping(s, repository, hook).await
    }

    async fn delivery_log(
        s: &mut Talk<'_>,
        target: &Target,
        hook: HookId,
        cursor: Option<&str>,
    ) -> Result<Result<LogRead, Answer>, ProviderError> {
        log::page(s, target, hook, cursor).await
    }

    /// A cursor of GitHub names a place among the attempts, wherever it is counted from the newest.
    fn place_in_log(page: &str, _: u64) -> String {
        page.to_owned()
    }

    async fn logged_payload(
        s: &mut Talk<'_>,
        target: &Target,
        hook: HookId,
        attempt: u64,
    ) -> Result<Result<Option<Payload>, Answer>, ProviderError> {
        log::detail(s, target, hook, attempt).await
    }

    async fn redeliver(
        s: &mut Talk<'_>,
        target: &Target,
        hook: HookId,
        attempt: u64,
    ) -> Result<Result<Redelivered, Answer>, ProviderError> {
        log::redeliver(s, target, hook, attempt).await
    }

    async fn runs_since(
        s: &mut Talk<'_>,
        repository: &Repository,
        since: Timestamp,
        cursor: Option<&str>,
    ) -> Result<RunsPage, ProviderError> {
        runs::since(s, repository, since, cursor).await
    }

    async fn latest_runs(
        s: &mut Talk<'_>,
        repository: &Repository,
    ) -> Result<Vec<ListedRun>, ProviderError> {
        runs::of_each_workflow(s, repository).await
    }

    async fn read_run(
        s: &mut Talk<'_>,
        repository: &Repository,
        listed: (&ListedRun, Option<Timestamp>),
        (): &mut (),
    ) -> Result<Vec<Found>, ProviderError> {
        runs::read(s, repository, listed).await
    }

    async fn run(
        s: &mut Talk<'_>,
        repository: &Repository,
        run: u64,
    ) -> Result<Vec<Found>, ProviderError> {
        runs::one(s, repository, run).await
    }

    const LOG_FORM: LogForm = LogForm::Actions;

    fn log_path(repository: &Repository, job: u64) -> String {
        format!("repos/{}/actions/jobs/{job}/logs", repository.full_name)
    }

    async fn explain_jobs(
        s: &mut Talk<'_>,
        repository: &Repository,
        run: &FailedRun,
    ) -> Result<Part<Vec<ExplainedJob>>, ProviderError> {
        explain::jobs(s, repository, run).await
    }

    async fn last_passed(
        s: &mut Talk<'_>,
        repository: &Repository,
        run: &FailedRun,
        branch: &str,
    ) -> Result<Part<Option<(u64, String)>>, ProviderError> {
        explain::last_passed(s, repository, run, branch).await
    }

    async fn commits_since(
        s: &mut Talk<'_>,
        repository: &Repository,
        base: &str,
        head: &str,
    ) -> Result<Part<(Vec<ExplainedCommit>, bool)>, ProviderError> {
        explain::commits_since(s, repository, base, head).await
    }

    async fn commit(
        s: &mut Talk<'_>,
        repository: &Repository,
        sha: &str,
    ) -> Result<Part<ExplainedCommit>, ProviderError> {
        explain::commit(s, repository, sha).await
    }

    async fn requests_of(
        s: &mut Talk<'_>,
        repository: &Repository,
        sha: &str,
    ) -> Result<Part<Vec<FoundRequest>>, ProviderError> {
        explain::requests_of(s, repository, sha).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_token_is_read_with_both_kinds_of_zones() {
        let at = Some(Timestamp(1_800_000_000_000));
        assert_eq!(expiration("2027-01-15 08:00:00 UTC"), at);
        assert_eq!(expiration("2027-01-15 17:00:00 +0900"), at);
        assert_eq!(expiration("2027-01-15 03:00:00 -0500"), at);
        for strange in ["", "never", "2027-01-15", "2027-13-15 08:00:00 UTC"] {
            assert_eq!(expiration(strange), None, "{strange}");
        }
    }
}
