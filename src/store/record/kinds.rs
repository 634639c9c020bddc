//! The frozen mirrors. Never change one that has been released: add a `V2` and a step.

use super::codec::Record;
use super::wire::{Wire, codes, mirror, mirror_enum};
use crate::domain::connection::{Connection, CredentialUse, LastError, Seen, Suspicion};
use crate::domain::delivery::{
    BodyDigest, Delivery, DeliveryProgress, DeliveryState, Outcome, Source,
};
use crate::domain::error_code::ErrorCode;
use crate::domain::expiry::{Expiry, Nearness, Told};
use crate::domain::grant::{Grant, OauthGrant, RejectReason, Rejection};
use crate::domain::id::{
    ConnectionId, CredentialId, DeliveryId, HookId, HookKey, IncidentId, RunId, SinkId, UserId,
};
use crate::domain::incident::{IncidentSource, IncidentStatus, Severity, Subject};
use crate::domain::lifecycle::{Certainty, Desired, Hook, Lifecycle, Phase, SuspendReason};
use crate::domain::repo::{FullName, Host, Instance, InstanceId, ProviderKind, RepositoryId};
use crate::domain::rhythm::{Rhythm, WORDS};
use crate::domain::rotation::{OldSecret, Rotation, SecretNumber};
use crate::domain::run::{Conclusion, FailedJob, Family, Position, RunStatus};
use crate::domain::secret::{Proof, Sealed};
use crate::domain::time::Timestamp;
use crate::domain::user::{Account, Credential};

codes!(ProviderKind { 0 = Github, 1 = Gitlab });
mirror!(InstanceV1 of Instance { provider: ProviderKind, host: Host });

mirror!(AccountV1 of Account { id: u64, login: String });
mirror!(OauthGrantV1 of OauthGrant {
    access: Sealed,
    refresh: Option<Sealed>,
    obtained_at: Timestamp,
    expires_at: Option<Timestamp>,
    refresh_begun_at: Option<Timestamp>,
});
mirror_enum!(GrantV1 of Grant {
    Token { token: Sealed },
    Oauth(OauthGrant),
    App { installation: u64 },
});
codes!(RejectReason { 0 = Refused, 1 = Expired, 2 = Revoked, 3 = RefreshLost });
mirror!(RejectionV1 of Rejection { at: Timestamp, reason: RejectReason });
codes!(Nearness { 0 = Soon, 1 = Close });
mirror!(ToldV1 of Told { incident: IncidentId, nearness: Nearness });
mirror!(ExpiryV1 of Expiry { at: Option<Timestamp>, told: Option<Told> });
mirror!(CredentialV2 of Credential {
    id: CredentialId,
    owner: UserId,
    instance: Instance,
    account: Account,
    scopes: Vec<String>,
    grant: Grant,
    is_shared: bool,
    created_at: Timestamp,
    rejected: Option<Rejection>,
    expiry: Option<Expiry>,
});

codes!(Certainty { 0 = Sure, 1 = Unsure, 2 = Confirming });
codes!(SuspendReason { 0 = Unauthorized, 1 = HookDeletedRepeatedly, 2 = Panics });
mirror_enum!(DesiredV1 of Desired { Active, Paused, Removed { delete_hook: bool } });
mirror_enum!(HookV2 of Hook { Absent, Present(HookId), Unknown(Option<HookId>) });
mirror_enum!(PhaseV2 of Phase {
    Idle,
    Creating { attempt: u32 },
    Active,
    Checking,
    Pinging,
    Repairing { attempt: u32 },
    Deleting { attempt: u32 },
    Waiting { attempt: u32 },
    Settling,
    Suspended(SuspendReason),
    Removed,
    Rewriting,
});
mirror!(LifecycleV2 of Lifecycle {
    desired: Desired,
    phase: Phase,
    hook: Hook,
    certainty: Certainty,
    wanted: u32,
    applied: Option<u32>,
    recreate: bool,
    checks_failed: u32,
    pings_unanswered: u32,
    heard: bool,
    disabled: Option<u32>,
    losses: Vec<Timestamp>,
    ill: bool,
    refused: bool,
});
codes!(Proof { 0 = Unknown, 1 = Signature, 2 = Token });
codes!(Family { 0 = Statuses, 1 = Checks, 2 = Actions, 3 = Pipelines });
/// Stored by its name, as a text.
impl Wire for ErrorCode {
    type Plain = String;
    fn to_wire(&self) -> String {
        self.as_str().to_owned()
    }
    fn from_wire(plain: String) -> Option<Self> {
        Some(Self::from_name(&plain))
    }
}
mirror!(LastErrorV1 of LastError { code: ErrorCode, message: String, at: Timestamp });
mirror_enum!(CredentialUseV1 of CredentialUse { Own(CredentialId), Shared(CredentialId) });
mirror!(SuspicionV1 of Suspicion { at: Timestamp, fruitless: u32 });
/// Stored as a number.
impl Wire for SecretNumber {
    type Plain = u32;
    fn to_wire(&self) -> u32 {
        self.0
    }
    fn from_wire(plain: u32) -> Option<Self> {
        Some(Self(plain))
    }
}
mirror!(OldSecretV1 of OldSecret {
    secret: Sealed,
    number: SecretNumber,
    used_at: Option<Timestamp>,
});
mirror!(RotationV1 of Rotation {
    number: SecretNumber,
    made_at: Timestamp,
    confirmed_at: Option<Timestamp>,
    proven_at: Option<Timestamp>,
    alone: Option<u32>,
    old: Vec<OldSecret>,
});
mirror!(SeenV1 of Seen { tag: String, of: [u8; 32], at: Timestamp });
/// Words of hours. An empty rhythm has none.
impl Wire for [u64; WORDS] {
    type Plain = Vec<u64>;
    fn to_wire(&self) -> Vec<u64> {
        if self.iter().all(|word| *word == 0) {
            Vec::new()
        } else {
            self.to_vec()
        }
    }
    fn from_wire(plain: Vec<u64>) -> Option<Self> {
        if plain.is_empty() {
            return Some([0; WORDS]);
        }
        plain.try_into().ok()
    }
}
mirror!(RhythmV1 of Rhythm { known: Option<(i64, i64)>, hours: [u64; WORDS] });
mirror!(ConnectionV4 of Connection {
    id: ConnectionId,
    owner: UserId,
    instance: Instance,
    repository: Option<RepositoryId>,
    full_name: FullName,
    hook_key: HookKey,
    credential: Option<CredentialId>,
    credential_used: Option<CredentialUse>,
    no_access: Vec<CredentialId>,
    events: Vec<String>,
    secret: Sealed,
    rotation: Rotation,
    proof: Proof,
    lifecycle: Lifecycle,
    retry_due_at: Option<Timestamp>,
    created_at: Timestamp,
    hook_created_at: Option<Timestamp>,
    last_delivery_at: Option<Timestamp>,
    last_event_at: Option<Timestamp>,
    last_check_at: Option<Timestamp>,
    last_error: Option<LastError>,
    address: Option<String>,
    suspicion: Option<Suspicion>,
    seen: Option<Seen>,
    rhythm: Rhythm,
    quiet_ping_at: Option<Timestamp>,
});

codes!(Source { 0 = Webhook, 1 = Reconcile });
mirror_enum!(OutcomeV1 of Outcome {
    Pong,
    Run { run: RunId, incident: Option<IncidentId> },
    Recorded,
    Ignored,
    Paused,
    ForeignRepository,
    Mirrored,
    Stale,
    DeadLetter { reason: String },
});
mirror_enum!(DeliveryStateV1 of DeliveryState {
    Received,
    Processed { at: Timestamp, outcome: Outcome },
});
mirror_enum!(BodyDigestV1 of BodyDigest { Sha256([u8; 32]), Blake3([u8; 32]) });
mirror!(DeliveryV3 of Delivery {
    id: DeliveryId,
    connection: ConnectionId,
    owner: UserId,
    provider_delivery_id: String,
    event: String,
    action: Option<String>,
    received_at: Timestamp,
    body_digest: BodyDigest,
    body_bytes: u32,
    source: Source,
    signed_by: Option<SecretNumber>,
    state: DeliveryState,
    tries: u32,
});

mirror!(DeliveryProgressV1 of DeliveryProgress {
    id: DeliveryId,
    event: String,
    action: Option<String>,
    state: DeliveryState,
    tries: u32,
});

codes!(Conclusion {
    0 = Success, 1 = Failure, 2 = TimedOut, 3 = StartupFailure, 4 = ActionRequired, 5 = Neutral,
    6 = Cancelled, 7 = Skipped, 8 = Stale, 9 = Unknown,
});
mirror_enum!(RunStatusV1 of RunStatus { Queued, InProgress, Completed(Conclusion) });
mirror!(PositionV1 of Position { number: u64, attempt: u32 });
mirror!(FailedJobV1 of FailedJob {
    id: u64,
    name: String,
    stage: Option<String>,
    reason: Option<String>,
});
codes!(IncidentStatus { 0 = Open, 1 = Acknowledged, 2 = Resolved });
codes!(Severity { 0 = Warning, 1 = Error, 2 = Critical });
codes!(IncidentSource { 0 = Webhook, 1 = Reconcile, 2 = Health });
mirror_enum!(SubjectV3 of Subject {
    Connection(ConnectionId),
    Credential(CredentialId),
    Provider(InstanceId),
    // Incidents have these since their version 5.
    Sink(SinkId),
    Server,
});
macro_rules! records {
    ($($domain:ident = $kind:literal),* $(,)?) => {$(
        impl Record for $domain {
            const VERSION: u8 = 1;
            const KIND: &'static str = $kind;
        }
    )*};
}
records! {
    Sealed = "canary",
    DeliveryProgress = "delivery progress",
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{decode, decode_parts, encode_parts};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_code_of_an_error_is_stored_as_its_name() {
        for code in ErrorCode::ALL {
            let plain = code.to_wire();
            assert_eq!(plain, code.as_str());
            assert_eq!(ErrorCode::from_wire(plain), Some(*code));
        }
        let newer = ErrorCode::from_wire("of_a_newer_version".into());
        assert_eq!(newer, Some(ErrorCode::Unknown));
    }

    pub(in crate::store::record) fn round<T: Wire + PartialEq + std::fmt::Debug>(values: Vec<T>) {
        for value in values {
            let config = bincode::config::standard();
            let bytes = bincode::serde::encode_to_vec(value.to_wire(), config).unwrap();
            let plain = bincode::serde::decode_from_slice(&bytes, config).unwrap().0;
            assert_eq!(T::from_wire(plain), Some(value));
        }
    }

    #[test]
    fn every_kind_of_credential_comes_back() {
        round(vec![
            Subject::Connection(ConnectionId::from_u128(1)),
            Subject::Credential(CredentialId::from_u128(1)),
            Subject::Provider(InstanceId::from_u128(1)),
            Subject::Sink(SinkId::from_u128(1)),
            Subject::Server,
        ]);
        round(vec![
            CredentialUse::Own(CredentialId::from_u128(1)),
            CredentialUse::Shared(CredentialId::from_u128(1)),
        ]);
        let oauth = OauthGrant {
            access: Sealed(vec![1]),
            refresh: Some(Sealed(vec![2])),
            obtained_at: Timestamp(1),
            expires_at: Some(Timestamp(2)),
            refresh_begun_at: Some(Timestamp(3)),
        };
        round(vec![
            Grant::Token {
                token: Sealed(vec![1]),
            },
            Grant::Oauth(oauth),
            Grant::App { installation: 7 },
        ]);
    }

    #[test]
    fn every_variant_of_the_enums_with_data_comes_back() {
        round(vec![
            Phase::Idle,
            Phase::Creating { attempt: 3 },
            Phase::Active,
            Phase::Checking,
            Phase::Pinging,
            Phase::Repairing { attempt: 1 },
            Phase::Deleting { attempt: u32::MAX },
            Phase::Waiting { attempt: 0 },
            Phase::Settling,
            Phase::Suspended(SuspendReason::Panics),
            Phase::Removed,
            Phase::Rewriting,
        ]);
        round(vec![
            Desired::Active,
            Desired::Paused,
            Desired::Removed { delete_hook: true },
        ]);
        round(vec![
            Hook::Absent,
            Hook::Present(HookId(u64::MAX)),
            Hook::Unknown(None),
            Hook::Unknown(Some(HookId(1))),
        ]);
        round(vec![
            Outcome::Pong,
            Outcome::Run {
                run: RunId::from_u128(1),
                incident: Some(IncidentId::from_u128(2)),
            },
            Outcome::Recorded,
            Outcome::Ignored,
            Outcome::Paused,
            Outcome::ForeignRepository,
            Outcome::Mirrored,
            Outcome::Stale,
            Outcome::DeadLetter {
                reason: "no".into(),
            },
        ]);
        round(Conclusion::ALL.map(RunStatus::Completed).to_vec());
    }

    proptest! {
        #[test]
        fn rubbish_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode::<Connection>(&bytes);
            let _ = decode::<Delivery>(&bytes);
            let _ = decode_parts(&bytes);
        }

        #[test]
        fn parts_come_back(
            parts in prop::collection::vec(
                (any::<u8>(), prop::collection::vec(any::<u8>(), 0..50)), 0..10)
        ) {
            let bytes = encode_parts(&parts);
            let borrowed = parts.iter().map(|(tag, part)| (*tag, &part[..]));
            prop_assert_eq!(decode_parts(&bytes), Ok(borrowed.collect()));
        }
    }
}
