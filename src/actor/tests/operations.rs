//! Operations: each connection is asked once, whatever happens to the process.

use super::fakes::{ANN, BOB, Farm};
use super::provider::Behaviour;
use crate::actor::{CommandError, Connections, Operating};
use crate::domain::command::CommandKind;
use crate::domain::connection::{Connection, WebhookStatus};
use crate::domain::errand::Priority;
use crate::domain::error_code::ErrorCode;
use crate::domain::id::{ConnectionId, OperationId, OwnerId};
use crate::domain::lifecycle::{Failure, Phase};
use crate::domain::operation::{
    Action, Item, ItemOutcome, KEPT_MAX, NewConnection, Operation, OperationState, Selection,
    Tally, UNFINISHED_MAX,
};
use crate::domain::samples;
use crate::store::faulty::Fault;
use crate::store::{After, Batch, Change, CommitError, Conflict};
use std::collections::BTreeSet;
use std::time::Duration;

fn asking(owner: OwnerId, action: Action, items: Vec<Item>) -> Operating {
    Operating {
        owner,
        asked_by: owner,
        action,
        selection: Selection {
            all: true,
            ..Selection::default()
        },
        items,
    }
}

impl Farm {
    /// Connections of Ann's to so many repositories.
    async fn connected_to(&self, count: usize) -> Vec<ConnectionId> {
        self.give_credential(ANN).await;
        let mut ids = Vec::new();
        for n in 0..count {
            let request = Self::request_for(ANN, &format!("o/r{n}"));
            let connected = self.actors.connect(request).await;
            ids.push(connected.unwrap().id);
        }
        ids
    }

    async fn operate(&self, action: Action, ids: &[ConnectionId]) -> OperationId {
        let items = ids.iter().copied().map(Item::Connection).collect();
        self.try_operate(ANN, action, items).await.unwrap().id
    }

    async fn try_operate(
        &self,
        owner: OwnerId,
        action: Action,
        items: Vec<Item>,
    ) -> Result<Operation, CommitError> {
        self.actors.operate(asking(owner, action, items)).await
    }

    fn operation(&self, id: OperationId) -> Operation {
        self.store.operation(id).ready().unwrap().unwrap()
    }

    async fn ends(&self, id: OperationId) -> Operation {
        self.until(|| self.operation(id).is_over()).await;
        self.operation(id)
    }

    /// The commands of an operation for a connection.
    fn commands_for(&self, id: ConnectionId, operation: OperationId) -> usize {
        let commands = self.commands(id).into_iter();
        commands
            .filter(|it| it.operation == Some(operation))
            .count()
    }
}

fn all(applied: usize) -> Tally {
    Tally {
        applied: u32::try_from(applied).unwrap(),
        ..Tally::default()
    }
}

#[actix::test]
async fn every_connection_is_asked_once_and_counted_by_what_came_of_it() {
    let farm = Farm::new();
    let ids = farm.connected_to(20).await;
    let calls = farm.provider.count("repair");
    let id = farm.operate(Action::RotateSecret, &ids).await;
    let ended = farm.ends(id).await;
    assert!(matches!(ended.state, OperationState::Done { .. }));
    assert_eq!(
        (ended.tally, ended.total, ended.position),
        (all(20), 20, 20)
    );
    assert!(ids.iter().all(|of| farm.commands_for(*of, id) == 1));
    assert_eq!(farm.provider.count("repair"), calls + 20);
    assert!(farm.store.operation_chunk(id, 0).ready().unwrap().is_none());

    farm.ask(ids[3], CommandKind::SetEnabled(false)).await;
    farm.disconnect(ids[4], true, Duration::from_secs(5))
        .await
        .unwrap();
    let id = farm.operate(Action::Pause, &ids).await;
    let ended = farm.ends(id).await;
    let tally = Tally {
        unchanged: 1,
        gone: 1,
        ..all(18)
    };
    assert_eq!(ended.tally, tally);
    let [failure] = &ended.failures[..] else {
        panic!("{:?}", ended.failures);
    };
    assert_eq!(
        (failure.connection, failure.code),
        (Some(ids[4]), ErrorCode::NotFound)
    );
    let paused = ids.iter().filter(|id| **id != ids[4]);
    assert!(
        paused
            .clone()
            .all(|id| farm.status(*id) == WebhookStatus::Inactive)
    );
}

/// A call that fails is counted when it has failed, with the reason; the connection retries.
#[actix::test]
async fn a_failed_call_is_counted_with_its_reason() {
    let farm = Farm::new();
    let ids = farm.connected_to(3).await;
    farm.provider
        .always_does(Some(Behaviour::Refuse(Failure::NoAccess, "no right")));
    let id = farm.operate(Action::Check, &ids).await;
    let ended = farm.ends(id).await;
    assert_eq!(ended.tally.call_failed, 3);
    let codes: Vec<ErrorCode> = ended.failures.iter().map(|failure| failure.code).collect();
    assert_eq!(codes, [farm.get(ids[0]).last_error.unwrap().code; 3]);
    assert!(
        ended
            .failures
            .iter()
            .all(|it| it.outcome == ItemOutcome::CallFailed)
    );
}

/// A check that fails while its connection is paused is none of the pause's failures.
#[actix::test]
async fn a_pause_makes_no_call_and_is_applied_whatever_becomes_of_others() {
    let farm = Farm::new();
    let ids = farm.connected_to(2).await;
    farm.provider.always_does(Some(Behaviour::Hang));
    for id in &ids {
        farm.ask(*id, CommandKind::Check).await;
    }
    let id = farm.operate(Action::Pause, &ids).await;
    assert_eq!(farm.ends(id).await.tally, all(2));
}

/// Only a few are open at a time, and none has the urgency of a user's single request.
#[actix::test]
async fn few_items_are_open_at_a_time_and_a_users_own_request_goes_first() {
    let farm = Farm::new();
    let ids = farm.connected_to(40).await;
    farm.provider.errands.lock().clear();
    farm.provider.always_does(Some(Behaviour::Hang));
    let id = farm.operate(Action::Check, &ids).await;
    farm.until(|| farm.operation(id).position == 8).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(farm.operation(id).position, 8, "the first have not ended");
    let priorities = |name: &str| -> BTreeSet<Priority> {
        let errands = farm.provider.errands.lock();
        let of = errands.iter().filter(|(it, _)| *it == name);
        of.map(|(_, errand)| errand.priority).collect()
    };
    assert_eq!(priorities("check"), BTreeSet::from([Priority::Check]));
    farm.ask(ids[20], CommandKind::Ping).await;
    assert_eq!(priorities("ping"), BTreeSet::from([Priority::Person]));
    farm.provider.always_does(None);
    assert_eq!(farm.ends(id).await.tally.sum(), 40);
}

/// What was not begun is left; what was begun is carried out, and counted.
#[actix::test]
async fn a_cancelled_operation_begins_nothing_more() {
    let farm = Farm::new();
    let ids = farm.connected_to(30).await;
    farm.provider.always_does(Some(Behaviour::Hang));
    let id = farm.operate(Action::Check, &ids).await;
    farm.until(|| farm.operation(id).position == 8).await;
    let cancelled = farm.actors.cancel_operation(id).await.unwrap();
    assert!(!cancelled.is_over(), "eight are open");
    farm.provider.always_does(None);
    let ended = farm.ends(id).await;
    assert!(matches!(ended.state, OperationState::Cancelled { .. }));
    assert_eq!((ended.position, ended.tally.sum()), (8, 8));
    let asked = ids
        .iter()
        .filter(|of| farm.commands_for(**of, id) > 0)
        .count();
    assert_eq!(asked, 8);
    let again = farm.actors.cancel_operation(id).await;
    assert!(matches!(again, Err(CommandError::NotNow(_))), "{again:?}");
    let none = farm
        .actors
        .cancel_operation(OperationId::from_u128(1))
        .await;
    assert_eq!(none, Err(CommandError::NoSuchSubject));
}

/// The process dies before or after any commit of the operation, again and again.
#[actix::test]
async fn no_kill_asks_a_connection_twice_or_not_at_all() {
    for fault in [Fault::StopBefore, Fault::StopAfter] {
        let (store, mut farm) = Farm::faulty();
        let ids = farm.connected_to(60).await;
        let before: Vec<u32> = ids
            .iter()
            .map(|id| farm.get(*id).lifecycle.wanted)
            .collect();
        let id = farm.operate(Action::RotateSecret, &ids).await;
        let mut kills = 0;
        while !farm.operation(id).is_over() {
            let puts = |change: &Change| matches!(change, Change::PutOperation(_));
            store.breaks(kills % 2, fault, puts);
            tokio::time::sleep(Duration::from_secs(20)).await;
            kills += 1;
            farm.restart_after(|| store.mend()).await;
            assert!(kills < 100, "{:?}", farm.operation(id));
        }
        let ended = farm.operation(id);
        assert_eq!(ended.tally, all(60), "after {kills} kills");
        assert!(kills > 3, "{kills}");
        for (of, before) in ids.iter().zip(before) {
            assert_eq!(farm.commands_for(*of, id), 1);
            assert_eq!(farm.get(*of).lifecycle.wanted, before + 1, "rotated once");
        }
        for id in ids {
            farm.becomes(id, WebhookStatus::Active).await;
        }
    }
}

/// A store that refuses for a while delays it.
#[actix::test]
async fn an_operation_waits_for_the_store() {
    let (store, farm) = Farm::faulty();
    let ids = farm.connected_to(5).await;
    let id = farm.operate(Action::Pause, &ids).await;
    store.breaks(0, Fault::Refuse, |_| true);
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert!(!farm.operation(id).is_over());
    store.mend();
    assert_eq!(farm.ends(id).await.tally, all(5));
}

#[actix::test]
async fn operations_that_change_the_same_run_in_the_order_of_their_requests() {
    let farm = Farm::new();
    let ids = farm.connected_to(30).await;
    let pause = farm.operate(Action::Pause, &ids).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    let resume = farm.operate(Action::Resume, &ids).await;
    let ended = farm.ends(resume).await;
    assert!(farm.operation(pause).ended_at() <= ended.started_at);
    for id in ids {
        farm.becomes(id, WebhookStatus::Active).await;
    }
    // An operation that waits can be cancelled, too, and then has done nothing.
    farm.provider.always_does(Some(Behaviour::Hang));
    let ids: Vec<ConnectionId> = farm.store.connection_ids().ready().unwrap();
    let first = farm.operate(Action::Check, &ids).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    let second = farm.operate(Action::Ping, &ids).await;
    farm.until(|| farm.operation(first).position > 0).await;
    farm.actors.cancel_operation(second).await.unwrap();
    assert_eq!(farm.ends(second).await.position, 0);
}

#[actix::test]
async fn an_owner_has_only_so_many_operations() {
    let farm = Farm::new();
    let ids = farm.connected_to(1).await;
    farm.provider.always_does(Some(Behaviour::Hang));
    for _ in 0..UNFINISHED_MAX {
        farm.operate(Action::Check, &ids).await;
    }
    let items = vec![Item::Connection(ids[0])];
    let refused = farm.try_operate(ANN, Action::Check, items.clone()).await;
    let full = CommitError::Conflict(Conflict::OperationsUnfinished(ANN));
    assert_eq!(refused, Err(full));
    // Another owner may. The connection is not theirs, so nothing happens to it.
    let theirs = farm
        .try_operate(BOB, Action::Recreate, items)
        .await
        .unwrap();
    assert_eq!(farm.ends(theirs.id).await.tally.gone, 1);
    assert_eq!(farm.commands_for(ids[0], theirs.id), 0);

    farm.provider.always_does(None);
    let newest = farm
        .store
        .operations_of(ANN, After::first(1))
        .ready()
        .unwrap();
    farm.ends(newest.items[0].id).await;
    for _ in 0..KEPT_MAX + 3 {
        let empty = farm
            .try_operate(ANN, Action::Check, Vec::new())
            .await
            .unwrap();
        assert!(empty.is_over(), "there is nothing to do");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let kept = farm
        .store
        .operations_of(ANN, After::first(1000))
        .ready()
        .unwrap();
    assert_eq!(kept.items.len(), KEPT_MAX);
}

/// A user who is being removed begins nothing more, and leaves no operation.
#[actix::test]
async fn the_operations_of_a_removed_user_end_and_go() {
    let farm = Farm::new();
    let ids = farm.connected_to(20).await;
    farm.provider.always_does(Some(Behaviour::Hang));
    let id = farm.operate(Action::Check, &ids).await;
    farm.until(|| farm.operation(id).position == 8).await;
    let mut user = samples::user(ANN, "ann");
    user.removal = Some(crate::domain::user::Removal {
        at: crate::domain::time::Timestamp(1),
        by: BOB,
        delete_hooks: true,
    });
    let put = Batch::of(vec![Change::PutUser(user)]);
    farm.store.commit(put).await.unwrap();
    farm.actors.user_removal_begun(ANN);
    farm.provider.always_does(None);
    farm.until(|| farm.store.user(ANN).ready() == Ok(None))
        .await;
    let left = farm
        .store
        .operations_of(ANN, After::first(9))
        .ready()
        .unwrap();
    assert_eq!(left.items, []);
    assert_eq!(farm.provider.hooks.lock().len(), 0);
}

fn new(name: &str) -> Item {
    Item::Repository(Box::new(NewConnection {
        instance: super::fakes::instance(),
        full_name: name.parse().unwrap(),
        events: vec!["push".into()],
        is_enabled: true,
        credential: None,
    }))
}

/// Repositories are connected once each, also when the process dies in between.
#[actix::test]
async fn repositories_are_connected_once() {
    let (store, mut farm) = Farm::faulty();
    farm.give_credential(ANN).await;
    let known: Connection = farm
        .actors
        .connect(Farm::request_for(ANN, "o/r0"))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let items = (0..12).map(|n| new(&format!("o/r{n}"))).collect();
    let id = farm
        .try_operate(ANN, Action::Connect, items)
        .await
        .unwrap()
        .id;
    let mut kills = 0;
    while !farm.operation(id).is_over() {
        // A connection as it is first stored.
        let puts = |change: &Change| match change {
            Change::PutConnection(connection) => connection.lifecycle.phase == Phase::Idle,
            _ => false,
        };
        store.breaks(kills % 4, Fault::StopAfter, puts);
        tokio::time::sleep(Duration::from_secs(20)).await;
        kills += 1;
        farm.restart_after(|| store.mend()).await;
        assert!(kills < 100, "{:?}", farm.operation(id));
    }
    let ended = farm.operation(id);
    let tally = Tally {
        unchanged: 1,
        ..all(11)
    };
    assert_eq!(
        ended.tally, tally,
        "after {kills} kills: {:?}",
        ended.failures
    );
    let ids = farm.store.connection_ids().ready().unwrap();
    assert_eq!((ids.len(), ids.contains(&known.id)), (12, true));
    for id in ids {
        farm.becomes(id, WebhookStatus::Active).await;
    }
    assert_eq!(farm.provider.hooks.lock().len(), 12);
}
