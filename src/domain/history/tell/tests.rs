//! Steps, and what the history says of them.

use super::*;
use crate::domain::connection::LastError;
use crate::domain::error_code::ErrorCode;
use crate::domain::lifecycle::{Effect, Failure, Hook, Input, Reply, step};
use crate::domain::rotation::QUIET;
use crate::domain::samples;
use crate::domain::secret::Sealed;

const NOW: Timestamp = Timestamp(9);
const HOOK: HookId = HookId(7);

/// A connection whose hook works.
fn working() -> Connection {
    let mut c = samples::connection(1, "o/r");
    (c.hook_created_at, c.last_check_at) = (Some(NOW), Some(NOW));
    c.lifecycle.phase = Phase::Active;
    c.lifecycle.hook = Hook::Present(HOOK);
    c.lifecycle.applied = Some(c.lifecycle.wanted);
    c
}

/// What a step of the machine makes of a connection, and what is said of it.
fn after(was: &Connection, input: Input, facts: &Facts<'_>) -> (Connection, Vec<Entry>) {
    let mut is = was.clone();
    let effects;
    (is.lifecycle, effects) = step(is.lifecycle, input);
    let observations: Vec<_> = effects.iter().filter_map(Effect::observation).collect();
    let call = effects.iter().find_map(Effect::call);
    let facts = Facts {
        observations: &observations,
        call,
        ..facts.clone()
    };
    let entries = tell(was, &is, &facts, NOW);
    (is, entries)
}

fn kinds(entries: &[Entry]) -> Vec<EntryKind> {
    entries.iter().map(|entry| entry.kind).collect()
}

fn ensured(hook: u64, c: &Connection) -> Input {
    Input::Replied(Reply::Ensured {
        hook: HookId(hook),
        known: c.lifecycle.hook.id(),
        revision: 1,
    })
}

#[test]
fn drift_is_told_with_its_fields_and_the_repair_after_it() {
    let none = Facts::default();
    let (checking, said) = after(&working(), Input::CheckRequested, &none);
    assert!(said.is_empty(), "a check is no news");
    let facts = Facts {
        drift: &["events", "active"],
        ..Facts::default()
    };
    let (ill, said) = after(&checking, Input::Replied(Reply::Drifted), &facts);
    let [drifted] = &said[..] else {
        panic!("{said:?}");
    };
    assert_eq!(drifted.kind, EntryKind::Drifted);
    assert_eq!(drifted.fields, ["events", "active"]);
    assert_eq!(drifted.evidence, Evidence::Check);
    assert_eq!(
        (drifted.reaction, drifted.hook),
        (Reaction::Repair, Some(HOOK))
    );
    let revision = ill.lifecycle.wanted;
    let (_, said) = after(&ill, Input::Replied(Reply::Repaired { revision }), &none);
    assert_eq!(kinds(&said), [EntryKind::Repaired]);
    assert_eq!(said[0].evidence, Evidence::Write);
}

#[test]
fn that_tls_is_not_verified_any_more_is_more_than_a_drift() {
    let (checking, _) = after(&working(), Input::CheckRequested, &Facts::default());
    let alarm = Some(ErrorCode::TlsNotVerified);
    for (drift, code) in [
        (&["events", "insecure_ssl"][..], alarm),
        (&["enable_ssl_verification"], alarm),
        (&["content_type", "secret"], None),
    ] {
        let facts = Facts {
            drift,
            ..Facts::default()
        };
        let (_, said) = after(&checking, Input::Replied(Reply::Drifted), &facts);
        assert_eq!((said[0].kind, said[0].code), (EntryKind::Drifted, code));
    }
}

/// GitHub may ping a new hook before it answers the request that creates it.
#[test]
fn a_hook_that_greeted_us_before_its_creation_was_answered_is_the_first() {
    let created = Facts {
        made: Some(Made::Created),
        ..Facts::default()
    };
    let mut c = samples::connection(1, "o/r");
    c.lifecycle.phase = Phase::Creating { attempt: 0 };
    c.lifecycle.hook = Hook::Unknown(Some(HOOK));
    (c.hook_created_at, c.last_check_at) = (Some(NOW), None);
    let (_, said) = after(&c, ensured(7, &c), &created);
    assert_eq!(kinds(&said), [EntryKind::Created]);
}

#[test]
fn a_hook_is_created_lost_and_recreated_and_the_third_loss_asks() {
    let created = Facts {
        made: Some(Made::Created),
        ..Facts::default()
    };
    let mut c = samples::connection(1, "o/r");
    (c.lifecycle.phase, c.lifecycle.hook) = (Phase::Creating { attempt: 0 }, Hook::Absent);
    (c.hook_created_at, c.last_check_at) = (None, None);
    let (mut c, said) = after(&c, ensured(7, &c), &created);
    assert_eq!(
        (kinds(&said), said[0].hook),
        (vec![EntryKind::Created], Some(HOOK))
    );
    (c.hook_created_at, c.last_check_at) = (Some(NOW), Some(NOW));
    for loss in 1..=3 {
        (c, _) = after(&c, Input::CheckRequested, &Facts::default());
        let missing = Input::Replied(Reply::Missing { at: NOW });
        let (lost, said) = after(&c, missing, &Facts::default());
        assert_eq!(said.last().map(|e| e.kind), Some(EntryKind::Lost), "{loss}");
        c = lost;
        if loss == 3 {
            assert_eq!(kinds(&said), [EntryKind::Suspended, EntryKind::Lost]);
            assert!(said.iter().all(|e| e.reaction == Reaction::AskUser));
            assert_eq!(said[0].code, Some(ErrorCode::HookDeletedRepeatedly));
            break;
        }
        assert_eq!(said[0].reaction, Reaction::Ensure);
        let (again, said) = after(&c, ensured(7 + loss, &c), &created);
        assert_eq!(kinds(&said), [EntryKind::Recreated]);
        c = again;
    }
}

#[test]
fn a_hook_that_was_only_confirmed_is_no_news_and_one_that_was_taken_over_is() {
    let found = Facts {
        made: Some(Made::Found),
        ..Facts::default()
    };
    let mut c = working();
    c.lifecycle.phase = Phase::Creating { attempt: 0 };
    assert!(after(&c, ensured(7, &c), &found).1.is_empty());
    let (_, said) = after(&c, ensured(8, &c), &found);
    assert_ne!(kinds(&said), [EntryKind::Created]);
    c.lifecycle.hook = Hook::Absent;
    let (_, said) = after(&c, ensured(8, &c), &found);
    assert_eq!(kinds(&said), [EntryKind::Adopted]);
    // The answer to its creation was lost, and its ping has arrived.
    (c.lifecycle.hook, c.last_check_at) = (Hook::Unknown(Some(HOOK)), None);
    let (_, said) = after(&c, ensured(7, &c), &found);
    assert_eq!(kinds(&said), [EntryKind::Adopted]);
}

#[test]
fn requests_are_told_once_each() {
    let none = Facts::default();
    let pause = Input::DesiredChanged(Desired::Paused);
    let (mut paused, said) = after(&working(), pause, &none);
    assert_eq!(kinds(&said), [EntryKind::StoppedByUser]);
    paused.lifecycle.phase = Phase::Suspended(SuspendReason::Panics);
    let resume = Input::DesiredChanged(Desired::Active);
    let (_, said) = after(&paused, resume, &none);
    assert_eq!(kinds(&said), [EntryKind::Resumed]);
    let was = working();
    let mut is = was.clone();
    is.events = vec!["push".into(), "status".into()];
    let mut had = was.clone();
    had.events = vec!["issues".into(), "push".into()];
    let said = tell(&had, &is, &none, NOW);
    assert_eq!(said[0].fields, ["+status", "-issues"]);
    assert_eq!(
        (said[0].kind, said[0].evidence),
        (EntryKind::EventsChanged, Evidence::Request)
    );
}

#[test]
fn a_rotation_is_told_from_its_beginning_to_the_end_of_the_old_secret() {
    let (before, facts) = (working(), Facts::default());
    let mut open = before.clone();
    open.rotation.begin(Sealed(vec![1]), None, NOW);
    for (is_regular, evidence) in [(true, Evidence::Time), (false, Evidence::Request)] {
        let begun = Facts {
            rotation: Some(is_regular),
            ..Facts::default()
        };
        let said = tell(&before, &open, &begun, NOW);
        assert_eq!(kinds(&said), [EntryKind::RotationBegun]);
        assert_eq!(said[0].evidence, evidence);
    }
    let mut applied = open.clone();
    applied.rotation.confirm(NOW);
    assert_eq!(
        kinds(&tell(&open, &applied, &facts, NOW)),
        [EntryKind::Rotated]
    );
    let mut proven = applied.clone();
    proven.rotation.hear(proven.rotation.number, NOW);
    let said = tell(&applied, &proven, &facts, NOW);
    assert_eq!(kinds(&said), [EntryKind::SecretProven]);
    assert_eq!(said[0].evidence, Evidence::Delivery);
    let mut over = proven.clone();
    over.rotation.drop_old(NOW.plus(QUIET));
    for (dropped, evidence) in [
        (Dropped::Unused, Evidence::Delivery),
        (Dropped::Used, Evidence::Time),
    ] {
        let facts = Facts {
            dropped: Some(dropped),
            ..Facts::default()
        };
        let said = tell(&proven, &over, &facts, NOW);
        assert_eq!(kinds(&said), [EntryKind::OldSecretDropped]);
        assert_eq!(said[0].evidence, evidence);
    }
    assert!(tell(&open, &open, &facts, NOW).is_empty());
}

#[test]
fn refusals_silence_and_moves_are_told_with_their_proof() {
    let none = Facts::default();
    let (checking, _) = after(&working(), Input::CheckRequested, &none);
    let refused = Input::CallFailed {
        failure: Failure::NoAccess,
        may_have_acted: false,
    };
    let (mut ill, _) = after(&checking, refused.clone(), &none);
    ill.last_error = Some(LastError {
        code: ErrorCode::NoAccess,
        message: "No access.".into(),
        at: NOW,
    });
    let said = tell(&checking, &ill, &none, NOW);
    assert_eq!(
        (kinds(&said), said[0].code),
        (vec![EntryKind::Refused], Some(ErrorCode::NoAccess))
    );
    assert!(after(&ill, refused, &none).1.is_empty(), "it was said");
    let (checking, _) = after(&ill, Input::CheckRequested, &none);
    let (_, said) = after(&checking, Input::Replied(Reply::Intact), &none);
    assert_eq!(kinds(&said), [EntryKind::Accepted]);
    let silent = Facts {
        observations: &[Observation::HookSilent],
        ..Facts::default()
    };
    let said = tell(&working(), &working(), &silent, NOW);
    assert_eq!(
        (said[0].kind, said[0].evidence),
        (EntryKind::Silent, Evidence::Pings)
    );
    let moved = Facts {
        observations: &[Observation::HookRewritten],
        ..Facts::default()
    };
    let at = |address: &str| Connection {
        address: Some(address.into()),
        ..working()
    };
    let said = tell(&at("https://old"), &at("https://new"), &moved, NOW);
    assert_eq!(said[0].kind, EntryKind::Moved);
    assert_eq!(said[0].from.as_deref(), Some("https://old"));
    let said = tell(&at("https://a"), &at("https://a"), &moved, NOW);
    assert_eq!(kinds(&said), [EntryKind::Rewritten]);
}
