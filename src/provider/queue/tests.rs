//! The order of calls, without waiting for any.

use super::*;
use crate::domain::errand::Errand;
use crate::provider::meter::LIMITS_MAX;
use proptest::prelude::*;

const SHAPE: Shape = Shape {
    at_once: 4,
    per_token: 4,
    waiting: 50,
    waiting_per_owner: 40,
    write_pause: Duration::from_secs(1),
    limits: &[],
};

fn ticket(owner: u128, priority: Priority, token: u8) -> Ticket {
    Ticket {
        errand: Errand {
            owner: UserId::from_u128(owner),
            priority,
        },
        token: TokenKey([token; 32]),
        writes: false,
        cost: [0; LIMITS_MAX],
    }
}

fn enter(queue: &mut Queue, now: Instant, ticket: Ticket) -> Number {
    queue.enter(now, ticket).unwrap().0
}

/// Serves one call after the other: their owners and priorities in order.
fn served(queue: &mut Queue, now: Instant, most: usize) -> Vec<(u128, Priority)> {
    let mut order = Vec::new();
    while order.len() < most {
        let Next::Go(number) = queue.next(now) else {
            break;
        };
        let errand = queue.running[&number].errand;
        let owner = if errand.owner == UserId::from_u128(1) {
            1
        } else {
            2
        };
        order.push((owner, errand.priority));
        queue.leave(number);
    }
    order
}

#[test]
fn owners_take_turns_whoever_has_more() {
    let (mut queue, now) = (Queue::new(SHAPE), Instant::now());
    for owner in [1, 1, 1, 1, 2, 1, 2] {
        enter(&mut queue, now, ticket(owner, Priority::Person, 0));
    }
    let order: Vec<u128> = served(&mut queue, now, 9).iter().map(|(o, _)| *o).collect();
    assert_eq!(order, [1, 2, 1, 2, 1, 1, 1]);
}

#[test]
fn the_most_urgent_goes_first_and_checks_have_their_share() {
    let (mut queue, now) = (
        Queue::new(Shape {
            waiting: 5000,
            waiting_per_owner: 5000,
            ..SHAPE
        }),
        Instant::now(),
    );
    for _ in 0..10 {
        enter(&mut queue, now, ticket(1, Priority::Check, 0));
    }
    served(&mut queue, now, 3);
    for priority in [Priority::Recovery, Priority::Repair, Priority::Person] {
        enter(&mut queue, now, ticket(1, priority, 0));
    }
    let order: Vec<Priority> = served(&mut queue, now, 3).iter().map(|(_, p)| *p).collect();
    assert_eq!(
        order,
        [Priority::Person, Priority::Repair, Priority::Recovery]
    );
    // With people asking without an end, a check goes out now and then all the same.
    let mut checks = 0;
    for n in 1..=1000 {
        enter(&mut queue, now, ticket(1, Priority::Person, 0));
        for (_, priority) in served(&mut queue, now, 1) {
            checks += usize::from(priority == Priority::Check);
        }
        assert!(n > 2 || checks == 0, "a person is first");
    }
    assert!((7..=16).contains(&checks), "{checks}");
}

#[test]
fn an_owner_takes_half_of_the_places_and_what_nobody_awaits_leaves_one() {
    let (mut queue, now) = (Queue::new(SHAPE), Instant::now());
    for _ in 0..9 {
        enter(&mut queue, now, ticket(1, Priority::Person, 0));
    }
    let go = |queue: &mut Queue| matches!(queue.next(now), Next::Go(_));
    assert!(go(&mut queue) && go(&mut queue) && !go(&mut queue));
    let mut queue = Queue::new(SHAPE);
    for owner in 1..9 {
        enter(&mut queue, now, ticket(owner, Priority::Repair, 0));
    }
    assert!(go(&mut queue) && go(&mut queue) && go(&mut queue) && !go(&mut queue));
    enter(&mut queue, now, ticket(99, Priority::Person, 1));
    assert!(go(&mut queue) && !go(&mut queue));
}

#[test]
fn a_token_that_has_to_wait_lets_others_pass() {
    let (mut queue, now) = (Queue::new(SHAPE), Instant::now());
    let write = |token| Ticket {
        writes: true,
        ..ticket(1, Priority::Person, token)
    };
    let first = enter(&mut queue, now, write(1));
    let second = enter(&mut queue, now, write(1));
    let other = enter(&mut queue, now, write(2));
    let read = enter(&mut queue, now, ticket(1, Priority::Person, 1));
    for expected in [first, other, read] {
        assert_eq!(queue.next(now), Next::Go(expected));
        queue.leave(expected);
    }
    let later = now + SHAPE.write_pause;
    assert_eq!(queue.next(now), Next::LookAgain(later));
    assert_eq!(queue.next(later), Next::Go(second));
}

#[test]
fn a_full_line_makes_room_for_what_is_more_urgent_and_for_nothing_else() {
    let (mut queue, now) = (Queue::new(SHAPE), Instant::now());
    let mut checks = Vec::new();
    for n in 0..50 {
        checks.push(enter(&mut queue, now, ticket(n % 5, Priority::Check, 0)));
    }
    let busy = Err(Away::Busy(WAIT_MAX));
    assert_eq!(queue.enter(now, ticket(9, Priority::Check, 0)), busy);
    let (_, displaced) = queue.enter(now, ticket(9, Priority::Person, 0)).unwrap();
    assert_eq!(displaced, checks.last().copied());
    assert_eq!(queue.waiting(), 50);
    // One owner has a bound of their own, and pays for it with what is less urgent of their own.
    let mut queue = Queue::new(SHAPE);
    let first = enter(&mut queue, now, ticket(1, Priority::Check, 0));
    for _ in 1..40 {
        enter(&mut queue, now, ticket(1, Priority::Repair, 0));
    }
    let (_, displaced) = queue.enter(now, ticket(1, Priority::Repair, 0)).unwrap();
    assert_eq!(displaced, Some(first));
    assert_eq!(queue.enter(now, ticket(1, Priority::Repair, 0)), busy);
    queue.enter(now, ticket(2, Priority::Check, 0)).unwrap();
}

#[test]
fn tokens_without_restrictions_are_forgotten() {
    let (mut queue, now) = (Queue::new(SHAPE), Instant::now());
    let token = |n: usize| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&n.to_le_bytes());
        TokenKey(key)
    };
    for n in 0..TOKENS_MAX {
        queue.gate(now, token(n));
    }
    queue.hold(now, token(1), Duration::from_mins(1));
    queue.gate(now, token(TOKENS_MAX));
    assert_eq!(queue.gates.len(), 2);
}

#[derive(Clone, Debug)]
enum Happens {
    Enter(u8, u8, u8, bool),
    Next,
    Leave(usize),
    Hold(u8, u64),
    Pass(u64),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        (0..4_u8, 0..4_u8, 0..3_u8, any::<bool>())
            .prop_map(|(o, p, t, w)| Happens::Enter(o, p, t, w)),
        Just(Happens::Next),
        (0..50_usize).prop_map(Happens::Leave),
        (0..3_u8, 0..20_u64).prop_map(|(t, s)| Happens::Hold(t, s)),
        (0..5000_u64).prop_map(Happens::Pass),
    ]
}

proptest! {
    /// Whatever happens, the bounds hold, nothing is lost or counted twice, and once nothing is
    /// held any more, everything that waits goes out.
    #[test]
    fn every_call_goes_out_or_is_sent_away(
        story in proptest::collection::vec(happens(), 1..300),
    ) {
        let (mut queue, mut now) = (Queue::new(SHAPE), Instant::now());
        let (mut waiting, mut running) = (Vec::new(), Vec::new());
        for step in story {
            match step {
                Happens::Enter(owner, priority, token, writes) => {
                    let priority = Priority::ALL[usize::from(priority)];
                    let ticket = Ticket { writes, ..ticket(owner.into(), priority, token) };
                    if let Ok((number, displaced)) = queue.enter(now, ticket) {
                        waiting.retain(|n| Some(*n) != displaced);
                        waiting.push(number);
                    }
                }
                Happens::Next => {
                    if let Next::Go(number) = queue.next(now) {
                        prop_assert!(waiting.contains(&number));
                        waiting.retain(|n| *n != number);
                        running.push(number);
                    }
                }
                Happens::Leave(at) if !running.is_empty() => {
                    queue.leave(running.remove(at % running.len()));
                }
                Happens::Leave(_) => queue.leave(u64::MAX),
                Happens::Hold(token, seconds) => {
                    let hold = Duration::from_secs(seconds);
                    let (_, away) = queue.hold(now, TokenKey([token; 32]), hold);
                    waiting.retain(|n| !away.contains(n));
                }
                Happens::Pass(ms) => now += Duration::from_millis(ms),
            }
            prop_assert_eq!(queue.waiting(), waiting.len());
            prop_assert_eq!(queue.running.len(), running.len());
            prop_assert!(running.len() <= SHAPE.at_once);
            prop_assert!(queue.at_work.values().all(|n| *n <= SHAPE.per_owner()));
        }
        running.drain(..).for_each(|number| queue.leave(number));
        while !waiting.is_empty() {
            match queue.next(now) {
                Next::Go(number) => {
                    waiting.retain(|n| *n != number);
                    queue.leave(number);
                }
                Next::LookAgain(at) => {
                    prop_assert!(at > now);
                    now = at;
                }
                Next::Rest => prop_assert!(false, "something waits for nothing"),
            }
        }
        prop_assert_eq!(queue.at_work.len(), 0);
    }
}
