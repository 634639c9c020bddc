//! The state of a credential's token for a purpose.

use super::pool::Pool;
use super::problem::{dead, unreadable};
use super::sealing::{access_with, open};
use crate::domain::grant::{Freshness, Grant, OauthGrant};
use crate::domain::id::CredentialId;
use crate::domain::secret::{ProviderToken, Sealed};
use crate::domain::user::Credential;
use crate::provider::{Access, ProviderError};
use crate::seal::TokenField;
use std::time::Duration;

/// Installation tokens are replaced when less than this is left of them.
const INSTALLATION_AHEAD: Duration = Duration::from_mins(5);

/// The purpose for which a credential's token is needed.
#[derive(Clone, Debug)]
pub(super) enum Need {
    /// Using it.
    Use,
    /// Renewing it in advance.
    Ahead,
    /// Replacing one that the provider refused.
    Other(ProviderToken),
}

/// The state of a credential's token for a purpose.
pub(super) enum Standing {
    /// It is valid.
    Good(Access),
    /// It is to be replaced; until then it is valid.
    Usable(Access),
    /// It is to be replaced, and not valid.
    Over,
}

impl Pool {
    /// A credential that works.
    pub(super) async fn read(&self, id: CredentialId) -> Result<Credential, ProviderError> {
        let found = self
            .ports
            .store
            .credential(id)
            .await
            .map_err(|e| unreadable(&e))?;
        found.filter(|c| c.rejected.is_none()).ok_or_else(dead)
    }

    /// The state of a credential's token.
    pub(super) fn standing(
        &self,
        credential: &Credential,
        need: &Need,
    ) -> Result<Standing, ProviderError> {
        let access = |sealed: &Sealed, field| {
            open(&self.ports, credential, field, sealed).map(|token| access_with(credential, token))
        };
        let is_refused = |access: &Access| match need {
            Need::Use | Need::Ahead => false,
            Need::Other(refused) => access.token == *refused,
        };
        match &credential.grant {
            Grant::Token { token } => {
                let access = access(token, TokenField::Token)?;
                Ok(if is_refused(&access) {
                    Standing::Over
                } else {
                    Standing::Good(access)
                })
            }
            Grant::Oauth(grant) => {
                let access = access(&grant.access, TokenField::Access)?;
                Ok(if is_refused(&access) {
                    Standing::Over
                } else {
                    self.standing_of_grant(grant, access, need)
                })
            }
            Grant::App { .. } => {
                let Some(token) = self.slot(credential.id).installed() else {
                    return Ok(Standing::Over);
                };
                let left = token.expires_at.since(self.ports.now());
                let access = access_with(credential, token.token);
                Ok(match left {
                    _ if is_refused(&access) => Standing::Over,
                    left if left > INSTALLATION_AHEAD => Standing::Good(access),
                    left if !left.is_zero() => Standing::Usable(access),
                    _ => Standing::Over,
                })
            }
        }
    }

    fn standing_of_grant(&self, grant: &OauthGrant, access: Access, need: &Need) -> Standing {
        let now = self.ports.now();
        let freshness = match need {
            Need::Ahead => grant.freshness_for_sweep(now),
            Need::Use | Need::Other(_) => grant.freshness(now),
        };
        // Enough time has certainly passed: it has expired.
        let trusted = self.ports.clock.trusted();
        let is_over = grant.expires_at.is_some_and(|at| at <= trusted);
        match freshness {
            Freshness::Fresh => Standing::Good(access),
            // There is nothing to renew it with: it is valid until it expires.
            Freshness::Due if grant.refresh.is_none() => Standing::Good(access),
            Freshness::Due => Standing::Usable(access),
            // The wall clock alone does not end it: the provider decides when it has expired.
            Freshness::Expired if grant.refresh.is_none() && !is_over => Standing::Good(access),
            Freshness::Expired => Standing::Over,
        }
    }
}
