//! The steps of a reconcile: each is one batch with its part of the account.

use super::room::Room;
use super::trouble::Trouble;
use crate::domain::connection::Connection;
use crate::domain::id::GapId;
use crate::domain::ledger::{GAPS_MAX, Gap, GapCause, Ledger, Totals};
use crate::domain::time::Timestamp;
use crate::store::{After, Batch, Change, CommitError, Guard, Lease, Of, Priority};
use crate::telemetry::metric;
use metrics::counter;
use std::sync::Arc;

/// Gaps that are looked for beyond those that are kept.
const OLD_MAX: usize = 20;

/// The records that a reconcile writes.
#[derive(Clone, Debug)]
pub(super) struct Records {
    pub(super) ledger: Ledger,
    /// The gap that is recovered, stored or not yet.
    pub(super) gap: Option<Gap>,
}

impl Records {
    /// The gap; begun if there is none. It includes this time.
    pub(super) fn gap_of(
        &mut self,
        fresh: GapId,
        cause: GapCause,
        (from, to): (Timestamp, Timestamp),
    ) -> &mut Gap {
        let (connection, owner) = (self.ledger.connection, self.ledger.owner);
        let begin = || Gap::new(fresh, connection, owner, (cause, from, to));
        let gap = self.gap.get_or_insert_with(begin);
        gap.reach(from, to);
        gap
    }

    fn totals(&self) -> Totals {
        let gap = self.gap.as_ref();
        gap.map_or_else(Totals::default, |gap| gap.totals.clone())
    }
}

/// The writer of a connection's records.
pub(super) struct Steps {
    pub(super) room: Arc<Room>,
    pub(super) connection: Connection,
    pub(super) records: Records,
    lease: Lease,
}

impl Steps {
    /// Continues from what is stored. The lease fences each write.
    pub(super) async fn begin(room: &Arc<Room>, connection: Connection) -> Result<Self, Trouble> {
        let store = &room.ports.store;
        let lease = store.lease(connection.id).await?.ok_or(Trouble::NotOurs)?;
        let ledger = store.ledger(connection.id).await?;
        let fresh = || Ledger::new(connection.id, connection.owner, room.ports.now());
        let ledger = ledger.unwrap_or_else(fresh);
        let gap = match ledger.gap {
            Some(id) => store.gap(id).await?,
            None => None,
        };
        Ok(Self {
            room: Arc::clone(room),
            connection,
            records: Records { ledger, gap },
            lease,
        })
    }

    pub(super) fn fresh_id(&self) -> GapId {
        let ports = &self.room.ports;
        GapId::generate(ports.clock.now_for_id(), &*ports.entropy)
    }

    /// Changes the records, and commits them with these changes. If that fails, nothing changed.
    pub(super) async fn take(
        &mut self,
        (mut changes, guards): (Vec<Change>, Vec<Guard>),
        edit: impl FnOnce(&mut Records),
    ) -> Result<(), CommitError> {
        let mut next = self.records.clone();
        let before = next.totals();
        edit(&mut next);
        let totals = next.totals();
        next.ledger.totals = next.ledger.totals.minus(&before).plus(&totals);
        // Their bodies must not take the space that keeps the store working.
        let priority = if changes.is_empty() {
            Priority::Internal
        } else {
            Priority::Ingress
        };
        let is_stored = self.records.ledger.gap.is_some();
        let stored = next.gap.as_ref();
        let stored = stored.filter(|gap| is_stored || gap.is_notable());
        next.ledger.gap = stored
            .filter(|gap| gap.closed_at.is_none())
            .map(|gap| gap.id);
        changes.extend(stored.map(|gap| Change::PutGap(Box::new(gap.clone()))));
        changes.push(Change::PutLedger(Box::new(next.ledger.clone())));
        let mut batch = Batch {
            priority,
            guards,
            changes,
        };
        batch
            .guards
            .push(Guard::ConnectionExists(self.connection.id));
        batch.guards.push(Guard::Lease(self.lease));
        self.room.ports.store.commit(batch).await?;
        count(&before, &totals);
        self.records = next;
        self.records.gap.take_if(|gap| gap.closed_at.is_some());
        Ok(())
    }

    /// The gaps that are too many when one more is closed.
    pub(super) async fn old_gaps(&self) -> Result<Vec<Change>, Trouble> {
        let of = Of::Connection(self.connection.id);
        let after = After::first(GAPS_MAX + OLD_MAX);
        let gaps = self.room.ports.store.gaps(of, after).await?.items;
        let old = gaps.into_iter().skip(GAPS_MAX);
        Ok(old.map(|gap| Change::ForgetGap(gap.id)).collect())
    }
}

/// Counts what a step added to the account.
fn count(before: &Totals, after: &Totals) {
    let more = |before: u64, after: u64| after.saturating_sub(before);
    counter!(metric::GAP_SECONDS).increment(more(before.gap_ms, after.gap_ms) / 1000);
    counter!(metric::RECOVERED).increment(more(before.recovered, after.recovered));
    for (reason, count) in &after.unrecoverable {
        let known = before.unrecoverable.get(reason).copied().unwrap_or(0);
        counter!(metric::UNRECOVERABLE, "reason" => reason.as_str()).increment(more(known, *count));
    }
}
