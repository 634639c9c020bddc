//! Counts are what a walk finds, whatever the history, and however often it is applied.

use super::*;
use crate::domain::connection::CredentialUse;
use crate::domain::id::{CredentialId, IncidentId, TokenId, UserId};
use crate::domain::incident::{Incident, Subject};
use crate::domain::lifecycle::{Desired, Phase, SuspendReason};
use crate::store::Change;
use crate::store::contract::tests::made;
use crate::store::index::{Entries, Place};
use crate::store::memory::MemoryKv;
use proptest::prelude::*;

fn connection(id: u8, owner: u8, life: u8, credential: u8) -> Change {
    let mut connection = made::connection(id, &format!("o/r{id}"));
    connection.owner = UserId::from_u128(u128::from(owner));
    let credential = CredentialId::from_u128(u128::from(credential));
    connection.credential_used = life
        .is_multiple_of(2)
        .then_some(CredentialUse::Own(credential));
    let lifecycle = &mut connection.lifecycle;
    (lifecycle.desired, lifecycle.phase) = match life {
        0 => (Desired::Active, Phase::Active),
        1 => (Desired::Active, Phase::Suspended(SuspendReason::Panics)),
        2 => (Desired::Paused, Phase::Idle),
        3 => (
            Desired::Removed { delete_hook: true },
            Phase::Deleting { attempt: 1 },
        ),
        4 => (Desired::Removed { delete_hook: true }, Phase::Removed),
        _ => (Desired::Removed { delete_hook: false }, Phase::Removed),
    };
    Change::PutConnection(Box::new(connection))
}

fn incident(id: u8, status: u8, severity: u8, source: u8) -> Change {
    let owner = UserId::from_u128(u128::from(id % 2));
    let subject = if id < 3 {
        Subject::Connection(crate::domain::id::ConnectionId::from_u128(u128::from(id)))
    } else {
        Subject::Credential(CredentialId::from_u128(u128::from(id)))
    };
    Change::PutIncident(Box::new(Incident {
        owner,
        subject,
        severity: Severity::ALL[usize::from(severity)],
        source: IncidentSource::ALL[usize::from(source)],
        ..made::incident(u128::from(id), id, IncidentStatus::ALL[usize::from(status)])
    }))
}

fn token(id: u8, user: u8) -> Change {
    Change::PutToken(made::token(id, UserId::from_u128(user.into())))
}

fn change() -> impl Strategy<Value = Change> {
    let id = |n: u8| u128::from(n);
    prop_oneof![
        4 => (0..4_u8, 0..2_u8, 0..6_u8, 0..3_u8).prop_map(|(a, b, c, d)| connection(a, b, c, d)),
        4 => (0..5_u8, 0..3_u8, 0..3_u8, 0..3_u8).prop_map(|(a, b, c, d)| incident(a, b, c, d)),
        1 => (0..4_u8).prop_map(|id| token(id, id % 2)),
        1 => (0..2_u8).prop_map(move |n| {
            Change::PutUser(made::user(UserId::from_u128(id(n)), &format!("u{n}")))
        }),
        1 => (0..3_u8).prop_map(move |n| {
            Change::PutCredential(made::credential(id(n), UserId::from_u128(id(n % 2))))
        }),
        1 => (0..4_u8).prop_map(move |n| {
            Change::DeleteConnection(crate::domain::id::ConnectionId::from_u128(id(n)))
        }),
        1 => (0..5_u8).prop_map(move |n| Change::ForgetIncident(IncidentId::from_u128(id(n)))),
        1 => (0..4_u8).prop_map(move |n| Change::DeleteToken(TokenId::from_u128(id(n)))),
        1 => (0..3_u8).prop_map(move |n| {
            Change::DeleteCredential(CredentialId::from_u128(id(n)))
        }),
        1 => (0..2_u8).prop_map(move |n| Change::DeleteUser(UserId::from_u128(id(n)))),
    ]
}

fn apply(index: &Index<MemoryKv>, changes: &[Change]) {
    for change in changes {
        index.apply(change, Place::default()).unwrap();
    }
}

fn all(index: &Index<MemoryKv>) -> Entries {
    let mut all = Entries::new();
    let mut take = |entries: Entries| {
        all.extend(entries);
        Ok(())
    };
    index.kv.walk(&mut take).unwrap();
    all
}

proptest! {
    #[test]
    fn counts_are_what_a_walk_finds(
        changes in prop::collection::vec(change(), 0..60),
        (from, to) in (0..60_usize, 0..60_usize),
    ) {
        let index = Index::new(MemoryKv::default());
        apply(&index, &changes);
        prop_assert_eq!(index.miscounted(), Ok(Vec::new()));
        let whole = all(&index);
        // Once more from anywhere, as after a snapshot that was taken while others wrote.
        apply(&index, &changes[from.min(changes.len())..]);
        prop_assert_eq!(index.miscounted(), Ok(Vec::new()));
        prop_assert_eq!(&all(&index), &whole, "nothing was counted twice");

        // The snapshot holds the first half of its keys as they were, and the others as they are.
        let early = Index::new(MemoryKv::default());
        apply(&early, &changes[..to.min(changes.len())]);
        let early = all(&early);
        let middle = early.get(early.len() / 2).map(|(key, _)| key.clone());
        let (before, after): (Vec<_>, Vec<_>) = early
            .into_iter()
            .map(|entry| (true, entry))
            .chain(whole.iter().cloned().map(|entry| (false, entry)))
            .filter(|(is_early, (key, _))| *is_early == middle.as_ref().is_some_and(|m| key < m))
            .partition(|(is_early, _)| *is_early);
        let restored = Index::new(MemoryKv::default());
        for (_, (key, value)) in before.into_iter().chain(after) {
            restored.restore(key, value).unwrap();
        }
        prop_assert_eq!(restored.miscounted(), Ok(Vec::new()));
        apply(&restored, &changes[to.min(changes.len())..]);
        prop_assert_eq!(restored.miscounted(), Ok(Vec::new()));
        prop_assert_eq!(&all(&restored), &whole);
    }
}

#[test]
fn a_count_that_is_wrong_is_found_out() {
    let index = Index::new(MemoryKv::default());
    apply(&index, &[connection(1, 1, 0, 1), connection(2, 1, 0, 1)]);
    let list = Key::of(Kind::ConnectionByOwner).id(1);
    let key = count_key(list.bytes());
    for wrong in [Some(3_u64), Some(1), None] {
        let value = wrong.map(|n| n.to_be_bytes().to_vec());
        index.kv.apply(vec![(key.bytes().to_vec(), value)]).unwrap();
        assert_eq!(
            index.miscounted(),
            Ok(vec![key.bytes().to_vec()]),
            "{wrong:?}"
        );
    }
}
