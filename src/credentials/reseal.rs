//! After a master key was added, each token is sealed again with it. Connections do it for their
//! secrets.

use super::pool::{Pool, is_lost_race};
use crate::domain::grant::{Grant, OauthGrant};
use crate::domain::id::CredentialId;
use crate::domain::secret::Sealed;
use crate::domain::user::Credential;
use crate::seal::{Purpose, Seal, SealError, TokenField};
use crate::store::{CommitError, ReadError, pages};
use futures_util::TryStreamExt;

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Pool {
    /// Seals every token again that is not sealed with the newest key. One that cannot be opened
    /// stays as it is, and is logged.
    pub async fn reseal(&self) -> Result<(), ResealError> {
        let (store, seal) = (&self.ports.store, &*self.ports.seal);
        let mut all = pages(|after| store.all_credentials(after), |c: &Credential| c.id);
        while let Some(page) = all.try_next().await? {
            for credential in page {
                match resealed(seal, &credential) {
                    Ok(renewed) if renewed == credential => {}
                    Ok(_) => self.reseal_one(credential.id).await?,
                    Err(error) => {
                        let id = credential.id;
                        tracing::error!(credential.id = %id, %error, "cannot be resealed");
                    }
                }
            }
        }
        Ok(())
    }

    async fn reseal_one(&self, id: CredentialId) -> Result<(), ResealError> {
        let slot = self.slot(id);
        let _turn = slot.turn().await?;
        while let Some(present) = self.ports.store.credential(id).await? {
            let Ok(renewed) = resealed(&*self.ports.seal, &present) else {
                break;
            };
            match self.replace(&present, renewed, []).await {
                Err(error) if is_lost_race(&error) => {}
                replaced => return Ok(replaced?),
            }
        }
        Ok(())
    }
}

fn resealed(seal: &dyn Seal, credential: &Credential) -> Result<Credential, SealError> {
    let again = |field, sealed: &Sealed| {
        if seal.is_current(sealed) {
            return Ok(sealed.clone());
        }
        let purpose = Purpose::ProviderToken {
            field,
            credential: credential.id,
            owner: credential.owner,
            instance: &credential.instance,
        };
        let plain = seal.open(&purpose, sealed)?;
        Ok(seal.seal(&purpose, &plain))
    };
    let grant = match &credential.grant {
        Grant::Token { token } => Grant::Token {
            token: again(TokenField::Token, token)?,
        },
        Grant::Oauth(grant) => {
            let refresh = grant.refresh.as_ref();
            let refresh = refresh.map(|sealed| again(TokenField::Refresh, sealed));
            Grant::Oauth(OauthGrant {
                access: again(TokenField::Access, &grant.access)?,
                refresh: refresh.transpose()?,
                ..grant.clone()
            })
        }
        Grant::App { installation } => Grant::App {
            installation: *installation,
        },
    };
    Ok(Credential {
        grant,
        ..credential.clone()
    })
}
