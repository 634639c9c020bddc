//! What a commit does, and what stays of what is deleted.

use super::made::*;
use crate::domain::delivery::Delivery;
use crate::domain::id::{ConnectionId, TokenId};
use crate::domain::incident::IncidentStatus;
use crate::domain::time::Timestamp;
use crate::store::contract::{Subject, conflict, wait};
use crate::store::{After, Batch, Change, Conflict, Guard, Of, Scope};

const FIRST: ConnectionId = ConnectionId::from_u128(1);

pub(in crate::store) fn a_batch_is_there_whole_or_not_at_all(subject: &impl Subject) {
    let store = subject.store();
    let all = vec![
        Change::PutUser(user(ANN, "ann")),
        Change::PutToken(token(1, ANN)),
        connected(1),
        Change::PutIncident(Box::new(incident(1, 1, IncidentStatus::Open))),
    ];
    let refused = Batch::of(all.clone()).guarded_by(Guard::ConnectionExists(FIRST));
    assert_eq!(
        commit(store, refused),
        conflict(Conflict::NoConnection(FIRST))
    );
    assert_eq!(wait(store.user(ANN)).unwrap(), None);
    assert_eq!(wait(store.tokens_of(ANN)).unwrap(), []);
    assert_eq!(
        wait(store.counts(Scope::Owner(ANN)))
            .unwrap()
            .connections_kept,
        0
    );
    put(store, all);
    assert!(wait(store.user(ANN)).unwrap().is_some());
    assert_eq!(wait(store.tokens_of(ANN)).unwrap(), [token(1, ANN)]);
    assert_eq!(
        wait(store.counts(Scope::Owner(ANN)))
            .unwrap()
            .connections_kept,
        1
    );
}

pub(in crate::store) fn batches_are_applied_in_the_order_of_submission(subject: &impl Subject) {
    let store = subject.store();
    let named = |n: u32| Change::PutUser(user(ANN, &format!("ann{n}")));
    let mut batches: Vec<_> = (0..50).map(|n| Batch::of(vec![named(n)])).collect();
    batches.push(Batch::of(vec![named(97), named(98), named(99)]));
    assert!(subject.together(batches).iter().all(Result::is_ok));
    let found = wait(store.user(ANN)).unwrap().unwrap();
    assert_eq!(found.name, "ann99");
    for n in (0..50).chain([97, 98]) {
        assert_eq!(wait(store.user_by_name(&format!("ann{n}"))).unwrap(), None);
    }
}

pub(in crate::store) fn a_batch_that_nobody_waits_for_is_committed_all_the_same(
    subject: &impl Subject,
) {
    let store = subject.store();
    drop(store.commit(Batch::of(vec![connected(1)])));
    put(store, vec![connected(2)]);
    assert!(
        wait(store.connection(FIRST)).unwrap().is_some(),
        "it came first"
    );
}

pub(in crate::store) fn what_is_applied_twice_is_there_once(subject: &impl Subject) {
    let store = subject.store();
    let d = delivery(1, 1);
    let insert = Change::InsertDelivery(Box::new(d.clone()), payload(1));
    let open = Change::PutIncident(Box::new(incident(1, 1, IncidentStatus::Open)));
    let asked = Change::PutCommand(Box::new(command(1, 1)));
    let all = [
        insert,
        processed(&d),
        open,
        asked,
        connected(1),
        Change::PutToken(token(1, ANN)),
    ];
    put(store, [&all[..], &all[..]].concat());
    put(store, all.to_vec());
    let page = wait(store.deliveries(Of::Connection(FIRST), After::first(9))).unwrap();
    assert_eq!((page.items.len(), page.has_more), (1, false));
    let counts = wait(store.counts(Scope::Owner(ANN))).unwrap();
    let incidents = counts.incidents[&IncidentStatus::Open];
    assert_eq!(
        (counts.connections_present(), incidents, counts.tokens),
        (1, 1, 1)
    );
    assert_eq!(wait(store.commands_asked(FIRST, 9)).unwrap().len(), 1);
    let gone = [
        Change::DeleteConnection(FIRST),
        Change::DeleteToken(TokenId::from_u128(1)),
    ];
    put(store, [&gone[..], &gone[..]].concat());
    put(store, gone.to_vec());
    let counts = wait(store.counts(Scope::Owner(ANN))).unwrap();
    assert_eq!((counts.connections_kept, counts.tokens), (0, 0));
    // Noted late: it does not come back.
    let (id, at) = (TokenId::from_u128(1), Timestamp(5));
    put(
        store,
        vec![Change::TokenUsed { id, at }, processed(&delivery(9, 1))],
    );
    assert_eq!(wait(store.token(id)).unwrap(), None);
    assert_eq!(wait(store.delivery(delivery(9, 1).id)).unwrap(), None);
}

pub(in crate::store) fn what_a_deleted_connection_had_stays_until_it_is_forgotten(
    subject: &impl Subject,
) {
    let store = subject.store();
    let (d, open) = (delivery(1, 1), incident(1, 1, IncidentStatus::Open));
    let opened = Change::PutIncident(Box::new(open.clone()));
    put(store, vec![connected(1), opened]);
    commit(store, arriving(&d, 1)).unwrap();
    put(store, vec![Change::DeleteConnection(FIRST)]);
    assert_eq!(wait(store.delivery(d.id)).unwrap(), Some(d.clone()));
    assert_eq!(wait(store.payload(d.id)).unwrap(), Some(payload(1)));
    assert_eq!(wait(store.incident(open.id)).unwrap(), Some(open));
    assert_eq!(wait(store.connections_with_pending()).unwrap(), [FIRST]);
    assert_eq!(
        commit(store, arriving(&d, 1)),
        conflict(Conflict::Delivery(d.id))
    );
}

pub(in crate::store) fn replay_guards_outlive_their_delivery(subject: &impl Subject) {
    let store = subject.store();
    let d = delivery(1, 1);
    commit(store, arriving(&d, 1)).unwrap();
    put(
        store,
        vec![Change::ForgetDelivery(d.id), Change::ForgetDelivery(d.id)],
    );
    assert_eq!(wait(store.delivery(d.id)).unwrap(), None);
    assert_eq!(wait(store.payload(d.id)).unwrap(), None);
    assert!(wait(store.body(d.id)).unwrap().is_none());
    let later = Delivery {
        id: delivery(2, 1).id,
        ..d.clone()
    };
    assert_eq!(
        commit(store, arriving(&later, 2)),
        conflict(Conflict::Delivery(d.id))
    );
    put(store, vec![Change::ForgetGuards(d.id)]);
    commit(store, arriving(&later, 2)).unwrap();
    // By now they are another's.
    put(store, vec![Change::ForgetGuards(d.id)]);
    assert_eq!(
        commit(store, arriving(&d, 1)),
        conflict(Conflict::Delivery(later.id))
    );
}

pub(in crate::store) fn a_deleted_user_takes_the_tokens_along(subject: &impl Subject) {
    let store = subject.store();
    let users = [user(ANN, "ann"), user(BOB, "bob")].map(Change::PutUser);
    let tokens = [token(1, ANN), token(2, ANN), token(3, BOB)].map(Change::PutToken);
    put(store, [users.to_vec(), tokens.to_vec()].concat());
    put(store, vec![Change::DeleteUser(ANN)]);
    assert_eq!(wait(store.user(ANN)).unwrap(), None);
    assert_eq!(wait(store.token_by_hash(&[1; 32])).unwrap(), None);
    assert_eq!(wait(store.all_tokens()).unwrap(), [token(3, BOB)]);
    assert_eq!(wait(store.counts(Scope::All)).unwrap().users, 1);
    put(store, vec![Change::PutUser(user(ANN, "ann"))]);
    assert_eq!(
        wait(store.tokens_of(ANN)).unwrap(),
        [],
        "nobody gets them back"
    );
}
