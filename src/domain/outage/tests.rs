//! When an outage begins, and what is known of it.

use super::*;
use crate::domain::samples;
use proptest::prelude::*;

const fn second(n: i64) -> Timestamp {
    Timestamp(n * 1000)
}

fn sign(at: i64, connection: u128, credential: u128, fails: bool) -> Sign {
    Sign {
        at: second(at),
        connection: ConnectionId::from_u128(connection),
        credential: CredentialId::from_u128(credential),
        fails,
    }
}

const fn users(connections: usize, credentials: usize) -> Users {
    Users {
        connections,
        credentials,
    }
}

fn judged(signs: &[Sign], users: Users) -> Option<i64> {
    let mut all = Signs::default();
    for sign in signs {
        all.note(*sign);
    }
    all.outage(users).map(|at| at.0 / 1000)
}

#[test]
fn several_connections_have_to_fail_and_nearly_every_call() {
    let three = [
        sign(10, 1, 1, true),
        sign(11, 2, 2, true),
        sign(12, 3, 1, true),
    ];
    assert_eq!(judged(&three, users(9, 9)), Some(10));
    // One connection's bad luck, however often.
    let one: Vec<_> = (0..20).map(|n| sign(10 * n, 1, 1, true)).collect();
    assert_eq!(judged(&one, users(9, 9)), None);
    assert_eq!(judged(&one, users(2, 1)), None);
    // One credential's, where there are several.
    let of_one = three.map(|it| Sign {
        credential: CredentialId::from_u128(1),
        ..it
    });
    assert_eq!(judged(&of_one, users(9, 2)), None);
    assert_eq!(judged(&of_one, users(9, 1)), Some(10));
    // Others are answered.
    let mut mixed = three.to_vec();
    mixed.push(sign(13, 4, 4, false));
    assert_eq!(judged(&mixed, users(9, 9)), None);
    mixed.push(sign(14, 1, 1, true));
    assert_eq!(
        judged(&mixed, users(9, 9)),
        Some(13),
        "since the last answer"
    );
    assert_eq!(judged(&three[..2], users(9, 9)), None);
}

#[test]
fn where_there_are_few_all_of_them_have_to_fail_for_a_while() {
    let quick = [
        sign(10, 1, 1, true),
        sign(11, 1, 1, true),
        sign(12, 1, 1, true),
    ];
    assert_eq!(judged(&quick, users(1, 1)), None, "in seconds");
    let slow = [
        sign(10, 1, 1, true),
        sign(20, 1, 1, true),
        sign(70, 1, 1, true),
    ];
    assert_eq!(judged(&slow, users(1, 1)), Some(10));
    assert_eq!(judged(&slow, users(0, 0)), Some(10), "not counted yet");
    assert_eq!(judged(&slow, users(2, 1)), None, "the other may work");
    let both = [slow[0], slow[1], sign(70, 2, 1, true)];
    assert_eq!(judged(&both, users(2, 1)), Some(10));
    // What is old is of no account.
    let apart = [slow[0], slow[1], sign(700, 1, 1, true)];
    assert_eq!(judged(&apart, users(1, 1)), None);
}

#[test]
fn refusals_and_limits_are_answers_or_nothing_and_never_an_outage() {
    for code in ErrorCode::ALL {
        let expected = match code.as_str() {
            "provider_unavailable"
            | "provider_timeout"
            | "provider_unreachable"
            | "host_not_found"
            | "bad_certificate" => Some(true),
            "rate_limited" | "calls_waiting" | "provider_outage" | "store_unavailable"
            | "cannot_open_secret" | "not_configured" | "no_credential" | "wrong_api_url"
            | "bad_answer" => None,
            _ => Some(false),
        };
        assert_eq!(fails(*code), expected, "{code}");
    }
}

#[test]
fn an_outage_that_comes_back_soon_is_the_same_one_with_the_same_incident() {
    let first = samples::outage();
    let error = first.error.clone();
    let again = |ended: Option<i64>, now: i64| {
        let last = ProviderOutage {
            ended_at: ended.map(second),
            ..first.clone()
        };
        let (instance, error) = (first.instance.clone(), error.clone());
        ProviderOutage::begun(instance, second(now - 1), error, Some(&last), second(now))
    };
    let soon = again(Some(100), 100 + 15 * 60);
    assert_eq!((soon.since, soon.probes), (first.since, 2));
    assert!(soon.lasts());
    let owner = samples::ANN;
    assert_eq!(soon.incident_id(owner), first.incident_id(owner));
    let later = again(Some(100), 101 + 15 * 60);
    assert_eq!((later.since, later.probes), (second(100 + 15 * 60), 0));
    assert_ne!(later.incident_id(owner), first.incident_id(owner));
    let other = OwnerId::from_u128(2);
    assert_ne!(first.incident_id(other), first.incident_id(owner));
    assert_eq!(first.incident_id(owner).created_at(), first.since);
    let elsewhere = ProviderOutage {
        instance: samples::instance("ghe.example"),
        ..first.clone()
    };
    assert_ne!(elsewhere.incident_id(owner), first.incident_id(owner));
}

#[test]
fn the_incident_says_how_many_wait_and_keeps_what_its_owner_did() {
    let outage = samples::outage();
    let mut incident = outage.incident(samples::ANN, 1, None);
    let title = &incident.title;
    assert!(title.contains("1 connection waits"), "{title}");
    incident
        .acknowledge(OwnerId::from_u128(1), second(9))
        .unwrap();
    let more = outage.incident(samples::ANN, 10_000, Some(incident.clone()));
    assert!(more.title.contains("10000 connections wait"));
    assert_eq!(
        (more.id, more.status),
        (incident.id, IncidentStatus::Acknowledged)
    );
    assert_eq!(more.affected.unwrap().connections, 10_000);
}

#[test]
fn a_probe_is_due_a_minute_after_the_last_one_whatever_the_clock_does() {
    let mut outage = samples::outage();
    outage.probed_at = second(100);
    assert_eq!(outage.probe_in(second(100)), PROBE_EVERY);
    assert_eq!(outage.probe_in(second(130)), Duration::from_secs(30));
    assert_eq!(outage.probe_in(second(160)), Duration::ZERO);
    assert!(outage.probe_in(second(-9000)) <= PROBE_EVERY);
}

#[test]
fn the_release_is_at_most_sixty_a_minute_and_ten_minutes_long() {
    assert_eq!(release_over(0), Duration::ZERO);
    assert_eq!(release_over(60), Duration::from_mins(1));
    assert_eq!(release_over(100_000), RELEASE_MAX);
}

proptest! {
    /// Whatever happens before, an outage of all is found within so many calls as are looked at,
    /// and while every second call is answered there is none.
    #[test]
    fn an_outage_of_all_is_found_and_one_of_half_is_none(
        before in proptest::collection::vec((0_u128..50, 0_u128..5, any::<bool>()), 0..60),
        number in 3_u128..50,
    ) {
        let mut signs = Signs::default();
        let mut at = 0;
        for (connection, credential, fails) in before {
            at += 1;
            signs.note(sign(at, connection, credential, fails));
        }
        let (mut all, mut half) = (signs.clone(), signs);
        for n in 0..u128::try_from(SIGNS_MAX).unwrap() {
            at += 1;
            all.note(sign(at, n % number, n % 5, true));
            half.note(sign(at, n % number, n % 5, n % 2 == 0));
        }
        let there = users(usize::try_from(number).unwrap(), 5);
        prop_assert!(all.outage(there).is_some_and(|since| since <= second(at)));
        prop_assert_eq!(half.outage(there), None);
    }
}
