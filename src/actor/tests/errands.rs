//! For whom and why the provider is asked: what decides whose call goes first.

use super::fakes::{ANN, BOB, Farm, instance};
use super::provider::Behaviour;
use crate::actor::Connections;
use crate::domain::command::CommandKind;
use crate::domain::connection::WebhookStatus;
use crate::domain::errand::{Errand, Priority};
use crate::domain::id::UserId;
use crate::domain::lifecycle::Failure;

const RETRYABLE: Failure = Failure::Retryable { after: None };

/// The errands so far, which are forgotten.
fn taken(farm: &Farm) -> Vec<(&'static str, Errand)> {
    std::mem::take(&mut *farm.provider.errands.lock())
}

fn of(owner: UserId, priority: Priority) -> Errand {
    Errand { owner, priority }
}

/// Somebody changes the events of every hook by hand.
fn edit_hook(farm: &Farm) {
    for (_, events) in farm.provider.hooks.lock().values_mut() {
        events.push("star".to_owned());
    }
}

/// Whether every hook has its own events again.
fn is_mended(farm: &Farm) -> bool {
    let hooks = farm.provider.hooks.lock();
    hooks
        .values()
        .all(|(_, events)| !events.contains(&"star".to_owned()))
}

#[actix::test]
async fn what_a_person_asks_for_goes_out_as_theirs_to_its_end() {
    let (farm, connection) = Farm::connected().await;
    let person = of(ANN, Priority::Person);
    assert_eq!(
        taken(&farm),
        [
            ("identity", person),
            ("repository", person),
            ("ensure", person)
        ]
    );
    // The repair that follows from a check is the person's, too.
    edit_hook(&farm);
    farm.ask(connection.id, CommandKind::Check).await;
    farm.until(|| is_mended(&farm)).await;
    let errands = taken(&farm);
    assert_eq!(errands[0], ("check", person));
    assert!(errands.len() > 1 && errands.iter().all(|(_, e)| *e == person));
    farm.becomes(connection.id, WebhookStatus::Active).await;
    let listed = farm.actors.repositories(ANN, &instance(), None, 1).await;
    listed.unwrap();
    assert_eq!(taken(&farm), [("repositories", person)]);
}

#[actix::test]
async fn what_nobody_waits_for_goes_out_as_a_check_or_a_repair() {
    let (farm, connection) = Farm::connected().await;
    farm.becomes(connection.id, WebhookStatus::Active).await;
    taken(&farm);
    // A timer's check, and what follows from it.
    edit_hook(&farm);
    farm.until(|| is_mended(&farm)).await;
    let (check, repair) = (of(ANN, Priority::Check), of(ANN, Priority::Repair));
    let errands = taken(&farm);
    for (name, errand) in &errands {
        let is_look = matches!(*name, "check" | "ping");
        assert_eq!(*errand, if is_look { check } else { repair }, "{name}");
    }
    assert!(errands.iter().any(|(_, errand)| *errand == repair));
}

#[actix::test]
async fn a_try_that_comes_later_by_itself_is_nobodys_wait() {
    let farm = Farm::new();
    farm.give_credential(BOB).await;
    farm.provider
        .always_does(Some(Behaviour::Refuse(RETRYABLE, "provider_unavailable")));
    farm.actors.connect(Farm::request(BOB)).await.unwrap();
    farm.until(|| farm.provider.count("ensure") >= 3).await;
    let errands = taken(&farm);
    let ensures: Vec<_> = errands
        .iter()
        .filter(|(name, _)| *name == "ensure")
        .collect();
    assert_eq!(ensures[0].1, of(BOB, Priority::Person));
    let later = &ensures[1..];
    assert!(later.iter().all(|(_, e)| *e == of(BOB, Priority::Repair)));
}
