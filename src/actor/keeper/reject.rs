//! The end of a credential: marked once, told in one incident, whatever number of connections
//! used it.

use super::{Need, dead, renew};
use crate::actor::shared::World;
use crate::domain::error_code::ErrorCode;
use crate::domain::grant::{RejectReason, Rejection};
use crate::domain::id::{CredentialId, IncidentId};
use crate::domain::incident::health::{self, HealthFailure};
use crate::domain::incident::{Resolution, Subject};
use crate::domain::lifecycle::Failure;
use crate::domain::user::Credential;
use crate::provider::{Access, ProviderError};
use crate::store::{Batch, Change, ReadError};
use std::sync::Arc;

/// What becomes of a call whose token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::actor) enum Verdict {
    /// There is another token by now: try again.
    Again,
    /// The credential is dead, and marked as dead.
    Dead,
    /// That could not be found out: try again later.
    Unclear,
}

/// The provider refused this access. Finds out whether the credential is dead.
pub(in crate::actor) async fn refused(
    world: &Arc<World>,
    id: CredentialId,
    access: &Access,
) -> Verdict {
    match renew(world, id, Need::Other(access.token.clone()), access.errand).await {
        Ok(_) => Verdict::Again,
        Err(error) if error.failure == Failure::Unauthorized => Verdict::Dead,
        Err(_) => Verdict::Unclear,
    }
}

/// A token that cannot be replaced was refused.
pub(super) async fn reject_refused(
    world: &World,
    credential: &Credential,
) -> Result<(), ProviderError> {
    let error = reject(world, credential, RejectReason::Refused).await;
    if error.failure == Failure::Unauthorized {
        Ok(())
    } else {
        Err(error)
    }
}

/// Marks a credential as dead and opens its incident, in one batch. Answers what to tell whoever
/// wanted to use it: a failure that passes when it could not be stored.
pub(super) async fn reject(
    world: &World,
    credential: &Credential,
    reason: RejectReason,
) -> ProviderError {
    let unstored =
        |error: String| ProviderError::retryable(ErrorCode::StoreUnavailable, error, None, false);
    let now = world.now();
    let rejected = Credential {
        rejected: Some(Rejection { at: now, reason }),
        ..credential.clone()
    };
    let unresolved = match world
        .store
        .unresolved_incidents(Subject::Credential(credential.id))
        .await
    {
        Ok(unresolved) => unresolved,
        Err(error) => return unstored(error.to_string()),
    };
    let failure = HealthFailure::CredentialRejected(&rejected, reason);
    let id = IncidentId::generate(world.clock.now_for_id(), &*world.entropy);
    let incident = health::report(failure, 1, unresolved, id, now);
    let changes = vec![
        Change::PutCredential(rejected),
        Change::PutIncident(Box::new(incident)),
    ];
    if let Err(error) = world.store.commit(Batch::of(changes)).await {
        return unstored(error.to_string());
    }
    let (id, reason) = (credential.id, reason.as_str());
    tracing::error!(credential.id = %id, reason, "credential_rejected");
    world.keeper.bury(credential.id);
    dead()
}

/// The incidents of a credential that this ends, ended, and how many.
pub(super) fn resolved(
    world: &World,
    id: CredentialId,
    resolution: Resolution,
) -> Result<Vec<Change>, ReadError> {
    let now = world.now();
    let unresolved = world
        .store
        .unresolved_incidents(Subject::Credential(id))
        .ready()?;
    let ended = health::resolve_all(unresolved, resolution, now);
    Ok(ended
        .map(|incident| Change::PutIncident(Box::new(incident)))
        .collect())
}
