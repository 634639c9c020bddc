//! The frozen mirrors of ledgers and gaps.

use super::codec::Record;
use super::wire::{Wire, codes, mirror};
use crate::domain::connection::LastError;
use crate::domain::id::{ConnectionId, GapId, HookId, UserId};
use crate::domain::ledger::{
    Asked, AskedBy, Deferred, Gap, GapCause, Ledger, Loss, Marks, Outage, Totals, Uptime,
};
use crate::domain::time::Timestamp;
use std::collections::BTreeMap;

codes!(GapCause {
    0 = Down, 1 = Refused, 2 = Unreachable, 3 = NotStored, 4 = NoHook, 5 = Unlogged,
});
codes!(Loss { 0 = PayloadGone, 1 = TooLarge, 2 = NotRedelivered, 3 = Expired });
codes!(AskedBy { 0 = User, 1 = Hook });
mirror!(MarksV1 of Marks {
    settled_at: Option<Timestamp>,
    settled: Option<u64>,
    newest: Option<(u64, Timestamp)>,
});
mirror!(DeferredV1 of Deferred {
    delivery_id: String,
    attempt: u64,
    sent_at: Option<Timestamp>,
    asked_at: Option<Timestamp>,
});
mirror!(TotalsV1 of Totals {
    gap_ms: u64,
    unlogged_ms: u64,
    missed: u64,
    recovered: u64,
    unrecoverable: BTreeMap<Loss, u64>,
    found: u64,
});
mirror!(LedgerV1 of Ledger {
    connection: ConnectionId,
    owner: UserId,
    hook: Option<HookId>,
    marks: Marks,
    read_at: Option<Timestamp>,
    listed_at: Option<Timestamp>,
    due_at: Timestamp,
    failures: u32,
    last_error: Option<LastError>,
    gap: Option<GapId>,
    deferred: Vec<Deferred>,
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
mirror!(AskedV1 of Asked { connection: ConnectionId, at: Timestamp, by: AskedBy });
mirror!(OutageV1 of Outage { cause: GapCause, from: Timestamp, to: Timestamp });
mirror!(UptimeV1 of Uptime { alive_at: Timestamp, outages: Vec<Outage> });

impl Record for Ledger {
    const VERSION: u8 = 1;
    const KIND: &'static str = "ledger";
}

impl Record for Gap {
    const VERSION: u8 = 1;
    const KIND: &'static str = "gap";
}

impl Record for Totals {
    const VERSION: u8 = 1;
    const KIND: &'static str = "totals of gaps";
}

impl Record for Asked {
    const VERSION: u8 = 1;
    const KIND: &'static str = "request to reconcile";
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
                totals: gap.totals,
                gap: Some(gap.id),
                ..ledger.clone()
            },
            ledger,
        ]);
    }
}
