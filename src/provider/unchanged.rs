//! Whether the hooks of a repository have changed since a complete check, by a conditional request
//! (ADR 30).

use super::dialect::Dialect;
use super::outbound::{HookSpec, ProviderError, Target};
use super::session::Session;
use crate::domain::connection::Seen;
use crate::domain::id::HookId;
use crate::domain::repo::Repository;
use std::time::Duration;

/// The first page of the hooks of a repository.
pub(super) fn list_path<D: Dialect>(repository: &Repository) -> String {
    format!("{}?per_page=100", D::hooks_path(repository))
}

/// A check is complete after this time at the latest, whatever the provider says: nothing that was
/// derived is trusted for long. It also finds a new name of the repository.
const COMPLETE_EVERY: Duration = Duration::from_hours(24);

/// What an earlier check has seen, if the provider says that it has not changed since.
pub(super) async fn unchanged<D: Dialect>(
    s: &mut Session<'_, D>,
    target: &Target,
    hook: HookId,
    spec: &HookSpec,
    seen: Option<&Seen>,
) -> Result<Option<Seen>, ProviderError> {
    let (Some(seen), Some(id)) = (seen, target.repository) else {
        return Ok(None);
    };
    // Under the name that is known: another one redirects, and is looked up.
    let repository = Repository {
        id,
        full_name: target.full_name.clone(),
        default_branch: None,
        is_archived: false,
        can_manage_hooks: None,
    };
    // Not all on the same day at once.
    let early = Duration::from_mins(hook.0 % 240);
    let is_fresh = s.now().apart(seen.at) < COMPLETE_EVERY.saturating_sub(early);
    let is_same = seen.of == subject(s, &repository, hook, spec);
    if !D::UNCHANGED_IS_FREE || !is_fresh || !is_same {
        return Ok(None);
    }
    let url = s.url(&list_path::<D>(&repository));
    let is_unchanged = s.is_unchanged(url, &seen.tag).await?;
    Ok(is_unchanged.then(|| seen.clone()))
}

/// A digest of all that a tag of the list of hooks says something about.
pub(super) fn subject<D: Dialect>(
    s: &Session<'_, D>,
    repository: &Repository,
    hook: HookId,
    spec: &HookSpec,
) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    let mut add = |part: &[u8]| {
        let length = (part.len() as u64).to_le_bytes();
        hasher.update(&length).update(part);
    };
    add(s.url(&list_path::<D>(repository)).as_str().as_bytes());
    add(&repository.id.0.to_le_bytes());
    add(&s.token_key().0);
    add(&hook.0.to_le_bytes());
    add(&spec.revision.to_le_bytes());
    add(spec.url.as_bytes());
    for event in &spec.events {
        add(event.as_bytes());
    }
    hasher.finalize().into()
}
