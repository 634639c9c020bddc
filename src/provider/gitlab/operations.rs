//! GitLab's operations: finding a project under its current path, accounts.

use super::dialect::{GitlabDialect, Talk};
use super::wire::{ProjectBody, TokenBody, UserBody};
use super::{errors, explain, hooks, log, runs};
use crate::domain::delivery::Payload;
use crate::domain::excerpt::LogForm;
use crate::domain::explanation::{ExplainedCommit, ExplainedJob, Part};
use crate::domain::id::HookId;
use crate::domain::repo::Repository;
use crate::domain::time::Timestamp;
use crate::domain::user::{Account, scopes_reported};
use crate::provider::dialect::{Asked, Dialect as _};
use crate::provider::errors::{no_access, no_owner};
use crate::provider::explain::{FailedRun, FoundRequest};
use crate::provider::http::Answer;
use crate::provider::logs::{Found, ListedRun, LogRead, Redelivered, RunsPage};
use crate::provider::operations::{LookedUp, Operations};
use crate::provider::outbound::{Identity, Pinged, ProviderError, Target};

fn repository(answer: &Answer) -> Result<Repository, ProviderError> {
    errors::parse::<ProjectBody>(answer)?
        .into_repository()
        .ok_or_else(|| errors::bad_answer("a project with an invalid name"))
}

/// When an access token expires: at the beginning of that day, in UTC
/// (<https://docs.gitlab.com/user/profile/personal_access_tokens/>).
fn expiration(day: &str) -> Option<Timestamp> {
    let day: jiff::civil::Date = day.parse().ok()?;
    let begin = jiff::tz::TimeZone::UTC
        .to_timestamp(day.at(0, 0, 0, 0))
        .ok()?;
    Some(Timestamp(begin.as_millisecond()))
}

/// Whether a namespace of this name exists, visible or not.
#[derive(serde::Deserialize)]
struct Existence {
    exists: bool,
}

impl Operations for GitlabDialect {
    /// The parents of child pipelines.
    type Kin = runs::Families;

    /// The project that `target` means: by id when it is known, which stays the same when the name
    /// changes. Else by path; GitLab redirects a former path to the id (301).
    async fn look_up(s: &mut Talk<'_>, target: &Target) -> Result<LookedUp, ProviderError> {
        let path = match target.repository {
            Some(id) => format!("projects/{id}"),
            None => format!("projects/{}", target.full_name.as_str().replace('/', "%2F")),
        };
        let answer = s.get(s.url(&path)).await?;
        if answer.status.as_u16() != 200 {
            return Ok(Err(answer));
        }
        let found = repository(&answer)?;
        if target.repository.is_none_or(|id| id == found.id) {
            Ok(Ok(found))
        } else {
            Err(errors::bad_answer("another project than requested"))
        }
    }

    /// Checks that a group or a user of this name exists. GitLab shows a private group to its
    /// members only; whether it exists can be requested for names without a slash
    /// (<https://docs.gitlab.com/api/namespaces/>).
    async fn owner(s: &mut Talk<'_>, name: &str) -> Result<(), ProviderError> {
        let path = name.replace('/', "%2F");
        let group = s.url(&format!("groups/{path}?with_projects=false"));
        let answer = s.get(group).await?;
        match answer.status.as_u16() {
            200 => return Ok(()),
            404 => {}
            _ => return Err(errors::refusal(&answer, Asked::Own)),
        }
        let unclear = || {
            no_owner(&format!(
                "Group {name} not found: it does not exist, or it is private."
            ))
        };
        if name.contains('/') {
            return Err(unclear());
        }
        let answer = s.get_own(&format!("users?username={path}")).await?;
        let users: Vec<serde::de::IgnoredAny> = errors::parse(&answer)?;
        if !users.is_empty() {
            return Ok(());
        }
        let answer = s.get(s.url(&format!("namespaces/{path}/exists"))).await?;
        if answer.status.as_u16() != 200 {
            return Err(unclear());
        }
        if errors::parse::<Existence>(&answer)?.exists {
            return Err(no_access(format!(
                "Group {name} exists, but this token has no access. Make its user a member."
            )));
        }
        Err(no_owner(&format!(
            "GitLab has no group or user {name}. Check the name."
        )))
    }

    async fn page(s: &mut Talk<'_>, page: u32) -> Result<(Vec<Repository>, bool), ProviderError> {
        let path =
            format!("projects?membership=true&order_by=id&sort=asc&per_page=100&page={page}");
        let answer = s.get_own(&path).await?;
        let bodies: Vec<ProjectBody> = errors::parse(&answer)?;
        let repositories = bodies
            .into_iter()
            .filter_map(ProjectBody::into_repository)
            .collect();
        let has_next = GitlabDialect::has_next(&answer);
        Ok((repositories, has_next))
    }

    /// The scopes and the end are known for access tokens only: an OAuth token cannot request its
    /// own.
    async fn identity(s: &mut Talk<'_>) -> Result<Identity, ProviderError> {
        let answer = s.get_own("user").await?;
        let user: UserBody = errors::parse(&answer)?;
        let token = s.get_own("personal_access_tokens/self").await;
        let token = token.and_then(|answer| errors::parse::<TokenBody>(&answer));
        let token = token.ok();
        let scopes = token.iter().flat_map(|token| &token.scopes);
        let expires_at = token.as_ref().and_then(|token| token.expires_at.as_deref());
        Ok(Identity {
            account: Account::reported(user.id, &user.username),
            scopes: scopes_reported(scopes.map(String::as_str)),
            expires_at: expires_at.and_then(expiration),
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

    fn place_in_log(_: &str, before: u64) -> String {
        log::place(before)
    }

    /// GitLab's list has the payloads, and there is no route for a single entry.
    async fn logged_payload(
        _: &mut Talk<'_>,
        _: &Target,
        _: HookId,
        _: u64,
    ) -> Result<Result<Option<Payload>, Answer>, ProviderError> {
        Ok(Ok(None))
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
        runs::of_each_branch(s, repository).await
    }

    async fn read_run(
        s: &mut Talk<'_>,
        repository: &Repository,
        (listed, _): (&ListedRun, Option<Timestamp>),
        kin: &mut Self::Kin,
    ) -> Result<Vec<Found>, ProviderError> {
        let found = runs::event(s, (listed.id, listed.at), repository, kin).await?;
        Ok(found.into_iter().collect())
    }

    async fn run(
        s: &mut Talk<'_>,
        repository: &Repository,
        run: u64,
    ) -> Result<Vec<Found>, ProviderError> {
        runs::one(s, repository, run).await
    }

    const LOG_FORM: LogForm = LogForm::Gitlab;

    fn log_path(repository: &Repository, job: u64) -> String {
        format!("projects/{}/jobs/{job}/trace", repository.id)
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
    fn a_token_expires_at_the_beginning_of_its_day() {
        assert_eq!(expiration("2027-01-15"), Some(Timestamp(1_799_971_200_000)));
        for strange in ["", "soon", "2027-13-15"] {
            assert_eq!(expiration(strange), None, "{strange}");
        }
    }
}
