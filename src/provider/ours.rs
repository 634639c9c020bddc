//! Our hook of a repository: found by its URL, written whole, never more than one.

use super::dialect::{Asked, Dialect, Theirs};
use super::session::Session;
use super::{
    CheckReport, Checked, Ensured, HookSpec, Pinged, ProviderError, Repaired, Target, errors,
};
use crate::domain::id::HookId;
use crate::domain::repo::Repository;
use crate::domain::secret::Proof;
use reqwest::{Method, Url};

/// Where one hook is.
pub(super) fn hook_path<D: Dialect>(repository: &Repository, id: u64) -> String {
    format!("{}/{id}", D::hooks_path(repository))
}

/// A URL in the one form to compare: as parsed, without a slash at the end.
fn normalised(url: &str) -> String {
    let parsed = Url::parse(url).map_or_else(|_| url.to_owned(), String::from);
    parsed.trim_end_matches('/').to_owned()
}

/// Whether a hook with `theirs` as its URL delivers to `url`.
pub(super) fn points_to(theirs: Option<&str>, url: &str) -> bool {
    theirs.is_some_and(|theirs| normalised(theirs) == normalised(url))
}

fn refusal<D: Dialect>(answer: &super::http::Answer, repository: &Repository) -> ProviderError {
    D::refusal(answer, Asked::hooks_of(repository))
}

/// The repository, which has to be there.
async fn resolve<D: Dialect>(
    s: &mut Session<'_, D>,
    target: &Target,
) -> Result<Repository, ProviderError> {
    let found = D::look_up(s, target).await?;
    found.map_err(|answer| D::refusal(&answer, Asked::Repository(&target.full_name)))
}

/// The repository, which has to be there and to take changes.
async fn resolve_writable<D: Dialect>(
    s: &mut Session<'_, D>,
    target: &Target,
) -> Result<Repository, ProviderError> {
    let repository = resolve(s, target).await?;
    if repository.is_archived {
        Err(errors::archived())
    } else {
        Ok(repository)
    }
}

/// All hooks of the repository, the lowest id first.
async fn list<D: Dialect>(
    s: &mut Session<'_, D>,
    repository: &Repository,
) -> Result<Vec<D::Hook>, ProviderError> {
    let path = format!("{}?per_page=100", D::hooks_path(repository));
    let mut hooks: Vec<D::Hook> = s.list(&path, Asked::hooks_of(repository)).await?;
    hooks.sort_by_key(Theirs::id);
    // A hook may move to the next page while the pages are read.
    hooks.dedup_by_key(|hook| hook.id());
    Ok(hooks)
}

async fn list_ours<D: Dialect>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    url: &str,
) -> Result<Vec<u64>, ProviderError> {
    let hooks = list(s, repository).await?;
    let ours = hooks.iter().filter(|hook| points_to(hook.url(), url));
    Ok(ours.map(Theirs::id).collect())
}

async fn remove<D: Dialect>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    id: u64,
) -> Result<(), ProviderError> {
    let path = hook_path::<D>(repository, id);
    let answer = s.put(Method::DELETE, &path, None).await?;
    match answer.status.as_u16() {
        // 404 because it was in the list a moment ago: somebody was faster.
        200 | 202 | 204 | 404 => Ok(()),
        _ => Err(refusal::<D>(&answer, repository)),
    }
}

/// Writes all settings, and says what deliveries will prove themselves with; `None` when the hook
/// is not there.
async fn write<D: Dialect>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    id: u64,
    spec: &HookSpec,
) -> Result<Option<Proof>, ProviderError> {
    let path = hook_path::<D>(repository, id);
    let body = D::hook_body(spec, false);
    let answer = s.put(D::REWRITE, &path, Some(body)).await?;
    match answer.status.as_u16() {
        200 => D::proof(&answer).map(Some),
        404 => Ok(None),
        _ => Err(refusal::<D>(&answer, repository)),
    }
}

/// Keeps the lowest of ours, deletes the others, and writes all settings of the kept one. The
/// others go first: GitHub refuses two hooks with one URL and an event in common.
async fn adopt<D: Dialect>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    ours: &[u64],
    spec: &HookSpec,
) -> Result<Option<(HookId, Proof)>, ProviderError> {
    let Some((kept, surplus)) = ours.split_first() else {
        return Ok(None);
    };
    for id in surplus {
        remove(s, repository, *id).await?;
    }
    let proof = write(s, repository, *kept, spec).await?;
    // Listed and gone within one call. The next call will see clearer.
    let gone = || errors::bad_answer(D::NAME, "a hook that is listed and not there");
    let proof = proof.ok_or_else(gone)?;
    Ok(Some((HookId(*kept), proof)))
}

pub(super) async fn ensure<D: Dialect>(
    s: &mut Session<'_, D>,
    target: &Target,
    spec: &HookSpec,
) -> Result<Ensured, ProviderError> {
    let repository = resolve_writable(s, target).await?;
    let ours = list_ours(s, &repository, &spec.url).await?;
    let (hook, proof, created) = match adopt(s, &repository, &ours, spec).await? {
        Some((hook, proof)) => (hook, proof, false),
        None => create(s, &repository, spec).await?,
    };
    Ok(Ensured {
        hook,
        created,
        proof,
        repository,
    })
}

/// What creating a hook answers.
#[derive(Debug, serde::Deserialize)]
struct HookCreated {
    id: u64,
}

/// Creates the hook. When the answer does not say what became of it, the list is asked, and only
/// that: creating again is left to the next call, which begins with the list.
async fn create<D: Dialect>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    spec: &HookSpec,
) -> Result<(HookId, Proof, bool), ProviderError> {
    let path = D::hooks_path(repository);
    let outcome = s.post(&path, Some(D::hook_body(spec, true))).await;
    let (error, is_ours) = match outcome {
        Ok(answer) if answer.status.as_u16() == 201 => {
            let hook = errors::parse::<HookCreated>(D::NAME, &answer);
            match hook.and_then(|hook| Ok((hook.id, D::proof(&answer)?))) {
                Ok((id, proof)) => return Ok((HookId(id), proof, true)),
                Err(e) => (e, true),
            }
        }
        Ok(answer) => {
            let error = refusal::<D>(&answer, repository);
            if !D::is_already_there(&answer) {
                return Err(error);
            }
            (error, false)
        }
        Err(e) if e.may_have_acted => (e, true),
        Err(e) => return Err(e),
    };
    let Ok(ours) = list_ours(s, repository, &spec.url).await else {
        return Err(error);
    };
    match adopt(s, repository, &ours, spec).await? {
        Some((hook, proof)) => Ok((hook, proof, is_ours)),
        None => Err(error),
    }
}

/// A hook that we made and whose URL was changed by hand is still ours, by its id. But when
/// another one has our URL, that one is ours: [`ensure`] settles it.
pub(super) async fn check<D: Dialect>(
    s: &mut Session<'_, D>,
    target: &Target,
    hook: HookId,
    spec: &HookSpec,
) -> Result<Checked, ProviderError> {
    let repository = resolve(s, target).await?;
    let hooks = list(s, &repository).await?;
    let copies = hooks.iter().filter(|h| points_to(h.url(), &spec.url));
    let copies = copies.count();
    let report = present(&hooks, hook, &spec.url).map_or(CheckReport::Missing, |found| {
        let mut fields = found.drift(spec);
        if copies > 1 {
            fields.push("copies");
        }
        // Wrong settings come first: they may be why the provider disabled it.
        if fields.is_empty() {
            found.disabled().unwrap_or(CheckReport::Intact)
        } else {
            CheckReport::Drifted { fields }
        }
    });
    Ok(Checked { report, repository })
}

/// The hook with this id, unless ours is meanwhile another one.
fn present<'a, H: Theirs>(hooks: &'a [H], hook: HookId, url: &str) -> Option<&'a H> {
    let found = hooks.iter().find(|h| h.id() == hook.0)?;
    let is_ours = points_to(found.url(), url) || !hooks.iter().any(|h| points_to(h.url(), url));
    is_ours.then_some(found)
}

pub(super) async fn repair<D: Dialect>(
    s: &mut Session<'_, D>,
    target: &Target,
    hook: HookId,
    spec: &HookSpec,
) -> Result<Repaired, ProviderError> {
    let repository = resolve_writable(s, target).await?;
    let hooks = list(s, &repository).await?;
    if present(&hooks, hook, &spec.url).is_none() {
        return Ok(Repaired::Missing);
    }
    for copy in hooks.iter().filter(|h| points_to(h.url(), &spec.url)) {
        if copy.id() != hook.0 {
            remove(s, &repository, copy.id()).await?;
        }
    }
    let written = write(s, &repository, hook.0, spec).await?;
    Ok(written.map_or(Repaired::Missing, |proof| Repaired::Done { proof }))
}

pub(super) async fn ping<D: Dialect>(
    s: &mut Session<'_, D>,
    target: &Target,
    hook: HookId,
) -> Result<Pinged, ProviderError> {
    let repository = resolve(s, target).await?;
    D::ping(s, &repository, hook).await
}

pub(super) async fn delete<D: Dialect>(
    s: &mut Session<'_, D>,
    target: &Target,
    url: &str,
) -> Result<(), ProviderError> {
    let repository = resolve(s, target).await?;
    for id in list_ours(s, &repository, url).await? {
        remove(s, &repository, id).await?;
    }
    Ok(())
}
