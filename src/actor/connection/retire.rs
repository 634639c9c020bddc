//! The removal of a hook of others, for a connection whose own is proven to work.

use crate::actor::secrets::target;
use crate::actor::services::Services;
use crate::credentials::{About, Refusal};
use crate::domain::connection::Connection;
use crate::domain::errand::{Errand, Priority};
use crate::domain::error_code::ErrorCode;
use crate::domain::id::HookId;
use crate::domain::lifecycle::Failure;
use crate::domain::standing::Fingerprint;
use crate::domain::wording;
use crate::provider::{ProviderError, TakenAway};
use crate::store::ReadError;
use std::sync::Arc;

/// The end of a removal.
#[derive(Debug)]
pub(super) struct Retired {
    pub(super) hook: HookId,
    pub(super) result: Result<TakenAway, ProviderError>,
}

/// Removes a hook of others with the credentials of the connection, one after the other. It is
/// looked at again right before; whether another connection has it by now is asked of the store.
pub(super) async fn retire(
    services: Arc<Services>,
    connection: Connection,
    hook: HookId,
    print: Fingerprint,
) -> Retired {
    let result = try_to_retire(&services, &connection, hook, print).await;
    Retired { hook, result }
}

async fn try_to_retire(
    services: &Arc<Services>,
    connection: &Connection,
    hook: HookId,
    print: Fingerprint,
) -> Result<TakenAway, ProviderError> {
    let unread = |error: ReadError| {
        let code = ErrorCode::StoreUnavailable;
        ProviderError::retryable(code, error.to_string(), None, false)
    };
    let store = &services.ports.store;
    if let Some(repository) = connection.repository {
        let provider = connection.instance.provider;
        let all = store.connections_by_repository(provider, repository);
        let has_it = |c: &Connection| {
            c.instance == connection.instance && c.lifecycle.hook.id() == Some(hook)
        };
        if all.await.map_err(unread)?.iter().any(has_it) {
            return Ok(TakenAway::Changed);
        }
    }
    let instance = &connection.instance;
    let hooks = services.ports.providers.hooks(instance).cloned();
    let hooks = hooks.ok_or_else(|| {
        let code = ErrorCode::NotConfigured;
        ProviderError::refused(Failure::Rejected, code, wording::PROVIDER_NOT_CONFIGURED)
    })?;
    let (owner, priority) = (connection.owner, Priority::Repair);
    let errand = Errand { owner, priority };
    let target = &target(connection);
    let candidates = services.pool.candidates_of(connection).await;
    let mut refusal = None;
    for credential in candidates.map_err(unread)? {
        let hooks = &hooks;
        let about = About {
            instance,
            connection: Some(connection.id),
        };
        let called = services
            .pool
            .ask(about, (credential, errand), |access| async move {
                hooks.take_away(&access, target, hook, print).await
            });
        match called.await {
            Ok(taken) => return Ok(taken),
            Err(refused) if refused.why == Refusal::Dead => refusal = Some(refused.error),
            Err(refused) if refused.error.failure == Failure::NoAccess => {
                refusal = Some(refused.error);
            }
            Err(refused) => return Err(refused.error),
        }
    }
    Err(refusal.unwrap_or_else(|| {
        let code = ErrorCode::NoCredential;
        ProviderError::refused(Failure::Unauthorized, code, wording::NO_CREDENTIAL)
    }))
}
