//! Issuing the permission to make calls, renewed if necessary.

use super::pool::Pool;
use super::problem::waiting;
use super::sealing::ahead;
use super::slot::WAIT_MAX;
use super::standing::{Need, Standing};
use crate::domain::errand::Errand;
use crate::domain::grant::{Freshness, Grant, RejectReason};
use crate::domain::id::CredentialId;
use crate::domain::lifecycle::Failure;
use crate::domain::user::Credential;
use crate::domain::wording;
use crate::provider::{Access, ProviderError};
use crate::store::pages;
use futures_util::{StreamExt, TryStreamExt};
use std::collections::HashSet;
use std::sync::Arc;

/// Most concurrent refreshes of a sweep.
const AT_ONCE_MAX: usize = 4;

impl Pool {
    /// The permission to make calls with a credential, renewed if necessary.
    ///
    /// The awkward case: a dead credential is an error that is `Unauthorized`, and is marked as
    /// dead by then.
    pub(crate) async fn access(
        self: &Arc<Self>,
        id: CredentialId,
        errand: Errand,
    ) -> Result<Access, ProviderError> {
        let credential = self.read(id).await?;
        let usable = match self.standing(&credential, &Need::Use)? {
            Standing::Good(access) => return Ok(Access { errand, ..access }),
            Standing::Usable(access) => Some(access),
            Standing::Over => None,
        };
        let renewed = self.renew(id, Need::Use, errand).await;
        let access = unless_dead(renewed, usable)?;
        Ok(Access { errand, ..access })
    }

    /// Renews a credential if necessary, in a separate task: the caller may be dropped.
    pub(super) async fn renew(
        self: &Arc<Self>,
        id: CredentialId,
        need: Need,
        errand: Errand,
    ) -> Result<Access, ProviderError> {
        let pool = Arc::clone(self);
        let work = tokio::spawn(async move { pool.renew_in_turn(id, need, errand).await });
        match tokio::time::timeout(WAIT_MAX, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(waiting(wording::RENEWAL_FAILED)),
            Err(_) => Err(waiting(wording::RENEWAL_RUNNING)),
        }
    }

    async fn renew_in_turn(
        &self,
        id: CredentialId,
        need: Need,
        errand: Errand,
    ) -> Result<Access, ProviderError> {
        let slot = self.slot(id);
        let mut turn = slot.turn.lock().await;
        // Another caller may have done it meanwhile.
        let credential = self.read(id).await?;
        let usable = match self.standing(&credential, &need)? {
            Standing::Good(access) => return Ok(access),
            Standing::Usable(access) => Some(access),
            Standing::Over => None,
        };
        if let Some(error) = turn.pausing() {
            return usable.ok_or(error);
        }
        let renewed = match &credential.grant {
            Grant::Token { .. } => Err(self.reject(&credential, RejectReason::Refused).await),
            Grant::Oauth(grant) => {
                let grant = grant.clone();
                self.refresh(&mut turn, &slot, &credential, grant, &need)
                    .await
            }
            Grant::App { installation } => {
                let made = (*installation, errand);
                self.install(&mut turn, &slot, &credential, made, &need)
                    .await
            }
        };
        unless_dead(renewed, usable)
    }

    /// Renews what is due soon, also unused credentials, and refreshes that a crash interrupted.
    pub async fn sweep(self: &Arc<Self>) {
        let store = &self.ports.store;
        let mut all = pages(|after| store.all_credentials(after), |c: &Credential| c.id);
        let mut there = HashSet::new();
        loop {
            match all.try_next().await {
                Ok(Some(page)) => {
                    there.extend(page.iter().map(|credential| credential.id));
                    if let Err(error) = self.weigh(&page).await {
                        tracing::warn!(%error, "the connections of credentials cannot be counted");
                    }
                    self.look_at_expiries(&page).await;
                    self.sweep_page(page).await;
                }
                Ok(None) => return self.weighed(|id| there.contains(&id)),
                Err(error) => {
                    tracing::warn!(%error, "credentials cannot be read; trying again");
                    return;
                }
            }
        }
    }

    async fn sweep_page(self: &Arc<Self>, credentials: Vec<Credential>) {
        let now = self.ports.now();
        let is_due = |credential: &Credential| match &credential.grant {
            Grant::Oauth(grant) => {
                credential.rejected.is_none() && grant.freshness_for_sweep(now) != Freshness::Fresh
            }
            // Created when needed.
            Grant::Token { .. } | Grant::App { .. } => false,
        };
        let due: Vec<(CredentialId, Errand)> = credentials
            .iter()
            .filter(|credential| is_due(credential))
            .map(|credential| (credential.id, ahead(credential)))
            .collect();
        futures_util::stream::iter(due)
            .for_each_concurrent(AT_ONCE_MAX, |(id, errand)| async move {
                // Failures were logged; the next sweep retries.
                let _ = self.renew(id, Need::Ahead, errand).await;
            })
            .await;
    }
}

/// A token that is still valid is better than a failed renewal.
fn unless_dead(
    renewed: Result<Access, ProviderError>,
    usable: Option<Access>,
) -> Result<Access, ProviderError> {
    match (renewed, usable) {
        (Err(error), Some(access)) if error.failure != Failure::Unauthorized => Ok(access),
        (renewed, _) => renewed,
    }
}
