//! The invariants of the actor: see the module doc of [`crate::actor::connection`].

use super::fakes::{ANN, Farm};
use super::provider::Behaviour;
use crate::actor::{CommandError, Connections};
use crate::domain::command::{CommandKind, CommandOutcome, CommandState, KEPT_MAX};
use crate::domain::connection::WebhookStatus;
use crate::domain::id::{ConnectionId, HookKey, IncidentId};
use crate::domain::lifecycle::{Failure, Hook, Phase};
use crate::domain::removal::HookOutcome;
use crate::domain::repo::RepositoryId;
use crate::store::faulty::Fault;
use crate::store::{After, Batch, Change, CommitError, Store};
use futures_util::future::join_all;
use std::time::Duration;

const NO_CONNECTION: CommandError = CommandError::NoSuchConnection;
const FULL: CommandError = CommandError::Commit(CommitError::DiskFull);

/// Later ids are greater: they begin with the time, in milliseconds.
async fn moment() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Puts of a connection.
const fn puts(change: &Change) -> bool {
    matches!(change, Change::PutConnection(_))
}

/// AC-1
#[actix::test]
async fn many_commands_at_once_are_carried_out_one_after_the_other() {
    let (store, farm) = Farm::faulty();
    let id = farm.connect(ANN).await.id;
    store.breaks(0, Fault::Slow, puts);
    let before = farm.get(id).lifecycle.wanted;
    let commands = (0..30).map(|n| CommandKind::SetEvents(vec![format!("event-{n}")]));
    let asked = commands.map(|command| farm.command(id, command));
    for answer in join_all(asked).await {
        answer.unwrap();
    }
    // A turn that had begun from a state that was about to be replaced would have lost one.
    assert_eq!(farm.get(id).lifecycle.wanted, before + 30);
    farm.becomes(id, WebhookStatus::Active).await;
    let hooks = farm.provider.hooks.lock();
    assert_eq!(hooks.values().next().unwrap().1, farm.get(id).events);
}

/// AC-2
#[actix::test]
async fn a_command_that_cannot_be_stored_changes_nothing() {
    let (store, farm) = Farm::faulty();
    let id = farm.connect(ANN).await.id;
    let (before, calls) = (farm.get(id), farm.provider.calls.lock().len());
    store.breaks(0, Fault::Refuse, |_| true);
    for command in [
        CommandKind::Check,
        CommandKind::Recreate,
        CommandKind::SetEnabled(false),
    ] {
        assert_eq!(farm.command(id, command).await, Err(FULL));
    }
    assert_eq!(farm.get(id), before);
    assert_eq!(farm.provider.calls.lock().len(), calls, "nobody was called");
    store.mend();
    farm.ask(id, CommandKind::SetEnabled(false)).await;
    assert_eq!(farm.status(id), WebhookStatus::Inactive);
}

/// AC-3
#[actix::test]
async fn a_store_that_fails_for_a_while_loses_no_step() {
    let (store, farm) = Farm::faulty();
    let id = farm.connect(ANN).await.id;
    // The intent is stored, and the answer of the provider is not.
    store.breaks(1, Fault::Refuse, puts);
    farm.ask(id, CommandKind::Recreate).await;
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(farm.provider.count("delete"), 1, "nothing is done twice");
    assert!(matches!(
        farm.get(id).lifecycle.phase,
        Phase::Deleting { .. }
    ));
    // Commands fail for the same reason, and wait for nothing.
    let asked = tokio::time::timeout(
        Duration::from_secs(1),
        farm.command(id, CommandKind::SetEnabled(false)),
    );
    assert_eq!(asked.await.unwrap(), Err(FULL));
    store.mend();
    farm.becomes(id, WebhookStatus::Active).await;
    assert_eq!(farm.provider.hooks.lock().len(), 1);
    assert_eq!(farm.provider.count("delete"), 1);
}

/// AC-5: whose lease was granted to another process writes nothing more.
#[actix::test]
async fn an_actor_that_has_lost_its_lease_stops() {
    let (store, farm) = Farm::faulty();
    let id = farm.connect(ANN).await.id;
    let before = farm.get(id);
    store.breaks(0, Fault::Fence, puts);
    let asked = farm.command(id, CommandKind::SetEnabled(false)).await;
    assert_eq!(asked, Err(CommandError::Unavailable));
    farm.until(|| farm.actors.is_empty()).await;
    assert_eq!(farm.get(id), before);
}

/// AC-7
#[actix::test]
async fn an_actor_at_rest_does_not_run() {
    let (_, farm) = Farm::faulty();
    let connection = farm.connect(ANN).await;
    let id = connection.id;
    let is_at_rest = || farm.actors.is_at_rest(id) == Some(true);
    farm.until(is_at_rest).await;
    let delivery = farm.deliver(&connection, "1 1 failure").await;
    farm.outcome(delivery).await;
    assert!(!is_at_rest(), "more may come");
    farm.until(is_at_rest).await;
    // Its timers fire all the same.
    let checks = farm.provider.count("check");
    tokio::time::sleep(Duration::from_hours(24)).await;
    assert!(farm.provider.count("check") > checks + 20);
    farm.until(is_at_rest).await;
    farm.ask(id, CommandKind::SetEnabled(false)).await;
    assert_eq!(farm.status(id), WebhookStatus::Inactive);
}

/// AC-7
#[actix::test]
async fn an_actor_that_comes_to_rest_loses_no_message() {
    let (_, farm) = Farm::faulty();
    let id = farm.connect(ANN).await.id;
    let before = farm.get(id).lifecycle.wanted;
    // Each comes at another moment of the end of the one before it.
    for n in 0..60 {
        let events = vec![format!("event-{n}")];
        farm.ask(id, CommandKind::SetEvents(events)).await;
        for _ in 0..n % 20 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(farm.get(id).lifecycle.wanted, before + 60);
    farm.until(|| farm.actors.is_at_rest(id) == Some(true))
        .await;
}

/// After a start, what is unsettled comes first, and the rest at a pace.
#[actix::test]
async fn connections_begin_one_after_the_other() {
    let (store, mut farm) = Farm::faulty();
    let first = farm.connect(ANN).await;
    farm.becomes(first.id, WebhookStatus::Active).await;
    let many = (0..1500_u64).map(|n| {
        let mut connection = farm.get(first.id);
        connection.id = ConnectionId::from_u128(u128::from(n) + 1);
        connection.hook_key =
            HookKey::from_bytes(*n.to_be_bytes().repeat(3).first_chunk().unwrap());
        connection.full_name = format!("octo/r{n}").parse().unwrap();
        connection.repository = Some(RepositoryId(n + 1000));
        if n == 1499 {
            connection.lifecycle.phase = Phase::Creating { attempt: 0 };
            connection.lifecycle.hook = Hook::Absent;
        }
        Change::PutConnection(Box::new(connection))
    });
    let many = Batch::of(many.collect());
    store.commit(many).await.unwrap();
    let armed = |farm: &Farm| farm.actors.services().timers.connections();
    farm.restart().await;
    let last = ConnectionId::from_u128(1500);
    farm.until(|| farm.get(last).lifecycle.phase == Phase::Waiting { attempt: 0 })
        .await;
    farm.until(|| armed(&farm) >= 1000).await;
    assert!(armed(&farm) < 1400, "{}", armed(&farm));
    farm.until(|| armed(&farm) == 1501).await;
    assert_eq!(farm.actors.len(), 1501);
}

/// AC-6
#[actix::test]
async fn a_command_is_carried_out_once_though_the_process_dies_at_any_moment() {
    for (after, fault) in (0..4).flat_map(|n| [(n, Fault::StopBefore), (n, Fault::StopAfter)]) {
        let (store, mut farm) = Farm::faulty();
        let id = farm.connect(ANN).await.id;
        let before = farm.get(id).lifecycle.wanted;
        store.breaks(after, fault, |_| true);
        let asking = farm.asking(id, CommandKind::SetEvents(vec!["push".into()]));
        let asked = farm.actors.ask(asking);
        let answer = tokio::time::timeout(Duration::from_secs(30), asked).await;
        farm.restart_after(|| store.mend()).await;
        farm.becomes(id, WebhookStatus::Active).await;
        let commands = farm.commands(id);
        // Only what never was stored, of which nobody was told, may be missing.
        let Some(command) = commands.first() else {
            assert!(after == 0 && fault == Fault::StopBefore && answer.is_err());
            continue;
        };
        farm.until(|| !farm.commands(id)[0].is_asked()).await;
        assert_eq!((commands.len(), command.asked_by), (1, ANN));
        assert_eq!(
            farm.get(id).lifecycle.wanted,
            before + 1,
            "{after} {fault:?}"
        );
        assert_eq!(farm.get(id).events, ["push"]);
    }
}

/// What the store refuses for a while is still asked.
#[actix::test]
async fn a_command_whose_step_cannot_be_stored_is_carried_out_later() {
    let (store, farm) = Farm::faulty();
    let id = farm.connect(ANN).await.id;
    store.breaks(0, Fault::Refuse, puts);
    let asked = farm.command(id, CommandKind::SetEnabled(false)).await;
    assert_eq!(asked, Err(FULL));
    assert_eq!(farm.commands(id)[0].state, CommandState::Asked);
    store.mend();
    farm.becomes(id, WebhookStatus::Inactive).await;
    let outcome = CommandOutcome::Applied;
    assert!(
        matches!(farm.commands(id)[0].state, CommandState::Done { outcome: o, .. } if o == outcome)
    );
    // The same once more changes nothing, and one that is not possible has failed.
    moment().await;
    farm.command(id, CommandKind::SetEvents(farm.get(id).events))
        .await
        .unwrap();
    moment().await;
    let refused = farm
        .command(id, CommandKind::Resolve(IncidentId::from_u128(1)))
        .await;
    assert_eq!(refused, Err(CommandError::NoSuchSubject));
    let states: Vec<_> = farm.commands(id).iter().map(|c| c.state.as_str()).collect();
    assert_eq!(states, ["failed", "done", "done"]);
}

/// Two commands that are stored together are carried out in the turn of the first one's waiter.
#[actix::test]
async fn a_disconnect_that_ends_before_its_waiter_is_known_reports_the_true_outcome() {
    let (_, farm) = Farm::faulty();
    let id = farm.connect(ANN).await.id;
    farm.becomes(id, WebhookStatus::Active).await;
    let within = Duration::from_secs(5);
    let asked = || farm.disconnect(id, true, within);
    let (first, second) = futures_util::future::join(asked(), asked()).await;
    assert_eq!(
        (first, second),
        (Ok(HookOutcome::Deleted), Ok(HookOutcome::Deleted))
    );
}

#[actix::test]
async fn of_the_commands_that_have_ended_a_connection_keeps_the_newest() {
    let farm = Farm::new();
    let id = farm.connect(ANN).await.id;
    for n in 0..KEPT_MAX + 5 {
        moment().await;
        let events = vec![format!("event-{n}")];
        farm.ask(id, CommandKind::SetEvents(events)).await;
    }
    moment().await;
    let unknown = CommandKind::Resolve(IncidentId::from_u128(1));
    farm.command(id, unknown.clone()).await.unwrap_err();
    let kept = farm
        .store
        .commands_of(id, After::first(1000))
        .ready()
        .unwrap()
        .items;
    assert_eq!(kept.len(), KEPT_MAX);
    assert_eq!(kept[0].kind, unknown, "one that failed has ended, too");
    let oldest = vec!["event-6".to_owned()];
    assert_eq!(kept[KEPT_MAX - 1].kind, CommandKind::SetEvents(oldest));
}

/// AC-1
#[actix::test]
async fn a_command_that_ends_with_its_connection_before_anybody_waits_for_it_is_over() {
    let leave = CommandKind::Disconnect { delete_hook: true };
    let refuse = Behaviour::Refuse(Failure::NoAccess, "no_access");
    for (kind, creation, said) in [
        (&leave, Behaviour::Act, HookOutcome::Deleted),
        (&leave, refuse.clone(), HookOutcome::NeverMade),
        (&CommandKind::Ping, refuse, HookOutcome::NeverMade),
    ] {
        let (store, farm) = Farm::faulty();
        farm.give_credential(ANN).await;
        let later = Failure::Retryable { after: None };
        farm.provider.next_does(Behaviour::Refuse(later, "x")); // the look-up
        farm.provider.next_does(creation);
        let id = farm.actors.connect(Farm::request(ANN)).await.unwrap().id;

        let late = kind.clone();
        store.breaks(0, Fault::SaidLate, move |change| match change {
            Change::PutCommand(command) => command.is_asked() && command.kind == late,
            _ => false,
        });
        let within = Duration::from_secs(5);
        let meanwhile = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            store.mend();
            farm.disconnect(id, true, within).await
        };
        if *kind == leave {
            let (first, second) = tokio::join!(farm.disconnect(id, true, within), meanwhile);
            assert_eq!(first, Ok(said));
            assert!(matches!(second, Ok(_) | Err(NO_CONNECTION)), "{second:?}");
        } else {
            let asking = farm.asking(id, kind.clone());
            let (asked, left) = tokio::join!(farm.actors.ask(asking), meanwhile);
            assert!(!asked.unwrap().is_asked());
            assert_eq!(left, Ok(said));
        }
    }
}

/// A user disconnects between any two steps of a creation: after a commit, and before the step that
/// follows it.
#[actix::test]
async fn scenario_05_a_disconnect_between_any_two_steps_of_a_creation_leaves_no_hook() {
    let within = Duration::from_hours(1);
    let refuse = Behaviour::Refuse(Failure::NoAccess, "no_access");
    for (creation, is_made, is_lost) in [
        (Behaviour::Act, true, false),
        (Behaviour::ActThenFail, true, true),
        (Behaviour::ActThenHang, true, true),
        (refuse, false, false),
    ] {
        let mut steps = 0;
        loop {
            let (store, farm) = Farm::faulty();
            farm.give_credential(ANN).await;
            farm.provider.next_does(Behaviour::Act); // the look-up
            farm.provider.next_does(creation.clone());
            store.breaks(steps, Fault::SaidLate, |_| true);
            let first = || {
                farm.store
                    .connection_ids()
                    .ready()
                    .unwrap()
                    .first()
                    .copied()
            };
            let leaving = async {
                let is_settled = |id| farm.get(id).lifecycle.phase == Phase::Active;
                let is_over = || store.strikes() > 0 || first().is_some_and(is_settled);
                farm.until(is_over).await;
                store.mend();
                let is_between = store.strikes() > 0;
                let id = first().expect("its first commit stores it");
                let said = farm.disconnect(id, true, within).await;
                (is_between, said)
            };
            let (connected, (is_between, said)) =
                tokio::join!(farm.actors.connect(Farm::request(ANN)), leaving);
            let id = connected.unwrap().id;
            farm.is_gone(id).await;
            let calls = farm.provider.calls.lock().clone();
            let at = format!("{creation:?} at {steps}: {said:?} {calls:?}");
            assert!(farm.provider.hooks.lock().is_empty(), "{at}");
            // One that is refused is asked for again later.
            let refusals = usize::from(!is_made);
            let is_true = match said {
                Ok(HookOutcome::Deleted) => farm.provider.count("ensure") > refusals,
                Ok(HookOutcome::NeverMade) => farm.provider.count("ensure") <= refusals,
                // The answer was lost: the deletion comes after a wait.
                Ok(HookOutcome::Pending) => is_lost,
                Ok(HookOutcome::Left) | Err(_) => false,
            };
            assert!(is_true, "{at}");
            if !is_between {
                break;
            }
            steps += 1;
        }
        assert!(steps > 2, "{creation:?}: {steps}");
    }
}
