//! The steps of a reconcile: each is one batch with its part of the account.

use super::room::Room;
use super::trouble::Trouble;
use crate::domain::connection::Connection;
use crate::domain::id::{GapId, IncidentId};
use crate::domain::incident::health::{self, HealthFailure};
use crate::domain::ledger::{Deferred, GAPS_MAX, Gap, GapCause, Ledger, Missing, Totals};
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
    /// A gap before that, while a delivery that was pending in it is accounted for.
    pub(super) earlier: Option<Gap>,
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

    /// The gap whose account has, or gets, a missing delivery: the one at hand with this id, else
    /// the gap that is recovered.
    pub(super) fn gap_with(
        &mut self,
        fresh: GapId,
        of: Option<GapId>,
        (missing, now): (&Missing, Timestamp),
    ) -> &mut Gap {
        if self.earlier.as_ref().is_some_and(|gap| Some(gap.id) == of) {
            return self.earlier.as_mut().expect("it is there");
        }
        let at = missing.at.unwrap_or(now);
        self.gap_of(fresh, missing.cause, (at, at))
    }

    /// The log is compared: the next gap is another one. This one stays open while deliveries of it
    /// are pending.
    pub(super) fn close_gap(&mut self, now: Timestamp) {
        if let Some(mut gap) = self.gap.take() {
            gap.close(now, self.ledger.pending_of(gap.id));
            self.earlier = Some(gap);
        }
    }

    /// Whether this gap is worth a record, or has one.
    fn is_kept(gap: &Gap, stored: &[GapId]) -> bool {
        gap.is_notable() || stored.contains(&gap.id)
    }

    /// Whether this gap, which is open among these records, has ended.
    fn ends(&self, gap: &Gap) -> bool {
        let had_ended = |it: &Gap| it.id == gap.id && it.closed_at.is_some();
        gap.closed_at.is_some() && !self.gap.iter().chain(&self.earlier).any(had_ended)
    }

    /// The totals of the gap that is recovered, as far as it counts: one that is not kept does once
    /// it has ended, so that another process does not count it again.
    fn open_totals(&self, stored: &[GapId]) -> Totals {
        let gap = self.gap.as_ref();
        totals_of(gap.filter(|gap| Self::is_kept(gap, stored)))
    }
}

fn totals_of(gap: Option<&Gap>) -> Totals {
    gap.map(|gap| gap.totals.clone()).unwrap_or_default()
}

/// The writer of a connection's records.
pub(super) struct Steps {
    pub(super) room: Arc<Room>,
    pub(super) connection: Connection,
    pub(super) records: Records,
    /// What the stored ledger's totals contain of the gap that is recovered. What is edited between
    /// two steps counts with the second.
    counted: Totals,
    lease: Lease,
    /// When the request was made that this reconcile answers.
    asked_at: Option<Timestamp>,
}

impl Steps {
    /// Continues from what is stored. The lease fences each write.
    pub(super) async fn begin(room: &Arc<Room>, connection: Connection) -> Result<Self, Trouble> {
        let store = &room.ports.store;
        let lease = store.lease(connection.id).await?.ok_or(Trouble::NotOurs)?;
        let now = room.ports.now();
        let asked = store.reconcile_asked(connection.id).await?;
        let ledger = store.ledger(connection.id).await?;
        let fresh = || Ledger::new(connection.id, connection.owner, now);
        let mut ledger = ledger.unwrap_or_else(fresh);
        // Our clock may have been set back since: what is requested now is not answered yet.
        ledger.answered = ledger.answered.filter(|at| *at <= now);
        let gap = match ledger.gap {
            Some(id) => store.gap(id).await?,
            None => None,
        };
        Ok(Self {
            room: Arc::clone(room),
            connection,
            counted: totals_of(gap.as_ref()),
            records: Records {
                ledger,
                gap,
                earlier: None,
            },
            lease,
            asked_at: asked.map(|asked| asked.at),
        })
    }

    /// Requests up to this time are answered when this reconcile, which began then, has ended: also
    /// one from before our clock was set back.
    pub(super) fn answered(&self, began: Timestamp) -> Option<Timestamp> {
        self.asked_at.max(Some(began))
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
        let before = self.counted.clone().plus(&totals_of(next.earlier.as_ref()));
        let now = self.room.ports.now();
        edit(&mut next);
        if let Some(earlier) = &mut next.earlier {
            earlier.end(now);
        }
        let stored: Vec<GapId> = self.records.ledger.gap.into_iter().collect();
        let counted = next.open_totals(&stored);
        let totals = counted.clone().plus(&totals_of(next.earlier.as_ref()));
        next.ledger.totals = next.ledger.totals.minus(&before).plus(&totals);
        // Their bodies must not take the space that keeps the store working.
        let priority = if changes.is_empty() {
            Priority::Internal
        } else {
            Priority::Ingress
        };
        changes.extend(self.incident(&next, now).await?);
        let kept = |gap: &&Gap| Records::is_kept(gap, &stored);
        next.ledger.gap = next.gap.as_ref().filter(kept).map(|gap| gap.id);
        let gaps = next.gap.iter().chain(&next.earlier).filter(kept);
        let gaps = gaps.map(|gap| Change::PutGap(Box::new(gap.clone())));
        changes.extend(gaps);
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
        self.counted = counted;
        self.records = next;
        self.records.earlier = None;
        Ok(())
    }

    /// The incident about deliveries that a gap has lost, opened with the end of the gap; while one
    /// is unresolved there is no second. A person resolves it: what was lost stays lost.
    async fn incident(
        &self,
        next: &Records,
        now: Timestamp,
    ) -> Result<Option<Change>, CommitError> {
        let ended = next.earlier.iter().filter(|gap| self.records.ends(gap));
        let lost: u64 = ended.map(|gap| gap.totals.lost()).sum();
        if lost == 0 {
            return Ok(None);
        }
        let ports = &self.room.ports;
        let connection = &self.connection;
        let failure = HealthFailure::DeliveriesLost {
            connection,
            count: lost,
        };
        let unresolved = ports.store.unresolved_incidents(failure.subject()).await;
        // Where it cannot be read, it cannot be written.
        let unresolved = unresolved.map_err(|_| CommitError::Failed)?;
        if failure.kind().find(unresolved).is_some() {
            return Ok(None);
        }
        let id = IncidentId::generate(ports.clock.now_for_id(), &*ports.entropy);
        let times = u32::try_from(lost).unwrap_or(u32::MAX);
        let incident = health::report(failure, times, Vec::new(), id, now);
        Ok(Some(Change::PutIncident(Box::new(incident))))
    }

    /// Has the gap at hand whose account has a pending delivery, for the next step.
    pub(super) async fn recall_gap(&mut self, deferred: &Deferred) -> Result<(), Trouble> {
        let current = self.records.gap.as_ref().map(|gap| gap.id);
        let earlier = deferred.gap.filter(|gap| Some(*gap) != current);
        self.records.earlier = match earlier {
            Some(id) => self.room.ports.store.gap(id).await?,
            None => None,
        };
        Ok(())
    }

    /// The hook was missing, or had other settings: what the provider did not send then is in no
    /// log, and its runs have to be listed. That outlives the request, and this reconcile.
    pub(super) async fn note_unsent(&mut self, now: Timestamp) -> Result<(), Trouble> {
        let id = self.connection.id;
        let asked = self.room.ports.store.reconcile_asked(id).await?;
        let since = asked.and_then(|asked| Some((asked.unsent_since?, asked.at.min(now))));
        let Some((from, to)) = since else {
            return Ok(());
        };
        // Our clock may have been set back meanwhile.
        let from = from.min(to);
        let fresh = self.fresh_id();
        let (former, present) = (
            self.records.ledger.hook,
            self.connection.lifecycle.hook.id(),
        );
        let cause = if former.is_some() && former != present {
            GapCause::NoHook
        } else {
            GapCause::HookChanged
        };
        let edit = |records: &mut Records| {
            let gap = records.gap_of(fresh, cause, (from, to));
            gap.logged_from = gap.logged_from.max(Some(to));
        };
        Ok(self.take((Vec::new(), Vec::new()), edit).await?)
    }

    /// The gaps that are too many when one more is closed.
    pub(super) async fn old_gaps(&self) -> Result<Vec<Change>, Trouble> {
        let of = Of::Connection(self.connection.id);
        let after = After::first(GAPS_MAX + OLD_MAX);
        let gaps = self.room.ports.store.gaps(of, after).await?.items;
        let old = gaps.into_iter().skip(GAPS_MAX);
        // One that is open has its record until it is closed.
        let old = old.filter(|gap| gap.closed_at.is_some());
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
