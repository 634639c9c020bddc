//! Obeying the waits that providers ask for.

use super::pool::Pool;
use crate::domain::error_code::ErrorCode;
use crate::domain::id::CredentialId;
use crate::domain::pace::Hold;
use crate::domain::repo::ProviderKind;
use crate::domain::wording;
use crate::provider::ProviderError;
use crate::store::{Batch, Change, ReadError};

impl Pool {
    /// Reads the waits that are stored, once.
    async fn load_holds(&self) -> Result<(), ReadError> {
        let loading = async || {
            let now = self.ports.now();
            for hold in self.ports.store.holds().await? {
                if hold.left(now).is_some() {
                    self.holds.note(hold, now);
                }
            }
            Ok(())
        };
        self.holds.known.get_or_try_init(loading).await?;
        Ok(())
    }

    /// Whether calls may be made with a credential: not while a wait lasts that its provider has
    /// asked for.
    pub(super) async fn may_call(
        &self,
        id: CredentialId,
        provider: ProviderKind,
    ) -> Result<(), ProviderError> {
        if let Err(error) = self.load_holds().await {
            tracing::warn!(%error, "the waits that providers asked for cannot be read");
        }
        let Some(left) = self.holds.left(id, self.ports.now()) else {
            return Ok(());
        };
        let words = wording::rate_limited(provider.name(), left);
        let (code, after) = (ErrorCode::RateLimited, Some(left));
        Err(ProviderError::retryable(code, words, after, false))
    }

    /// Stores the wait that a provider has asked for, if it did. The call that met it waits for
    /// that: by the time its failure is known, so is the wait.
    pub(super) async fn obey<T>(&self, id: CredentialId, outcome: &Result<T, ProviderError>) {
        let Some(wait) = outcome.as_ref().err().and_then(|error| error.hold) else {
            return;
        };
        let now = self.ports.now();
        let hold = Hold::of(id, wait, now);
        if !self.holds.note(hold, now) {
            return;
        }
        let batch = Batch::of(vec![Change::PutHold(hold)]);
        if let Err(error) = self.ports.store.commit(batch).await {
            // In this process it is still obeyed.
            tracing::warn!(credential.id = %id, %error, "a provider's wait could not be stored");
        }
    }
}
