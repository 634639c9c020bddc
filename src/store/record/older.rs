//! Steps up from the frozen mirrors of older versions. Never change a mirror or a step.

use super::codec::{Record, RecordError, plain, second_versions};
use super::kinds::{
    AccountV1, BodyDigestV1, CredentialUseV1, DeliveryStateV1, DesiredV1, GrantV1, InstanceV1,
    LastErrorV1, LifecycleV2, RejectionV1, SuspicionV1,
};
use super::wire::{Wire, frozen};
use crate::domain::connection::Connection;
use crate::domain::delivery::{BodyDigest, Delivery};
use crate::domain::id::HookId;
use crate::domain::lifecycle::{Hook, Lifecycle, Phase, SuspendReason};
use crate::domain::rhythm::Rhythm;
use crate::domain::rotation::{OldSecret, QUIET, Rotation, SecretNumber};
use crate::domain::secret::Sealed;
use crate::domain::time::Timestamp;
use crate::domain::user::Credential;
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

frozen!(CredentialV1 {
    id: u128,
    owner: u128,
    instance: InstanceV1,
    account: AccountV1,
    scopes: Vec<String>,
    grant: GrantV1,
    is_shared: bool,
    created_at: i64,
    rejected: Option<RejectionV1>,
});

/// A credential as version 1 wrote it: before it was known when tokens expire.
fn credential(v1: CredentialV1) -> Option<Credential> {
    Some(Credential {
        id: Wire::from_wire(v1.id)?,
        owner: Wire::from_wire(v1.owner)?,
        instance: Wire::from_wire(v1.instance)?,
        account: Wire::from_wire(v1.account)?,
        scopes: v1.scopes,
        grant: Wire::from_wire(v1.grant)?,
        is_shared: v1.is_shared,
        created_at: Timestamp(v1.created_at),
        rejected: Wire::from_wire(v1.rejected)?,
        expiry: None,
    })
}

second_versions! {
    Credential = "credential" from credential,
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

frozen!(ConnectionV3 {
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

frozen!(DeliveryV2 {
    id: u128,
    connection: u128,
    owner: u128,
    provider_delivery_id: String,
    event: String,
    action: Option<String>,
    received_at: i64,
    body_digest: BodyDigestV1,
    body_bytes: u32,
    source: u8,
    state: DeliveryStateV1,
    tries: u32,
});

/// The delivery that an older record stands for.
macro_rules! delivery_from {
    ($old:ident, $digest:ident) => {
        (|| {
            Some(Delivery {
                id: Wire::from_wire($old.id)?,
                connection: Wire::from_wire($old.connection)?,
                owner: Wire::from_wire($old.owner)?,
                provider_delivery_id: $old.provider_delivery_id,
                event: $old.event,
                action: $old.action,
                received_at: Wire::from_wire($old.received_at)?,
                body_digest: $digest,
                body_bytes: $old.body_bytes,
                source: Wire::from_wire($old.source)?,
                signed_by: None,
                state: Wire::from_wire($old.state)?,
                tries: $old.tries,
            })
        })()
    };
}

/// A delivery as an older version wrote it: the first with SHA-256 of its body, and all without
/// the secret that verified it.
fn delivery(version: u8, bytes: &[u8]) -> Result<Delivery, RecordError> {
    let delivery = match version {
        1 => {
            let v1: DeliveryV1 = plain(bytes)?;
            let digest = BodyDigest::Sha256(v1.body_digest);
            delivery_from!(v1, digest)
        }
        2 => {
            let v2: DeliveryV2 = plain(bytes)?;
            let digest = Wire::from_wire(v2.body_digest);
            digest.and_then(|digest| delivery_from!(v2, digest))
        }
        _ => None,
    };
    delivery.ok_or(RecordError::Damaged)
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
            rotation: rotation($old.previous_secret, $old.created_at),
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
            seen: None,
            rhythm: Rhythm::default(),
            quiet_ping_at: None,
            last_error: Wire::from_wire($old.last_error)?,
        }
    };
}

/// A connection as an older version wrote it.
fn connection(version: u8, bytes: &[u8]) -> Result<Connection, RecordError> {
    let connection = match version {
        1 => from_v1(plain(bytes)?),
        2 => from_v2(plain(bytes)?),
        3 => from_v3(plain(bytes)?),
        _ => None,
    };
    connection.ok_or(RecordError::Damaged)
}

/// Version 3 and before kept one former secret, until an hour after the provider had confirmed the
/// new one; `None` as the end before that. It did not know whether the new one was ever used.
fn rotation(previous: Option<(Vec<u8>, Option<i64>)>, created_at: i64) -> Rotation {
    let mut rotation = Rotation::new(Timestamp(created_at));
    if let Some((secret, until)) = previous {
        let confirmed_at = until.map(|until| Timestamp(until).minus(QUIET));
        rotation.old.push(OldSecret {
            secret: Sealed(secret),
            number: rotation.number,
            used_at: None,
        });
        rotation.number = SecretNumber(rotation.number.0 + 1);
        rotation.made_at = confirmed_at.unwrap_or(rotation.made_at);
        rotation.confirmed_at = confirmed_at;
    }
    rotation
}

fn from_v3(v3: ConnectionV3) -> Option<Connection> {
    let lifecycle = Wire::from_wire(v3.lifecycle)?;
    let suspicion = Wire::from_wire(v3.suspicion)?;
    Some(connection!(v3, lifecycle, v3.address, suspicion))
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
    const VERSION: u8 = 4;
    const KIND: &'static str = "connection";

    fn from_older(version: u8, bytes: &[u8]) -> Result<Self, RecordError> {
        connection(version, bytes)
    }
}

impl Record for Delivery {
    const VERSION: u8 = 3;
    const KIND: &'static str = "delivery";

    fn from_older(version: u8, bytes: &[u8]) -> Result<Self, RecordError> {
        delivery(version, bytes)
    }
}

#[cfg(test)]
mod tests;
