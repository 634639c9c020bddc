//! Which connection has its turn, and when.

use super::*;
use crate::domain::ledger::GapCause;
use crate::domain::time::Timestamp;

const USUAL: Duration = Duration::from_hours(6);

const fn id(n: u128) -> ConnectionId {
    ConnectionId::from_u128(n)
}

fn with(ids: u128, now: Instant) -> Schedule {
    let mut schedule = Schedule::default();
    for n in 0..ids {
        schedule.add(id(n), now);
        schedule.add(id(n), now);
    }
    schedule
}

fn all(schedule: &mut Schedule, now: Instant) -> Vec<Turn> {
    std::iter::from_fn(|| schedule.next(now)).collect()
}

#[test]
fn each_comes_once_in_its_time_and_few_at_once() {
    let now = Instant::now();
    let mut schedule = with(100, now);
    let mut turns = all(&mut schedule, now);
    assert_eq!(turns.len(), REGULAR_MAX);
    let mut count = 0;
    while let Some(turn) = turns.pop() {
        count += 1;
        schedule.end(&turn, Next::After(USUAL), now, USUAL);
        turns.extend(schedule.next(now));
    }
    assert_eq!(count, 100);
    assert!(schedule.next(now + USUAL / 2).is_none());
    assert_eq!(all(&mut schedule, now + USUAL).len(), REGULAR_MAX);
}

#[test]
fn users_requests_come_first_also_when_all_are_busy_and_take_no_regular_turn() {
    let now = Instant::now();
    let mut schedule = with(100, now);
    let turns = all(&mut schedule, now);
    schedule.ask(id(99), now);
    schedule.ask(id(99), now);
    schedule.ask(turns[0].id, now);
    let urgent = all(&mut schedule, now);
    assert_eq!(urgent.len(), 1, "those in hand are not taken twice");
    assert!(urgent[0].id == id(99) && urgent[0].reason.is_awaited);
    schedule.end(&urgent[0], Next::After(USUAL), now, USUAL);
    for turn in &turns {
        schedule.end(turn, Next::Never, now, USUAL);
    }
    let mut rest = Vec::new();
    while let Some(turn) = schedule.next(now) {
        schedule.end(&turn, Next::Never, now, USUAL);
        rest.push(turn.id);
    }
    assert_eq!(rest.len(), 100 - REGULAR_MAX);
    assert!(rest.contains(&id(99)));
}

#[test]
fn no_connection_is_reconciled_twice_at_once_while_requests_wait_for_their_turn() {
    let now = Instant::now();
    let mut schedule = with(URGENT_MAX as u128 + 1, now);
    for n in 0..=URGENT_MAX as u128 {
        schedule.ask(id(n), now);
    }
    // Its regular turn comes while its request waits.
    let turns = all(&mut schedule, now);
    assert_eq!(turns.len(), URGENT_MAX + 1);
    schedule.end(&turns[0], Next::After(USUAL), now, USUAL);
    let next = all(&mut schedule, now);
    let is_in_hand = |turn: &Turn| turns[1..].iter().any(|other| other.id == turn.id);
    assert!(!next.iter().any(is_in_hand), "{next:?}");
}

#[test]
fn however_often_users_ask_a_connection_comes_once_more_for_what_is_pending() {
    let now = Instant::now();
    let mut schedule = with(1, now + USUAL);
    let soon = Duration::from_secs(10);
    for wait in [soon * 2, soon, soon, soon * 3] {
        schedule.ask(id(0), now);
        let turn = schedule.next(now).unwrap();
        schedule.end(&turn, Next::After(wait), now, USUAL);
    }
    assert!(schedule.next(now + soon / 2).is_none());
    for (at, expected) in [(soon, 1), (soon * 4, 0)] {
        let mut count = 0;
        while let Some(turn) = schedule.next(now + at) {
            schedule.end(&turn, Next::After(USUAL), now + at, USUAL);
            count += 1;
        }
        assert_eq!(count, expected, "after {at:?}");
    }
}

#[test]
fn a_request_that_failed_waits_and_a_regular_one_too() {
    let now = Instant::now();
    let mut schedule = with(1, now);
    let minute = Duration::from_mins(1);
    schedule.ask(id(0), now);
    let turn = schedule.next(now).unwrap();
    schedule.end(&turn, Next::Again(minute), now, USUAL);
    schedule.ask(id(0), now);
    let turn = schedule.next(now).unwrap();
    assert!(!turn.reason.is_awaited);
    schedule.end(&turn, Next::Again(minute), now, USUAL);
    assert!(schedule.next(now).is_none());
    schedule.ask(id(0), now + minute);
    assert!(schedule.next(now + minute).unwrap().reason.is_awaited);
}

#[test]
fn of_many_that_wait_for_others_with_their_credential_some_are_looked_at_in_a_second() {
    let now = Instant::now();
    let mut schedule = with(10_000, now);
    while let Some(turn) = schedule.next(now) {
        schedule.end(&turn, Next::Full, now, USUAL);
    }
    let pause = LOOK_EACH * 10_000;
    assert!(schedule.next(now + pause / 2).is_none());
    assert!(schedule.next(now + pause).unwrap().is_regular);
}

#[test]
fn what_was_refused_is_not_forgotten_while_a_connection_cannot_begin() {
    for next in [Next::Full, Next::Parked] {
        let now = Instant::now();
        let mut schedule = with(1, now + USUAL);
        let cause = GapCause::Refused;
        let of = |from, to| (Timestamp(from), Timestamp(to));
        let outage = |(from, to)| Outage { cause, from, to };
        for at in [1, 3] {
            schedule.refuse(id(0), outage(of(at, at + 1)));
            let turn = schedule.next(now).unwrap();
            schedule.end(&turn, next, now, USUAL);
        }
        schedule.unpark(&[id(0)], false, now, Duration::ZERO);
        let turn = schedule.next(now + FULL_PAUSE).unwrap();
        assert_eq!(turn.reason.refused, Some(outage(of(1, 4))), "{next:?}");
    }
}

#[test]
fn a_new_hook_comes_before_regular_ones_once_and_takes_no_users_place() {
    let now = Instant::now();
    let mut schedule = with(100, now);
    schedule.soon(id(99), now);
    schedule.soon(id(99), now);
    let turns = all(&mut schedule, now);
    assert_eq!(turns.len(), REGULAR_MAX, "none in a place of users");
    let first = &turns[0];
    assert!(first.id == id(99) && !first.reason.is_awaited && !first.is_regular);
    schedule.soon(id(99), now);
    assert!(schedule.new.is_empty(), "it is being reconciled");
    schedule.end(first, Next::After(USUAL), now, USUAL);
    schedule.soon(id(99), now);
    assert_eq!(schedule.next(now).unwrap().id, id(99));
}

#[test]
fn what_waits_for_the_end_of_an_outage_comes_then_bit_by_bit() {
    let now = Instant::now();
    let mut schedule = with(10, now);
    for turn in all(&mut schedule, now) {
        schedule.end(&turn, Next::Parked, now, USUAL);
    }
    schedule.ask(id(3), now);
    let asked = schedule.next(now).unwrap();
    schedule.end(&asked, Next::Parked, now, USUAL);
    assert!(schedule.next(now + USUAL * 9).is_none());
    schedule.ask(id(3), now);
    assert!(schedule.next(now).is_none(), "it is held for a minute");
    let ids: Vec<_> = (0..10).map(id).collect();
    schedule.unpark(&ids[..5], true, now, Duration::from_secs(50));
    for n in 0..5 {
        let at = now + Duration::from_secs(10 * n);
        let turns = all(&mut schedule, at);
        assert_eq!(turns.len(), 1, "{n}");
        assert!(turns[0].is_regular);
        schedule.end(&turns[0], Next::After(USUAL), at, USUAL);
    }
    // The others may wait for another provider: without a call they wait again.
    let at = now + Duration::from_mins(5);
    let others = all(&mut schedule, at);
    assert!(others.len() == 5 && others.iter().all(|turn| turn.is_regular));
    for turn in &others {
        schedule.end(turn, Next::Parked, at, USUAL);
    }
    assert!(schedule.next(now + USUAL / 2).is_none());
}

/// A provider's end names the connections that it has then.
#[test]
fn a_connection_that_is_removed_during_an_outage_is_forgotten_when_that_ends() {
    let now = Instant::now();
    let mut schedule = with(2, now);
    for turn in all(&mut schedule, now) {
        schedule.end(&turn, Next::Parked, now, USUAL);
    }
    let outage = Outage {
        cause: GapCause::Refused,
        from: Timestamp(1),
        to: Timestamp(2),
    };
    schedule.refuse(id(1), outage);
    let turn = schedule.next(now).unwrap();
    schedule.end(&turn, Next::Parked, now, USUAL);
    schedule.unpark(&[id(0)], true, now, Duration::ZERO);
    for turn in all(&mut schedule, now + Duration::from_mins(1)) {
        let is_gone = turn.id == id(1);
        let next = [Next::After(USUAL), Next::Never][usize::from(is_gone)];
        schedule.end(&turn, next, now, USUAL);
    }
    assert_eq!(schedule.known, HashSet::from([id(0)]));
    assert!(schedule.parked.is_empty() && schedule.withheld.is_empty());
    assert!(schedule.busy.is_empty() && schedule.extra.is_empty());
}

/// Several turns find the outage, and it ends before the first of them is taken notice of.
#[test]
fn a_turn_that_found_an_outage_just_before_its_end_comes_again() {
    let now = Instant::now();
    let mut schedule = with(3, now);
    let turns = all(&mut schedule, now);
    schedule.unpark(&[id(0), id(1)], false, now, Duration::ZERO);
    for turn in &turns {
        schedule.end(turn, Next::Parked, now, USUAL);
    }
    assert_eq!(all(&mut schedule, now + BUSY_PAUSE).len(), 3);
}

#[test]
fn when_all_are_due_those_that_wait_for_the_end_of_an_outage_are_too() {
    let now = Instant::now();
    let mut schedule = with(3, now);
    for turn in all(&mut schedule, now) {
        schedule.end(&turn, Next::Parked, now, USUAL);
    }
    schedule.all_due();
    assert_eq!(all(&mut schedule, now).len(), 3);
}

#[test]
fn after_an_outage_all_are_due_and_refusals_come_with_their_time() {
    let now = Instant::now();
    let mut schedule = with(3, now + USUAL);
    assert!(schedule.next(now).is_none());
    let outage = Outage {
        cause: GapCause::Refused,
        from: Timestamp(1),
        to: Timestamp(2),
    };
    schedule.refuse(id(1), outage);
    let turn = schedule.next(now).unwrap();
    assert_eq!((turn.id, turn.reason.refused), (id(1), Some(outage)));
    assert!(!turn.is_regular);
    schedule.end(&turn, Next::After(USUAL), now, USUAL);
    schedule.all_due();
    assert_eq!(all(&mut schedule, now).len(), 3);
}
