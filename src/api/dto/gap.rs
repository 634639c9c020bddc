//! The account of missed deliveries in JSON.

use super::failure::LastError;
use crate::domain::id::{ConnectionId, GapId};
use crate::domain::ledger::{self, GapCause, Ledger, Loss};
use crate::domain::repo::FullName;
use crate::domain::time::Timestamp;
use std::collections::BTreeMap;

shapes! {
    /// Totals of missed deliveries.
    GapTotals(totals: &ledger::Totals) {
        /// Length of the gaps, in seconds: times in which deliveries were or may have been missed.
        gap_seconds: u64 = totals.gap_ms / 1000,
        /// The part of it that the provider's delivery log does not cover, in seconds: how many
        /// deliveries were missed then is unknown.
        unlogged_seconds: u64 = totals.unlogged_ms / 1000,
        /// Deliveries that the provider sent and that were not stored.
        missed: u64 = totals.missed,
        /// Missed deliveries that were stored since.
        recovered: u64 = totals.recovered,
        /// Missed deliveries that cannot be recovered.
        unrecoverable: u64 = totals.lost(),
        /// The same by reason.
        #[schema(value_type = BTreeMap<String, u64>)]
        unrecoverable_by_reason: BTreeMap<Loss, u64> = totals.unrecoverable.clone(),
        /// Missed deliveries whose recovery is in progress.
        outstanding: u64 = totals.outstanding(),
        /// Runs that were found in the provider's lists instead of in deliveries.
        found: u64 = totals.found,
    }

    /// The account of a connection: what the provider reports that it sent, compared with what is
    /// stored.
    Gaps(ledger: Option<&Ledger>) {
        /// When the last complete comparison began. Null before the first.
        reconciled_at: Option<Timestamp> = ledger.and_then(|ledger| ledger.read_at),
        /// When the next regular one is due.
        next_reconcile_at: Option<Timestamp> = ledger.map(|ledger| ledger.due_at),
        /// Why the last one failed. Null after a success.
        last_error: Option<LastError> =
            ledger.and_then(|ledger| ledger.last_error.as_ref()).map(LastError::of),
        /// When the oldest delivery was sent, by the provider's clock, that is missing and neither
        /// recovered nor given up: what happened since may not be known here. Null when none is
        /// known to be missing.
        behind_since: Option<Timestamp> = ledger.and_then(|ledger| ledger.behind_since),
        /// Totals of all gaps.
        totals: GapTotals =
            GapTotals::of(ledger.map_or(&ledger::Totals::default(), |ledger| &ledger.totals)),
    }

    /// A time in which deliveries of a connection were missed, or may have been.
    Gap(gap: &ledger::Gap, name: Option<FullName>) {
        /// Id of the gap.
        id: GapId = gap.id,
        /// Connection concerned.
        connection_id: ConnectionId = gap.connection,
        /// Owner and name of the repository. Null once the connection is deleted.
        repository_full_name: Option<FullName> = name,
        /// Why deliveries were missed.
        cause: GapCause = gap.cause,
        /// When it began, as far as known.
        from: Timestamp = gap.from,
        /// When it ended.
        to: Timestamp = gap.to,
        /// From when on the provider's delivery log covers it, if that is later than `from`.
        logged_from: Option<Timestamp> = gap.logged_from,
        /// When all of it was recovered or given up. Null while that is in progress.
        closed_at: Option<Timestamp> = gap.closed_at,
        /// What was missed.
        totals: GapTotals = GapTotals::of(&gap.totals),
    }
}
