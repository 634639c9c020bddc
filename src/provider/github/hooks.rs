//! Hooks of a repository: found by their URL, written whole, never more than one of ours.

use super::errors::{self, Asked};
use super::session::Session;
use super::wire::{HookBody, HookCreated, hook_write};
use super::{Checked, Ensured, HookSpec, ProviderError, Repaired, Target, repos};
use crate::domain::id::HookId;
use crate::domain::repo::Repository;
use crate::domain::secret::Proof;
use crate::provider::CheckReport;
use reqwest::{Method, Url};
use std::collections::BTreeSet;

fn hooks_path(repository: &Repository) -> String {
    format!("repos/{}/hooks", repository.full_name)
}

fn hook_path(repository: &Repository, id: u64) -> String {
    format!("{}/{id}", hooks_path(repository))
}

fn asked(repository: &Repository) -> Asked<'_> {
    Asked::Hooks(&repository.full_name, repository.can_manage_hooks)
}

/// A URL in the one form to compare: as parsed, without a slash at the end.
fn normalised(url: &str) -> String {
    let parsed = Url::parse(url).map_or_else(|_| url.to_owned(), String::from);
    parsed.trim_end_matches('/').to_owned()
}

fn points_to(hook: &HookBody, url: &str) -> bool {
    let theirs = hook.config.url.as_deref();
    theirs.is_some_and(|theirs| normalised(theirs) == normalised(url))
}

/// All hooks of the repository, the lowest id first.
async fn list(
    s: &mut Session<'_>,
    repository: &Repository,
) -> Result<Vec<HookBody>, ProviderError> {
    let path = format!("{}?per_page=100", hooks_path(repository));
    let mut hooks: Vec<HookBody> = s.list(&path, asked(repository)).await?;
    hooks.sort_by_key(|hook| hook.id);
    // A hook may move to the next page while the pages are read.
    hooks.dedup_by_key(|hook| hook.id);
    Ok(hooks)
}

async fn list_ours(
    s: &mut Session<'_>,
    repository: &Repository,
    url: &str,
) -> Result<Vec<u64>, ProviderError> {
    let hooks = list(s, repository).await?;
    let ours = hooks.iter().filter(|hook| points_to(hook, url));
    Ok(ours.map(|hook| hook.id).collect())
}

async fn remove(
    s: &mut Session<'_>,
    repository: &Repository,
    id: u64,
) -> Result<(), ProviderError> {
    let path = hook_path(repository, id);
    let answer = s.put(Method::DELETE, &path, None).await?;
    match answer.status.as_u16() {
        // 404 because it was in the list a moment ago: somebody was faster.
        200 | 202 | 204 | 404 => Ok(()),
        _ => Err(errors::refusal(&answer, asked(repository))),
    }
}

/// Writes all settings; false when the hook is not there.
async fn write(
    s: &mut Session<'_>,
    repository: &Repository,
    id: u64,
    spec: &HookSpec,
) -> Result<bool, ProviderError> {
    let path = hook_path(repository, id);
    let body = hook_write(spec, false);
    let answer = s.put(Method::PATCH, &path, Some(body)).await?;
    match answer.status.as_u16() {
        200 => Ok(true),
        404 => Ok(false),
        _ => Err(errors::refusal(&answer, asked(repository))),
    }
}

/// Keeps the lowest of ours, deletes the others, and writes all settings of the kept one. The
/// others go first: GitHub refuses two hooks with one URL and an event in common.
async fn adopt(
    s: &mut Session<'_>,
    repository: &Repository,
    ours: &[u64],
    spec: &HookSpec,
) -> Result<Option<HookId>, ProviderError> {
    let Some((kept, surplus)) = ours.split_first() else {
        return Ok(None);
    };
    for id in surplus {
        remove(s, repository, *id).await?;
    }
    if write(s, repository, *kept, spec).await? {
        Ok(Some(HookId(*kept)))
    } else {
        // Listed and gone within one call. The next call will see clearer.
        Err(errors::bad_answer("a hook that is listed and not there"))
    }
}

pub(super) async fn ensure(
    s: &mut Session<'_>,
    target: &Target,
    spec: &HookSpec,
) -> Result<Ensured, ProviderError> {
    let repository = repos::resolve(s, target).await?;
    if repository.is_archived {
        return Err(errors::archived());
    }
    let ours = list_ours(s, &repository, &spec.url).await?;
    let (hook, created) = match adopt(s, &repository, &ours, spec).await? {
        Some(hook) => (hook, false),
        None => create(s, &repository, spec).await?,
    };
    Ok(Ensured {
        hook,
        created,
        proof: Proof::Signature,
        repository,
    })
}

/// Creates the hook. When the answer does not say what became of it, the list is asked, and only
/// that: creating again is left to the next call, which begins with the list.
async fn create(
    s: &mut Session<'_>,
    repository: &Repository,
    spec: &HookSpec,
) -> Result<(HookId, bool), ProviderError> {
    let path = hooks_path(repository);
    let outcome = s.post(&path, Some(hook_write(spec, true))).await;
    let (error, is_ours) = match outcome {
        Ok(answer) if answer.status.as_u16() == 201 => {
            match errors::parse::<HookCreated>(&answer) {
                Ok(hook) => return Ok((HookId(hook.id), true)),
                Err(e) => (e, true),
            }
        }
        Ok(answer) => {
            let error = errors::refusal(&answer, asked(repository));
            if !errors::is_already_there(&answer) {
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
        Some(hook) => Ok((hook, is_ours)),
        None => Err(error),
    }
}

/// The settings that differ, by name.
fn drift(hook: &HookBody, spec: &HookSpec) -> Vec<&'static str> {
    let config = &hook.config;
    let events = |events: &[String]| events.iter().cloned().collect::<BTreeSet<_>>();
    let insecure = config.insecure_ssl.as_ref();
    let verifies = insecure.is_none_or(|v| v.as_str() == Some("0") || v.as_u64() == Some(0));
    [
        ("active", hook.active == Some(true)),
        ("events", events(&hook.events) == events(&spec.events)),
        ("url", points_to(hook, &spec.url)),
        (
            "content_type",
            config.content_type.as_deref() == Some("json"),
        ),
        ("insecure_ssl", verifies),
        (
            "secret",
            config.secret.as_deref().is_some_and(|s| !s.is_empty()),
        ),
    ]
    .into_iter()
    .filter_map(|(field, is_right)| (!is_right).then_some(field))
    .collect()
}

/// A hook that we made and whose URL was changed by hand is still ours, by its id. But when
/// another one has our URL, that one is ours: [`ensure`] settles it.
pub(super) async fn check(
    s: &mut Session<'_>,
    target: &Target,
    hook: HookId,
    spec: &HookSpec,
) -> Result<Checked, ProviderError> {
    let repository = repos::resolve(s, target).await?;
    let hooks = list(s, &repository).await?;
    let ours = |h: &&HookBody| points_to(h, &spec.url);
    let copies = hooks.iter().filter(ours).count();
    let report = present(&hooks, hook, &spec.url).map_or(CheckReport::Missing, |found| {
        let mut fields = drift(found, spec);
        if copies > 1 {
            fields.push("copies");
        }
        if fields.is_empty() {
            CheckReport::Intact
        } else {
            CheckReport::Drifted { fields }
        }
    });
    Ok(Checked { report, repository })
}

/// The hook with this id, unless ours is meanwhile another one.
fn present<'a>(hooks: &'a [HookBody], hook: HookId, url: &str) -> Option<&'a HookBody> {
    let found = hooks.iter().find(|h| h.id == hook.0)?;
    let is_ours = points_to(found, url) || !hooks.iter().any(|h| points_to(h, url));
    is_ours.then_some(found)
}

pub(super) async fn repair(
    s: &mut Session<'_>,
    target: &Target,
    hook: HookId,
    spec: &HookSpec,
) -> Result<Repaired, ProviderError> {
    let repository = repos::resolve(s, target).await?;
    if repository.is_archived {
        return Err(errors::archived());
    }
    let hooks = list(s, &repository).await?;
    if present(&hooks, hook, &spec.url).is_none() {
        return Ok(Repaired::Missing);
    }
    for copy in hooks.iter().filter(|h| points_to(h, &spec.url)) {
        if copy.id != hook.0 {
            remove(s, &repository, copy.id).await?;
        }
    }
    Ok(if write(s, &repository, hook.0, spec).await? {
        let proof = Proof::Signature;
        Repaired::Done { proof }
    } else {
        Repaired::Missing
    })
}

pub(super) async fn ping(
    s: &mut Session<'_>,
    target: &Target,
    hook: HookId,
) -> Result<(), ProviderError> {
    let repository = repos::resolve(s, target).await?;
    let path = format!("{}/pings", hook_path(&repository, hook.0));
    let answer = s.post(&path, None).await?;
    if answer.status.is_success() {
        Ok(())
    } else {
        Err(errors::refusal(&answer, asked(&repository)))
    }
}

pub(super) async fn delete(
    s: &mut Session<'_>,
    target: &Target,
    url: &str,
) -> Result<(), ProviderError> {
    let repository = repos::resolve(s, target).await?;
    for id in list_ours(s, &repository, url).await? {
        remove(s, &repository, id).await?;
    }
    Ok(())
}
