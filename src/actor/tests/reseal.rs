//! Tokens are sealed again when a master key was added.

use super::fakes::{Seeded, still_ports};
use crate::credentials::{Pool, Ports};
use crate::domain::expiry::NOTICE;
use crate::domain::grant::{Grant, OauthGrant};
use crate::domain::id::{CredentialId, UserId};
use crate::domain::repo::{Instance, ProviderKind};
use crate::domain::samples;
use crate::domain::secret::Sealed;
use crate::domain::time::Timestamp;
use crate::domain::user::Credential;
use crate::seal::ring::{KeyRing, MasterKey};
use crate::seal::{Purpose, Seal, TokenField};
use crate::store::faulty::FaultyStore;
use crate::store::{Batch, Change, Read, Store};
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
        instance,
        grant,
        ..samples::credential(number, owner)
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
    let entropy = Arc::new(Seeded::default());
    let keys = [(); 2].map(|()| MasterKey::generate(&*entropy));
    let old = KeyRing::new(&keys[1..], entropy.clone()).unwrap();
    let both = KeyRing::new(&keys, entropy.clone()).unwrap();
    let new = KeyRing::new(&keys[..1], entropy).unwrap();
    let store = Arc::<FaultyStore>::default();
    let kinds: [&[TokenField]; 3] = [
        &[],
        &[TokenField::Token],
        &[TokenField::Access, TokenField::Refresh],
    ];
    for (number, fields) in (1..).zip(kinds) {
        let change = Change::PutCredential(credential(number, &old, fields));
        store.commit(Batch::of(vec![change])).await.unwrap();
    }
    // A user changes one meanwhile.
    let mut shared = credential(3, &old, kinds[2]);
    shared.is_shared = true;
    let id = shared.id;
    store.overtakes(
        Change::PutCredential(shared),
        move |change| matches!(change, Change::PutCredential(c) if c.id == id),
    );
    let ports = Ports {
        seal: Arc::new(both),
        ..still_ports(Arc::clone(&store) as Arc<dyn Store>)
    };
    let (pool, _) = Pool::new(Arc::new(ports), NOTICE);
    pool.reseal().await.unwrap();
    let mut seen = 0;
    for number in 1..=3 {
        let id = CredentialId::from_u128(number);
        let credential = store.credential(id).ready().unwrap().unwrap();
        assert_eq!(credential.is_shared, number == 3, "the user's change stays");
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
