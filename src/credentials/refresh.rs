//! Renewing a token, by the holder of the credential's turn.

use super::pool::{Pool, is_lost_race};
use super::ports::Ports;
use super::problem::{dead, not_configured, not_stored, waiting};
use super::sealing::{access_with, grant_of, open};
use super::slot::{Slot, Turn};
use super::standing::{Need, Standing};
use crate::domain::backoff::Backoff;
use crate::domain::errand::Errand;
use crate::domain::error_code::ErrorCode;
use crate::domain::grant::{Grant, OauthGrant, RejectReason};
use crate::domain::id::CredentialId;
use crate::domain::incident::Resolution;
use crate::domain::lifecycle::Failure;
use crate::domain::secret::ProviderToken;
use crate::domain::user::Credential;
use crate::domain::wording;
use crate::provider::oauth::{GrantError, GrantFailure, Tokens};
use crate::provider::{Access, ProviderError};
use crate::seal::TokenField;
use crate::store::CommitError;
use crate::telemetry::metric;
use metrics::{counter, gauge};
use std::time::Duration;

/// Waits before new tokens are stored again. They exist nowhere else.
const STORE_RETRY: Backoff = Backoff {
    initial: Duration::from_millis(500),
    cap: Duration::from_secs(5),
};

/// New tokens that are not stored yet, as metrics and log show them.
struct Unstored<'a> {
    ports: &'a Ports,
    id: CredentialId,
    failures: u32,
}

impl Unstored<'_> {
    /// Waits before the next attempt.
    async fn wait(&mut self, error: &(dyn std::error::Error + Sync)) {
        if self.failures == 0 {
            gauge!(metric::UNSTORED).increment(1.0);
        }
        self.failures = self.failures.saturating_add(1);
        let (id, failures) = (self.id, self.failures);
        tracing::error!(credential.id = %id, %error, failures, "new tokens are not stored yet");
        let wait = STORE_RETRY.wait(failures, self.ports.chance());
        tokio::time::sleep(wait).await;
    }
}

impl Drop for Unstored<'_> {
    fn drop(&mut self) {
        if self.failures > 0 {
            gauge!(metric::UNSTORED).decrement(1.0);
        }
    }
}

fn with(credential: &Credential, grant: OauthGrant) -> Credential {
    Credential {
        grant: Grant::Oauth(grant),
        ..credential.clone()
    }
}

impl Pool {
    /// Exchanges the refresh token.
    pub(super) async fn refresh(
        &self,
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
            return Err(self.reject(credential, reason).await);
        };
        if was_refused && grant.refresh_begun_at.is_none() && slot.is_unproven() {
            return Err(self.new_token_refused(turn, credential).await);
        }
        if !slot.is_unproven() {
            turn.forget_refusals();
        }
        let token = open(&self.ports, credential, TokenField::Refresh, sealed)?;
        let Some(grants) = self.ports.providers.grants(&credential.instance) else {
            let error = not_configured(wording::SIGN_IN_NOT_CONFIGURED);
            turn.pause(&self.ports, None, error.clone());
            return Err(error);
        };
        let Some(_at_work) = self.begin_refresh().await else {
            return Err(waiting(wording::STOPPING));
        };
        // The intent first: a start that finds it without an outcome knows that the answer may be
        // lost.
        let was_interrupted = grant.refresh_begun_at.is_some();
        let mut begun = credential.clone();
        if !was_interrupted {
            begun = match self.intend(begun, &grant, need).await {
                Ok(begun) => begun,
                Err(outcome) => return outcome,
            };
        }
        let redirect_uri = self.ports.redirect_uri(credential.instance.provider);
        let answer = grants.refresh(&token, &redirect_uri).await;
        counter!(metric::REFRESHES, "outcome" => outcome(&answer)).increment(1);
        match answer {
            Ok(tokens) => {
                let access = self.adopt(turn, begun, (&token, tokens), need).await;
                slot.set_unproven(true);
                access
            }
            Err(error) => {
                let was_refused = error.failure == GrantFailure::Refused;
                let failed = self.fail(turn, (&begun, grant), was_interrupted, error);
                let failed = failed.await;
                // Another process may have received the answer.
                match self.as_stored(begun.id, need).await {
                    Ok(access) if was_refused => Ok(access),
                    Ok(_) | Err(_) => Err(failed),
                }
            }
        }
    }

    /// Stores the intent to use the refresh token of `grant`, and returns the credential with it.
    /// If another process has written another grant meanwhile, the provider must not be called:
    /// returns the outcome.
    async fn intend(
        &self,
        mut credential: Credential,
        grant: &OauthGrant,
        need: &Need,
    ) -> Result<Credential, Result<Access, ProviderError>> {
        loop {
            let intent = OauthGrant {
                refresh_begun_at: Some(self.ports.now()),
                ..grant.clone()
            };
            let begun = with(&credential, intent);
            match self.replace(&credential, begun.clone(), []).await {
                Ok(()) => return Ok(begun),
                Err(error) if is_lost_race(&error) => {}
                Err(error) => return Err(Err(not_stored(&error))),
            }
            let stored = self.read(credential.id).await.map_err(Err)?;
            if stored.grant != credential.grant {
                return Err(self.as_stored(credential.id, need).await);
            }
            credential = stored;
        }
    }

    /// A refresh was not carried out: its intent is obsolete. If that cannot be stored, it does no
    /// harm.
    async fn withdraw(&self, begun: &Credential, before: OauthGrant) {
        let mut present = begun.clone();
        loop {
            let withdrawn = with(&present, before.clone());
            match self.replace(&present, withdrawn, []).await {
                Err(error) if is_lost_race(&error) => {}
                Ok(()) | Err(_) => return,
            }
            match self.ports.store.credential(begun.id).await {
                Ok(Some(stored)) if stored.grant == begun.grant => present = stored,
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Whether a credential has this refresh token.
    fn has_refresh(&self, credential: &Credential, token: &ProviderToken) -> bool {
        let refresh = match &credential.grant {
            Grant::Oauth(grant) => grant.refresh.as_ref(),
            Grant::Token { .. } | Grant::App { .. } => None,
        };
        let opened =
            refresh.map(|sealed| open(&self.ports, credential, TokenField::Refresh, sealed));
        opened.is_some_and(|opened| opened.is_ok_and(|opened| opened == *token))
    }

    /// A token that never worked is refused.
    async fn new_token_refused(&self, turn: &mut Turn, credential: &Credential) -> ProviderError {
        if turn.is_hopeless(&self.ports) {
            self.reject(credential, RejectReason::Refused).await
        } else {
            waiting(wording::NEW_TOKEN_REFUSED)
        }
    }

    /// The stored token, after another process has written the credential.
    async fn as_stored(&self, id: CredentialId, need: &Need) -> Result<Access, ProviderError> {
        let credential = self.read(id).await?;
        match self.standing(&credential, need)? {
            Standing::Good(access) => Ok(access),
            Standing::Usable(_) | Standing::Over => Err(waiting(wording::RENEWAL_RUNNING)),
        }
    }

    /// The meaning of a failed refresh. `begun` is the credential as stored, `before` its grant
    /// without the intent, unless an earlier one was interrupted.
    async fn fail(
        &self,
        turn: &mut Turn,
        (begun, before): (&Credential, OauthGrant),
        was_interrupted: bool,
        error: GrantError,
    ) -> ProviderError {
        let id = begun.id;
        tracing::warn!(credential.id = %id, %error, was_interrupted, "credential_refresh_failed");
        let after = match error.failure {
            GrantFailure::Refused => {
                let reason = if was_interrupted {
                    RejectReason::RefreshLost
                } else {
                    RejectReason::Revoked
                };
                return self.reject(begun, reason).await;
            }
            GrantFailure::Retryable { after } => after,
            GrantFailure::Unknown | GrantFailure::Misconfigured => None,
        };
        if error.failure != GrantFailure::Unknown && !was_interrupted {
            self.withdraw(begun, before).await;
        }
        let words = wording::renewal_refused(&error.message);
        let failed = if error.failure == GrantFailure::Misconfigured {
            ProviderError::refused(Failure::Rejected, ErrorCode::OauthMisconfigured, words)
        } else {
            waiting(&words)
        };
        turn.pause(&self.ports, after, failed.clone());
        failed
    }

    /// Stores the new tokens, however long that takes: the `used` refresh token is invalid, and
    /// the new ones exist only here. They replace whatever another process stored with the used
    /// one, also a rejection, and never a newer grant. `present` is the credential as stored, with
    /// the intent.
    async fn adopt(
        &self,
        turn: &mut Turn,
        mut present: Credential,
        (used, tokens): (&ProviderToken, Tokens),
        need: &Need,
    ) -> Result<Access, ProviderError> {
        let (id, mut ended) = (present.id, Vec::new());
        let (ports, failures) = (&*self.ports, 0);
        let mut unstored = Unstored {
            ports,
            id,
            failures,
        };
        loop {
            let mut grant = grant_of(&self.ports, &present, &tokens);
            if let Grant::Oauth(old) = &present.grant {
                // A provider that issues no new one keeps the old one valid.
                grant.refresh = grant.refresh.or_else(|| old.refresh.clone());
            }
            let mut renewed = with(&present, grant);
            renewed.rejected = None;
            match self.replace(&present, renewed, ended.clone()).await {
                Ok(()) => break,
                Err(error @ CommitError::Closed) => return Err(not_stored(&error)),
                Err(error) if is_lost_race(&error) => {
                    let stored = match self.ports.store.credential(id).await {
                        Ok(stored) => stored.ok_or_else(dead)?,
                        Err(error) => {
                            unstored.wait(&error).await;
                            continue;
                        }
                    };
                    if !self.has_refresh(&stored, used) {
                        tracing::info!(credential.id = %id, "a newer grant is stored");
                        return self.as_stored(id, need).await;
                    }
                    // If it was rejected meanwhile: it works. An incident that cannot be read stays
                    // open until a user resolves it.
                    let resolved = self.resolved(id, Resolution::Recovered).await;
                    ended = resolved.unwrap_or_default();
                    present = stored;
                }
                Err(error) => unstored.wait(&error).await,
            }
        }
        turn.proceed();
        tracing::info!(credential.id = %id, "credential_refreshed");
        Ok(access_with(&present, tokens.access))
    }

    /// Creates a new token for an installation of our app.
    pub(super) async fn install(
        &self,
        turn: &mut Turn,
        slot: &Slot,
        credential: &Credential,
        (installation, errand): (u64, Errand),
        need: &Need,
    ) -> Result<Access, ProviderError> {
        let was_refused = matches!(need, Need::Other(_));
        if was_refused && slot.is_unproven() {
            return Err(self.new_token_refused(turn, credential).await);
        }
        if !slot.is_unproven() {
            turn.forget_refusals();
        }
        let Some(apps) = self.ports.providers.apps(&credential.instance) else {
            return Err(not_configured(wording::APP_NOT_CONFIGURED));
        };
        match apps.installation_token(installation, errand).await {
            Ok(token) => {
                slot.install(Some(token.clone()));
                slot.set_unproven(true);
                turn.proceed();
                Ok(access_with(credential, token.token))
            }
            Err(error) if error.failure == Failure::Unauthorized => {
                slot.install(None);
                Err(self.reject(credential, RejectReason::Revoked).await)
            }
            Err(error) => {
                let after = match error.failure {
                    Failure::Retryable { after } => after,
                    Failure::Unauthorized | Failure::NoAccess | Failure::Rejected => None,
                };
                turn.pause(&self.ports, after, error.clone());
                Err(error)
            }
        }
    }
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
