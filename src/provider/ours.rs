//! Our hook of a repository: identified by its id and by the mark in its URL, always written
//! completely, never more than one.

use super::dialect::{Asked, Dialect, Theirs};
use super::errors;
use super::operations::Operations;
use super::outbound::{
    CheckReport, Checked, Ensured, HookSpec, Pinged, ProviderError, Repaired, Target,
};
use super::session::Session;
use super::unchanged::{list_path, subject, unchanged};
use crate::domain::connection::Seen;
use crate::domain::id::HookId;
use crate::domain::repo::Repository;
use crate::domain::secret::Proof;
use reqwest::{Method, Url};

/// The path of one hook.
pub(super) fn hook_path<D: Dialect>(repository: &Repository, id: u64) -> String {
    format!("{}/{id}", D::hooks_path(repository))
}

/// A URL normalised for comparison: as parsed, without a trailing slash.
fn normalised(url: &str) -> String {
    let parsed = Url::parse(url).map_or_else(|_| url.to_owned(), String::from);
    parsed.trim_end_matches('/').to_owned()
}

/// The address before our mark in a hook's URL; `None` when it does not end in the mark.
fn address_before<'a>(theirs: &'a str, mark: &str) -> Option<&'a str> {
    let address = theirs.trim_end_matches('/').strip_suffix(mark)?;
    Some(address.trim_end_matches('/'))
}

/// Whether a hook's URL has our mark, at any address. A double slash, a trailing slash or a query
/// still leads to us.
pub(super) fn has_mark(theirs: Option<&str>, mark: &str) -> bool {
    let Some(Ok(url)) = theirs.map(Url::parse) else {
        return false;
    };
    let path: Vec<&str> = url
        .path()
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let mark: Vec<&str> = mark.split('/').filter(|part| !part.is_empty()).collect();
    !mark.is_empty() && path.ends_with(&mark)
}

/// Whether a hook with the URL `theirs` delivers to `url`.
pub(super) fn points_to(theirs: Option<&str>, url: &str) -> bool {
    theirs.is_some_and(|theirs| normalised(theirs) == normalised(url))
}

fn refusal<D: Dialect>(answer: &super::http::Answer, repository: &Repository) -> ProviderError {
    D::refusal(answer, Asked::hooks_of(repository))
}

/// The repository, which must exist.
pub(super) async fn resolve<D: Operations>(
    s: &mut Session<'_, D>,
    target: &Target,
) -> Result<Repository, ProviderError> {
    let found = D::look_up(s, target).await?;
    found.map_err(|answer| D::refusal(&answer, Asked::Repository(&target.full_name)))
}

/// The repository, which must exist and accept changes.
pub(super) async fn resolve_writable<D: Operations>(
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
pub(super) async fn list<D: Dialect>(
    s: &mut Session<'_, D>,
    repository: &Repository,
) -> Result<Vec<D::Hook>, ProviderError> {
    Ok(list_tagged(s, repository).await?.0)
}

/// The same, and the provider's tag of the list, if it is one page.
async fn list_tagged<D: Dialect>(
    s: &mut Session<'_, D>,
    repository: &Repository,
) -> Result<(Vec<D::Hook>, Option<String>), ProviderError> {
    let (path, asked) = (list_path::<D>(repository), Asked::hooks_of(repository));
    let (mut hooks, tag): (Vec<D::Hook>, _) = s.list(&path, asked).await?;
    hooks.sort_by_key(Theirs::id);
    // A hook may move to the next page while the pages are read.
    hooks.dedup_by_key(|hook| hook.id());
    Ok((hooks, tag))
}

/// One hook. `None` when the list, and a look-up after it, show that there is none of this id.
pub(super) async fn find<D: Dialect>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    hook: HookId,
) -> Result<Option<D::Hook>, ProviderError> {
    let all = list(s, repository).await?;
    match all.into_iter().find(|known| known.id() == hook.0) {
        Some(found) => Ok(Some(found)),
        None => look_for(s, repository, hook).await,
    }
}

/// Our hooks: the known one, at any URL, and those with our mark, with the current URL first. The
/// first is kept.
async fn list_ours<D: Dialect>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    known: Option<HookId>,
    mark: &str,
    url: Option<&str>,
) -> Result<Vec<D::Hook>, ProviderError> {
    let (ours, _) = list_all(s, repository, known, mark, url).await?;
    Ok(ours)
}

/// The same, and the hooks that are not ours.
async fn list_all<D: Dialect>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    known: Option<HookId>,
    mark: &str,
    url: Option<&str>,
) -> Result<(Vec<D::Hook>, Vec<D::Hook>), ProviderError> {
    let hooks = list(s, repository).await?;
    ours_of(s, repository, hooks, known, (mark, url)).await
}

/// The same, of these that are listed.
async fn ours_of<D: Dialect>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    mut hooks: Vec<D::Hook>,
    known: Option<HookId>,
    (mark, url): (&str, Option<&str>),
) -> Result<(Vec<D::Hook>, Vec<D::Hook>), ProviderError> {
    if let Some(known) = known
        && !hooks.iter().any(|hook| hook.id() == known.0)
    {
        hooks.extend(look_for(s, repository, known).await?);
    }
    let is_known = |hook: &D::Hook| known.is_some_and(|known| known.0 == hook.id());
    let is_ours = |hook: &D::Hook| is_known(hook) || has_mark(hook.url(), mark);
    let (mut ours, others): (Vec<_>, Vec<_>) = hooks.into_iter().partition(is_ours);
    let points = |hook: &D::Hook| url.is_some_and(|url| points_to(hook.url(), url));
    ours.sort_by_key(|hook| (!is_known(hook), !points(hook), hook.id()));
    Ok((ours, others))
}

/// A hook that is not in the list, by its id: a list that changes while its pages are read can omit
/// one. `None` when it does not exist, which counts only after the list.
async fn look_for<D: Dialect>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    hook: HookId,
) -> Result<Option<D::Hook>, ProviderError> {
    let path = hook_path::<D>(repository, hook.0);
    let answer = s.get(s.url(&path)).await?;
    match answer.status.as_u16() {
        200 => errors::parse(D::NAMING.name, &answer).map(Some),
        404 => Ok(None),
        _ => Err(refusal::<D>(&answer, repository)),
    }
}

pub(super) async fn remove<D: Dialect>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    id: u64,
) -> Result<(), ProviderError> {
    let path = hook_path::<D>(repository, id);
    let answer = s.put(Method::DELETE, &path, None).await?;
    match answer.status.as_u16() {
        // 404 because it was in the list just before: it was deleted meanwhile.
        200 | 202 | 204 | 404 => Ok(()),
        _ => Err(refusal::<D>(&answer, repository)),
    }
}

/// Writes all settings, and returns how deliveries will be authenticated; `None` when the hook does
/// not exist.
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

/// Keeps the first of our hooks, deletes the others, and writes all settings of the kept one. The
/// others are deleted first: GitHub refuses two hooks with one URL and an event in common.
async fn adopt<D: Dialect>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    ours: &[D::Hook],
    spec: &HookSpec,
) -> Result<Option<(HookId, Proof, bool)>, ProviderError> {
    let Some((kept, surplus)) = ours.split_first() else {
        return Ok(None);
    };
    for copy in surplus {
        remove(s, repository, copy.id()).await?;
    }
    let proof = write(s, repository, kept.id(), spec).await?;
    // Listed and missing within one call. The next call decides.
    let gone = || errors::bad_answer(D::NAMING.name, "a hook that is listed and not there");
    let proof = proof.ok_or_else(gone)?;
    Ok(Some((HookId(kept.id()), proof, is_changed(kept, spec))))
}

/// Whether a hook that is being written had other settings: then the provider may not have sent.
/// At a former address of ours it has.
fn is_changed<H: Theirs>(found: &H, spec: &HookSpec) -> bool {
    let is_as = |spec: &HookSpec| match compare(found, false, spec) {
        CheckReport::Intact => true,
        CheckReport::Drifted { former_address, .. } => former_address.is_some(),
        CheckReport::Disabled { .. } | CheckReport::Missing => false,
    };
    let mut former = spec.former_events.iter().map(|events| HookSpec {
        events: events.clone(),
        ..spec.clone()
    });
    !is_as(spec) && !former.any(|former| is_as(&former))
}

pub(super) async fn ensure<D: Operations>(
    s: &mut Session<'_, D>,
    target: &Target,
    known: Option<HookId>,
    spec: &HookSpec,
) -> Result<Ensured, ProviderError> {
    let repository = resolve_writable(s, target).await?;
    let (ours, others) = list_all(s, &repository, known, &spec.mark, Some(&spec.url)).await?;
    let mut made = adopt(s, &repository, &ours, spec).await?;
    let was_changed = made.is_some_and(|(.., was_changed)| was_changed);
    if made.is_none() {
        let taken = take_over(s, &repository, &others, spec).await?;
        made = taken.map(|(hook, proof)| (hook, proof, false));
    }
    let (hook, proof, created) = match made {
        Some((hook, proof, _)) => (hook, proof, false),
        None => create(s, &repository, spec).await?,
    };
    let others = others.iter().filter(|other| other.id() != hook.0);
    Ok(Ensured {
        hook,
        created,
        was_changed,
        proof,
        others: others.map(Theirs::shown).collect(),
        repository,
    })
}

/// Makes the hook of others that is to be taken ours, in place, if it is still what it was.
/// Once it is written it has our mark: if the answer is lost, the next call finds it by that.
async fn take_over<D: Dialect>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    others: &[D::Hook],
    spec: &HookSpec,
) -> Result<Option<(HookId, Proof)>, ProviderError> {
    let Some((hook, expected)) = spec.takes else {
        return Ok(None);
    };
    let found = others.iter().find(|other| other.id() == hook.0);
    if !found.is_some_and(|found| found.is_still(expected)) {
        return Ok(None);
    }
    let proof = write(s, repository, hook.0, spec).await?;
    Ok(proof.map(|proof| (hook, proof)))
}

/// The result of creating a hook.
#[derive(Debug, serde::Deserialize)]
struct HookCreated {
    id: u64,
}

/// Creates the hook. When the outcome is unknown, only the list is read: creating again is left to
/// the next call, which begins with the list.
async fn create<D: Dialect>(
    s: &mut Session<'_, D>,
    repository: &Repository,
    spec: &HookSpec,
) -> Result<(HookId, Proof, bool), ProviderError> {
    let path = D::hooks_path(repository);
    let outcome = s.post(&path, Some(D::hook_body(spec, true))).await;
    let (error, is_ours) = match outcome {
        Ok(answer) if answer.status.as_u16() == 201 => {
            let hook = errors::parse::<HookCreated>(D::NAMING.name, &answer);
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
    let listed = list_ours(s, repository, None, &spec.mark, Some(&spec.url)).await;
    let Ok(ours) = listed else {
        return Err(error);
    };
    match adopt(s, repository, &ours, spec).await? {
        Some((hook, proof, _)) => Ok((hook, proof, is_ours)),
        None => Err(error),
    }
}

/// A hook that we created is ours by its id, at any URL.
pub(super) async fn check<D: Operations>(
    s: &mut Session<'_, D>,
    target: &Target,
    hook: HookId,
    spec: &HookSpec,
    seen: Option<&Seen>,
) -> Result<Checked, ProviderError> {
    if let Some(seen) = unchanged(s, target, hook, spec, seen).await? {
        return Ok(Checked {
            report: CheckReport::Intact,
            others: None,
            repository: None,
            seen: Some(seen),
        });
    }
    let repository = resolve(s, target).await?;
    let (all, tag) = list_tagged(s, &repository).await?;
    let is_listed = all.iter().any(|listed| listed.id() == hook.0);
    let places = (&*spec.mark, Some(&*spec.url));
    let (ours, others) = ours_of(s, &repository, all, Some(hook), places).await?;
    let report = match ours.split_first() {
        Some((found, copies)) if found.id() == hook.0 => compare(found, !copies.is_empty(), spec),
        Some(_) | None => CheckReport::Missing,
    };
    let is_tagged = D::UNCHANGED_IS_FREE && is_listed && report == CheckReport::Intact;
    let seen = tag.filter(|_| is_tagged).map(|tag| Seen {
        tag,
        of: subject(s, &repository, hook, spec),
        at: s.now(),
    });
    Ok(Checked {
        report,
        others: Some(others.iter().map(Theirs::shown).collect()),
        repository: Some(repository),
        seen,
    })
}

fn compare<H: Theirs>(found: &H, has_copies: bool, spec: &HookSpec) -> CheckReport {
    let mut fields = found.drift(spec);
    let former_address = found
        .url()
        .filter(|_| fields == ["url"] && !has_copies)
        .and_then(|url| address_before(url, &spec.mark))
        .map(str::to_owned);
    if has_copies {
        fields.push("copies");
    }
    // Wrong settings come first: they may be why the provider disabled it.
    if fields.is_empty() {
        found.disabled().unwrap_or(CheckReport::Intact)
    } else {
        CheckReport::Drifted {
            fields,
            former_address,
        }
    }
}

pub(super) async fn repair<D: Operations>(
    s: &mut Session<'_, D>,
    target: &Target,
    hook: HookId,
    spec: &HookSpec,
) -> Result<Repaired, ProviderError> {
    let repository = resolve_writable(s, target).await?;
    let ours = list_ours(s, &repository, Some(hook), &spec.mark, None).await?;
    let (was_changed, copies) = match ours.split_first() {
        Some((found, copies)) if found.id() == hook.0 => (is_changed(found, spec), copies),
        Some(_) | None => return Ok(Repaired::Missing),
    };
    for copy in copies {
        remove(s, &repository, copy.id()).await?;
    }
    let written = write(s, &repository, hook.0, spec).await?;
    let done = |proof| Repaired::Done { proof, was_changed };
    Ok(written.map_or(Repaired::Missing, done))
}

pub(super) async fn ping<D: Operations>(
    s: &mut Session<'_, D>,
    target: &Target,
    hook: HookId,
) -> Result<Pinged, ProviderError> {
    let repository = resolve(s, target).await?;
    D::ping(s, &repository, hook).await
}

/// Repeats until none is left: only a look-up shows that a hook is deleted.
pub(super) async fn delete<D: Operations>(
    s: &mut Session<'_, D>,
    target: &Target,
    known: Option<HookId>,
    mark: &str,
) -> Result<(), ProviderError> {
    /// Most rounds within one call: a list may lag, and hooks may be copied meanwhile.
    const ROUNDS_MAX: usize = 3;
    let repository = resolve(s, target).await?;
    for _ in 0..ROUNDS_MAX {
        let ours = list_ours(s, &repository, known, mark, None).await?;
        if ours.is_empty() {
            return Ok(());
        }
        for hook in ours {
            remove(s, &repository, hook.id()).await?;
        }
    }
    let ours = list_ours(s, &repository, known, mark, None).await?;
    if ours.is_empty() {
        return Ok(());
    }
    let what = "a deleted hook that is still listed";
    Err(errors::bad_answer(D::NAMING.name, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "/api/v2/webhooks/github/abcdef";

    #[test]
    fn the_mark_is_known_at_whatever_address() {
        let ours = [
            "https://old.example/api/v2/webhooks/github/abcdef",
            "https://new.example:8443/a/prefix/api/v2/webhooks/github/abcdef/",
            "http://127.0.0.1:9//api/v2//webhooks/github/abcdef?x=1",
        ];
        for url in ours {
            assert!(has_mark(Some(url), MARK), "{url}");
        }
        let others = [
            "https://old.example/api/v2/webhooks/github/abcdefg",
            "https://old.example/api/v2/webhooks/gitlab/abcdef",
            "https://old.example/api/v2/webhooks/github/abcdef/more",
            "https://old.example/?to=/api/v2/webhooks/github/abcdef",
            "https://old.example/#/api/v2/webhooks/github/abcdef",
            "not a URL",
            "",
        ];
        for url in others {
            assert!(!has_mark(Some(url), MARK), "{url}");
        }
        assert!(!has_mark(None, MARK) && !has_mark(Some("https://old.example/"), ""));
        let address = address_before(ours[1], MARK);
        assert_eq!(address, Some("https://new.example:8443/a/prefix"));
    }
}
