//! What must hold for a batch to be committed, alone and within a group.

use super::made::*;
use crate::domain::connection::Connection;
use crate::domain::delivery::Delivery;
use crate::domain::id::{ConnectionId, DeliveryId, IncidentId};
use crate::domain::incident::{Incident, IncidentStatus};
use crate::domain::lifecycle::Desired;
use crate::domain::time::Timestamp;
use crate::domain::user::{Removal, User};
use crate::store::contract::{Subject, conflict, wait};
use crate::store::{Batch, Change, Conflict, Guard};

const FIRST: ConnectionId = ConnectionId::from_u128(1);

fn connecting(connection: &Connection) -> Batch {
    let put = Change::PutConnection(Box::new(connection.clone()));
    Batch::of(vec![put]).guarded_by(Guard::NewConnection {
        owner: connection.owner,
        instance: connection.instance.clone(),
        repository: connection.repository,
        full_name: connection.full_name.clone(),
    })
}

pub(in crate::store) fn a_delivery_is_new_by_its_id_and_by_its_body_for_each_connection(
    subject: &impl Subject,
) {
    let store = subject.store();
    let first = delivery(1, 1);
    let mut same_body = delivery(2, 1);
    same_body.body_digest = first.body_digest;
    let mut same_id = delivery(3, 1);
    same_id.provider_delivery_id = first.provider_delivery_id.clone();
    let elsewhere = Delivery {
        id: DeliveryId::from_u128(4),
        ..delivery(1, 2)
    };
    let known = conflict(Conflict::Delivery(first.id));
    let answers = subject.together(vec![
        arriving(&first, 1),
        arriving(&same_body, 2),
        arriving(&same_id, 3),
        arriving(&elsewhere, 4),
        arriving(&delivery(5, 1), 5),
    ]);
    assert_eq!(
        answers,
        [Ok(()), known.clone(), known.clone(), Ok(()), Ok(())]
    );
    for again in [&same_body, &same_id] {
        assert_eq!(commit(store, arriving(again, 2)), known);
        assert_eq!(wait(store.delivery(again.id)).unwrap(), None);
    }
    let found = wait(store.delivery(first.id)).unwrap();
    assert_eq!(found, Some(first), "what a conflict names is there");
}

pub(in crate::store) fn a_repository_is_connected_once_an_owner_until_it_is_disconnected(
    subject: &impl Subject,
) {
    let store = subject.store();
    let mut first = connection(5, "o/r");
    let mut renamed = connection(6, "o/renamed");
    renamed.repository = first.repository;
    let mut by_name = connection(7, "O/R");
    by_name.repository = None;
    let other = connection(8, "o/other");
    let known = conflict(Conflict::Connection(first.id));
    let all = [&first, &renamed, &by_name, &other].map(connecting);
    let answers = subject.together(all.to_vec());
    assert_eq!(answers, [Ok(()), known.clone(), known.clone(), Ok(())]);
    assert_eq!(commit(store, connecting(&renamed)), known);
    assert_eq!(commit(store, connecting(&by_name)), known);
    let mut of_bob = connection(9, "o/r");
    (of_bob.owner, of_bob.repository) = (BOB, first.repository);
    commit(store, connecting(&of_bob)).unwrap();
    first.lifecycle.desired = Desired::Removed { delete_hook: true };
    put(store, vec![Change::PutConnection(Box::new(first))]);
    commit(store, connecting(&renamed)).unwrap();
}

pub(in crate::store) fn nothing_hangs_on_a_connection_that_is_gone(subject: &impl Subject) {
    let store = subject.store();
    let arrives = |n| arriving(&delivery(n, 1), n).guarded_by(Guard::ConnectionExists(FIRST));
    let gone = conflict(Conflict::NoConnection(FIRST));
    assert_eq!(commit(store, arrives(1)), gone);
    put(store, vec![connected(1)]);
    let delete = Batch::of(vec![Change::DeleteConnection(FIRST)]);
    let answers = subject.together(vec![arrives(1), delete, arrives(2)]);
    assert_eq!(answers, [Ok(()), Ok(()), gone.clone()]);
    assert_eq!(commit(store, arrives(3)), gone);
}

pub(in crate::store) fn no_incident_outlives_its_subject(subject: &impl Subject) {
    let store = subject.store();
    let put_incident = |id, status| {
        let incident = incident(id, 1, status);
        Change::PutIncident(Box::new(incident))
    };
    let open = |id| {
        let put = put_incident(id, IncidentStatus::Open);
        Batch::of(vec![put]).guarded_by(Guard::ConnectionExists(FIRST))
    };
    let end = |resolving: &[u128]| {
        let about = incident(1, 1, IncidentStatus::Open).subject;
        let resolved = resolving.iter();
        let resolved = resolved.map(|id| put_incident(*id, IncidentStatus::Resolved));
        let delete = Change::DeleteConnection(FIRST);
        Batch::of(resolved.chain([delete]).collect()).guarded_by(Guard::Resolved(about))
    };
    put(store, vec![connected(1)]);
    let left = conflict(Conflict::Changed);
    let answers = subject.together(vec![open(1), end(&[])]);
    assert_eq!(answers, [Ok(()), left.clone()]);
    let acknowledged = put_incident(2, IncidentStatus::Acknowledged);
    commit(store, Batch::of(vec![acknowledged])).unwrap();
    for some in [&[][..], &[1], &[2]] {
        assert_eq!(commit(store, end(some)), left, "{some:?}");
    }
    let gone = conflict(Conflict::NoConnection(FIRST));
    let answers = subject.together(vec![end(&[1, 2]), open(3)]);
    assert_eq!(answers, [Ok(()), gone]);
}

fn leaving() -> User {
    let removal = Removal {
        at: Timestamp(2),
        by: BOB,
        delete_hooks: true,
    };
    User {
        removal: Some(removal),
        ..user(ANN, "ann")
    }
}

pub(in crate::store) fn nothing_new_becomes_theirs_who_leave(subject: &impl Subject) {
    let store = subject.store();
    let token = || {
        let put = Change::PutToken(token(4, ANN));
        Batch::of(vec![put]).guarded_by(Guard::OwnerPresent(ANN))
    };
    let connection = || Batch::of(vec![connected(7)]).guarded_by(Guard::OwnerPresent(ANN));
    let gone = conflict(Conflict::Owner(ANN));
    assert_eq!(commit(store, token()), gone);
    for last in [Change::PutUser(leaving()), Change::DeleteUser(ANN)] {
        put(store, vec![Change::PutUser(user(ANN, "ann"))]);
        commit(store, connection()).unwrap();
        let leave = Batch::of(vec![last]);
        let answers = subject.together(vec![token(), leave, token(), connection()]);
        assert_eq!(answers, [Ok(()), Ok(()), gone.clone(), gone.clone()]);
        assert_eq!(commit(store, token()), gone);
    }
}

pub(in crate::store) fn a_name_belongs_to_one_user(subject: &impl Subject) {
    let store = subject.store();
    let add = |id, name: &str| {
        let guard = Guard::NewUser { name: name.into() };
        Batch::of(vec![Change::PutUser(user(id, name))]).guarded_by(guard)
    };
    let taken = conflict(Conflict::User(ANN));
    let answers = subject.together(vec![add(ANN, "ann"), add(BOB, "ann"), add(BOB, "bob")]);
    assert_eq!(answers, [Ok(()), taken.clone(), Ok(())]);
    assert_eq!(commit(store, add(BOB, "ann")), taken);
    put(store, vec![Change::DeleteUser(ANN)]);
    commit(store, add(BOB, "ann")).unwrap();
    assert_eq!(
        wait(store.user_by_name("ann")).unwrap(),
        Some(user(BOB, "ann"))
    );
    assert_eq!(wait(store.user_by_name("bob")).unwrap(), None);
}

pub(in crate::store) fn what_changed_meanwhile_is_not_written_over(subject: &impl Subject) {
    let store = subject.store();
    let d = delivery(1, 1);
    let carry = || {
        let insert = Change::InsertDelivery(Box::new(d.clone()), payload(1));
        Batch::of(vec![insert]).guarded_by(Guard::SameDelivery(Box::new(d.clone())))
    };
    let changed = conflict(Conflict::Delivery(d.id));
    assert_eq!(commit(store, carry()), changed, "it is not there");
    commit(store, arriving(&d, 1)).unwrap();
    commit(store, carry()).unwrap();
    let process = Batch::of(vec![processed(&d)]);
    assert_eq!(
        subject.together(vec![process, carry()]),
        [Ok(()), changed.clone()]
    );
    assert_eq!(commit(store, carry()), changed);
    put(store, vec![Change::progress(d.clone())]);
    let forget = Batch::of(vec![Change::ForgetDelivery(d.id)]);
    assert_eq!(subject.together(vec![forget, carry()]), [Ok(()), changed]);

    let open = incident(1, 1, IncidentStatus::Open);
    let acknowledge = || {
        let status = IncidentStatus::Acknowledged;
        let put = Change::PutIncident(Box::new(Incident {
            status,
            ..open.clone()
        }));
        Batch::of(vec![put]).guarded_by(Guard::SameIncident(Box::new(open.clone())))
    };
    let changed = conflict(Conflict::Changed);
    assert_eq!(commit(store, acknowledge()), changed);
    let opened = Change::PutIncident(Box::new(open.clone()));
    put(store, vec![opened.clone()]);
    let twice = vec![acknowledge(), acknowledge()];
    assert_eq!(subject.together(twice), [Ok(()), changed.clone()]);
    put(store, vec![opened]);
    let forget = Batch::of(vec![Change::ForgetIncident(IncidentId::from_u128(1))]);
    assert_eq!(
        subject.together(vec![forget, acknowledge()]),
        [Ok(()), changed]
    );
}

pub(in crate::store) fn one_guard_that_does_not_hold_refuses_everything(subject: &impl Subject) {
    let store = subject.store();
    put(store, vec![connected(1)]);
    let two = arriving(&delivery(1, 1), 1).guarded_by(Guard::ConnectionExists(FIRST));
    let holds = two
        .clone()
        .guarded_by(Guard::NewUser { name: "ann".into() });
    let mut fails = two;
    fails.guards.push(Guard::OwnerPresent(ANN));
    assert_eq!(commit(store, fails), conflict(Conflict::Owner(ANN)));
    assert_eq!(
        wait(store.delivery(DeliveryId::from_u128(1))).unwrap(),
        None
    );
    commit(store, holds).unwrap();
    let only_asking = Batch {
        changes: Vec::new(),
        ..arriving(&delivery(1, 1), 1)
    };
    let known = conflict(Conflict::Delivery(DeliveryId::from_u128(1)));
    assert_eq!(
        commit(store, only_asking),
        known,
        "a guard can be asked without a change"
    );
}
