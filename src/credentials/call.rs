//! A call with a credential: getting its token, calling, being refused, and finding out what the
//! refusal means.

use super::pool::Pool;
use super::standing::Need;
use crate::domain::connection::CredentialUse;
use crate::domain::errand::Errand;
use crate::domain::id::CredentialId;
use crate::domain::lifecycle::Failure;
use crate::provider::{Access, ProviderError};
use std::sync::Arc;
use std::time::Duration;

/// Another token, or another credential, is tried after so short a time.
pub const SOON: Duration = Duration::from_millis(100);

/// Why a call came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No token could be had; the provider was not called.
    NoToken,
    /// The credential is dead, and marked as dead.
    Dead,
    /// The token was refused, and there is another one by now.
    Replaced,
    /// The token was refused, and what that means could not be found out.
    Unclear,
    /// The provider refuses, or cannot be asked: see the error.
    Failed,
}

/// A call that came to nothing. Its error says what to do next: `Unauthorized` only when the
/// credential is dead, and retryable when another attempt with it may do better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub why: Refusal,
    /// In words, and as a failure.
    pub error: ProviderError,
}

impl Refused {
    const fn new(why: Refusal, error: ProviderError) -> Self {
        Self { why, error }
    }

    fn retried(why: Refusal, mut error: ProviderError, after: Option<Duration>) -> Self {
        error.failure = Failure::Retryable { after };
        Self { why, error }
    }
}

impl Pool {
    /// Makes a call with a credential. Links in the provider's words are shown to the credential's
    /// owner only.
    pub async fn call<T, Calling>(
        self: &Arc<Self>,
        credential: CredentialUse,
        errand: Errand,
        call: impl FnOnce(Access) -> Calling,
    ) -> Result<T, Refused>
    where
        Calling: Future<Output = Result<T, ProviderError>>,
    {
        let (id, is_own) = (credential.id(), matches!(credential, CredentialUse::Own(_)));
        let access = self.access(id, errand).await.map_err(|error| {
            let why = match error.failure {
                Failure::Unauthorized => Refusal::Dead,
                Failure::NoAccess | Failure::Rejected | Failure::Retryable { .. } => {
                    Refusal::NoToken
                }
            };
            Refused::new(why, error)
        })?;
        match call(access.clone()).await {
            Ok(answer) => {
                self.worked(id);
                Ok(answer)
            }
            Err(error) if error.failure == Failure::Unauthorized => {
                Err(self.judge(id, &access, error).await)
            }
            Err(error) => Err(Refused::new(Refusal::Failed, error.shown(is_own))),
        }
    }

    /// The same for a call that may be repeated: with a token that replaces a refused one it is
    /// made again, once.
    pub async fn ask<T, Calling>(
        self: &Arc<Self>,
        credential: CredentialUse,
        errand: Errand,
        call: impl Fn(Access) -> Calling,
    ) -> Result<T, Refused>
    where
        Calling: Future<Output = Result<T, ProviderError>>,
    {
        let asked = self.call(credential, errand, &call).await;
        match asked {
            Err(refused) if refused.why == Refusal::Replaced => {
                self.call(credential, errand, &call).await
            }
            asked => asked,
        }
    }

    /// The provider refused this access. Finds out whether the credential is dead.
    async fn judge(
        self: &Arc<Self>,
        id: CredentialId,
        access: &Access,
        error: ProviderError,
    ) -> Refused {
        let need = Need::Other(access.token.clone());
        match self.renew(id, need, access.errand).await {
            Ok(_) => Refused::retried(Refusal::Replaced, error, Some(SOON)),
            Err(why) if why.failure == Failure::Unauthorized => Refused::new(Refusal::Dead, error),
            Err(_) => Refused::retried(Refusal::Unclear, error, None),
        }
    }
}
