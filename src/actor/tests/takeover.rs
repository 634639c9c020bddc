//! Hooks of others: adopted in place, or replaced once ours is proven to work; with kills at every
//! commit.

use super::fakes::{ANN, BOB, Farm};
use super::provider::Behaviour;
use crate::actor::interface::{ConnectError, ConnectRequest, Connections};
use crate::domain::command::CommandKind;
use crate::domain::connection::{Connection, WebhookStatus};
use crate::domain::history::EntryKind;
use crate::domain::id::{ConnectionId, HookId};
use crate::domain::lifecycle::{Failure, Phase};
use crate::domain::standing::Fingerprint;
use crate::domain::takeover::{OtherState, Replace};
use crate::store::faulty::Fault;
use std::time::Duration;

/// The hook that a person made.
const THEIRS: HookId = HookId(77);

/// A person makes a hook that delivers here, by another path.
fn somebodys(farm: &Farm, path: &str) -> (HookId, Fingerprint) {
    let url = format!("{}/{path}", farm.public_url);
    let print = Fingerprint::of(THEIRS, Some(&url));
    let events = vec!["push".to_owned()];
    farm.provider.hooks.lock().insert(THEIRS.0, (url, events));
    (THEIRS, print)
}

fn adopting(hook: (HookId, Fingerprint)) -> ConnectRequest {
    ConnectRequest {
        adopts: Some(hook),
        ..Farm::request(ANN)
    }
}

fn replacing() -> ConnectRequest {
    ConnectRequest {
        replaces: Some(Replace::SameReceiver),
        ..Farm::request(ANN)
    }
}

async fn connect(farm: &Farm, request: ConnectRequest) -> Connection {
    farm.give_credential(request.owner).await;
    farm.actors.connect(request).await.unwrap()
}

/// The hooks at the provider: theirs, and how many are ours.
fn hooks(farm: &Farm) -> (Option<String>, usize) {
    let hooks = farm.provider.hooks.lock();
    let theirs = hooks.get(&THEIRS.0).map(|(url, _)| url.clone());
    let ours = hooks.values().filter(|(url, _)| url.contains("/webhooks/"));
    (theirs, ours.count())
}

fn kinds(farm: &Farm, id: ConnectionId) -> Vec<EntryKind> {
    let history = farm.store.history(id).ready().unwrap();
    let entries = history.map(|history| history.entries).unwrap_or_default();
    entries.iter().map(|entry| entry.kind).collect()
}

fn states(farm: &Farm, id: ConnectionId) -> Vec<OtherState> {
    let takeover = farm.store.takeover(id).ready().unwrap();
    let others = takeover.map(|takeover| takeover.others).unwrap_or_default();
    others.iter().map(|other| other.state).collect()
}

/// The connection, whatever it is.
fn only(farm: &Farm) -> Option<ConnectionId> {
    let ids = farm.store.connection_ids().ready().unwrap();
    ids.first().copied()
}

#[actix::test]
async fn a_hook_of_others_is_adopted_in_place() {
    let farm = Farm::new();
    let theirs = somebodys(&farm, "old");
    let id = connect(&farm, adopting(theirs)).await.id;
    farm.becomes(id, WebhookStatus::Active).await;
    assert_eq!(farm.get(id).lifecycle.hook.id(), Some(THEIRS));
    let (url, ours) = hooks(&farm);
    assert!(
        ours == 1 && url.unwrap().contains("/webhooks/"),
        "its id stays"
    );
    assert_eq!(kinds(&farm, id), [EntryKind::Adopted]);
    let takeover = farm.store.takeover(id).ready().unwrap().unwrap();
    assert_eq!((takeover.adopts, takeover.others.len()), (None, 0));
    farm.disconnect(id, true, Duration::from_secs(5))
        .await
        .unwrap();
    farm.until(|| hooks(&farm) == (None, 0)).await;
}

#[actix::test]
async fn a_kill_at_any_commit_of_an_adoption_leaves_one_working_hook_with_the_same_id() {
    let behaviours = [
        None,
        Some(Behaviour::ActThenHang),
        Some(Behaviour::ActThenFail),
    ];
    for behaviour in behaviours {
        for after in 0..4 {
            for fault in [Fault::StopBefore, Fault::StopAfter] {
                let (store, mut farm) = Farm::faulty();
                let theirs = somebodys(&farm, "old");
                farm.give_credential(ANN).await;
                store.breaks(after, fault, |_| true);
                farm.provider.always_does(behaviour.clone());
                let connecting = farm.actors.connect(adopting(theirs));
                drop(tokio::time::timeout(Duration::from_mins(1), connecting).await);
                farm.provider.always_does(None);
                farm.restart_after(|| store.mend()).await;
                let Some(id) = only(&farm) else {
                    assert!(after == 0, "only what was never stored is missing");
                    assert_eq!(hooks(&farm).1, 0, "and then nothing was touched");
                    continue;
                };
                farm.becomes(id, WebhookStatus::Active).await;
                assert_eq!(farm.get(id).lifecycle.hook.id(), Some(THEIRS));
                let (url, ours) = hooks(&farm);
                assert!(
                    ours == 1 && farm.provider.hooks.lock().len() == 1,
                    "{url:?}"
                );
            }
        }
    }
}

#[actix::test]
async fn a_hook_that_is_another_by_now_is_left_and_is_not_deleted_with_the_connection() {
    let farm = Farm::new();
    let theirs = somebodys(&farm, "old");
    somebodys(&farm, "moved");
    let id = connect(&farm, adopting(theirs)).await.id;
    farm.becomes(id, WebhookStatus::Active).await;
    let moved = Some(format!("{}/moved", farm.public_url));
    assert_eq!(hooks(&farm), (moved.clone(), 1));
    assert!(kinds(&farm, id).contains(&EntryKind::ExistingLeft));
    farm.disconnect(id, true, Duration::from_secs(5))
        .await
        .unwrap();
    farm.until(|| hooks(&farm) == (moved.clone(), 0)).await;
}

#[actix::test]
async fn who_disconnects_before_a_hook_is_adopted_leaves_it_as_it_was() {
    let farm = Farm::new();
    let theirs = somebodys(&farm, "old");
    let down = Behaviour::Refuse(Failure::Retryable { after: None }, "provider_unavailable");
    farm.give_credential(ANN).await;
    farm.provider.always_does(Some(down));
    let id = farm.actors.connect(adopting(theirs)).await.unwrap().id;
    drop(farm.disconnect(id, true, Duration::from_secs(5)).await);
    farm.provider.always_does(None);
    farm.is_gone(id).await;
    assert_eq!(hooks(&farm), (Some(format!("{}/old", farm.public_url)), 0));
}

#[actix::test]
async fn of_two_users_who_adopt_a_hook_one_does() {
    let farm = Farm::new();
    let theirs = somebodys(&farm, "old");
    farm.give_credential(BOB).await;
    farm.give_credential(ANN).await;
    let of_bob = ConnectRequest {
        owner: BOB,
        ..adopting(theirs)
    };
    let first = farm.actors.connect(adopting(theirs)).await;
    let second = farm.actors.connect(of_bob).await;
    assert!(first.is_ok());
    assert_eq!(second, Err(ConnectError::HookTaken));
}

#[actix::test]
async fn a_hook_of_others_is_told_of_and_stays_without_a_word() {
    let farm = Farm::new();
    somebodys(&farm, "old");
    let connection = connect(&farm, Farm::request(ANN)).await;
    let id = connection.id;
    farm.becomes(id, WebhookStatus::Active).await;
    assert_eq!(states(&farm, id), [OtherState::Found]);
    assert_eq!(
        kinds(&farm, id),
        [EntryKind::Created, EntryKind::ExistingFound]
    );
    farm.process(&connection, "a delivery").await;
    tokio::time::sleep(Duration::from_hours(3)).await;
    assert_eq!(farm.provider.count("take_away"), 0);
    // Later it is replaced by a command; a pattern that does not fit replaces nothing.
    let unfit = CommandKind::ReplaceExisting(Some("https://ci.example/*".into()));
    farm.ask(id, unfit).await;
    farm.process(&connection, "a second one").await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(farm.provider.count("take_away"), 0);
    farm.ask(id, CommandKind::ReplaceExisting(None)).await;
    farm.until(|| states(&farm, id) == [OtherState::Found])
        .await;
    farm.process(&connection, "a third one").await;
    farm.until(|| hooks(&farm) == (None, 1)).await;
    farm.until(|| states(&farm, id) == [OtherState::Removed])
        .await;
}

#[actix::test]
async fn a_hook_of_others_is_replaced_only_after_a_delivery_through_ours() {
    let farm = Farm::new();
    somebodys(&farm, "old");
    let connection = connect(&farm, replacing()).await;
    let id = connection.id;
    farm.becomes(id, WebhookStatus::Active).await;
    // A ping is requested; none arrives for hours.
    farm.until(|| farm.provider.count("ping") > 0).await;
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert_eq!(hooks(&farm), (Some(format!("{}/old", farm.public_url)), 1));
    assert_eq!(states(&farm, id), [OtherState::Found]);
    // Lasting trouble is no endless flood of pings.
    assert!(
        farm.provider.count("ping") < 60,
        "{}",
        farm.provider.count("ping")
    );
    farm.ask(id, CommandKind::Check).await;
    farm.until(|| farm.status(id) == WebhookStatus::Active || farm.get(id).lifecycle.is_silent())
        .await;
    farm.process(&connection, "a delivery").await;
    farm.until(|| hooks(&farm) == (None, 1)).await;
    farm.until(|| states(&farm, id) == [OtherState::Removed])
        .await;
    let told = kinds(&farm, id);
    let place = |kind| told.iter().position(|it| *it == kind);
    let order = [
        place(EntryKind::ExistingFound),
        place(EntryKind::ExistingReplaced),
        place(EntryKind::ExistingRemoved),
    ];
    assert!(
        order.iter().all(Option::is_some) && order.is_sorted(),
        "{told:?}"
    );
}

#[actix::test]
async fn a_hook_that_changes_before_it_is_replaced_stays() {
    let farm = Farm::new();
    somebodys(&farm, "old");
    let connection = connect(&farm, replacing()).await;
    let id = connection.id;
    farm.until(|| states(&farm, id) == [OtherState::Found])
        .await;
    somebodys(&farm, "moved");
    farm.process(&connection, "a delivery").await;
    farm.until(|| states(&farm, id) == [OtherState::Changed])
        .await;
    assert_eq!(
        hooks(&farm),
        (Some(format!("{}/moved", farm.public_url)), 1)
    );
    assert!(kinds(&farm, id).contains(&EntryKind::ExistingLeft));
}

#[actix::test]
async fn a_kill_at_any_commit_of_a_replacement_ends_with_ours_alone() {
    for after in 0..8 {
        for fault in [Fault::StopBefore, Fault::StopAfter] {
            let (store, mut farm) = Farm::faulty();
            somebodys(&farm, "old");
            farm.give_credential(ANN).await;
            store.breaks(after, fault, |_| true);
            let connecting = async {
                let connection = farm.actors.connect(replacing()).await.unwrap();
                tokio::time::sleep(Duration::from_secs(5)).await;
                farm.deliver(&connection, "a delivery").await;
                tokio::time::sleep(Duration::from_secs(30)).await;
            };
            drop(tokio::time::timeout(Duration::from_mins(2), connecting).await);
            farm.restart_after(|| store.mend()).await;
            let Some(id) = only(&farm) else {
                assert!(after == 0);
                assert!(hooks(&farm).0.is_some());
                continue;
            };
            // Pings that are not answered may mean that it is silent.
            farm.until(|| farm.get(id).lifecycle.phase == Phase::Active)
                .await;
            let connection = farm.get(id);
            farm.ask(id, CommandKind::Check).await;
            farm.until(|| states(&farm, id).len() == 1).await;
            for n in 0..3 {
                farm.deliver(&connection, &format!("again {n}")).await;
                tokio::time::sleep(Duration::from_secs(40)).await;
            }
            farm.until(|| hooks(&farm) == (None, 1)).await;
            farm.until(|| !states(&farm, id).contains(&OtherState::Removing))
                .await;
        }
    }
}
