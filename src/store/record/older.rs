//! Steps up from the frozen mirrors of older versions. Never change a mirror or a step.

use super::codec::{Record, RecordError, plain};
use super::kinds::{
    CredentialUseV1, DeliveryStateV1, DesiredV1, InstanceV1, LastErrorV1, LifecycleV2, SuspicionV1,
};
use super::wire::{Wire, frozen};
use crate::domain::connection::Connection;
use crate::domain::delivery::{BodyDigest, Delivery};
use crate::domain::id::HookId;
use crate::domain::lifecycle::{Hook, Lifecycle, Phase, SuspendReason};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(in crate::store) enum HookV1 {
    Absent,
    Present { inner: u64 },
    Unknown,
}

#[derive(Serialize, Deserialize)]
pub(in crate::store) enum PhaseV1 {
    Idle,
    Creating { attempt: u32 },
    Active,
    Checking,
    Pinging,
    Repairing { attempt: u32 },
    Deleting { attempt: u32 },
    Waiting { attempt: u32 },
    Settling,
    Suspended { inner: u8 },
    Removed,
}

frozen!(LifecycleV1 {
    desired: DesiredV1,
    phase: PhaseV1,
    hook: HookV1,
    certainty: u8,
    wanted: u32,
    applied: Option<u32>,
    recreate: bool,
    checks_failed: u32,
    pings_unanswered: u32,
    heard: bool,
    disabled: Option<u32>,
    losses: Vec<i64>,
});

frozen!(ConnectionV1 {
    id: u128,
    owner: u128,
    instance: InstanceV1,
    repository: Option<u64>,
    full_name: String,
    hook_key: Vec<u8>,
    credential: Option<u128>,
    credential_used: Option<CredentialUseV1>,
    no_access: Vec<u128>,
    events: Vec<String>,
    secret: Vec<u8>,
    previous_secret: Option<(Vec<u8>, Option<i64>)>,
    proof: u8,
    family: Option<u8>,
    lifecycle: LifecycleV1,
    retry_due_at: Option<i64>,
    created_at: i64,
    hook_created_at: Option<i64>,
    last_delivery_at: Option<i64>,
    last_event_at: Option<i64>,
    last_check_at: Option<i64>,
    last_error: Option<LastErrorV1>,
});

// `family` was what version 0.1 followed of the ways to tell about CI; of no account since.
frozen!(ConnectionV2 {
    id: u128,
    owner: u128,
    instance: InstanceV1,
    repository: Option<u64>,
    full_name: String,
    hook_key: Vec<u8>,
    credential: Option<u128>,
    credential_used: Option<CredentialUseV1>,
    no_access: Vec<u128>,
    events: Vec<String>,
    secret: Vec<u8>,
    previous_secret: Option<(Vec<u8>, Option<i64>)>,
    proof: u8,
    family: Option<u8>,
    lifecycle: LifecycleV2,
    retry_due_at: Option<i64>,
    created_at: i64,
    hook_created_at: Option<i64>,
    last_delivery_at: Option<i64>,
    last_event_at: Option<i64>,
    last_check_at: Option<i64>,
    last_error: Option<LastErrorV1>,
    address: Option<String>,
    suspicion: Option<SuspicionV1>,
});

frozen!(DeliveryV1 {
    id: u128,
    connection: u128,
    owner: u128,
    provider_delivery_id: String,
    event: String,
    action: Option<String>,
    received_at: i64,
    body_digest: [u8; 32],
    body_bytes: u32,
    source: u8,
    state: DeliveryStateV1,
    tries: u32,
});

/// A delivery as an older version wrote it: with SHA-256 of its body.
fn delivery(version: u8, bytes: &[u8]) -> Result<Delivery, RecordError> {
    let delivery = match version {
        1 => delivery_from_v1(plain(bytes)?),
        _ => None,
    };
    delivery.ok_or(RecordError::Damaged)
}

fn delivery_from_v1(v1: DeliveryV1) -> Option<Delivery> {
    Some(Delivery {
        id: Wire::from_wire(v1.id)?,
        connection: Wire::from_wire(v1.connection)?,
        owner: Wire::from_wire(v1.owner)?,
        provider_delivery_id: v1.provider_delivery_id,
        event: v1.event,
        action: v1.action,
        received_at: Wire::from_wire(v1.received_at)?,
        body_digest: BodyDigest::Sha256(v1.body_digest),
        body_bytes: v1.body_bytes,
        source: Wire::from_wire(v1.source)?,
        state: Wire::from_wire(v1.state)?,
        tries: v1.tries,
    })
}

/// The connection that an older record stands for. What all versions had goes over as it is.
macro_rules! connection {
    ($old:ident, $lifecycle:expr, $address:expr, $suspicion:expr $(,)?) => {
        Connection {
            id: Wire::from_wire($old.id)?,
            owner: Wire::from_wire($old.owner)?,
            instance: Wire::from_wire($old.instance)?,
            repository: Wire::from_wire($old.repository)?,
            full_name: Wire::from_wire($old.full_name)?,
            hook_key: Wire::from_wire($old.hook_key)?,
            credential: Wire::from_wire($old.credential)?,
            credential_used: Wire::from_wire($old.credential_used)?,
            no_access: Wire::from_wire($old.no_access)?,
            events: $old.events,
            secret: Wire::from_wire($old.secret)?,
            previous_secret: Wire::from_wire($old.previous_secret)?,
            proof: Wire::from_wire($old.proof)?,
            lifecycle: $lifecycle,
            retry_due_at: Wire::from_wire($old.retry_due_at)?,
            created_at: Wire::from_wire($old.created_at)?,
            hook_created_at: Wire::from_wire($old.hook_created_at)?,
            address: $address,
            suspicion: $suspicion,
            last_delivery_at: Wire::from_wire($old.last_delivery_at)?,
            last_event_at: Wire::from_wire($old.last_event_at)?,
            last_check_at: Wire::from_wire($old.last_check_at)?,
            last_error: Wire::from_wire($old.last_error)?,
        }
    };
}

/// A connection as an older version wrote it.
fn connection(version: u8, bytes: &[u8]) -> Result<Connection, RecordError> {
    let connection = match version {
        1 => from_v1(plain(bytes)?),
        2 => from_v2(plain(bytes)?),
        _ => None,
    };
    connection.ok_or(RecordError::Damaged)
}

fn from_v2(v2: ConnectionV2) -> Option<Connection> {
    let lifecycle = Wire::from_wire(v2.lifecycle)?;
    let suspicion = Wire::from_wire(v2.suspicion)?;
    Some(connection!(v2, lifecycle, v2.address, suspicion))
}

/// Version 1 forgot the hook's id when it was in doubt, knew hooks by their present URL only, and
/// so may have taken one for gone that had another: such a hook is looked for again.
fn hook(v1: &HookV1, was_there: bool) -> Hook {
    match v1 {
        HookV1::Absent if was_there => Hook::Unknown(None),
        HookV1::Absent => Hook::Absent,
        HookV1::Present { inner } => Hook::Present(HookId(*inner)),
        HookV1::Unknown => Hook::Unknown(None),
    }
}

fn phase(v1: &PhaseV1) -> Option<Phase> {
    Some(match *v1 {
        PhaseV1::Idle => Phase::Idle,
        PhaseV1::Creating { attempt } => Phase::Creating { attempt },
        PhaseV1::Active => Phase::Active,
        PhaseV1::Checking => Phase::Checking,
        PhaseV1::Pinging => Phase::Pinging,
        PhaseV1::Repairing { attempt } => Phase::Repairing { attempt },
        PhaseV1::Deleting { attempt } => Phase::Deleting { attempt },
        PhaseV1::Waiting { attempt } => Phase::Waiting { attempt },
        PhaseV1::Settling => Phase::Settling,
        PhaseV1::Suspended { inner } => Phase::Suspended(SuspendReason::from_wire(inner)?),
        PhaseV1::Removed => Phase::Removed,
    })
}

fn lifecycle(v1: LifecycleV1, was_there: bool) -> Option<Lifecycle> {
    Some(Lifecycle {
        desired: Wire::from_wire(v1.desired)?,
        phase: phase(&v1.phase)?,
        hook: hook(&v1.hook, was_there),
        certainty: Wire::from_wire(v1.certainty)?,
        wanted: v1.wanted,
        applied: v1.applied,
        recreate: v1.recreate,
        ill: false,
        refused: false,
        checks_failed: v1.checks_failed,
        pings_unanswered: v1.pings_unanswered,
        heard: v1.heard,
        disabled: v1.disabled,
        losses: Wire::from_wire(v1.losses)?,
    })
}

fn from_v1(v1: ConnectionV1) -> Option<Connection> {
    let lifecycle = lifecycle(v1.lifecycle, v1.hook_created_at.is_some())?;
    // The first check shows where the hook delivers to.
    Some(connection!(v1, lifecycle, None, None))
}

impl Record for Connection {
    const VERSION: u8 = 3;
    const KIND: &'static str = "connection";

    fn from_older(version: u8, bytes: &[u8]) -> Result<Self, RecordError> {
        connection(version, bytes)
    }
}

impl Record for Delivery {
    const VERSION: u8 = 2;
    const KIND: &'static str = "delivery";

    fn from_older(version: u8, bytes: &[u8]) -> Result<Self, RecordError> {
        delivery(version, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RecordError, decode, encode};
    use crate::domain::connection::{Connection, Suspicion};
    use crate::domain::delivery::{BodyDigest, Delivery};
    use crate::domain::id::{ConnectionId, CredentialId, DeliveryId, HookId};
    use crate::domain::lifecycle::{Certainty, Desired, Hook, Phase, SuspendReason};
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
        // Written again it is of version 2, whose digest says what it is.
        let v2 = format!("02{head}64dc00{digest}0900017801fb090801fb0a0b02");
        assert_eq!(HEXLOWER.encode(&encode(&delivery)), v2);
        let newer = Delivery {
            body_digest: BodyDigest::Blake3([7; 32]),
            ..delivery
        };
        let bytes = encode(&newer);
        let v2 = format!("02{head}64dc01{digest}0900017801fb090801fb0a0b02");
        assert_eq!(HEXLOWER.encode(&bytes), v2);
        assert_eq!(decode(&bytes), Ok(newer));
    }

    #[test]
    fn it_comes_back_as_version_three_and_no_other() {
        let mut c = v1("070401fb6712");
        c.address = Some("https://hooks.example".into());
        c.suspicion = Some(Suspicion {
            at: Timestamp(7),
            fruitless: 2,
        });
        (c.lifecycle.ill, c.lifecycle.refused) = (true, true);
        for hook in [Hook::Unknown(Some(HookId(1))), Hook::Unknown(None)] {
            (c.lifecycle.hook, c.lifecycle.phase) = (hook, Phase::Rewriting);
            let bytes = encode(&c);
            assert_eq!(bytes[0], 3);
            assert_eq!(decode::<Connection>(&bytes), Ok(c.clone()));
            for version in [0, 1, 2] {
                let other = [&[version], &bytes[1..]].concat();
                assert_eq!(decode::<Connection>(&other), Err(RecordError::Damaged));
            }
        }
    }
}
