//! Operations and their items.

use super::made::*;
use crate::domain::id::{ConnectionId, OperationId, OwnerId};
use crate::domain::operation::{
    Action, Chunk, Item, ItemOutcome, Operation, OperationState, UNFINISHED_MAX, chunked,
};
use crate::domain::samples;
use crate::domain::time::Timestamp;
use crate::store::contract::{Subject, conflict, wait};
use crate::store::{After, Batch, Change, Conflict, Guard};

fn of(id: u128, owner: OwnerId) -> Operation {
    Operation {
        owner,
        ..samples::operation(id, Action::Check, 2)
    }
}

fn putting(operation: &Operation) -> Change {
    Change::PutOperation(Box::new(operation.clone()))
}

fn ended(operation: &Operation) -> Operation {
    let mut operation = operation.clone();
    operation.cancel(Timestamp(5));
    operation
}

fn new(operation: &Operation) -> Batch {
    Batch::of(vec![putting(operation)]).guarded_by(Guard::NewOperation(operation.owner))
}

fn changed_from(old: &Operation, new: &Operation) -> Batch {
    let guard = Guard::SameOperation(Box::new(old.clone()));
    Batch::of(vec![putting(new)]).guarded_by(guard)
}

pub(in crate::store) fn operations_are_found_by_owner_and_while_they_have_not_ended(
    subject: &impl Subject,
) {
    let store = subject.store();
    let all = [of(1, ANN), of(2, BOB), of(3, ANN), of(4, ANN)];
    put(store, all.iter().map(putting).collect());
    let page = |owner, after| {
        let page = wait(store.operations_of(owner, after)).unwrap();
        let ids: Vec<u128> = page.items.iter().map(|it| it.id.as_u128()).collect();
        (ids, page.has_more)
    };
    let last = Some(OperationId::from_u128(3));
    assert_eq!(page(ANN, After::first(2)), (vec![4, 3], true));
    assert_eq!(page(ANN, After { last, limit: 2 }), (vec![1], false));
    assert_eq!(page(BOB, After::first(2)), (vec![2], false));
    let beyond = |newest, limit| {
        let old = wait(store.operations_beyond(ANN, newest, limit)).unwrap();
        old.iter().map(|it| it.id.as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(
        (beyond(1, 9), beyond(1, 1), beyond(3, 9)),
        (vec![3, 1], vec![3], vec![])
    );

    put(store, vec![putting(&ended(&all[0]))]);
    let unfinished = || {
        let mut all = wait(store.operations_unfinished()).unwrap();
        all.sort_by_key(|it| it.id);
        all
    };
    assert_eq!(unfinished(), all[1..]);
    assert_eq!(wait(store.operation(all[0].id)), Ok(Some(ended(&all[0]))));
    let forget = Change::ForgetOperation(all[0].id);
    put(
        store,
        vec![forget.clone(), Change::ForgetOperation(all[3].id), forget],
    );
    assert_eq!(unfinished(), all[1..3]);
    assert_eq!(page(ANN, After::first(9)), (vec![3], false));
    assert_eq!(wait(store.operation(all[0].id)), Ok(None));
}

pub(in crate::store) fn the_items_are_there_until_the_operation_has_ended(subject: &impl Subject) {
    let store = subject.store();
    let items: Vec<Item> = (0..1201_u128)
        .map(|n| Item::Connection(ConnectionId::from_u128(n)))
        .collect();
    let operation = |id| samples::operation(id, Action::Check, 1201);
    let (ends, goes) = (operation(1), operation(2));
    let chunk = |of: &Operation, index| wait(store.operation_chunk(of.id, index)).unwrap();
    let put_all = |of: &Operation| {
        let chunks = chunked(of.id, items.clone());
        let puts = chunks
            .iter()
            .cloned()
            .map(|it| Change::PutChunk(Box::new(it)));
        put(store, [putting(of)].into_iter().chain(puts).collect());
        chunks
    };
    for of in [&ends, &goes] {
        let chunks: Vec<Chunk> = put_all(of);
        assert_eq!(chunks.len(), 3);
        for it in chunks {
            assert_eq!(chunk(of, it.index), Some(it));
        }
        assert_eq!(chunk(of, 3), None);
    }
    put(
        store,
        vec![putting(&ended(&ends)), Change::ForgetOperation(goes.id)],
    );
    for index in 0..3 {
        assert_eq!((chunk(&ends, index), chunk(&goes, index)), (None, None));
    }
}

pub(in crate::store) fn only_so_many_operations_of_an_owner_have_not_ended(subject: &impl Subject) {
    let store = subject.store();
    let half = UNFINISHED_MAX / 2;
    for n in 0..half {
        assert_eq!(commit(store, new(&of(n as u128, ANN))), Ok(()));
    }
    let more = (half..UNFINISHED_MAX + 2).map(|n| new(&of(n as u128, ANN)));
    let answers = subject.together(more.chain([new(&of(99, BOB))]).collect());
    let (taken, refused) = answers.split_at(UNFINISHED_MAX - half);
    let full = conflict(Conflict::OperationsUnfinished(ANN));
    assert!(taken.iter().all(Result::is_ok));
    assert_eq!(refused, [full.clone(), full.clone(), Ok(())]);
    put(store, vec![putting(&ended(&of(0, ANN)))]);
    assert_eq!(commit(store, new(&of(200, ANN))), Ok(()));
    assert_eq!(commit(store, new(&of(201, ANN))), full);
}

pub(in crate::store) fn an_operation_and_its_commands_are_one_batch(subject: &impl Subject) {
    let store = subject.store();
    put(store, vec![connected(1), putting(&of(1, ANN))]);
    let before = of(1, ANN);
    let asked = crate::domain::command::Command {
        operation: Some(before.id),
        ..command(7, 1)
    };
    let mut after = before.clone();
    after.begin(Some((asked.connection, asked.id)), Timestamp(3));
    let step = || {
        let mut batch =
            changed_from(&before, &after).guarded_by(Guard::NewCommand(asked.connection));
        batch
            .changes
            .push(Change::PutCommand(Box::new(asked.clone())));
        batch
    };
    let changed = conflict(Conflict::Operation(before.id));
    let answers = subject.together(vec![step(), step()]);
    assert_eq!(answers, [Ok(()), changed.clone()], "two workers");
    assert_eq!(commit(store, step()), changed, "a worker that was late");
    assert_eq!(wait(store.command(asked.id)), Ok(Some(asked.clone())));
    let mut cancelled = after.clone();
    cancelled.cancel(Timestamp(4));
    let mut over = after.clone();
    over.end(0, ItemOutcome::Applied, None, Timestamp(4));
    let answers = subject.together(vec![
        changed_from(&after, &cancelled),
        changed_from(&after, &over),
    ]);
    assert_eq!(answers, [Ok(()), changed.clone()]);
    let stored = wait(store.operation(before.id)).unwrap().unwrap();
    assert_eq!(stored.state, OperationState::Cancelled { at: Timestamp(4) });
    let forget = Batch::of(vec![Change::ForgetOperation(before.id)]);
    let answers = subject.together(vec![forget, changed_from(&cancelled, &cancelled)]);
    assert_eq!(answers, [Ok(()), changed]);
}
