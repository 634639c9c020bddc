//! What the log says of a connection.

use crate::domain::connection::{Connection, CredentialUse};
use crate::domain::lifecycle::Observation;
use crate::domain::removal::HookOutcome;

/// Another credential took over, or the hook was moved.
pub(super) fn changes(before: &Connection, next: &Connection) {
    let id = next.id;
    if let (Some(before), Some(after)) = (before.credential_used, next.credential_used)
        && before != after
    {
        let is_shared = matches!(after, CredentialUse::Shared(_));
        tracing::warn!(
            connection.id = %id,
            credential.id = %after.id(),
            credential.before = %before.id(),
            is_shared,
            "credential_switched"
        );
    }
    if let (Some(from), Some(to)) = (&before.address, &next.address)
        && from != to
    {
        tracing::info!(connection.id = %id, %from, %to, "webhook_moved");
    }
}

/// What a step has shown. `outcome` is what is known of the hook by its end.
pub(super) fn observe(c: &Connection, observation: Observation, outcome: HookOutcome) {
    let (id, repository) = (c.id, &c.full_name);
    match observation {
        // The call says whether it was made or found.
        Observation::HookEnsured(_) => {}
        Observation::HookDrifted => {
            tracing::warn!(connection.id = %id, %repository, "webhook_drifted");
        }
        Observation::HookRepaired => {
            tracing::info!(connection.id = %id, %repository, "webhook_repaired");
        }
        Observation::HookRewritten => {
            tracing::info!(connection.id = %id, %repository, "webhook_rewritten");
        }
        Observation::HookLost => {
            tracing::warn!(connection.id = %id, %repository, "webhook_lost");
        }
        Observation::HookDisabled { permanently } => {
            tracing::warn!(connection.id = %id, %repository, permanently, "webhook_disabled");
        }
        Observation::HookEnabled => {
            tracing::info!(connection.id = %id, %repository, "webhook_enabled");
        }
        Observation::HookSilent => {
            tracing::warn!(connection.id = %id, %repository, "webhook_silent");
        }
        Observation::HookHeard => {
            tracing::info!(connection.id = %id, %repository, "webhook_heard");
        }
        Observation::Suspended(reason) => {
            let reason = reason.as_str();
            tracing::error!(connection.id = %id, %repository, reason, "webhook_suspended");
        }
        Observation::Resumed => {
            tracing::info!(connection.id = %id, %repository, "webhook_resumed");
        }
        Observation::Removed if outcome == HookOutcome::Deleted => {
            tracing::info!(connection.id = %id, %repository, "webhook_deleted");
        }
        Observation::Removed => {
            let webhook = outcome.as_str();
            tracing::info!(connection.id = %id, %repository, webhook, "connection_removed");
        }
    }
}
