//! The history of a connection, as its actor writes it.

use super::fakes::{ANN, Farm};
use super::provider::Behaviour;
use crate::domain::command::CommandKind;
use crate::domain::connection::WebhookStatus;
use crate::domain::history::{Entry, EntryKind, Evidence, Reaction};
use crate::domain::id::ConnectionId;
use crate::domain::lifecycle::Failure;
use crate::store::Change;
use crate::store::faulty::Fault;
use std::time::Duration;

fn history(farm: &Farm, id: ConnectionId) -> Vec<Entry> {
    let history = farm.store.history(id).ready().unwrap();
    history.map(|history| history.entries).unwrap_or_default()
}

fn kinds(farm: &Farm, id: ConnectionId) -> Vec<EntryKind> {
    let entries = history(farm, id);
    entries.iter().map(|entry| entry.kind).collect()
}

#[actix::test]
async fn a_drift_and_its_repair_are_in_the_history_with_their_proofs() {
    let (farm, connection) = Farm::connected().await;
    let id = connection.id;
    assert_eq!(kinds(&farm, id), [EntryKind::Created]);
    for (_, events) in farm.provider.hooks.lock().values_mut() {
        events.clear();
    }
    farm.command(id, CommandKind::Check).await.unwrap();
    farm.until(|| kinds(&farm, id).len() == 3).await;
    let entries = history(&farm, id);
    let [created, drifted, repaired] = &entries[..] else {
        panic!("{entries:?}");
    };
    assert_eq!((created.number, created.evidence), (1, Evidence::Write));
    assert_eq!(drifted.kind, EntryKind::Drifted);
    assert_eq!(drifted.fields, ["something"]);
    assert_eq!(
        (drifted.evidence, drifted.reaction),
        (Evidence::Check, Reaction::Repair)
    );
    assert_eq!(
        (repaired.kind, repaired.evidence),
        (EntryKind::Repaired, Evidence::Write)
    );
    assert!(created.at <= drifted.at && drifted.at <= repaired.at);
    assert_eq!(repaired.hook, farm.get(id).lifecycle.hook.id());
}

#[actix::test]
async fn losses_requests_and_refusals_are_told_and_checks_that_find_nothing_are_not() {
    let (farm, connection) = Farm::connected().await;
    let id = connection.id;
    tokio::time::sleep(Duration::from_mins(90)).await;
    assert_eq!(kinds(&farm, id).first(), Some(&EntryKind::Created));
    assert!(!kinds(&farm, id).contains(&EntryKind::Repaired));
    let before = kinds(&farm, id).len();
    farm.provider.hooks.lock().clear();
    farm.command(id, CommandKind::Check).await.unwrap();
    farm.until(|| farm.provider.hooks.lock().len() == 1).await;
    farm.becomes(id, WebhookStatus::Active).await;
    assert_eq!(
        kinds(&farm, id)[before..],
        [EntryKind::Lost, EntryKind::Recreated]
    );
    farm.command(id, CommandKind::RotateSecret).await.unwrap();
    farm.until(|| kinds(&farm, id).contains(&EntryKind::Rotated))
        .await;
    let told = kinds(&farm, id);
    assert!(told.contains(&EntryKind::RotationBegun));
    farm.command(id, CommandKind::SetEnabled(false))
        .await
        .unwrap();
    assert_eq!(kinds(&farm, id).last(), Some(&EntryKind::StoppedByUser));
    farm.command(id, CommandKind::SetEnabled(true))
        .await
        .unwrap();
    assert!(kinds(&farm, id).contains(&EntryKind::Resumed));
    farm.becomes(id, WebhookStatus::Active).await;
    let refuses = Behaviour::Refuse(Failure::Rejected, "repository_archived");
    farm.provider.always_does(Some(refuses));
    farm.command(id, CommandKind::Check).await.unwrap();
    farm.until(|| kinds(&farm, id).last() == Some(&EntryKind::Refused))
        .await;
    let refused = history(&farm, id).pop().unwrap();
    assert_eq!(refused.code.unwrap().as_str(), "repository_archived");
}

/// A step and its entry are one batch: a store that refuses it has neither, and later both.
#[actix::test]
async fn no_step_without_its_entry_and_no_entry_without_its_step() {
    let (store, farm) = Farm::faulty();
    let id = farm.connect(ANN).await.id;
    farm.becomes(id, WebhookStatus::Active).await;
    let alone = |change: &Change| matches!(change, Change::PutHistory(_));
    store.breaks(0, Fault::Refuse, alone);
    let before = (farm.get(id), history(&farm, id));
    farm.command(id, CommandKind::RotateSecret)
        .await
        .unwrap_err();
    assert_eq!((farm.get(id), history(&farm, id)), before);
    store.mend();
    farm.command(id, CommandKind::RotateSecret).await.unwrap();
    assert!(kinds(&farm, id).contains(&EntryKind::RotationBegun));
    farm.command(id, CommandKind::Disconnect { delete_hook: true })
        .await
        .unwrap();
    farm.until(|| farm.store.connection(id).ready().unwrap().is_none())
        .await;
    assert_eq!(history(&farm, id), []);
}
