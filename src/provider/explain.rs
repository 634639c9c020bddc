//! Explaining a failed run: its failed jobs and steps, the end of their logs, and the commits since
//! the last run that passed.
//!
//! Everything is asked for by ids at the installation's own API; no URL of a payload is called. Each
//! part is left out where the provider has none, refuses it, or answers with what cannot be read:
//! only a provider that does not answer at all is an error.

use super::access::{Access, Calling, ProviderError, Target};
use super::operations::Operations;
use super::ours;
use super::session::Session;
use crate::domain::excerpt::Excerpt;
use crate::domain::repo::Repository;
use crate::domain::run::Family;

/// Most jobs that are explained, of those that failed; and most of them with their log.
pub const JOBS_MAX: usize = 10;
pub(super) const LOGS_MAX: usize = 3;
/// Most steps of a job that are named.
pub const STEPS_MAX: usize = 5;
/// Most commits of a range that are named, the latest.
pub const COMMITS_MAX: usize = 50;
/// Runs that are looked at for the last one that passed.
pub(super) const PASSED_LOOKED_AT: u32 = 30;

/// The run that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRun {
    /// Its family. Only GitHub Actions and GitLab's pipelines have jobs.
    pub family: Family,
    /// The provider's id.
    pub id: u64,
    /// Its number among the runs of its workflow, and the attempt.
    pub number: u64,
    /// The attempt.
    pub attempt: u32,
    /// The provider's id of the workflow, if it has one.
    pub workflow: Option<u64>,
    /// The branch of the repository's own for which it ran.
    pub branch: Option<String>,
    /// The commit.
    pub commit: String,
}

/// A job that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedJob {
    /// The provider's id.
    pub id: u64,
    /// Its name, as the provider has it.
    pub name: String,
    /// The names of the steps that failed, in order, at most [`STEPS_MAX`]. GitLab's jobs have
    /// none.
    pub steps: Vec<String>,
    /// The end of its log.
    pub log: Option<Excerpt>,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedCommit {
    /// Its id.
    pub sha: String,
    /// The first line of its message.
    pub title: String,
    /// The provider's id of its author's account. GitLab does not say; GitHub does where the
    /// e-mail address of the commit belongs to an account.
    pub author_id: Option<u64>,
    /// The author, for people: the login, or else the name that the commit has.
    pub author: Option<String>,
}

/// The last run before that passed, and what came since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedRange {
    /// The provider's id of the run that passed.
    pub run: u64,
    /// Its commit.
    pub base: String,
    /// The commits since, the latest first; at most [`COMMITS_MAX`].
    pub commits: Vec<ExplainedCommit>,
    /// Whether there are more.
    pub has_more: bool,
}

/// What the provider says of a failed run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// The jobs that failed.
    pub jobs: Vec<ExplainedJob>,
    /// The last run that passed, and the commits since. `None` when there is none among the latest
    /// runs, or the commits do not descend from its commit.
    pub range: Option<ExplainedRange>,
}

/// Explaining failures.
pub trait Explain: Send + Sync + 'static {
    /// What the provider says of a failed run.
    fn explain<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        run: &'a FailedRun,
    ) -> Calling<'a, Explained>;
}

pub(super) async fn explain<D: Operations>(
    s: &mut Session<'_, D>,
    target: &Target,
    run: &FailedRun,
) -> Result<Explained, ProviderError> {
    let repository = ours::resolve(s, target).await?;
    let jobs = match run.family {
        Family::Actions | Family::Pipelines => D::explain_jobs(s, &repository, run).await?,
        Family::Statuses | Family::Checks => Vec::new(),
    };
    let range = match &run.branch {
        Some(branch) if is_sha(&run.commit) => range_of(s, &repository, run, branch).await?,
        Some(_) | None => None,
    };
    Ok(Explained { jobs, range })
}

async fn range_of<D: Operations>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    run: &FailedRun,
    branch: &str,
) -> Result<Option<ExplainedRange>, ProviderError> {
    let Some((id, base)) = D::last_passed(s, repository, run, branch).await? else {
        return Ok(None);
    };
    if !is_sha(&base) {
        return Ok(None);
    }
    let since = D::commits_since(s, repository, &base, &run.commit).await?;
    Ok(since.map(|(commits, has_more)| ExplainedRange {
        run: id,
        base,
        commits,
        has_more,
    }))
}

/// Whether a text is a commit's id: 40 or 64 digits. Nothing else is put into a path.
fn is_sha(text: &str) -> bool {
    [40, 64].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The value of a parameter in a query.
pub(super) fn encoded(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_of_commits_are_put_into_paths() {
        assert!(is_sha(&"0aF".repeat(14)[..40]) && is_sha(&"0".repeat(64)));
        for text in [
            "",
            "main",
            &"0".repeat(39),
            &"g".repeat(40),
            "../../../user/keys",
        ] {
            assert!(!is_sha(text), "{text}");
        }
    }

    #[test]
    fn a_branch_stays_one_value_of_a_query() {
        assert_eq!(encoded("a&b=c/d #é"), "a%26b%3Dc%2Fd+%23%C3%A9");
    }
}
