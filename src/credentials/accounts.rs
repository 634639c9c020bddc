//! Adding, removing and sharing credentials.

use super::pool::{Pool, is_lost_race};
use super::problem::not_configured;
use super::sealing::{grant_of, seal};
use super::slot::Turn;
use crate::domain::errand::Errand;
use crate::domain::expiry::Expiry;
use crate::domain::grant::Grant;
use crate::domain::id::{CredentialId, IncidentId, UserId};
use crate::domain::incident::care::Act;
use crate::domain::incident::{Incident, Resolution, Subject};
use crate::domain::repo::Instance;
use crate::domain::secret::{ProviderToken, Sealed};
use crate::domain::user::{Account, Credential};
use crate::domain::wording;
use crate::provider::oauth::Tokens;
use crate::provider::{Access, Identity, ProviderError};
use crate::seal::TokenField;
use crate::store::{Batch, Change, CommitError, Conflict, Guard, ReadError};

/// The new credential of a user.
#[derive(Clone, Debug)]
pub enum Offer {
    /// A token that they created.
    Token(ProviderToken),
    /// A grant by signing in.
    Oauth(Tokens),
    /// An installation of our app. The caller must be checked before: the app's key gives access to
    /// all of its installations.
    Installation(u64),
}

/// Why a credential was not added. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// The provider refuses, or could not be called.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The credential that it would have renewed was removed meanwhile.
    #[error("the credential was removed")]
    Removed,
    /// It could not be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why a credential, or its incident, was not changed. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// There is no such credential, or no such incident of it.
    #[error("no such credential or incident")]
    NotFound,
    /// Not possible in the current state.
    #[error("{0}")]
    NotNow(&'static str),
    /// It could not be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Pool {
    /// Stores the offer of a user, once the provider has reported its account. The same account, by
    /// the provider's number, becomes the same credential: its tokens are replaced, and its
    /// incident is resolved.
    pub async fn add(
        &self,
        owner: UserId,
        instance: Instance,
        offer: Offer,
    ) -> Result<Credential, AddError> {
        let identity = self.identity(owner, &instance, &offer).await?;
        let _one_at_a_time = self.adding.lock().await;
        let known = self
            .same_account(owner, &instance, &identity.account, &offer)
            .await?;
        let Some(known) = known else {
            return self.add_new(owner, instance, identity, &offer).await;
        };
        let slot = self.slot(known);
        let mut turn = slot.turn().await?;
        let credential = loop {
            let present = self.ports.store.credential(known).await?;
            let present = present.ok_or(AddError::Removed)?;
            let renewed = Credential {
                account: identity.account.clone(),
                scopes: identity.scopes.clone(),
                rejected: None,
                expiry: expiry_of(&offer, &identity),
                ..present.clone()
            };
            let credential = self.with(renewed, &offer);
            let ended = self.resolved(known, Resolution::Recovered).await?;
            let put = [Change::PutCredential(credential.clone())];
            let batch = Batch::of(put.into_iter().chain(ended).collect());
            let batch = batch
                .guarded_by(Guard::OwnerPresent(owner))
                .guarded_by(Guard::SameCredential(Box::new(present)));
            match self.ports.store.commit(batch).await {
                Err(error) if is_lost_race(&error) => {}
                committed => break committed.map(|()| credential)?,
            }
        };
        slot.install(None);
        slot.set_unproven(false);
        *turn = Turn::default();
        Ok(credential)
    }

    async fn add_new(
        &self,
        owner: UserId,
        instance: Instance,
        identity: Identity,
        offer: &Offer,
    ) -> Result<Credential, AddError> {
        let ports = &self.ports;
        let expiry = expiry_of(offer, &identity);
        let blank = Credential {
            id: CredentialId::generate(ports.clock.now_for_id(), &*ports.entropy),
            owner,
            instance,
            account: identity.account,
            scopes: identity.scopes,
            grant: Grant::Token {
                token: Sealed(Vec::new()),
            },
            is_shared: false,
            created_at: ports.now(),
            rejected: None,
            expiry,
        };
        let credential = self.with(blank, offer);
        let batch = Batch::of(vec![Change::PutCredential(credential.clone())]);
        let batch = batch.guarded_by(Guard::OwnerPresent(owner));
        ports.store.commit(batch).await?;
        Ok(credential)
    }

    async fn identity(
        &self,
        owner: UserId,
        instance: &Instance,
        offer: &Offer,
    ) -> Result<Identity, ProviderError> {
        let unknown = || not_configured(wording::OFFER_NOT_CONFIGURED);
        let providers = &self.ports.providers;
        let token = match offer {
            Offer::Token(token) => token,
            Offer::Oauth(tokens) => &tokens.access,
            Offer::Installation(id) => {
                let apps = providers.apps(instance).ok_or_else(unknown)?;
                let found = apps.installation(*id, Errand::of_person(owner)).await?;
                return Ok(Identity {
                    account: found.account,
                    scopes: found.rights,
                    expires_at: None,
                });
            }
        };
        let hooks = providers.hooks(instance).ok_or_else(unknown)?;
        let is_probe = self.outages.admit_new(instance).await?;
        let access = Access {
            instance: instance.clone(),
            token: token.clone(),
            errand: Errand::of_person(owner),
            is_probe,
        };
        hooks.identity(&access).await
    }

    /// The credential that the offer renews: of the same account, and of the same kind or dead. A
    /// user may have several tokens of one account, so another one does not replace a working one.
    async fn same_account(
        &self,
        owner: UserId,
        instance: &Instance,
        account: &Account,
        offer: &Offer,
    ) -> Result<Option<CredentialId>, ReadError> {
        let credentials = self.ports.store.credentials(owner).await?.into_iter();
        let mut same: Vec<Credential> = credentials
            .filter(|c| c.instance == *instance && c.account.id == account.id)
            .filter(|c| is_renewed(c, offer))
            .collect();
        // One of the same kind first.
        same.sort_by_key(|c| !is_of_kind(&c.grant, offer));
        Ok(same.first().map(|c| c.id))
    }

    /// The credential with the offered tokens.
    fn with(&self, credential: Credential, offer: &Offer) -> Credential {
        let grant = match offer {
            Offer::Token(token) => Grant::Token {
                token: seal(&self.ports, &credential, TokenField::Token, token),
            },
            Offer::Oauth(tokens) => Grant::Oauth(grant_of(&self.ports, &credential, tokens)),
            Offer::Installation(id) => Grant::App { installation: *id },
        };
        Credential {
            grant,
            ..credential
        }
    }

    /// Deletes a credential and resolves its incident.
    pub async fn remove(&self, id: CredentialId) -> Result<(), CommitError> {
        let slot = self.slot(id);
        let _turn = slot.turn().await?;
        // An unreadable incident cannot be resolved; the credential is deleted anyway.
        let ended = self
            .resolved(id, Resolution::Disconnected)
            .await
            .unwrap_or_default();
        let changes = [Change::DeleteCredential(id)].into_iter().chain(ended);
        let batch = Batch::of(changes.collect());
        self.ports.store.commit(batch).await?;
        self.forget(id);
        Ok(())
    }

    /// Shares a credential with the connections of other users, or stops sharing it.
    pub async fn set_shared(
        &self,
        id: CredentialId,
        is_shared: bool,
    ) -> Result<Credential, ChangeError> {
        let slot = self.slot(id);
        let _turn = slot.turn().await?;
        loop {
            let present = self.ports.store.credential(id).await?;
            let present = present.ok_or(ChangeError::NotFound)?;
            let credential = Credential {
                is_shared,
                ..present.clone()
            };
            match self.replace(&present, credential.clone(), []).await {
                Err(error) if is_lost_race(&error) => {}
                replaced => return Ok(replaced.map(|()| credential)?),
            }
        }
    }

    /// Does with an incident that is about no connection what a user wants.
    pub async fn act(
        &self,
        subject: Subject,
        incident: IncidentId,
        act: &Act,
        by: UserId,
    ) -> Result<(), ChangeError> {
        self.change_incident(subject, incident, |incident| {
            let acted = incident.act(act, by, self.ports.now());
            acted.map_err(|why| ChangeError::NotNow(wording::unacted(why)))
        })
        .await
    }

    /// Changes an incident; `change` returns whether it changed.
    async fn change_incident(
        &self,
        subject: Subject,
        incident: IncidentId,
        change: impl Fn(&mut Incident) -> Result<bool, ChangeError>,
    ) -> Result<(), ChangeError> {
        let id = match subject {
            Subject::Credential(id) => id,
            Subject::Provider(_) => {
                let changed = self.outages.change(subject, incident, change).await?;
                return changed.ok_or(ChangeError::NotFound);
            }
            Subject::Sink(_) | Subject::Server => {
                return self.change_apart(subject, incident, change).await;
            }
            Subject::Connection(_) => return Err(ChangeError::NotFound),
        };
        let slot = self.slot(id);
        let _turn = slot.turn().await?;
        let found = self.ports.store.incident(incident).await?;
        let mut found = found
            .filter(|i| i.subject == subject)
            .ok_or(ChangeError::NotFound)?;
        if change(&mut found)? {
            let batch = Batch::of(vec![Change::PutIncident(Box::new(found))]);
            self.ports.store.commit(batch).await?;
        }
        Ok(())
    }
}

impl Pool {
    /// Changes an incident that other rooms write, too.
    async fn change_apart(
        &self,
        subject: Subject,
        incident: IncidentId,
        change: impl Fn(&mut Incident) -> Result<bool, ChangeError>,
    ) -> Result<(), ChangeError> {
        loop {
            let found = self.ports.store.incident(incident).await?;
            let found = found.filter(|it| it.subject == subject);
            let found = found.ok_or(ChangeError::NotFound)?;
            let mut changed = found.clone();
            if !change(&mut changed)? {
                return Ok(());
            }
            let batch = Batch::of(vec![Change::PutIncident(Box::new(changed))]);
            let batch = batch.guarded_by(Guard::SameIncident(Box::new(found)));
            match self.ports.store.commit(batch).await {
                Err(CommitError::Conflict(Conflict::Changed)) => {}
                committed => return Ok(committed?),
            }
        }
    }
}

/// When a token that a user has added expires. What the provider issues renews itself.
const fn expiry_of(offer: &Offer, identity: &Identity) -> Option<Expiry> {
    match offer {
        Offer::Token(_) => Some(Expiry::new(identity.expires_at)),
        Offer::Oauth(_) | Offer::Installation(_) => None,
    }
}

const fn is_renewed(credential: &Credential, offer: &Offer) -> bool {
    match (&credential.grant, offer) {
        (Grant::Oauth(_), Offer::Oauth(_)) => true,
        (Grant::App { installation }, Offer::Installation(id)) => *installation == *id,
        (Grant::Token { .. } | Grant::Oauth(_), Offer::Token(_) | Offer::Oauth(_)) => {
            credential.rejected.is_some()
        }
        (Grant::App { .. }, Offer::Token(_) | Offer::Oauth(_))
        | (Grant::Token { .. } | Grant::Oauth(_), Offer::Installation(_)) => false,
    }
}

const fn is_of_kind(grant: &Grant, offer: &Offer) -> bool {
    matches!(
        (grant, offer),
        (Grant::Token { .. }, Offer::Token(_))
            | (Grant::Oauth(_), Offer::Oauth(_))
            | (Grant::App { .. }, Offer::Installation(_))
    )
}
