//! Gaps: times in which deliveries were missed, or may have been, and their account.

use crate::domain::id::{ConnectionId, GapId, OwnerId};
use crate::domain::time::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Gaps of a connection that are stored: beyond, the oldest are deleted. Their totals stay.
pub const GAPS_MAX: usize = 20;

/// A shorter gap in which nothing was missed counts in the totals only.
pub const SHORT: Duration = Duration::from_mins(1);

named! {
    /// Why deliveries were missed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum GapCause {
        /// The daemon was not running.
        Down = "down",
        /// The daemon answered that it could not store them.
        Refused = "refused",
        /// The provider got no answer.
        Unreachable = "unreachable",
        /// The provider got a good answer, and they are not stored: an older backup was restored,
        /// or something else answered.
        NotStored = "not_stored",
        /// There was no hook.
        NoHook = "no_hook",
        /// The provider's log does not show what its runs show.
        Unlogged = "unlogged",
        /// The hook had other settings, so that the provider may not have sent.
        HookChanged = "hook_changed",
    }
}

named! {
    /// Why a delivery cannot be recovered.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Loss {
        /// The provider's log no longer has the payload, and it cannot be sent again.
        PayloadGone = "payload_gone",
        /// The payload is too large for the provider's log, or for this server.
        TooLarge = "too_large",
        /// The provider was asked to send it again, and it did not arrive with a valid signature.
        NotRedelivered = "not_redelivered",
        /// The provider deleted it from its log before it could be read.
        Expired = "expired",
        /// The provider answered wrongly each time that its payload was read, and cannot send it
        /// again.
        Unreadable = "unreadable",
        /// The hook was replaced, and its log went with it.
        HookGone = "hook_gone",
    }
}

/// The account of missed deliveries, as totals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The length of all gaps, in milliseconds.
    pub gap_ms: u64,
    /// The part of it that is older than the provider's log, in milliseconds: how many deliveries
    /// were missed then is unknown.
    pub unlogged_ms: u64,
    /// Deliveries that the provider sent and that were not stored when they were compared.
    pub missed: u64,
    /// Those that were ingested since.
    pub recovered: u64,
    /// Those that cannot be, by reason.
    pub unrecoverable: BTreeMap<Loss, u64>,
    /// Runs that were found in the provider's lists, and not in deliveries.
    pub found: u64,
}

impl Totals {
    /// The number of deliveries that cannot be recovered.
    pub fn lost(&self) -> u64 {
        self.unrecoverable.values().sum()
    }

    /// Those that are known to be missing, and neither recovered nor given up.
    pub fn outstanding(&self) -> u64 {
        let ended = self.recovered.saturating_add(self.lost());
        self.missed.saturating_sub(ended)
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.gap_ms, other.gap_ms);
        add(&mut self.unlogged_ms, other.unlogged_ms);
        add(&mut self.missed, other.missed);
        add(&mut self.recovered, other.recovered);
        add(&mut self.found, other.found);
        for (reason, more) in &other.unrecoverable {
            add(self.unrecoverable.entry(*reason).or_default(), *more);
        }
        self
    }

    /// What is left of the sum without `other`, which is a part of it.
    #[must_use]
    pub fn minus(mut self, other: &Self) -> Self {
        let sub = |sum: &mut u64, less: u64| *sum = sum.saturating_sub(less);
        sub(&mut self.gap_ms, other.gap_ms);
        sub(&mut self.unlogged_ms, other.unlogged_ms);
        sub(&mut self.missed, other.missed);
        sub(&mut self.recovered, other.recovered);
        sub(&mut self.found, other.found);
        for (reason, less) in &other.unrecoverable {
            sub(self.unrecoverable.entry(*reason).or_default(), *less);
        }
        self.unrecoverable.retain(|_, count| *count > 0);
        self
    }
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// A time in which deliveries of a connection were missed, or may have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its id.
    pub id: GapId,
    /// The connection.
    pub connection: ConnectionId,
    /// The owner of the connection.
    pub owner: OwnerId,
    /// Why.
    pub cause: GapCause,
    /// When it began, as far as known.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
    /// From when on the provider's log covers it, when that is later than its beginning: what was
    /// missed before is unknown.
    pub logged_from: Option<Timestamp>,
    /// What was missed, and the result. Its length is [`Gap::length`].
    pub totals: Totals,
    /// When all of it was recovered, or given up; `None` while that is in progress.
    pub closed_at: Option<Timestamp>,
}

impl Gap {
    /// A gap of which nothing is recovered yet.
    pub fn new(
        id: GapId,
        connection: ConnectionId,
        owner: OwnerId,
        (cause, from, to): (GapCause, Timestamp, Timestamp),
    ) -> Self {
        Self {
            id,
            connection,
            owner,
            cause,
            from: from.min(to),
            to,
            logged_from: None,
            totals: Totals::default(),
            closed_at: None,
        }
    }

    /// How long it lasted.
    pub fn length(&self) -> Duration {
        self.to.since(self.from)
    }

    /// Includes this time.
    pub fn reach(&mut self, from: Timestamp, to: Timestamp) {
        self.from = self.from.min(from);
        self.to = self.to.max(to);
    }

    /// So many deliveries are missing besides those that were recovered or given up.
    pub fn missing(&mut self, outstanding: u64) {
        let ended = self.totals.recovered.saturating_add(self.totals.lost());
        self.totals.missed = self.totals.missed.max(ended.saturating_add(outstanding));
    }

    /// It consists of outages that are so long together.
    pub fn outages(&mut self, length: Duration) {
        self.totals.gap_ms = self.totals.gap_ms.max(millis(length));
    }

    /// One that seemed to be missing is stored under another id.
    pub fn not_missing(&mut self) {
        let ended = self.totals.recovered.saturating_add(self.totals.lost());
        self.totals.missed = self.totals.missed.saturating_sub(1).max(ended);
    }

    /// One that was not counted before was missing.
    pub fn one_missing(&mut self) {
        self.totals.missed += 1;
    }

    /// One more was recovered.
    pub fn recovered(&mut self) {
        self.totals.recovered += 1;
        self.missing(0);
    }

    /// One more cannot be.
    pub fn lost(&mut self, reason: Loss) {
        self.lost_some(reason, 1);
    }

    /// So many more cannot be.
    pub fn lost_some(&mut self, reason: Loss, count: u64) {
        if count > 0 {
            *self.totals.unrecoverable.entry(reason).or_default() += count;
            self.missing(0);
        }
    }

    /// The log is compared: all of it is recovered or given up, except for so many that are
    /// `pending`. What is no longer missing arrived by itself, as a late delivery or a redelivery
    /// that a user requested.
    pub fn close(&mut self, now: Timestamp, pending: u64) {
        self.totals.recovered += self.totals.outstanding().saturating_sub(pending);
        if self.totals.gap_ms == 0 {
            self.totals.gap_ms = millis(self.length());
        }
        let unlogged = self
            .logged_from
            .map(|from| from.min(self.to).since(self.from));
        self.totals.unlogged_ms = millis(unlogged.unwrap_or_default());
        self.end(now);
    }

    /// It is closed once nothing is outstanding.
    pub fn end(&mut self, now: Timestamp) {
        if self.totals.outstanding() == 0 {
            self.closed_at = self.closed_at.or(Some(now));
        }
    }

    /// Whether it is worth a record of its own.
    pub fn is_notable(&self) -> bool {
        let totals = &self.totals;
        totals.missed > 0
            || totals.found > 0
            || self.logged_from.is_some()
            || self.length() >= SHORT
    }
}

/// The cause that an attempt in the provider's log suggests, from the status of the answer.
pub(super) const fn cause_of(status: Option<u16>) -> GapCause {
    match status {
        Some(200..=299) => GapCause::NotStored,
        Some(_) => GapCause::Refused,
        None => GapCause::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap() -> Gap {
        let times = (GapCause::Down, Timestamp(1_000), Timestamp(9_000));
        Gap::new(
            GapId::from_u128(1),
            ConnectionId::from_u128(2),
            OwnerId::from_u128(3),
            times,
        )
    }

    #[test]
    fn totals_add_up_also_when_counting_is_interrupted() {
        let mut gap = gap();
        gap.missing(3);
        gap.recovered();
        gap.lost(Loss::TooLarge);
        assert_eq!((gap.totals.missed, gap.totals.outstanding()), (3, 1));
        // A restart finds the one that is left, and two that came since.
        gap.missing(3);
        assert_eq!((gap.totals.missed, gap.totals.outstanding()), (5, 3));
        gap.recovered();
        gap.recovered();
        gap.close(Timestamp(20_000), 0);
        let totals = &gap.totals;
        assert_eq!((totals.missed, totals.recovered, totals.lost()), (5, 4, 1));
        assert_eq!((totals.gap_ms, totals.unlogged_ms), (8_000, 0));
        assert_eq!(totals.outstanding(), 0);
    }

    #[test]
    fn a_gap_stays_open_while_a_delivery_of_it_is_pending() {
        let mut gap = gap();
        gap.missing(3);
        gap.recovered();
        gap.close(Timestamp(20_000), 1);
        assert_eq!((gap.totals.recovered, gap.closed_at), (2, None));
        gap.lost(Loss::Unreadable);
        gap.end(Timestamp(30_000));
        assert_eq!((gap.totals.lost(), gap.totals.missed), (1, 3));
        assert_eq!(gap.closed_at, Some(Timestamp(30_000)));
    }

    #[test]
    fn the_part_before_the_log_is_named() {
        let mut gap = gap();
        gap.logged_from = Some(Timestamp(4_000));
        gap.close(Timestamp(20_000), 0);
        assert_eq!(gap.totals.unlogged_ms, 3_000);
        gap.logged_from = Some(Timestamp(50_000));
        gap.close(Timestamp(20_000), 0);
        assert_eq!(gap.totals.unlogged_ms, gap.totals.gap_ms);
    }

    #[test]
    fn sums_can_be_taken_apart() {
        let mut gap = gap();
        gap.missing(2);
        gap.lost(Loss::Expired);
        gap.close(Timestamp(20_000), 0);
        let sum = Totals::default().plus(&gap.totals).plus(&gap.totals);
        assert_eq!((sum.missed, sum.lost()), (4, 2));
        assert_eq!(sum.minus(&gap.totals), gap.totals);
        assert_eq!(gap.totals.clone().minus(&gap.totals), Totals::default());
    }

    #[test]
    fn short_gaps_in_which_nothing_was_missed_are_only_counted() {
        let mut gap = gap();
        assert!(!gap.is_notable());
        gap.reach(Timestamp(0), Timestamp(60_000));
        assert!(gap.is_notable());
    }
}
