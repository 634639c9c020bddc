//! Users who are removed: nothing of theirs is left, and no hook is orphaned, whatever dies.

use super::fakes::{ANN, BOB, Farm};
use crate::actor::{ConnectError, Connections};
use crate::domain::id::UserId;
use crate::domain::lifecycle::Failure;
use crate::domain::user::{Removal, User};
use crate::store::{Batch, Change, CommitError, Conflict};
use std::time::Duration;

/// What the API commits before it says a word to the actors.
async fn begin(farm: &Farm, id: UserId, delete_hooks: bool) {
    let user = farm.store.user(id).ready().unwrap().unwrap();
    let removal = Some(Removal {
        at: user.created_at,
        by: BOB,
        delete_hooks,
    });
    let change = Change::PutUser(User { removal, ..user });
    farm.store.commit(Batch::of(vec![change])).await.unwrap();
    farm.actors.user_removal_begun(id);
}

fn hooks(farm: &Farm) -> usize {
    farm.provider.hooks.lock().len()
}

fn is_gone(farm: &Farm, id: UserId) -> bool {
    farm.store.user(id).ready().unwrap().is_none()
}

#[actix::test]
async fn hooks_are_deleted_first_and_then_credentials_and_the_user_go() {
    let (farm, connection) = Farm::connected().await;
    let of_bob = farm.connect(BOB).await;
    assert_eq!(hooks(&farm), 2);
    begin(&farm, ANN, true).await;
    farm.until(|| is_gone(&farm, ANN)).await;
    assert_eq!(hooks(&farm), 1, "the hook of somebody else stays");
    assert_eq!(farm.store.credentials(ANN).ready().unwrap(), []);
    let left = farm.store.connection(connection.id).ready().unwrap();
    assert!(left.is_none_or(|c| c.is_removed()));
    assert!(!farm.get(of_bob.id).is_removed());
    assert_eq!(farm.store.user_by_name("ann").ready().unwrap(), None);
}

#[actix::test]
async fn a_hook_that_cannot_be_deleted_yet_keeps_its_credential_until_it_is() {
    let farm = Farm::new();
    farm.connect(ANN).await;
    let away = Failure::Retryable { after: None };
    farm.provider.refuses("token", Some(away));
    begin(&farm, ANN, true).await;
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert!(!is_gone(&farm, ANN));
    assert_eq!(farm.store.credentials(ANN).ready().unwrap().len(), 1);
    farm.provider.refuses("token", None);
    farm.until(|| is_gone(&farm, ANN)).await;
    assert_eq!(hooks(&farm), 0);
    assert_eq!(farm.store.credentials(ANN).ready().unwrap(), []);
}

#[actix::test]
async fn an_admin_may_give_up_on_a_hook_that_nobody_can_delete() {
    let farm = Farm::new();
    farm.connect(ANN).await;
    farm.provider.refuses("token", Some(Failure::Unauthorized));
    begin(&farm, ANN, true).await;
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert!(!is_gone(&farm, ANN));
    begin(&farm, ANN, false).await;
    farm.until(|| is_gone(&farm, ANN)).await;
    assert_eq!(hooks(&farm), 1, "it was left, as asked");
}

#[actix::test]
async fn a_removal_goes_on_after_a_death_at_any_moment() {
    for millis in [0, 1, 50, 250, 1000] {
        let mut farm = Farm::new();
        for n in 0..3 {
            farm.give_credential(ANN).await;
            let request = Farm::request_for(ANN, &format!("o/r{n}"));
            farm.actors.connect(request).await.unwrap();
        }
        assert_eq!(hooks(&farm), 3);
        farm.provider
            .refuses("token", Some(Failure::Retryable { after: None }));
        begin(&farm, ANN, true).await;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        farm.restart().await;
        farm.provider.refuses("token", None);
        farm.until(|| is_gone(&farm, ANN)).await;
        assert_eq!(hooks(&farm), 0, "after {millis} ms");
        assert_eq!(
            farm.store.credentials(ANN).ready().unwrap(),
            [],
            "after {millis} ms"
        );
    }
}

#[actix::test]
async fn nothing_new_becomes_theirs_who_are_leaving() {
    let farm = Farm::new();
    farm.connect(ANN).await;
    farm.provider
        .refuses("token", Some(Failure::Retryable { after: None }));
    begin(&farm, ANN, true).await;
    let request = Farm::request_for(ANN, "o/other");
    let refused = farm.actors.connect(request).await;
    let gone = CommitError::Conflict(Conflict::Owner(ANN));
    assert_eq!(refused, Err(ConnectError::Commit(gone)));
    let token = crate::domain::secret::ProviderToken::new("other".into()).unwrap();
    farm.provider.refuses("token", None);
    let added = farm
        .actors
        .add_credential(ANN, super::fakes::instance(), token);
    assert!(added.await.is_err());
    farm.until(|| is_gone(&farm, ANN)).await;
    assert_eq!(farm.store.credentials(ANN).ready().unwrap(), []);
}
