//! Operations at any order of events, and verdicts against the lifecycle.

use super::*;
use crate::domain::connection::Connection;
use crate::domain::id::HookId;
use crate::domain::lifecycle::{Desired, Effect, Hook, Input, Phase, SuspendReason, step};
use crate::domain::samples;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(9);

fn failure(outcome: ItemOutcome) -> ItemFailure {
    ItemFailure {
        connection: Some(ConnectionId::from_u128(1)),
        full_name: None,
        outcome,
        code: ErrorCode::NotFound,
    }
}

fn command(n: u32) -> (ConnectionId, CommandId) {
    let n = u128::from(n);
    (ConnectionId::from_u128(n), CommandId::from_u128(n))
}

fn holds(operation: &Operation) {
    let open = u32::try_from(operation.open.len()).unwrap();
    assert_eq!(operation.tally.sum() + open, operation.position, "OP-2");
    assert!(operation.position <= operation.total);
    assert!(operation.open.len() <= operation.action.open_max());
    assert!(operation.failures.len() <= FAILURES_MAX);
    let is_done = matches!(operation.state, OperationState::Done { .. });
    let is_whole = operation.tally.sum() == operation.total;
    assert!(is_done == is_whole || matches!(operation.state, OperationState::Cancelled { .. }));
}

proptest! {
    /// Items begin and end in any order, some twice; it may be cancelled at any time.
    #[test]
    fn every_item_is_counted_once_and_it_ends_once(
        total in 1_u32..300,
        events in prop::collection::vec((0_u8..8, any::<u16>()), 0..900),
    ) {
        let mut it = samples::operation(1, Action::Check, total);
        let mut ended_at = None;
        for (n, (event, which)) in (0..).zip(events) {
            let (before, now) = (it.clone(), Timestamp(n));
            let outcome = ItemOutcome::ALL[usize::from(which) % ItemOutcome::ALL.len()];
            match event {
                0..=2 if it.room() > 0 => it.begin(Some(command(it.position)), now),
                3 if it.room() > 0 => it.pass(failure(ItemOutcome::Gone), now),
                4..=6 => {
                    let index = u32::from(which) % total;
                    let why = (!outcome.is_success()).then(|| failure(outcome));
                    it.end(index, outcome, why, now);
                }
                7 if which % 64 == 0 => drop(it.cancel(now)),
                _ => {}
            }
            holds(&it);
            prop_assert!(it.position >= before.position, "OP-1");
            for outcome in ItemOutcome::ALL {
                prop_assert!(it.tally.of(outcome) >= before.tally.of(outcome), "OP-1");
            }
            if before.is_over() {
                prop_assert_eq!(&it, &before, "OP-3");
            }
            prop_assert!(ended_at.is_none() || it.ended_at() == ended_at);
            ended_at = it.ended_at();
        }
        // Whatever came before, it ends as soon as its items do.
        while !it.is_over() {
            if it.room() > 0 {
                it.begin(Some(command(it.position)), NOW);
            } else {
                let index = it.open[0].index;
                it.end(index, ItemOutcome::Applied, None, NOW);
            }
            holds(&it);
        }
        let is_cancelled = matches!(it.state, OperationState::Cancelled { .. });
        prop_assert!(it.position == it.total || is_cancelled);
    }

    #[test]
    fn chunks_hold_every_item_in_order(count in 0_usize..2000) {
        let id = OperationId::from_u128(1);
        let items: Vec<Item> = (0..count as u128)
            .map(|n| Item::Connection(ConnectionId::from_u128(n)))
            .collect();
        let chunks = chunked(id, items.clone());
        let total = u32::try_from(count).unwrap();
        let operation = samples::operation(1, Action::Check, total);
        prop_assert_eq!(chunks.len(), usize::try_from(operation.chunks()).unwrap());
        for (n, chunk) in chunks.iter().enumerate() {
            prop_assert_eq!(usize::try_from(chunk.index).unwrap(), n);
            prop_assert!(chunk.items.len() == 500 || n + 1 == chunks.len());
        }
        let all: Vec<Item> = chunks.into_iter().flat_map(|chunk| chunk.items).collect();
        prop_assert_eq!(all, items);
    }

    /// A verdict says that something changes just when the connection's state machine does change
    /// something, or calls the provider.
    #[test]
    fn verdicts_are_what_the_lifecycle_does(connection in connections(), action in 0_usize..7) {
        let (action, input) = [
            (Action::Check, Input::CheckRequested),
            (Action::Ping, Input::PingRequested),
            (Action::Recreate, Input::RecreateRequested),
            (Action::Pause, Input::DesiredChanged(Desired::Paused)),
            (Action::Resume, Input::DesiredChanged(Desired::Active)),
            (Action::Disconnect { delete_hook: true }, removed(true)),
            (Action::Disconnect { delete_hook: false }, removed(false)),
        ][action].clone();
        let before = connection.lifecycle.clone();
        let (after, effects) = step(before.clone(), input);
        let calls = effects.iter().any(|effect| matches!(effect, Effect::Call(_)));
        let verdict = judge(&action, &connection);
        prop_assert_eq!(verdict.is_change(), calls || after != before, "{:?}", verdict);
    }
}

const fn removed(delete_hook: bool) -> Input {
    Input::DesiredChanged(Desired::Removed { delete_hook })
}

/// Connections in every phase that goes with what is wanted.
fn connections() -> impl Strategy<Value = Connection> {
    let phases = prop::sample::select(vec![
        Phase::Idle,
        Phase::Creating { attempt: 1 },
        Phase::Active,
        Phase::Checking,
        Phase::Pinging,
        Phase::Repairing { attempt: 0 },
        Phase::Rewriting,
        Phase::Deleting { attempt: 0 },
        Phase::Waiting { attempt: 2 },
        Phase::Suspended(SuspendReason::Unauthorized),
    ]);
    let there = Hook::Present(HookId(1));
    let hooks = prop::sample::select(vec![Hook::Absent, there, Hook::Unknown(Some(HookId(1)))]);
    (phases, hooks, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(phase, hook, is_paused, recreate, is_applied)| {
            let mut connection = samples::connection(1, "o/r");
            let l = &mut connection.lifecycle;
            (l.hook, l.recreate, l.phase) = (hook, recreate, phase);
            if is_paused {
                l.desired = Desired::Paused;
                // A paused connection is at rest, but for the call that was outstanding.
                if matches!(phase, Phase::Active | Phase::Waiting { .. }) {
                    l.phase = Phase::Idle;
                }
            } else if phase == Phase::Active {
                // At rest the hook is there as it is wanted.
                (l.hook, l.recreate, l.applied) = (Hook::Present(HookId(1)), false, Some(l.wanted));
            }
            if is_applied {
                l.applied = Some(l.wanted);
            }
            connection
        },
    )
}

#[test]
fn events_and_secrets_change_unless_they_are_the_same_or_must_wait() {
    let mut connection = samples::connection(1, "o/r");
    connection.events = vec!["push".into()];
    let events = |names: &[&str]| Action::SetEvents(names.iter().map(|n| (*n).into()).collect());
    let judged = |c: &Connection| {
        [
            events(&["push"]),
            events(&["check_run"]),
            Action::RotateSecret,
        ]
        .map(|a| judge(&a, c))
    };
    connection.lifecycle.phase = Phase::Active;
    let changes = [
        Verdict::SameEvents,
        Verdict::SetEvents,
        Verdict::RotateSecret,
    ];
    assert_eq!(judged(&connection), changes);
    connection.lifecycle.desired = Desired::Paused;
    let later = [
        Verdict::SameEvents,
        Verdict::WhenResumed,
        Verdict::WhenResumed,
    ];
    assert_eq!(judged(&connection), later);
    connection.lifecycle.desired = Desired::Removed { delete_hook: true };
    assert_eq!(judged(&connection), [Verdict::Removed; 3]);
}

#[test]
fn operations_that_change_the_same_take_turns_and_others_do_not_wait() {
    let of = |id, owner: u128, action| Operation {
        owner: OwnerId::from_u128(owner),
        ..samples::operation(id, action, 2)
    };
    let mut all = vec![
        of(5, 1, Action::Resume),
        of(2, 1, Action::Pause),
        of(3, 1, Action::Check),
        of(4, 1, Action::SetEvents(vec!["push".into()])),
        of(1, 2, Action::Pause),
    ];
    let next = |all: &[Operation]| {
        let ids = runnable(all).into_iter();
        ids.map(OperationId::as_u128).collect::<Vec<_>>()
    };
    assert_eq!(next(&all), [1, 2, 3, 4]);
    all[1].begin(Some(command(0)), NOW);
    all[1].cancel(NOW);
    assert_eq!(next(&all), [1, 2, 3, 4], "one of its items is open");
    all[1].end(0, ItemOutcome::Applied, None, NOW);
    assert_eq!(next(&all), [1, 3, 4, 5]);
}

#[test]
fn only_so_many_failures_are_kept_and_all_are_counted() {
    let total = u32::try_from(FAILURES_MAX).unwrap() + 7;
    let mut it = samples::operation(1, Action::Check, total);
    for _ in 0..total {
        it.pass(failure(ItemOutcome::Gone), NOW);
    }
    assert_eq!((it.failures.len(), it.tally.gone), (FAILURES_MAX, total));
    assert_eq!(it.state, OperationState::Done { at: NOW });
    assert!(!it.cancel(Timestamp(10)) && it.ended_at() == Some(NOW));
}
