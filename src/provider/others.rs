//! Hooks of a repository that no connection keeps: listed, and removed one by one on request.

use super::dialect::{Asked, Dialect, Theirs};
use super::errors;
use super::operations::Operations;
use super::ours;
use super::outbound::{Listed, ProviderError, TakenAway, Target};
use super::session::Session;
use crate::domain::id::HookId;
use crate::domain::standing::Fingerprint;

/// All hooks, ours and others'.
pub(super) async fn hooks<D: Operations>(
    s: &mut Session<'_, D>,
    target: &Target,
) -> Result<Listed, ProviderError> {
    let repository = ours::resolve(s, target).await?;
    let all = ours::list(s, &repository).await?;
    Ok(Listed {
        hooks: all.iter().map(Theirs::shown).collect(),
        repository,
    })
}

/// Looks at the hook right before: what has another URL by now is left alone.
pub(super) async fn take_away<D: Operations>(
    s: &mut Session<'_, D>,
    target: &Target,
    hook: HookId,
    expected: Fingerprint,
) -> Result<TakenAway, ProviderError> {
    let repository = ours::resolve_writable(s, target).await?;
    let Some(found) = ours::find(s, &repository, hook).await? else {
        return Ok(TakenAway::Gone);
    };
    if !found.is_still(expected) {
        return Ok(TakenAway::Changed);
    }
    ours::remove(s, &repository, hook.0).await?;
    // Only a look-up shows that a hook is deleted.
    let path = ours::hook_path::<D>(&repository, hook.0);
    let answer = s.get(s.url(&path)).await?;
    match answer.status.as_u16() {
        404 => Ok(TakenAway::Removed),
        200 => {
            let what = "a deleted hook that is still there";
            Err(errors::bad_answer(<D as Dialect>::NAMING.name, what))
        }
        _ => Err(D::refusal(&answer, Asked::hooks_of(&repository))),
    }
}
