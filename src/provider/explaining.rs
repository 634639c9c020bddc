//! The steps of an explanation that are the same for all providers.

use super::access::{ProviderError, Target};
use super::explain::{FailedRun, FoundRequest};
use super::operations::Operations;
use super::ours;
use super::session::Session;
use crate::domain::error_code::ErrorCode;
use crate::domain::excerpt::Excerpt;
use crate::domain::explanation::{
    Explained, ExplainedCommit, ExplainedRange, ExplainedRequest, Part, Unread,
};
use crate::domain::lifecycle::Failure;
use crate::domain::repo::Repository;
use crate::domain::run::Family;

/// Most jobs whose log is read, of those that failed.
const LOGS_MAX: usize = 3;

pub(super) async fn explain<D: Operations>(
    s: &mut Session<'_, D>,
    target: &Target,
    run: &FailedRun,
) -> Result<Explained, ProviderError> {
    let repository = ours::resolve(s, target).await?;
    let mut jobs = match run.family {
        Family::Actions | Family::Pipelines => D::explain_jobs(s, &repository, run).await?,
        Family::Statuses | Family::Checks => Err(Unread::NoJobs),
    };
    for (nth, job) in jobs.iter_mut().flatten().enumerate() {
        job.log = if run.with_logs && nth < LOGS_MAX {
            let tail = s.tail(s.url(&D::log_path(&repository, job.id))).await;
            read(tail)?.and_then(|it| {
                let excerpt = Excerpt::of(&it.bytes, D::LOG_FORM, it.is_cut);
                excerpt.ok_or(Unread::Empty)
            })
        } else if run.with_logs {
            Err(Unread::Beyond)
        } else {
            Err(Unread::Off)
        };
    }
    let range = read(range_of(s, &repository, run).await)?;
    let commit = read(commit_of(s, &repository, run, range.as_ref().ok()).await)?;
    let request = read(request_of(s, &repository, run).await)?;
    Ok(Explained {
        jobs,
        commit,
        request,
        range,
    })
}

/// A part whose call has failed is missing, unless nothing more can be read now.
fn read<T>(part: Result<Part<T>, ProviderError>) -> Result<Part<T>, ProviderError> {
    let is_of_this_call = |error: &ProviderError| {
        let is_of_answer = matches!(
            error.code,
            ErrorCode::ProviderUnavailable | ErrorCode::ProviderTimeout | ErrorCode::BadAnswer
        );
        is_of_answer && matches!(error.failure, Failure::Retryable { .. } | Failure::Rejected)
    };
    match part {
        Err(error) if is_of_this_call(&error) => Ok(Err(Unread::Failed)),
        part => part,
    }
}

async fn range_of<D: Operations>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    run: &FailedRun,
) -> Result<Part<ExplainedRange>, ProviderError> {
    let Some(branch) = run.branch.as_ref().filter(|_| is_sha(&run.commit)) else {
        return Ok(Err(Unread::NoBranch));
    };
    let (id, base) = match D::last_passed(s, repository, run, branch).await? {
        Ok(Some((id, base))) if is_sha(&base) => (id, base),
        Ok(_) => return Ok(Err(Unread::NoPassedRun)),
        Err(unread) => return Ok(Err(unread)),
    };
    let since = D::commits_since(s, repository, &base, &run.commit).await?;
    Ok(since.map(|(commits, has_more)| ExplainedRange {
        run: id,
        base,
        commits,
        has_more,
    }))
}

/// The commit of the run, which is the latest of the range if there is any.
async fn commit_of<D: Operations>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    run: &FailedRun,
    range: Option<&ExplainedRange>,
) -> Result<Part<ExplainedCommit>, ProviderError> {
    let latest = range.and_then(|range| range.commits.first());
    match latest.filter(|it| it.sha == run.commit) {
        Some(latest) => Ok(Ok(latest.clone())),
        None if is_sha(&run.commit) => D::commit(s, repository, &run.commit).await,
        None => Ok(Err(Unread::NotFound)),
    }
}

/// The request that was tested, or the one that the commit merged, or one that has the commit.
async fn request_of<D: Operations>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    run: &FailedRun,
) -> Result<Part<ExplainedRequest>, ProviderError> {
    if !is_sha(&run.commit) {
        return Ok(Err(Unread::NotFound));
    }
    let found = D::requests_of(s, repository, &run.commit).await?;
    Ok(found.and_then(|all| {
        let is_tested = |it: &FoundRequest| Some(it.request.number) == run.request;
        let rank = |it: &FoundRequest| (!is_tested(it), !it.is_merged_by_it, it.request.number);
        let best = all.into_iter().min_by_key(rank);
        best.map(|it| it.request).ok_or(Unread::NotFound)
    }))
}

/// Whether a text is a commit's id: 40 or 64 digits. Nothing else is put into a path.
fn is_sha(text: &str) -> bool {
    [40, 64].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
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
}
