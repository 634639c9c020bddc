//! After a master key was added, credentials are resealed with it, each of their tokens.
//! Connections do it for their secrets. Done before anybody else may write a credential.

use crate::domain::grant::{Grant, OauthGrant};
use crate::domain::secret::Sealed;
use crate::domain::user::Credential;
use crate::seal::{Purpose, Seal, SealError, TokenField};
use crate::store::{Batch, Change, CommitError, ReadError, Store};

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

/// Reseals every token that was not sealed with the newest key. What cannot be opened is left
/// as it is, and logged.
pub(super) async fn reseal_credentials(
    store: &dyn Store,
    seal: &dyn Seal,
) -> Result<(), ResealError> {
    for credential in store.all_credentials().await? {
        match resealed(seal, &credential) {
            Ok(renewed) if renewed == credential => {}
            Ok(renewed) => {
                let change = Change::PutCredential(renewed);
                store.commit(Batch::of(vec![change])).await?;
            }
            Err(error) => {
                tracing::error!(credential.id = %credential.id, %error, "cannot be resealed");
            }
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::SystemEntropy;
    use crate::domain::id::{CredentialId, UserId};
    use crate::domain::repo::{Instance, ProviderKind};
    use crate::domain::time::Timestamp;
    use crate::domain::user::Account;
    use crate::seal::ring::{KeyRing, MasterKey};
    use crate::store::Read;
    use crate::store::memory::MemoryStore;
    use std::sync::Arc;

    fn credential(number: u128, seal: &dyn Seal, fields: &[TokenField]) -> Credential {
        let instance = Instance {
            provider: ProviderKind::Gitlab,
            host: "gitlab.com".parse().unwrap(),
        };
        let (id, owner) = (CredentialId::from_u128(number), UserId::from_u128(1));
        let sealed = |field: TokenField| {
            let purpose = Purpose::ProviderToken {
                field,
                credential: id,
                owner,
                instance: &instance,
            };
            seal.seal(&purpose, format!("{field:?}").as_bytes())
        };
        let grant = match fields {
            [] => Grant::App { installation: 1 },
            [field] => Grant::Token {
                token: sealed(*field),
            },
            _ => Grant::Oauth(OauthGrant {
                access: sealed(TokenField::Access),
                refresh: Some(sealed(TokenField::Refresh)),
                obtained_at: Timestamp(0),
                expires_at: None,
                refresh_begun_at: None,
            }),
        };
        Credential {
            id,
            owner,
            account: Account {
                id: 1,
                login: "ann".into(),
            },
            scopes: Vec::new(),
            grant,
            is_shared: false,
            created_at: Timestamp(0),
            rejected: None,
            instance,
        }
    }

    fn sealed_values(credential: &Credential) -> Vec<(TokenField, Sealed)> {
        match &credential.grant {
            Grant::Token { token } => vec![(TokenField::Token, token.clone())],
            Grant::Oauth(grant) => vec![
                (TokenField::Access, grant.access.clone()),
                (TokenField::Refresh, grant.refresh.clone().unwrap()),
            ],
            Grant::App { .. } => Vec::new(),
        }
    }

    #[actix::test]
    async fn every_token_of_every_kind_is_sealed_with_the_newest_key() {
        let entropy = Arc::new(SystemEntropy);
        let keys = [(); 2].map(|()| MasterKey::generate(&SystemEntropy));
        let old = KeyRing::new(&keys[1..], entropy.clone()).unwrap();
        let both = KeyRing::new(&keys, entropy.clone()).unwrap();
        let new = KeyRing::new(&keys[..1], entropy).unwrap();
        let store = MemoryStore::new();
        let kinds: [&[TokenField]; 3] = [
            &[],
            &[TokenField::Token],
            &[TokenField::Access, TokenField::Refresh],
        ];
        for (number, fields) in (1..).zip(kinds) {
            let change = Change::PutCredential(credential(number, &old, fields));
            store.commit(Batch::of(vec![change])).await.unwrap();
        }
        reseal_credentials(&store, &both).await.unwrap();
        let mut seen = 0;
        for credential in store.all_credentials().ready().unwrap() {
            for (field, sealed) in sealed_values(&credential) {
                let purpose = Purpose::ProviderToken {
                    field,
                    credential: credential.id,
                    owner: credential.owner,
                    instance: &credential.instance,
                };
                let plain = new.open(&purpose, &sealed).unwrap();
                assert_eq!(plain.as_slice(), format!("{field:?}").as_bytes());
                seen += 1;
            }
        }
        assert_eq!(seen, 3);
    }
}
