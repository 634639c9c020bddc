//! Rotations: what ends them, and what does not.

use super::*;
use proptest::prelude::*;

const fn at(minutes: i64) -> Timestamp {
    Timestamp(minutes * 60_000)
}

/// Rotated at minute 0.
fn rotated() -> Rotation {
    let mut r = Rotation::new(at(-10_000));
    r.begin(Sealed(vec![1]), Some(2), at(0));
    r
}

const NEW: SecretNumber = SecretNumber(2);
const OLD: SecretNumber = SecretNumber(1);
const YEAR: i64 = 60 * 24 * 365;

#[test]
fn no_clock_ends_a_rotation_that_is_not_confirmed_and_proven() {
    let mut r = rotated();
    assert_eq!(r.state(), RotationState::Unconfirmed);
    // Signed with the new secret, and the provider's answer is lost.
    r.hear(NEW, at(1));
    assert_eq!((r.proven_at, r.drop_old(at(YEAR))), (None, None));
    assert!(r.confirm(at(2)) && !r.confirm(at(3)));
    assert_eq!(
        (r.state(), r.confirmed_at),
        (RotationState::Unproven, Some(at(2)))
    );
    assert_eq!(r.drop_old(at(YEAR)), None);
    // What arrived before proves nothing about what the provider does now.
    r.hear(NEW, at(1));
    r.hear(OLD, at(4));
    assert_eq!(
        (r.state(), r.drop_old(at(YEAR))),
        (RotationState::Unproven, None)
    );
    r.hear(NEW, at(5));
    assert_eq!(r.state(), RotationState::Settling);
    assert!(!r.is_over(at(64)) && r.is_over(at(65)));
    assert_eq!(r.drop_old(at(65)), Some(Dropped::Unused));
    assert_eq!((r.state(), r.number), (RotationState::Settled, NEW));
}

#[test]
fn each_delivery_with_a_former_secret_starts_the_wait_again_up_to_a_bound() {
    let mut r = rotated();
    r.confirm(at(0));
    r.hear(NEW, at(0));
    let mut minute = 0;
    while r.drop_old(at(minute)).is_none() {
        r.hear(OLD, at(minute));
        minute += 59;
        assert!(
            minute < YEAR,
            "an attacker who has the secret keeps it alive"
        );
    }
    assert_eq!(Timestamp(0).plus(USED_MAX), at(7 * 24 * 60));
    let week = 7 * 24 * 60;
    assert!((week..week + 59).contains(&minute));
    // It says that it was in use.
    let mut r = rotated();
    r.confirm(at(0));
    r.hear(NEW, at(0));
    r.hear(OLD, at(7 * 24 * 60));
    assert_eq!(r.drop_old(at(7 * 24 * 60)), Some(Dropped::Used));
}

#[test]
fn a_rotation_during_another_drops_no_secret_that_may_sign() {
    let mut r = rotated();
    r.confirm(at(1));
    r.hear(NEW, at(1));
    r.begin(Sealed(vec![2]), Some(3), at(10));
    assert_eq!(r.state(), RotationState::Unconfirmed);
    let numbers: Vec<_> = r.old.iter().map(|old| old.number).collect();
    assert_eq!((r.number, numbers), (SecretNumber(3), vec![NEW, OLD]));
    r.confirm(at(11));
    r.hear(SecretNumber(3), at(12));
    r.hear(NEW, at(50));
    assert_eq!(r.drop_old(at(80)), Some(Dropped::Unused));
    let numbers: Vec<_> = r.old.iter().map(|old| old.number).collect();
    assert_eq!(numbers, [NEW], "each for itself");
    assert!(r.has_room());
    r.begin(Sealed(vec![3]), None, at(81));
    r.begin(Sealed(vec![4]), None, at(81));
    assert!(!r.has_room());
}

#[test]
fn a_clock_that_goes_back_neither_hides_a_proof_nor_prolongs_the_wait() {
    let mut r = rotated();
    r.confirm(at(YEAR));
    r.redate(at(10));
    r.hear(NEW, at(11));
    assert_eq!(r.state(), RotationState::Settling);
    r.hear(OLD, at(YEAR));
    r.redate(at(12));
    assert!(!r.is_over(at(71)) && r.is_over(at(72)));
}

#[test]
fn what_is_known_already_is_no_news() {
    let mut r = rotated();
    assert!(!r.is_news(NEW, at(0)) && r.is_news(OLD, at(0)));
    r.hear(OLD, at(0));
    assert!(!r.is_news(OLD, at(4)) && r.is_news(OLD, at(5)));
    r.confirm(at(5));
    assert!(r.is_news(NEW, at(6)) && r.is_proof(Some(NEW)) && !r.is_proof(Some(OLD)));
    r.hear(NEW, at(6));
    assert!(!r.is_news(NEW, at(7)) && !r.is_news(SecretNumber(9), at(7)));
}

const DAY: Duration = Duration::from_hours(24);
const PLAN: Plan = Plan {
    every: Duration::from_hours(24 * 30),
    step: Duration::from_mins(33),
};

#[test]
fn a_hundred_thousand_connections_are_not_rotated_at_once() {
    // Switched on when all secrets are old, looked at every half hour.
    let start = Timestamp(0).plus(DAY * 1000);
    let mut by_hour = vec![0_u32; 24 * 4];
    for n in 0..10_000_u128 {
        let id = ConnectionId::from_u128(n << 64 | n);
        let r = Rotation::new(Timestamp(0));
        let phase = Duration::from_secs(u64::try_from(n % 1800).unwrap());
        let looks = (0..).map(|look| start.plus(phase + Duration::from_mins(30) * look));
        let first = looks.take(24 * 2 * 4).find(|at| r.is_due(id, PLAN, *at));
        let hours = first
            .expect("within a tenth of the interval")
            .since(start)
            .as_secs()
            / 3600;
        by_hour[usize::try_from(hours).unwrap()] += 1;
    }
    let most = *by_hour.iter().max().unwrap();
    assert!(
        most < 350,
        "10,000 in three days, and so many in an hour: {most}"
    );
    let days: Vec<u32> = by_hour.chunks(24).map(|day| day.iter().sum()).collect();
    assert!(
        days[..3].iter().all(|day| (2_800..4_200).contains(day)),
        "{days:?}"
    );
}

proptest! {
    #[test]
    fn a_connection_is_due_before_its_interval_is_up_and_alike_after_every_restart(
        id: u128,
        made in 0_i64..1_000_000_000_000,
    ) {
        let (id, r) = (ConnectionId::from_u128(id), Rotation::new(Timestamp(made)));
        let due = r.due_at(id, PLAN.every);
        prop_assert_eq!(due, r.clone().due_at(id, PLAN.every));
        let age = due.since(r.made_at);
        prop_assert!(age <= PLAN.every && age >= PLAN.every * 9 / 10);
        prop_assert!(!r.is_due(id, PLAN, due.minus(Duration::from_millis(1))));
        prop_assert!(r.is_due(id, PLAN, due) && r.is_due(id, PLAN, due.plus(PLAN.step)));
        // However it is looked at, it comes to its turn.
        let late = due.plus(Duration::from_hours(24 * 365));
        let mut looks = (0..200).map(|n| late.plus(PLAN.step * n));
        prop_assert!(looks.any(|at| r.is_due(id, PLAN, at)));
    }

    #[test]
    fn a_secret_is_dropped_only_after_proof_and_quiet_whatever_happens(
        events in prop::collection::vec((0_u8..5, 0_i64..90), 0..60),
    ) {
        let mut r = Rotation::new(at(0));
        let mut now = 0;
        let (mut proven, mut used) = (None::<i64>, -1_000_000_i64);
        r.begin(Sealed(vec![1]), None, at(0));
        let mut confirmed = None::<i64>;
        for (what, later) in events {
            now += later;
            match what {
                0 => {
                    if r.confirm(at(now)) {
                        confirmed = Some(now);
                    }
                }
                1 => {
                    r.hear(NEW, at(now));
                    proven = proven.or(confirmed.and(Some(now)));
                }
                2 => {
                    r.hear(OLD, at(now));
                    used = now;
                }
                3 => r = r.clone(),
                _ => {
                    if r.drop_old(at(now)).is_some() {
                        let since = proven.expect("dropped without a proof");
                        let is_quiet = now - used.max(since) >= 60;
                        prop_assert!(is_quiet || now - since >= 7 * 24 * 60);
                        break;
                    }
                }
            }
            prop_assert_eq!(r.old.len(), 1);
        }
    }
}
