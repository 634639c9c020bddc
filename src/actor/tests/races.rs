//! Another process writes a credential while ours renews it: whoever loses the race goes on from
//! what is stored, and no token that is used up hides a newer one.

use super::fakes::{ANN, Farm, instance};
use super::grants::{LATENCY, LIFE, Refresh};
use crate::actor::{ConnectError, Connections};
use crate::domain::errand::Errand;
use crate::domain::error_code::ErrorCode;
use crate::domain::grant::{Grant, OauthGrant, RejectReason, Rejection};
use crate::domain::id::CredentialId;
use crate::domain::lifecycle::Failure;
use crate::domain::secret::{ProviderToken, Sealed};
use crate::domain::time::Timestamp;
use crate::domain::user::Credential;
use crate::provider::ProviderError;
use crate::store::faulty::FaultyStore;
use crate::store::{Batch, Change, Store};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

struct Race {
    store: Arc<FaultyStore>,
    farm: Farm,
    id: CredentialId,
}

impl Race {
    /// A sign-in whose token has expired, and nobody has renewed it.
    async fn new() -> Self {
        let (store, farm) = Farm::faulty();
        let id = farm.sign_in(ANN).await;
        farm.actors.abandon();
        tokio::time::sleep(LIFE + Duration::from_secs(1)).await;
        Self { store, farm, id }
    }

    fn stored(&self) -> Credential {
        self.farm.credential(self.id)
    }

    /// Whether a call could be made with the token of now.
    async fn access(&self) -> Result<bool, ProviderError> {
        let pool = &self.farm.actors.services().pool;
        let access = pool.access(self.id, Errand::of_person(ANN)).await?;
        Ok(self.farm.grants.is_good(&access.token))
    }

    /// The same, while another process writes the credential once the provider has acted.
    async fn access_while(
        &self,
        writes: impl FnOnce(Credential) -> Credential,
    ) -> Result<bool, ProviderError> {
        let other = async {
            tokio::time::sleep(LATENCY + LATENCY / 2).await;
            let put = Change::PutCredential(writes(self.stored()));
            self.store.commit(Batch::of(vec![put])).await.unwrap();
        };
        tokio::join!(self.access(), other).0
    }

    /// Another process writes the credential before ours stores that it begins.
    fn overtake(&self, by: Credential) {
        let is_credential = |change: &Change| matches!(change, Change::PutCredential(_));
        let put = Change::PutCredential(by);
        self.store.overtakes(put, is_credential);
    }

    fn refreshes(&self) -> usize {
        self.farm.grants.refreshes.load(Ordering::SeqCst)
    }

    /// The credential with a grant that the user has just given.
    fn signed_in_again(&self, credential: Credential) -> Credential {
        let tokens = self.farm.grants.grant();
        let sealed = |token: &ProviderToken| Sealed(token.expose().as_bytes().to_vec());
        let grant = Grant::Oauth(OauthGrant {
            access: sealed(&tokens.access),
            refresh: tokens.refresh.as_ref().map(sealed),
            obtained_at: Timestamp(0),
            expires_at: None,
            refresh_begun_at: None,
        });
        Credential {
            grant,
            ..credential
        }
    }
}

fn shared(credential: Credential) -> Credential {
    Credential {
        is_shared: true,
        ..credential
    }
}

fn with_intent(credential: Credential, refresh_begun_at: Option<Timestamp>) -> Credential {
    let Grant::Oauth(grant) = credential.grant else {
        panic!("it is a sign-in");
    };
    let grant = Grant::Oauth(OauthGrant {
        refresh_begun_at,
        ..grant
    });
    Credential {
        grant,
        ..credential
    }
}

#[actix::test]
async fn an_intent_that_lost_to_another_change_is_stored_beside_it() {
    let race = Race::new().await;
    race.overtake(shared(race.stored()));
    assert_eq!(race.access().await, Ok(true));
    assert_eq!(race.refreshes(), 1);
    assert!(race.stored().is_shared);
}

#[actix::test]
async fn an_intent_that_lost_to_a_newer_grant_calls_nobody() {
    let race = Race::new().await;
    race.overtake(race.signed_in_again(race.stored()));
    assert_eq!(race.access().await, Ok(true));
    assert_eq!(race.refreshes(), 0);
}

#[actix::test]
async fn an_intent_that_lost_to_another_intent_waits_for_its_outcome() {
    let race = Race::new().await;
    race.overtake(with_intent(race.stored(), Some(Timestamp(7))));
    let error = race.access().await.unwrap_err();
    assert!(matches!(error.failure, Failure::Retryable { .. }));
    assert_eq!(race.refreshes(), 0);
    assert_eq!(
        race.stored(),
        with_intent(race.stored(), Some(Timestamp(7)))
    );
}

/// The other process got no answer with the same refresh token, or was refused: ours is used up,
/// and the new tokens exist nowhere else.
#[actix::test]
async fn new_tokens_replace_what_was_stored_with_the_used_one() {
    for is_rejected in [false, true] {
        let race = Race::new().await;
        let reason = RejectReason::RefreshLost;
        let rejection = is_rejected.then_some(Rejection {
            at: Timestamp(1),
            reason,
        });
        let outcome = race.access_while(|present| Credential {
            rejected: rejection,
            ..shared(with_intent(present, None))
        });
        assert_eq!(outcome.await, Ok(true));
        let stored = race.stored();
        assert_eq!((stored.rejected, stored.is_shared), (None, true));
        tokio::time::sleep(LIFE + Duration::from_secs(1)).await;
        assert_eq!(race.access().await, Ok(true), "the new refresh token, too");
    }
}

#[actix::test]
async fn a_refusal_counts_although_something_else_of_the_credential_has_changed() {
    let race = Race::new().await;
    race.farm.grants.revoke();
    let error = race.access_while(shared).await.unwrap_err();
    assert_eq!(error.failure, Failure::Unauthorized);
    let stored = race.stored();
    let reason = stored.rejected.map(|rejected| rejected.reason);
    assert_eq!(
        (reason, stored.is_shared),
        (Some(RejectReason::Revoked), true)
    );
    assert_eq!(race.farm.incidents(ANN).len(), 1);
}

#[actix::test]
async fn a_refusal_of_an_older_grant_does_not_end_a_newer_one() {
    let race = Race::new().await;
    race.farm.grants.revoke();
    let outcome = race.access_while(|present| race.signed_in_again(present));
    assert_eq!(outcome.await, Ok(true));
    assert_eq!(race.stored().rejected, None);
    assert_eq!(race.farm.incidents(ANN), []);
}

#[actix::test]
async fn a_refused_token_that_cannot_be_renewed_yet_is_no_revoked_one() {
    let farm = Farm::new();
    farm.sign_in(ANN).await;
    farm.grants.lose_access();
    farm.grants.next_does(&[Refresh::Unreachable]);
    let listed = farm.actors.repositories(ANN, &instance(), None, 1).await;
    let Err(ConnectError::Provider(error)) = listed else {
        panic!("{listed:?}");
    };
    assert_eq!(error.code, ErrorCode::ProviderUnavailable);
    assert!(matches!(error.failure, Failure::Retryable { .. }));
    let words = "GitHub refused the token, and it could not be renewed yet. Try again.";
    assert_eq!(error.message, words);
    assert_eq!(farm.incidents(ANN), []);
}
