//! The end of a credential: marked once, with one incident for any number of connections.

use super::pool::{Pool, is_lost_race};
use super::problem::{dead, not_stored, unreadable, waiting};
use crate::domain::expiry::Expiry;
use crate::domain::grant::{RejectReason, Rejection};
use crate::domain::id::{CredentialId, IncidentId};
use crate::domain::incident::health::{self, HealthFailure, HealthKind};
use crate::domain::incident::{Incident, Resolution, Subject};
use crate::domain::user::Credential;
use crate::domain::wording;
use crate::provider::ProviderError;
use crate::store::{Change, ReadError};

impl Pool {
    /// Marks a credential as dead and opens its incident, in one batch. Returns the error for the
    /// caller: a transient failure when it could not be stored, or when another process has stored
    /// another grant meanwhile, of which the refusal says nothing.
    pub(super) async fn reject(
        &self,
        credential: &Credential,
        reason: RejectReason,
    ) -> ProviderError {
        let (ports, subject) = (&self.ports, Subject::Credential(credential.id));
        let (now, mut present) = (ports.now(), credential.clone());
        loop {
            let rejected = Credential {
                rejected: Some(Rejection { at: now, reason }),
                // What was to come has come.
                expiry: present.expiry.map(|expiry| Expiry::new(expiry.at)),
                ..present.clone()
            };
            let unresolved = match ports.store.unresolved_incidents(subject).await {
                Ok(unresolved) => unresolved,
                Err(error) => return unreadable(&error),
            };
            let is_about_end = |it: &Incident| HealthKind::CredentialExpiring.is_of(it);
            let (about_end, unresolved) = unresolved.into_iter().partition(is_about_end);
            let replaced = health::resolve_all(about_end, Resolution::Replaced, now);
            let failure = HealthFailure::CredentialRejected(&rejected, reason);
            let id = IncidentId::generate(ports.clock.now_for_id(), &*ports.entropy);
            let incident = health::report(failure, 1, unresolved, id, now);
            let incidents = replaced.chain([incident]);
            let incidents = incidents.map(|it| Change::PutIncident(Box::new(it)));
            match self.replace(&present, rejected, incidents).await {
                Ok(()) => break,
                Err(error) if is_lost_race(&error) => {}
                Err(error) => return not_stored(&error),
            }
            present = match self.read(credential.id).await {
                Ok(stored) if stored.grant == credential.grant => stored,
                Ok(_) => return waiting(wording::RENEWAL_RUNNING),
                Err(error) => return error,
            };
        }
        let (id, reason) = (credential.id, reason.as_str());
        tracing::error!(credential.id = %id, reason, "credential_rejected");
        self.announce_death(id);
        dead()
    }

    /// The incidents of a credential that this resolves.
    pub(super) async fn resolved(
        &self,
        id: CredentialId,
        why: Resolution,
    ) -> Result<Vec<Change>, ReadError> {
        let store = &self.ports.store;
        let unresolved = store.unresolved_incidents(Subject::Credential(id)).await?;
        let ended = health::resolve_all(unresolved, why, self.ports.now());
        Ok(ended
            .map(|incident| Change::PutIncident(Box::new(incident)))
            .collect())
    }
}
