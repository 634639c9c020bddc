//! Commands, and writes that stand on what their writer knows: credentials, leases.

use super::made::*;
use crate::domain::command::{ASKED_MAX, Command, CommandOutcome, CommandState};
use crate::domain::id::{CommandId, ConnectionId, CredentialId};
use crate::domain::lifecycle::{Desired, Phase};
use crate::domain::time::Timestamp;
use crate::store::contract::{Subject, conflict, wait};
use crate::store::{After, Batch, Change, Conflict, Guard, Lease};

const FIRST: ConnectionId = ConnectionId::from_u128(1);

fn done(command: &Command) -> Change {
    let outcome = CommandOutcome::Applied;
    let at = Timestamp(2);
    Change::PutCommand(Box::new(Command {
        state: CommandState::Done { at, outcome },
        ..command.clone()
    }))
}

pub(in crate::store) fn commands_wait_in_order_and_are_found_by_id_and_by_connection(
    subject: &impl Subject,
) {
    let store = subject.store();
    put(store, vec![connected(1), connected(2), connected(3)]);
    let theirs = Command {
        owner: BOB,
        ..command(9, 3)
    };
    let all = [command(4, 1), command(2, 1), command(3, 2), theirs];
    for command in &all {
        commit(store, asking(command)).unwrap();
    }
    let [four, two, three, _] = &all;
    let asked = |id, limit| wait(store.commands_asked(ConnectionId::from_u128(id), limit)).unwrap();
    assert_eq!(
        asked(1, 10),
        [two.clone(), four.clone()],
        "by id, oldest first"
    );
    assert_eq!(asked(1, 1), std::slice::from_ref(two));
    assert_eq!(asked(7, 10), []);
    let waiting = || wait(store.connections_with_commands()).unwrap();
    assert_eq!(waiting(), [1, 2, 3].map(ConnectionId::from_u128));
    let page = |id, limit| {
        let page =
            wait(store.commands_of(ConnectionId::from_u128(id), After::first(limit))).unwrap();
        (page.items, page.has_more)
    };
    assert_eq!(page(1, 1), (vec![four.clone()], true), "newest first");
    assert_eq!(page(1, 2), (vec![four.clone(), two.clone()], false));
    assert_eq!(page(2, 9), (vec![three.clone()], false));

    put(store, vec![done(three)]);
    let ended = page(2, 9).0.remove(0);
    assert!(ended.id == three.id && !ended.is_asked());
    assert_eq!(waiting(), [1, 3].map(ConnectionId::from_u128));
    let beyond = |newest, limit| wait(store.commands_beyond(FIRST, newest, limit)).unwrap();
    assert_eq!(beyond(0, 9), [four.clone(), two.clone()], "newest first");
    assert_eq!(beyond(1, 9), std::slice::from_ref(two));
    assert_eq!(beyond(0, 1), std::slice::from_ref(four));
    assert_eq!(beyond(2, 9), []);
    assert!(!wait(store.command(three.id)).unwrap().unwrap().is_asked());
    put(store, vec![done(three), Change::ForgetCommand(three.id)]);
    put(
        store,
        vec![Change::ForgetCommand(two.id), Change::ForgetCommand(two.id)],
    );
    assert_eq!(wait(store.command(three.id)).unwrap(), None);
    assert_eq!(asked(1, 10), std::slice::from_ref(four));
    assert_eq!(page(1, 9), (vec![four.clone()], false));
    assert_eq!((page(2, 9).0, page(7, 9).0), (vec![], vec![]));
}

pub(in crate::store) fn a_command_needs_a_connection_that_is_there_and_not_removed(
    subject: &impl Subject,
) {
    let store = subject.store();
    let gone = conflict(Conflict::NoConnection(FIRST));
    assert_eq!(commit(store, asking(&command(1, 1))), gone);
    let mut removed = connection(1, "o/r1");
    removed.lifecycle.desired = Desired::Removed { delete_hook: true };
    removed.lifecycle.phase = Phase::Deleting { attempt: 1 };
    let leaving = Change::PutConnection(Box::new(removed.clone()));
    removed.lifecycle.phase = Phase::Removed;
    let removed = Change::PutConnection(Box::new(removed));
    put(store, vec![leaving]);
    commit(store, asking(&command(1, 1))).unwrap();
    put(store, vec![removed.clone()]);
    assert_eq!(commit(store, asking(&command(2, 1))), gone);
    for end in [removed, Change::DeleteConnection(FIRST)] {
        put(store, vec![connected(1)]);
        let batches = vec![
            asking(&command(3, 1)),
            Batch::of(vec![end]),
            asking(&command(4, 1)),
        ];
        assert_eq!(subject.together(batches), [Ok(()), Ok(()), gone.clone()]);
    }
}

pub(in crate::store) fn only_so_many_commands_wait_also_within_a_group(subject: &impl Subject) {
    let store = subject.store();
    put(store, vec![connected(1), connected(2)]);
    let half = ASKED_MAX / 2;
    for n in 0..half {
        commit(store, asking(&command(n as u128, 1))).unwrap();
    }
    let more = (half..ASKED_MAX + 3).map(|n| asking(&command(n as u128, 1)));
    let answers = subject.together(more.chain([asking(&command(99, 2))]).collect());
    let full = conflict(Conflict::CommandsWaiting(FIRST));
    let (taken, refused) = answers.split_at(ASKED_MAX - half);
    assert!(taken.iter().all(Result::is_ok));
    assert_eq!(refused, [full.clone(), full.clone(), full.clone(), Ok(())]);
    put(store, vec![done(&command(0, 1))]);
    commit(store, asking(&command(200, 1))).unwrap();
    assert_eq!(commit(store, asking(&command(201, 1))), full);
}

pub(in crate::store) fn no_batch_lets_too_many_commands_wait(subject: &impl Subject) {
    let store = subject.store();
    put(store, vec![connected(1)]);
    for n in 1..ASKED_MAX {
        commit(store, asking(&command(n as u128, 1))).unwrap();
    }
    let several = |ids: std::ops::Range<u128>| {
        let put = |n| Change::PutCommand(Box::new(command(n, 1)));
        let batch = Batch::of(ids.clone().map(put).collect());
        ids.fold(batch, |batch, _| batch.guarded_by(Guard::NewCommand(FIRST)))
    };
    let full = conflict(Conflict::CommandsWaiting(FIRST));
    assert_eq!(commit(store, several(100..110)), full);
    assert_eq!(
        subject.together(vec![
            several(100..102),
            several(100..101),
            several(101..102)
        ]),
        [full.clone(), Ok(()), full]
    );
    let waiting = wait(store.commands_asked(FIRST, 100)).unwrap();
    assert_eq!(waiting.len(), ASKED_MAX);
}

pub(in crate::store) fn one_more_may_be_asked_once_another_has_ended_also_within_a_group(
    subject: &impl Subject,
) {
    let store = subject.store();
    put(store, vec![connected(1)]);
    for n in 0..ASKED_MAX {
        commit(store, asking(&command(n as u128, 1))).unwrap();
    }
    let full = conflict(Conflict::CommandsWaiting(FIRST));
    let end = |change| Batch::of(vec![change]);
    assert_eq!(
        subject.together(vec![
            end(done(&command(0, 1))),
            asking(&command(100, 1)),
            asking(&command(101, 1)),
            end(Change::ForgetCommand(CommandId::from_u128(100))),
            end(done(&command(0, 1))),
            asking(&command(102, 1)),
            asking(&command(103, 1)),
        ]),
        [Ok(()), Ok(()), full.clone(), Ok(()), Ok(()), Ok(()), full]
    );
    // One that ends in the batch that asks for the next.
    let instead = asking(&command(104, 1));
    let ended = [done(&command(1, 1))];
    let changes = ended.into_iter().chain(instead.changes.clone()).collect();
    commit(store, Batch { changes, ..instead }).unwrap();
    let waiting = wait(store.commands_asked(FIRST, 100)).unwrap();
    assert_eq!(waiting.len(), ASKED_MAX);
}

pub(in crate::store) fn a_command_is_carried_out_once(subject: &impl Subject) {
    let store = subject.store();
    put(store, vec![connected(1)]);
    let (asked, id) = (command(1, 1), CommandId::from_u128(1));
    let finish =
        || Batch::of(vec![done(&asked)]).guarded_by(Guard::SameCommand(Box::new(asked.clone())));
    let changed = conflict(Conflict::Command(id));
    assert_eq!(commit(store, finish()), changed, "it is not there");
    commit(store, asking(&asked)).unwrap();
    assert_eq!(
        subject.together(vec![finish(), finish()]),
        [Ok(()), changed.clone()]
    );
    assert_eq!(commit(store, finish()), changed);
    put(store, vec![Change::PutCommand(Box::new(asked.clone()))]);
    let forget = Batch::of(vec![Change::ForgetCommand(id)]);
    assert_eq!(subject.together(vec![forget, finish()]), [Ok(()), changed]);
}

pub(in crate::store) fn a_credential_is_changed_by_who_knows_it_as_it_is(subject: &impl Subject) {
    let store = subject.store();
    let (old, id) = (credential(1, ANN), CredentialId::from_u128(1));
    let mut new = old.clone();
    new.is_shared = true;
    let change = |to: &crate::domain::user::Credential| {
        let guard = Guard::SameCredential(Box::new(old.clone()));
        Batch::of(vec![Change::PutCredential(to.clone())]).guarded_by(guard)
    };
    let changed = conflict(Conflict::Credential(id));
    assert_eq!(commit(store, change(&new)), changed, "it is not there");
    put(store, vec![Change::PutCredential(old.clone())]);
    assert_eq!(
        subject.together(vec![change(&new), change(&new)]),
        [Ok(()), changed.clone()]
    );
    assert_eq!(wait(store.credential(id)).unwrap(), Some(new.clone()));
    assert_eq!(commit(store, change(&new)), changed);
    put(store, vec![Change::PutCredential(old.clone())]);
    let delete = Batch::of(vec![Change::DeleteCredential(id)]);
    assert_eq!(
        subject.together(vec![delete, change(&new)]),
        [Ok(()), changed]
    );
    assert_eq!(wait(store.credential(id)).unwrap(), None);
}

pub(in crate::store) fn who_lost_the_lease_writes_nothing(subject: &impl Subject) {
    let store = subject.store();
    let lease = wait(store.lease(FIRST))
        .unwrap()
        .expect("nobody else has it");
    assert_eq!(lease.connection, FIRST);
    let write = |lease| Batch::of(vec![connected(1)]).guarded_by(Guard::Lease(lease));
    let lost = conflict(Conflict::Lease(FIRST));
    for epoch in [lease.epoch - 1, lease.epoch + 1] {
        assert_eq!(commit(store, write(Lease { epoch, ..lease })), lost);
    }
    assert_eq!(wait(store.connection(FIRST)).unwrap(), None);
    commit(store, write(lease)).unwrap();
    assert!(wait(store.connection(FIRST)).unwrap().is_some());
}
