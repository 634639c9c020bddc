//! The end of tokens that users have added: read once from the provider, and an incident of the
//! owner some time before.

use super::outages::About;
use super::pool::Pool;
use super::sealing::ahead;
use crate::domain::connection::CredentialUse;
use crate::domain::expiring::nearness;
use crate::domain::expiry::{Expiry, Nearness, Told};
use crate::domain::id::IncidentId;
use crate::domain::incident::health::{self, HealthFailure};
use crate::domain::incident::{Incident, Resolution};
use crate::domain::user::Credential;
use crate::store::{Change, CommitError, ReadError};
use std::sync::Arc;

/// Why the end of a token could not be looked at.
#[derive(Debug, thiserror::Error)]
enum Unlooked {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Pool {
    /// Looks at the end of each of these. What cannot be done now is done by a later sweep.
    pub(super) async fn look_at_expiries(self: &Arc<Self>, credentials: &[Credential]) {
        for credential in credentials {
            if credential.has_unread_expiry() && self.expiries_asked.may_ask(credential.id) {
                self.read_expiry(credential).await;
            }
            if self.is_near(credential)
                && let Err(error) = self.look_at_expiry(credential).await
            {
                let id = credential.id;
                tracing::warn!(credential.id = %id, %error, "its end is looked at later");
            }
        }
    }

    /// Whether there is, or may have to be, an incident about its end: cheap, for every sweep.
    fn is_near(&self, credential: &Credential) -> bool {
        let is_told = credential
            .expiry
            .is_some_and(|expiry| expiry.told.is_some());
        is_told || nearness(credential, &[], self.notice, self.ports.now()).is_some()
    }

    /// Asks the provider when a token expires that was stored by an older version.
    async fn read_expiry(self: &Arc<Self>, credential: &Credential) {
        let Some(hooks) = self.ports.providers.hooks(&credential.instance) else {
            return;
        };
        let about = About {
            instance: &credential.instance,
            connection: None,
        };
        let with = (CredentialUse::Own(credential.id), ahead(credential));
        let asked = self.ask(about, with, |access| {
            let hooks = Arc::clone(hooks);
            async move { hooks.identity(&access).await }
        });
        // A refusal has been judged; anything else is tried again.
        let Ok(identity) = asked.await else {
            return;
        };
        let learnt = Credential {
            expiry: Some(Expiry::new(identity.expires_at)),
            ..credential.clone()
        };
        // If it has been changed meanwhile, the next sweep finds what is to be done.
        let _ = self.replace(credential, learnt, []).await;
    }

    /// Opens, changes or ends the incident about the end of a token.
    async fn look_at_expiry(&self, credential: &Credential) -> Result<(), Unlooked> {
        let store = &self.ports.store;
        let slot = self.slot(credential.id);
        let _turn = slot.turn().await?;
        let Some(present) = store.credential(credential.id).await? else {
            return Ok(());
        };
        let Some(expiry) = present.expiry else {
            return Ok(());
        };
        let others = store.credentials(present.owner).await?;
        let near = nearness(&present, &others, self.notice, self.ports.now());
        let (told, incident) = match (near, expiry.told) {
            (None, Some(told)) => (None, self.unresolved(told).await?.map(|it| self.ended(it))),
            (Some(near), None) => {
                let incident = self.opened(&present, near);
                let told = Told {
                    incident: incident.id,
                    nearness: near,
                };
                (Some(told), Some(incident))
            }
            (Some(near), Some(told)) if near > told.nearness => {
                let told = Told {
                    nearness: near,
                    ..told
                };
                let known = self.unresolved(told).await?;
                (Some(told), known.map(|it| self.worse(&present, near, it)))
            }
            (None, None) | (Some(_), Some(_)) => return Ok(()),
        };
        let next = Credential {
            expiry: Some(Expiry { told, ..expiry }),
            ..present.clone()
        };
        let incident = incident.map(|it| Change::PutIncident(Box::new(it)));
        Ok(self.replace(&present, next, incident).await?)
    }

    fn opened(&self, credential: &Credential, near: Nearness) -> Incident {
        let ports = &self.ports;
        let id = IncidentId::generate(ports.clock.now_for_id(), &*ports.entropy);
        let failure = HealthFailure::CredentialExpiring(credential, near);
        health::report(failure, 1, Vec::new(), id, ports.now())
    }

    fn worse(&self, credential: &Credential, near: Nearness, known: Incident) -> Incident {
        let failure = HealthFailure::CredentialExpiring(credential, near);
        health::report(
            failure,
            0,
            vec![known],
            IncidentId::from_u128(0),
            self.ports.now(),
        )
    }

    fn ended(&self, mut incident: Incident) -> Incident {
        incident.resolve(Resolution::Recovered, self.ports.now());
        incident
    }

    /// The incident about the end of a token, unless a person has resolved it.
    async fn unresolved(&self, told: Told) -> Result<Option<Incident>, ReadError> {
        let found = self.ports.store.incident(told.incident).await?;
        Ok(found.filter(|incident| !incident.standing().is_resolved))
    }
}
