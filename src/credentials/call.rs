//! A call with a credential: getting its token, calling, and finding out what a refusal means.

use super::outages::About;
use super::pool::Pool;
use super::standing::Need;
use crate::domain::connection::CredentialUse;
use crate::domain::errand::Errand;
use crate::domain::error_code::ErrorCode;
use crate::domain::id::CredentialId;
use crate::domain::lifecycle::Failure;
use crate::domain::wording;
use crate::provider::{Access, ProviderError};
use std::sync::Arc;
use std::time::Duration;

/// The short wait before another token, or another credential, is tried.
pub const SOON: Duration = Duration::from_millis(100);

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No token was available; the provider was not called.
    NoToken,
    /// The credential is dead, and marked as dead.
    Dead,
    /// The token was refused, and has been replaced meanwhile.
    Replaced,
    /// The token was refused, and the reason could not be determined.
    Unclear,
    /// The provider refuses, or cannot be called: see the error.
    Failed,
}

/// A failed call. Its error says what to do next: `Unauthorized` only when the credential is dead,
/// and retryable when another attempt with it may succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The cause.
    pub why: Refusal,
    /// The message, and the failure.
    pub error: ProviderError,
}

impl Refused {
    const fn new(why: Refusal, error: ProviderError) -> Self {
        Self { why, error }
    }

    /// The credential may work in another attempt: not `unauthorized`, whatever the provider said.
    fn retried(why: Refusal, words: String, after: Option<Duration>, said: &ProviderError) -> Self {
        let code = ErrorCode::ProviderUnavailable;
        let error = ProviderError::retryable(code, words, after, said.may_have_acted);
        Self { why, error }
    }
}

impl Pool {
    /// Makes a call with a credential. Links in the provider's message are shown to the
    /// credential's owner only. While the provider has an outage, no call is made.
    pub async fn call<T, Calling>(
        self: &Arc<Self>,
        about: About<'_>,
        (credential, errand): (CredentialUse, Errand),
        call: impl FnOnce(Access) -> Calling,
    ) -> Result<T, Refused>
    where
        Calling: Future<Output = Result<T, ProviderError>>,
    {
        let (id, is_own) = (credential.id(), matches!(credential, CredentialUse::Own(_)));
        let admitted = match self.outages.admit(about.instance).await {
            Ok(()) => self.may_call(id, about.instance.provider).await,
            refused => refused,
        };
        admitted.map_err(|error| Refused::new(Refusal::Failed, error))?;
        let access = self.access(id, errand).await.map_err(|error| {
            let why = match error.failure {
                Failure::Unauthorized => Refusal::Dead,
                Failure::NoAccess | Failure::Rejected | Failure::Retryable { .. } => {
                    Refusal::NoToken
                }
            };
            Refused::new(why, error)
        })?;
        let called = call(access.clone()).await;
        self.outages.note(about, id, &called);
        self.obey(id, &called).await;
        match called {
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
        about: About<'_>,
        with: (CredentialUse, Errand),
        call: impl Fn(Access) -> Calling,
    ) -> Result<T, Refused>
    where
        Calling: Future<Output = Result<T, ProviderError>>,
    {
        let asked = self.call(about, with, &call).await;
        match asked {
            Err(refused) if refused.why == Refusal::Replaced => self.call(about, with, &call).await,
            asked => asked,
        }
    }

    /// The provider refused this access. Determines whether the credential is dead.
    async fn judge(
        self: &Arc<Self>,
        id: CredentialId,
        access: &Access,
        error: ProviderError,
    ) -> Refused {
        let (need, provider) = (Need::Other(access.token.clone()), access.instance.provider);
        match self.renew(id, need, access.errand).await {
            Ok(_) => {
                let words = wording::token_replaced(provider);
                Refused::retried(Refusal::Replaced, words, Some(SOON), &error)
            }
            Err(why) if why.failure == Failure::Unauthorized => Refused::new(Refusal::Dead, error),
            Err(_) => {
                let words = wording::token_not_renewed(provider);
                Refused::retried(Refusal::Unclear, words, None, &error)
            }
        }
    }
}
