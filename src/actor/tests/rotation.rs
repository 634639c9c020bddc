//! Rotations: deliveries signed with either secret go on arriving, also late, while the provider
//! fails and the process dies.

use super::fakes::{ANN, Farm};
use super::provider::Behaviour;
use crate::actor::settings::Settings;
use crate::actor::{CommandError, Connections};
use crate::domain::command::CommandKind;
use crate::domain::connection::{Connection, WebhookStatus};
use crate::domain::history::{EntryKind, Evidence};
use crate::domain::id::ConnectionId;
use crate::domain::lifecycle::Failure;
use crate::domain::rotation::{QUIET, RotationState};
use crate::domain::secret::HookSecret;
use crate::store::faulty::Fault;
use crate::store::memory::MemoryStore;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How late a delivery may arrive.
const LATE: Duration = Duration::from_mins(55);
const DAY: Duration = Duration::from_hours(24);

fn state(farm: &Farm, id: ConnectionId) -> RotationState {
    farm.get(id).rotation.state()
}

fn kinds(farm: &Farm, id: ConnectionId) -> Vec<(EntryKind, Evidence)> {
    let history = farm.store.history(id).ready().unwrap().unwrap();
    let entries = history.entries.iter();
    entries.map(|entry| (entry.kind, entry.evidence)).collect()
}

/// What the hook signs with now.
fn signs_with(farm: &Farm) -> Option<HookSecret> {
    let hooks = farm.provider.hooks.lock();
    let hook = *hooks.keys().next()?;
    farm.provider.secrets.lock().get(&hook).cloned()
}

/// Delivers what this secret signs. Returns whether it is accepted.
async fn deliver(farm: &Farm, id: ConnectionId, secret: &HookSecret) -> bool {
    let connection = farm.get(id);
    let signers = farm.actors.hook_secrets(&connection);
    let Some(signer) = signers.into_iter().find(|known| known.secret == *secret) else {
        return false;
    };
    let mut then = connection;
    then.rotation.number = signer.number;
    farm.deliver(&then, "push 1").await;
    true
}

/// What the hook signed with, and until when.
#[derive(Default)]
struct Signed(VecDeque<(HookSecret, Instant)>);

impl Signed {
    fn look(&mut self, farm: &Farm) {
        let now = Instant::now();
        if let Some(secret) = signs_with(farm) {
            self.0.retain(|(known, _)| *known != secret);
            self.0.push_back((secret, now));
        }
        self.0.retain(|(_, until)| now - *until <= LATE);
    }

    /// Whatever may still be on its way is accepted.
    fn assert_accepted(&self, farm: &Farm, id: ConnectionId, when: &str) {
        let accepted = farm.actors.hook_secrets(&farm.get(id));
        for (secret, _) in &self.0 {
            let is_accepted = accepted.iter().any(|known| known.secret == *secret);
            assert!(is_accepted, "a delivery would be refused: {when}");
        }
    }
}

#[actix::test]
async fn scenario_28_no_delivery_is_refused_though_the_process_dies_and_the_provider_fails() {
    let mut faults = vec![None];
    for after in 0..6 {
        faults.push(Some((after, Fault::StopBefore)));
        faults.push(Some((after, Fault::StopAfter)));
    }
    let behaviours = [
        Behaviour::Act,
        Behaviour::ActThenFail,
        Behaviour::ActThenHang,
        Behaviour::Hang,
    ];
    for fault in faults {
        for behaviour in &behaviours {
            rotate_with(fault, behaviour.clone()).await;
        }
    }
}

async fn rotate_with(fault: Option<(usize, Fault)>, behaviour: Behaviour) {
    let when = format!("{fault:?} {behaviour:?}");
    let (store, mut farm) = Farm::faulty();
    let id = farm.connect(ANN).await.id;
    let mut signed = Signed::default();
    signed.look(&farm);
    farm.provider.next_does(behaviour);
    if let Some((after, fault)) = fault {
        store.breaks(after, fault, |_| true);
    }
    let rotating = farm.actors.ask(farm.asking(id, CommandKind::RotateSecret));
    let _ = tokio::time::timeout(Duration::from_secs(40), rotating).await;
    signed.look(&farm);
    signed.assert_accepted(&farm, id, &when);
    if fault.is_some() {
        farm.restart_after(|| store.mend()).await;
    }
    for minute in (0..240).step_by(2) {
        signed.look(&farm);
        signed.assert_accepted(&farm, id, &when);
        if let (Some(secret), true) = (signs_with(&farm), minute % 14 == 0) {
            assert!(deliver(&farm, id, &secret).await, "{when}");
        }
        sleep(Duration::from_mins(2)).await;
    }
    assert_eq!(state(&farm, id), RotationState::Settled, "{when}");
    let left = farm.actors.hook_secrets(&farm.get(id));
    assert_eq!(left.len(), 1, "{when}");
    assert_eq!(Some(&left[0].secret), signs_with(&farm).as_ref(), "{when}");
    assert_eq!(farm.status(id), WebhookStatus::Active, "{when}");
}

#[actix::test]
async fn without_a_proof_both_secrets_are_accepted_for_as_long_as_it_takes() {
    let (farm, connection) = Farm::connected().await;
    let id = connection.id;
    let old = signs_with(&farm).unwrap();
    farm.ask(id, CommandKind::RotateSecret).await;
    farm.until(|| state(&farm, id) == RotationState::Unproven)
        .await;
    let pings = farm.provider.count("ping");
    sleep(Duration::from_mins(2)).await;
    assert_eq!(
        farm.provider.count("ping"),
        pings + 1,
        "it asks for a proof"
    );
    // What the former secret signs is no sign of life of the hook as it is now.
    assert!(deliver(&farm, id, &old).await);
    sleep(DAY * 9).await;
    assert_eq!(state(&farm, id), RotationState::Unproven);
    assert_eq!(farm.status(id), WebhookStatus::Degraded, "it is silent");
    assert!(deliver(&farm, id, &old).await, "days later");
    let new = signs_with(&farm).unwrap();
    assert!(deliver(&farm, id, &new).await);
    farm.becomes(id, WebhookStatus::Active).await;
    assert_eq!(state(&farm, id), RotationState::Settling);
    sleep(QUIET * 2).await;
    assert_eq!(state(&farm, id), RotationState::Settled);
    assert!(!deliver(&farm, id, &old).await);
    let kinds = kinds(&farm, id);
    let told: Vec<_> = kinds
        .iter()
        .filter(|(kind, _)| kind.as_str().contains("rotat") || kind.as_str().contains("secret"))
        .collect();
    let expected = [
        (EntryKind::RotationBegun, Evidence::Request),
        (EntryKind::Rotated, Evidence::Write),
        (EntryKind::SecretProven, Evidence::Delivery),
        (EntryKind::OldSecretDropped, Evidence::Delivery),
    ];
    assert_eq!(told, expected.iter().collect::<Vec<_>>());
}

/// A redelivery may be signed with the former secret: nobody knows which one GitHub takes.
#[actix::test]
async fn a_delivery_with_the_former_secret_starts_the_wait_again_and_no_duplicate_is_missed() {
    let (farm, connection) = Farm::connected().await;
    let (id, number) = (connection.id, connection.rotation.number);
    let old = signs_with(&farm).unwrap();
    farm.ask(id, CommandKind::RotateSecret).await;
    farm.until(|| state(&farm, id) == RotationState::Unproven)
        .await;
    // The answer to the ping is stored already, as a test delivery with the same body is.
    farm.actors.heard(id, farm.get(id).rotation.number);
    farm.until(|| state(&farm, id) == RotationState::Settling)
        .await;
    for round in 0..6 {
        sleep(Duration::from_mins(50)).await;
        if round % 2 == 0 {
            assert!(deliver(&farm, id, &old).await, "in round {round}");
        } else {
            farm.actors.heard(id, number);
        }
    }
    let used_at = farm.get(id).rotation.old[0].used_at;
    assert!(used_at.is_some());
    sleep(Duration::from_hours(2)).await;
    assert_eq!(state(&farm, id), RotationState::Settled);
}

#[actix::test]
async fn more_rotations_than_may_be_accepted_are_refused_and_none_in_use_is_forgotten() {
    let (farm, connection) = Farm::connected().await;
    let id = connection.id;
    let mut signed = Vec::new();
    for _ in 0..3 {
        signed.push(signs_with(&farm).unwrap());
        farm.ask(id, CommandKind::RotateSecret).await;
        farm.until(|| state(&farm, id) == RotationState::Unproven)
            .await;
        assert_eq!(farm.status(id), WebhookStatus::Active);
    }
    let before = farm.get(id);
    let refused = farm.command(id, CommandKind::RotateSecret).await;
    assert!(
        matches!(refused, Err(CommandError::NotNow(_))),
        "{refused:?}"
    );
    assert_eq!(farm.get(id), before);
    for secret in signed {
        assert!(deliver(&farm, id, &secret).await);
    }
}

#[actix::test]
async fn a_rotation_does_not_make_a_working_webhook_look_ill() {
    let (farm, connection) = Farm::connected().await;
    let id = connection.id;
    let down = Behaviour::Refuse(Failure::Retryable { after: None }, "provider_unavailable");
    farm.provider.always_does(Some(down));
    farm.ask(id, CommandKind::RotateSecret).await;
    sleep(Duration::from_hours(3)).await;
    assert_eq!(state(&farm, id), RotationState::Unconfirmed);
    assert_eq!(farm.status(id), WebhookStatus::Active);
    // Other settings that are not written are another matter.
    farm.ask(id, CommandKind::SetEvents(vec!["push".into()]))
        .await;
    assert_eq!(farm.status(id), WebhookStatus::Degraded);
}

/// A farm whose secrets are rotated every five days.
async fn regular() -> (Farm, Connection) {
    let settings = Settings {
        arbiters: 0,
        rotate_every: Some(DAY * 5),
        check_interval: Duration::from_hours(1),
        ..Settings::default()
    };
    let farm = Farm::with(Arc::new(MemoryStore::new()), settings);
    let connection = farm.connect(ANN).await;
    (farm, connection)
}

/// So many days, with a delivery every few hours and a restart every few days.
async fn live(farm: &mut Farm, id: ConnectionId, days: u32) {
    for step in 0..days * 6 {
        let secret = signs_with(farm).unwrap();
        assert!(deliver(farm, id, &secret).await);
        if step % 16 == 0 {
            farm.restart().await;
        }
        sleep(Duration::from_hours(4)).await;
    }
}

#[actix::test]
async fn secrets_are_rotated_regularly_across_restarts_with_an_entry_for_each() {
    let (mut farm, connection) = regular().await;
    let id = connection.id;
    live(&mut farm, id, 4).await;
    assert_eq!(farm.get(id).rotation.number, connection.rotation.number);
    live(&mut farm, id, 11).await;
    let entries = kinds(&farm, id);
    let begun = (EntryKind::RotationBegun, Evidence::Time);
    let count = entries.iter().filter(|entry| **entry == begun).count();
    assert_eq!(count, 3, "{entries:?}");
    let dropped = (EntryKind::OldSecretDropped, Evidence::Delivery);
    assert_eq!(entries.iter().filter(|e| **e == dropped).count(), 3);
    assert_eq!(farm.status(id), WebhookStatus::Active);
}

#[actix::test]
async fn what_is_paused_suspended_or_not_proven_to_work_is_not_rotated() {
    let (farm, connection) = regular().await;
    let id = connection.id;
    let number = connection.rotation.number;
    // Silent: nothing answers the pings.
    sleep(DAY * 6).await;
    assert_eq!(farm.get(id).rotation.number, number);
    farm.ask(id, CommandKind::SetEnabled(false)).await;
    sleep(DAY * 6).await;
    assert_eq!(farm.get(id).rotation.number, number);
    farm.provider.always_does(Some(Behaviour::Refuse(
        Failure::Unauthorized,
        "unauthorized",
    )));
    farm.ask(id, CommandKind::SetEnabled(true)).await;
    farm.becomes(id, WebhookStatus::Suspended).await;
    sleep(DAY * 6).await;
    assert_eq!(farm.get(id).rotation.number, number);
    farm.provider.always_does(None);
    farm.give_token(ANN, "another").await;
    farm.becomes(id, WebhookStatus::Degraded).await;
    let secret = signs_with(&farm).unwrap();
    for _ in 0..24 {
        assert!(deliver(&farm, id, &signs_with(&farm).unwrap()).await);
        sleep(Duration::from_hours(1)).await;
    }
    assert!(farm.get(id).rotation.number > number, "its turn comes");
    assert_ne!(signs_with(&farm).unwrap(), secret);
}
