//! Renewing a token, by whoever has the credential's turn.

use super::reject::reject;
use super::{Need, Slot, Turn, access_with, open, seal, waiting};
use crate::actor::shared::World;
use crate::domain::errand::Errand;
use crate::domain::error_code::ErrorCode;
use crate::domain::grant::{Grant, OauthGrant, RejectReason};
use crate::domain::lifecycle::Failure;
use crate::domain::secret::ProviderToken;
use crate::domain::user::Credential;
use crate::domain::wording;
use crate::provider::oauth::{GrantError, GrantFailure, Tokens};
use crate::provider::{Access, ProviderError};
use crate::seal::TokenField;
use crate::store::{Batch, Change, CommitError};
use crate::telemetry::metric;
use metrics::counter;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long to wait before new tokens are stored again. They exist nowhere else.
const COMMIT_RETRY: Duration = Duration::from_millis(500);

/// An OAuth grant with these tokens.
pub(super) fn grant_of(world: &World, credential: &Credential, tokens: &Tokens) -> OauthGrant {
    let now = world.now();
    let sealed = |field, token: &ProviderToken| seal(world, credential, field, token);
    OauthGrant {
        access: sealed(TokenField::Access, &tokens.access),
        refresh: tokens
            .refresh
            .as_ref()
            .map(|t| sealed(TokenField::Refresh, t)),
        obtained_at: now,
        expires_at: tokens.lives.map(|life| now.plus(life)),
        refresh_begun_at: None,
    }
}

fn with(credential: &Credential, grant: OauthGrant) -> Credential {
    Credential {
        grant: Grant::Oauth(grant),
        ..credential.clone()
    }
}

async fn put(world: &World, credential: Credential) -> Result<(), CommitError> {
    let batch = Batch::of(vec![Change::PutCredential(credential)]);
    world.store.commit(batch).await
}

fn not_stored(error: &CommitError) -> ProviderError {
    ProviderError::retryable(ErrorCode::StoreUnavailable, error.to_string(), None, false)
}

/// Exchanges the refresh token.
pub(super) async fn refresh(
    world: &World,
    turn: &mut Turn,
    slot: &Slot,
    credential: &Credential,
    grant: OauthGrant,
    need: &Need,
) -> Result<Access, ProviderError> {
    let was_refused = matches!(need, Need::Other(_));
    let Some(sealed) = &grant.refresh else {
        let reason = if was_refused {
            RejectReason::Refused
        } else {
            RejectReason::Expired
        };
        return Err(reject(world, credential, reason).await);
    };
    if was_refused && grant.refresh_begun_at.is_none() && slot.is_unproven() {
        return Err(refused_anew(world, turn, credential).await);
    }
    if !slot.is_unproven() {
        turn.refusals = 0;
    }
    let token = open(world, credential, TokenField::Refresh, sealed)?;
    let Some(grants) = world.providers.grants(&credential.instance) else {
        let words = wording::SIGN_IN_NOT_CONFIGURED;
        let error = ProviderError::refused(Failure::Rejected, ErrorCode::NotConfigured, words);
        turn.pause(world, None, error.clone());
        return Err(error);
    };
    let _at_work = world.keeper.at_work.read().await;
    if world.keeper.is_closing.load(Ordering::SeqCst) {
        return Err(waiting(wording::STOPPING));
    }
    // First the intent: whoever finds it without an outcome knows that the answer may be lost.
    let was_interrupted = grant.refresh_begun_at.is_some();
    if !was_interrupted {
        let begun = OauthGrant {
            refresh_begun_at: Some(world.now()),
            ..grant.clone()
        };
        let stored = put(world, with(credential, begun)).await;
        stored.map_err(|error| not_stored(&error))?;
    }
    let redirect_uri = world.redirect_uri(credential.instance.provider);
    let answer = grants.refresh(&token, &redirect_uri).await;
    counter!(metric::REFRESHES, "outcome" => outcome(&answer)).increment(1);
    match answer {
        Ok(tokens) => {
            let access = adopt(world, turn, credential, &grant, tokens).await;
            slot.begin_proof();
            access
        }
        Err(error) => {
            let before = with(credential, grant);
            Err(fail(world, turn, before, was_interrupted, error).await)
        }
    }
}

/// A token is refused that never worked.
async fn refused_anew(world: &World, turn: &mut Turn, credential: &Credential) -> ProviderError {
    if turn.is_hopeless(world) {
        reject(world, credential, RejectReason::Refused).await
    } else {
        waiting(wording::NEW_TOKEN_REFUSED)
    }
}

/// What a refresh that failed means. `before` is the credential without the intent, unless an
/// earlier one had been cut off.
async fn fail(
    world: &World,
    turn: &mut Turn,
    before: Credential,
    was_interrupted: bool,
    error: GrantError,
) -> ProviderError {
    let id = before.id;
    tracing::warn!(credential.id = %id, %error, was_interrupted, "credential_refresh_failed");
    let after = match error.failure {
        GrantFailure::Refused => {
            let reason = if was_interrupted {
                RejectReason::RefreshLost
            } else {
                RejectReason::Revoked
            };
            return reject(world, &before, reason).await;
        }
        GrantFailure::Retryable { after } => after,
        GrantFailure::Unknown | GrantFailure::Misconfigured => None,
    };
    if error.failure != GrantFailure::Unknown && !was_interrupted {
        // It was not carried out: the intent is over. If that cannot be stored, no harm is done.
        let _ = put(world, before).await;
    }
    let words = wording::renewal_refused(&error.message);
    let failed = if error.failure == GrantFailure::Misconfigured {
        ProviderError::refused(Failure::Rejected, ErrorCode::OauthMisconfigured, words)
    } else {
        waiting(&words)
    };
    turn.pause(world, after, failed.clone());
    failed
}

fn outcome(answer: &Result<Tokens, GrantError>) -> &'static str {
    match answer.as_ref().map_err(|error| error.failure) {
        Ok(_) => "ok",
        Err(GrantFailure::Refused) => "refused",
        Err(GrantFailure::Misconfigured) => "misconfigured",
        Err(GrantFailure::Retryable { .. }) => "failed",
        Err(GrantFailure::Unknown) => "unknown",
    }
}

/// Stores the new tokens, however long that takes: the old ones are over.
async fn adopt(
    world: &World,
    turn: &mut Turn,
    credential: &Credential,
    old: &OauthGrant,
    tokens: Tokens,
) -> Result<Access, ProviderError> {
    let mut grant = grant_of(world, credential, &tokens);
    // A provider that gives no new one lets the old one live.
    grant.refresh = grant.refresh.or_else(|| old.refresh.clone());
    let renewed = with(credential, grant);
    loop {
        match put(world, renewed.clone()).await {
            Ok(()) => break,
            Err(error @ CommitError::Closed) => return Err(not_stored(&error)),
            Err(error) => {
                let id = credential.id;
                tracing::error!(credential.id = %id, %error, "new tokens could not be stored");
                tokio::time::sleep(COMMIT_RETRY).await;
            }
        }
    }
    turn.proceed();
    tracing::info!(credential.id = %credential.id, "credential_refreshed");
    Ok(access_with(credential, tokens.access))
}

/// Makes a new token for an installation of our app.
pub(super) async fn install(
    world: &World,
    turn: &mut Turn,
    slot: &Slot,
    credential: &Credential,
    (installation, errand): (u64, Errand),
    need: &Need,
) -> Result<Access, ProviderError> {
    let was_refused = matches!(need, Need::Other(_));
    if was_refused && slot.is_unproven() {
        return Err(refused_anew(world, turn, credential).await);
    }
    if !slot.is_unproven() {
        turn.refusals = 0;
    }
    let Some(apps) = world.providers.apps(&credential.instance) else {
        let words = wording::APP_NOT_CONFIGURED;
        return Err(ProviderError::refused(
            Failure::Rejected,
            ErrorCode::NotConfigured,
            words,
        ));
    };
    match apps.installation_token(installation, errand).await {
        Ok(token) => {
            slot.install(Some(token.clone()));
            slot.begin_proof();
            turn.proceed();
            Ok(access_with(credential, token.token))
        }
        Err(error) if error.failure == Failure::Unauthorized => {
            slot.install(None);
            Err(reject(world, credential, RejectReason::Revoked).await)
        }
        Err(error) => {
            let after = match error.failure {
                Failure::Retryable { after } => after,
                Failure::Unauthorized | Failure::NoAccess | Failure::Rejected => None,
            };
            turn.pause(world, after, error.clone());
            Err(error)
        }
    }
}
