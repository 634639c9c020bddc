//! Bytes of older versions, and what they become.

use super::super::{RecordError, decode, encode};
use crate::domain::connection::{Connection, Seen, Suspicion};
use crate::domain::delivery::{BodyDigest, Delivery};
use crate::domain::id::{ConnectionId, CredentialId, DeliveryId, HookId};
use crate::domain::lifecycle::{Certainty, Desired, Hook, Phase, SuspendReason};
use crate::domain::rotation::{QUIET, Rotation, RotationState, SecretNumber};
use crate::domain::secret::Sealed;
use crate::domain::time::Timestamp;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

/// Written by version 0.1: what stands before the lifecycle, and what stands behind.
const BEFORE: &str = "01fb0201fb0403010e6769746c61622e6578616d706c65014d0d67726f75702f7375622f\
    617070140707070707070707070707070707070707070707010501010601\
    09020f706970656c696e655f6576656e74730b707573685f6576656e7473030102030101040164020103";
const BEHIND: &str = "0103010201050601010102142801788c01a001b40001dc01\
    0c726174655f6c696d69746564056c61746572f0";

/// A connection of version 0.1 in this phase, with this hook.
fn v1(phase_and_hook: &str) -> Connection {
    let bytes = HEXLOWER_PERMISSIVE
        .decode(format!("{BEFORE}00{phase_and_hook}{BEHIND}").as_bytes())
        .unwrap();
    decode(&bytes).unwrap()
}

#[test]
fn a_connection_of_version_one_keeps_everything() {
    let c = v1("070401fb6712");
    let l = &c.lifecycle;
    assert_eq!(c.id, ConnectionId::from_u128(0x0102));
    assert_eq!(c.full_name.as_str(), "group/sub/app");
    assert_eq!(c.no_access, [CredentialId::from_u128(9)]);
    assert_eq!(l.hook, Hook::Present(HookId(4711)));
    assert_eq!(l.phase, Phase::Waiting { attempt: 4 });
    assert_eq!(
        (l.desired, l.certainty),
        (Desired::Active, Certainty::Unsure)
    );
    assert_eq!((l.wanted, l.applied, l.disabled), (3, Some(2), Some(1)));
    assert!(l.recreate && l.heard && !l.ill && !l.refused);
    assert_eq!((l.checks_failed, l.pings_unanswered), (5, 6));
    assert_eq!(l.losses, [Timestamp(10), Timestamp(20)]);
    assert_eq!(c.last_check_at, Some(Timestamp(110)));
    let code = c.last_error.as_ref().unwrap().code;
    assert_eq!(code.as_str(), "rate_limited");
    assert_eq!((&c.address, c.suspicion), (&None, None));
}

#[test]
fn what_version_one_took_for_gone_is_looked_for_again() {
    let unknown = v1("090202");
    assert_eq!(unknown.lifecycle.hook, Hook::Unknown(None));
    let panics = Phase::Suspended(SuspendReason::Panics);
    assert_eq!(unknown.lifecycle.phase, panics);
    assert_eq!(v1("0000").lifecycle.hook, Hook::Unknown(None));
}

#[test]
fn a_connection_of_version_two_keeps_everything() {
    let mut c = v1("070401fb6712");
    c.address = Some("https://hooks.example".into());
    let (at, fruitless) = (Timestamp(7), 2);
    c.suspicion = Some(Suspicion { at, fruitless });
    (c.lifecycle.ill, c.lifecycle.refused) = (true, true);
    c.lifecycle.phase = Phase::Rewriting;
    c.lifecycle.hook = Hook::Unknown(Some(HookId(4711)));
    // Version 2 wrote the hook's id when it is in doubt, `ill` and `refused`, and at the end
    // the address and the suspicion.
    let (counts, rest) = BEHIND.split_at(BEHIND.find("01788c01").unwrap());
    let before = BEFORE.strip_prefix("01").unwrap();
    let address = HEXLOWER.encode("https://hooks.example".as_bytes());
    let lifecycle = format!("000b0201fb6712{counts}0101");
    let bytes = format!("02{before}{lifecycle}{rest}0115{address}010e02");
    assert_eq!(
        decode(&HEXLOWER_PERMISSIVE.decode(bytes.as_bytes()).unwrap()),
        Ok(c)
    );
}

#[test]
fn a_delivery_of_version_one_keeps_everything_with_its_older_digest() {
    let digest = "07".repeat(32);
    let head = "fb0201fb0403fb060503642d3104707573680107637265617465";
    let v1 = format!("01{head}64dc{digest}0900017801fb090801fb0a0b02");
    let delivery = decode::<Delivery>(&HEXLOWER.decode(v1.as_bytes()).unwrap()).unwrap();
    assert_eq!(delivery.id, DeliveryId::from_u128(0x0102));
    assert_eq!(delivery.body_digest, BodyDigest::Sha256([7; 32]));
    assert_eq!(delivery.received_at, Timestamp(110));
    let (name, event) = (&*delivery.provider_delivery_id, &*delivery.event);
    assert_eq!((name, event, delivery.tries), ("d-1", "push", 2));
    assert_eq!(delivery.action.as_deref(), Some("created"));
    assert_eq!(delivery.signed_by, None);
    // The digest of version 2 says what it is.
    let v2 = format!("02{head}64dc00{digest}0900017801fb090801fb0a0b02");
    assert_eq!(
        decode(&HEXLOWER.decode(v2.as_bytes()).unwrap()),
        Ok(delivery.clone())
    );
    // Written again it is of version 3, which says what verified it.
    let v3 = format!("03{head}64dc00{digest}090000017801fb090801fb0a0b02");
    assert_eq!(HEXLOWER.encode(&encode(&delivery)), v3);
    let newer = Delivery {
        body_digest: BodyDigest::Blake3([7; 32]),
        signed_by: Some(SecretNumber(5)),
        ..delivery
    };
    let bytes = encode(&newer);
    let v3 = format!("03{head}64dc01{digest}09000105017801fb090801fb0a0b02");
    assert_eq!(HEXLOWER.encode(&bytes), v3);
    assert_eq!(decode(&bytes), Ok(newer));
}

/// A connection of version 3 with this former secret.
fn v3(previous: &str) -> Connection {
    let before = BEFORE.strip_prefix("01").unwrap();
    let before = before.strip_suffix("0101040164020103");
    let (counts, rest) = BEHIND.split_at(BEHIND.find("01788c01").unwrap());
    let lifecycle = format!("000b0201fb6712{counts}0101");
    let bytes = format!("03{}{previous}02{lifecycle}{rest}0000", before.unwrap());
    decode(&HEXLOWER_PERMISSIVE.decode(bytes.as_bytes()).unwrap()).unwrap()
}

#[test]
fn a_former_secret_of_version_three_is_accepted_until_the_new_one_is_proven() {
    let begun = v3("01010400").rotation;
    assert_eq!(begun.state(), RotationState::Unconfirmed);
    let rotated = v3("0101040164").rotation;
    assert_eq!(rotated.state(), RotationState::Unproven);
    assert_eq!(rotated.confirmed_at, Some(Timestamp(50).minus(QUIET)));
    for rotation in [begun, rotated] {
        let old = &rotation.old[0];
        assert_eq!(old.secret, Sealed(vec![4]));
        assert_eq!(
            (old.number, rotation.number),
            (SecretNumber(1), SecretNumber(2))
        );
    }
    let none = v3("00");
    assert_eq!(none.rotation, Rotation::new(none.created_at));
}

#[test]
fn it_comes_back_as_version_four_and_no_other() {
    let mut c = v1("070401fb6712");
    c.address = Some("https://hooks.example".into());
    c.suspicion = Some(Suspicion {
        at: Timestamp(7),
        fruitless: 2,
    });
    (c.lifecycle.ill, c.lifecycle.refused) = (true, true);
    c.rhythm.hear(500_000, 500_000);
    (c.rotation.old[0].used_at, c.quiet_ping_at) = (Some(Timestamp(8)), Some(Timestamp(9)));
    c.seen = Some(Seen {
        tag: "W/\"1\"".into(),
        of: [3; 32],
        at: Timestamp(10),
    });
    for hook in [Hook::Unknown(Some(HookId(1))), Hook::Unknown(None)] {
        (c.lifecycle.hook, c.lifecycle.phase) = (hook, Phase::Rewriting);
        let bytes = encode(&c);
        assert_eq!(bytes[0], 4);
        assert_eq!(decode::<Connection>(&bytes), Ok(c.clone()));
        for version in [0, 1, 2, 3] {
            let other = [&[version], &bytes[1..]].concat();
            assert_eq!(decode::<Connection>(&other), Err(RecordError::Damaged));
        }
    }
}
