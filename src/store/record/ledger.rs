//! The frozen mirrors of ledgers and gaps.

use super::codec::{Record, RecordError, plain, second_versions};
use super::wire::{Wire, codes, frozen, mirror, mirror_enum};
use crate::domain::connection::LastError;
use crate::domain::id::{ConnectionId, GapId, HookId, UserId};
use crate::domain::ledger::{
    Asked, AskedBy, Deferral, Deferred, Gap, GapCause, Ledger, Loss, Marks, Missing, Outage, Sight,
    Stretch, Totals, Uptime,
};
use crate::domain::time::Timestamp;
use std::collections::BTreeMap;

codes!(GapCause {
    0 = Down, 1 = Refused, 2 = Unreachable, 3 = NotStored, 4 = NoHook, 5 = Unlogged,
    6 = HookChanged,
});
codes!(Loss {
    0 = PayloadGone, 1 = TooLarge, 2 = NotRedelivered, 3 = Expired, 4 = Unreadable, 5 = HookGone,
});
codes!(AskedBy { 0 = User, 1 = Hook });
mirror!(MarksV1 of Marks {
    settled_at: Option<Timestamp>,
    settled: Option<u64>,
    newest: Option<(u64, Timestamp)>,
});
frozen!(DeferredV1 {
    delivery_id: String,
    attempt: u64,
    sent_at: Option<i64>,
    asked_at: Option<i64>,
});
mirror!(MissingV1 of Missing {
    delivery_id: String,
    event: String,
    at: Option<Timestamp>,
    attempts: Vec<u64>,
    cause: GapCause,
});
mirror_enum!(DeferralV1 of Deferral {
    SetAside { tries: u32, due_at: Timestamp },
    Asked { at: Timestamp },
    GivenUp,
});
mirror!(DeferredV2 of Deferred { missing: Missing, gap: Option<GapId>, state: Deferral });
mirror!(TotalsV1 of Totals {
    gap_ms: u64,
    unlogged_ms: u64,
    missed: u64,
    recovered: u64,
    unrecoverable: BTreeMap<Loss, u64>,
    found: u64,
});
frozen!(LedgerV1 {
    connection: u128,
    owner: u128,
    hook: Option<u64>,
    marks: MarksV1,
    read_at: Option<i64>,
    listed_at: Option<i64>,
    due_at: i64,
    failures: u32,
    last_error: Option<<LastError as Wire>::Plain>,
    gap: Option<u128>,
    deferred: Vec<DeferredV1>,
    answered: Option<i64>,
    totals: TotalsV1,
});
frozen!(LedgerV2 {
    connection: u128,
    owner: u128,
    hook: Option<u64>,
    marks: MarksV1,
    read_at: Option<i64>,
    listed_at: Option<i64>,
    due_at: i64,
    failures: u32,
    last_error: Option<<LastError as Wire>::Plain>,
    gap: Option<u128>,
    deferred: Vec<DeferredV2>,
    behind_since: Option<i64>,
    counted_to: Option<i64>,
    answered: Option<i64>,
    totals: TotalsV1,
});
mirror!(SightV1 of Sight {
    began: Timestamp,
    newest: Option<u64>,
    newest_at: Option<Timestamp>,
});
mirror!(StretchV1 of Stretch {
    top: u64,
    bottom: u64,
    count: u64,
    page: String,
    sight: Sight,
    is_unsure: bool,
});
mirror!(LedgerV3 of Ledger {
    connection: ConnectionId,
    owner: UserId,
    hook: Option<HookId>,
    marks: Marks,
    stretches: Vec<Stretch>,
    compared_to: Option<Timestamp>,
    read_at: Option<Timestamp>,
    listed_at: Option<Timestamp>,
    unlisted_since: Option<Timestamp>,
    due_at: Timestamp,
    failures: u32,
    last_error: Option<LastError>,
    gap: Option<GapId>,
    deferred: Vec<Deferred>,
    behind_since: Option<Timestamp>,
    counted_to: Option<Timestamp>,
    answered: Option<Timestamp>,
    totals: Totals,
});
mirror!(GapV1 of Gap {
    id: GapId,
    connection: ConnectionId,
    owner: UserId,
    cause: GapCause,
    from: Timestamp,
    to: Timestamp,
    logged_from: Option<Timestamp>,
    totals: Totals,
    closed_at: Option<Timestamp>,
});
frozen!(AskedV1 {
    connection: u128,
    at: i64,
    by: u8
});
mirror!(AskedV2 of Asked {
    connection: ConnectionId,
    at: Timestamp,
    by: AskedBy,
    unsent_since: Option<Timestamp>,
});
mirror!(OutageV1 of Outage { cause: GapCause, from: Timestamp, to: Timestamp });
mirror!(UptimeV1 of Uptime { alive_at: Timestamp, outages: Vec<Outage> });

second_versions! {
    Asked = "request to reconcile" from without_a_time,
}

/// Version 1 had no time since which the provider may not have sent.
#[expect(clippy::needless_pass_by_value, reason = "as all steps of records")]
fn without_a_time(v1: AskedV1) -> Option<Asked> {
    Some(Asked {
        connection: Wire::from_wire(v1.connection)?,
        at: Timestamp(v1.at),
        by: Wire::from_wire(v1.by)?,
        unsent_since: None,
    })
}

/// Version 1 had the ids of what was requested again or given up. What was requested again arrives
/// as a webhook, so that no more needs to be known of it.
fn with_one_list(v1: LedgerV1) -> Option<Ledger> {
    let gap: Option<GapId> = Wire::from_wire(v1.gap)?;
    let deferred = v1.deferred.into_iter().map(|it| Deferred {
        missing: Missing {
            delivery_id: it.delivery_id,
            event: String::new(),
            at: it.sent_at.map(Timestamp),
            attempts: vec![it.attempt],
            cause: GapCause::Unreachable,
        },
        gap,
        state: it.asked_at.map_or(Deferral::GivenUp, |at| {
            let at = Timestamp(at);
            Deferral::Asked { at }
        }),
    });
    Some(Ledger {
        connection: Wire::from_wire(v1.connection)?,
        owner: Wire::from_wire(v1.owner)?,
        hook: Wire::from_wire(v1.hook)?,
        marks: Wire::from_wire(v1.marks)?,
        stretches: Vec::new(),
        compared_to: None,
        read_at: v1.read_at.map(Timestamp),
        listed_at: v1.listed_at.map(Timestamp),
        unlisted_since: None,
        due_at: Timestamp(v1.due_at),
        failures: v1.failures,
        last_error: Wire::from_wire(v1.last_error)?,
        gap,
        deferred: deferred.collect(),
        behind_since: None,
        counted_to: None,
        answered: v1.answered.map(Timestamp),
        totals: Wire::from_wire(v1.totals)?,
    })
}

/// Version 2 remembered nothing of a walk that did not come to its end.
fn without_stretches(v2: LedgerV2) -> Option<Ledger> {
    Some(Ledger {
        connection: Wire::from_wire(v2.connection)?,
        owner: Wire::from_wire(v2.owner)?,
        hook: Wire::from_wire(v2.hook)?,
        marks: Wire::from_wire(v2.marks)?,
        stretches: Vec::new(),
        compared_to: None,
        read_at: Wire::from_wire(v2.read_at)?,
        listed_at: Wire::from_wire(v2.listed_at)?,
        unlisted_since: None,
        due_at: Wire::from_wire(v2.due_at)?,
        failures: v2.failures,
        last_error: Wire::from_wire(v2.last_error)?,
        gap: Wire::from_wire(v2.gap)?,
        deferred: Wire::from_wire(v2.deferred)?,
        behind_since: Wire::from_wire(v2.behind_since)?,
        counted_to: Wire::from_wire(v2.counted_to)?,
        answered: Wire::from_wire(v2.answered)?,
        totals: Wire::from_wire(v2.totals)?,
    })
}

impl Record for Ledger {
    const VERSION: u8 = 3;
    const KIND: &'static str = "ledger";

    fn from_older(version: u8, bytes: &[u8]) -> Result<Self, RecordError> {
        let ledger = match version {
            1 => with_one_list(plain(bytes)?),
            2 => without_stretches(plain(bytes)?),
            _ => None,
        };
        ledger.ok_or(RecordError::Damaged)
    }
}

impl Record for Gap {
    const VERSION: u8 = 1;
    const KIND: &'static str = "gap";
}

impl Record for Totals {
    const VERSION: u8 = 1;
    const KIND: &'static str = "totals of gaps";
}

impl Record for Uptime {
    const VERSION: u8 = 1;
    const KIND: &'static str = "uptime";
}

#[cfg(test)]
mod tests {
    use super::super::kinds::tests::round;
    use super::*;
    use crate::domain::samples;

    #[test]
    fn ledgers_and_gaps_come_back() {
        round(GapCause::ALL.to_vec());
        round(Loss::ALL.to_vec());
        round(AskedBy::ALL.to_vec());
        let gap = samples::gap(7, ConnectionId::from_u128(3));
        round(vec![gap.clone()]);
        let ledger = samples::ledger(ConnectionId::from_u128(3));
        round(vec![
            Ledger {
                stretches: vec![samples::stretch(900, 200)],
                unlisted_since: Some(Timestamp(8)),
                totals: gap.totals,
                gap: Some(gap.id),
                deferred: [
                    Deferral::SetAside {
                        tries: 2,
                        due_at: Timestamp(9),
                    },
                    Deferral::Asked { at: Timestamp(5) },
                ]
                .map(|state| samples::deferred(4, state))
                .into(),
                ..ledger.clone()
            },
            ledger,
        ]);
    }
}
