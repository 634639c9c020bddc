//! The ledger: what a provider reports that it sent to a hook, compared with what is stored.
//!
//! A reconcile reads the provider's delivery log from its newest attempt back to what an earlier
//! reconcile has read, and ingests what is missing. Whether the provider got an answer does not
//! matter: a delivery is missing when no attempt of it is stored here.

mod compare;
mod deferred;
mod gap;
mod marks;
mod pending;
mod stretch;
mod uptime;

pub use compare::{Comparison, MISSING_MAX, Missing, Seen, Sight};
pub use deferred::{Deferral, Deferred, GIVEN_UP_MAX, PENDING_MAX, next_try};
pub use gap::{GAPS_MAX, Gap, GapCause, Loss, SHORT, Totals};
pub use marks::{Marks, OVERLAP};
pub use stretch::{Progress, Step, Stretch};
pub use uptime::{Outage, Uptime};

use super::connection::LastError;
use super::id::{ConnectionId, GapId, HookId, OwnerId};
use super::time::Timestamp;

/// A connection's ledger. Written only by who reconciles it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// The connection.
    pub connection: ConnectionId,
    /// Its owner.
    pub owner: OwnerId,
    /// The hook whose log was read. Another hook has another log.
    pub hook: Option<HookId>,
    /// How far the log was read.
    pub marks: Marks,
    /// What was read beyond the marks by walks that did not come to their end, the newest first.
    pub stretches: Vec<Stretch>,
    /// What was sent until then is read by no later reconcile, by our clock; `None`: not known.
    pub compared_to: Option<Timestamp>,
    /// When the last complete reconcile began: what the log had then is compared.
    pub read_at: Option<Timestamp>,
    /// Until when the provider's runs are known from a list of them, or from the log of a former
    /// hook. By the provider's clock.
    pub listed_at: Option<Timestamp>,
    /// Since when runs are to be listed, because the log does not have what was sent then. It
    /// outlives a reconcile that is cut off, also when the marks have moved. By the provider's
    /// clock.
    pub unlisted_since: Option<Timestamp>,
    /// When the next one is due.
    pub due_at: Timestamp,
    /// Reconciles that failed in a row.
    pub failures: u32,
    /// Why the last one failed; `None` once one succeeded.
    pub last_error: Option<LastError>,
    /// The gap that is being recovered.
    pub gap: Option<GapId>,
    /// Deliveries that could not be read yet. At most [`PENDING_MAX`] pending ones, and
    /// [`GIVEN_UP_MAX`] that are given up.
    pub deferred: Vec<Deferred>,
    /// When the oldest delivery was sent that is known to be missing, and is neither recovered nor
    /// given up: what happened since may not be known here. By the provider's clock.
    pub behind_since: Option<Timestamp>,
    /// When the newest delivery was sent that is counted as missing. By the provider's clock.
    pub counted_to: Option<Timestamp>,
    /// Requests up to this time are answered; see [`Asked`].
    pub answered: Option<Timestamp>,
    /// The totals of all gaps, also of those that are no longer stored.
    pub totals: Totals,
}

impl Ledger {
    /// The ledger of a connection that was never reconciled.
    pub fn new(connection: ConnectionId, owner: OwnerId, due_at: Timestamp) -> Self {
        Self {
            connection,
            owner,
            hook: None,
            marks: Marks::default(),
            stretches: Vec::new(),
            compared_to: None,
            read_at: None,
            listed_at: None,
            unlisted_since: None,
            due_at,
            failures: 0,
            last_error: None,
            gap: None,
            deferred: Vec::new(),
            behind_since: None,
            counted_to: None,
            answered: None,
            totals: Totals::default(),
        }
    }

    /// Until when what the provider had to report is known. By the provider's clock where it has
    /// shown any times: ours may have been wrong.
    pub fn known_to(&self) -> Option<Timestamp> {
        let shown = self.listed_at.max(self.marks.settled_at);
        shown.or_else(|| Some(self.read_at?.minus(OVERLAP)))
    }

    /// Moves the marks. What was given up and is settled is no longer listed.
    pub fn settle(&mut self, marks: Marks) {
        if marks.settled != self.marks.settled {
            // A reconcile that began then saw the attempt that is settled now.
            self.compared_to = self.marks.newest.map(|(_, began)| began);
        }
        // In a log with times, what is younger than the mark is read each time.
        if let Some(settled_at) = marks.settled_at {
            self.compared_to = self.compared_to.map(|at| at.min(settled_at));
        }
        self.marks = marks;
        self.deferred
            .retain(|it| it.is_pending() || !it.is_settled(marks));
    }

    /// All up to the `next` missing delivery is recovered or given up, except for what is pending.
    pub fn behind(&mut self, next: Option<Timestamp>) {
        let pending = self.deferred.iter().filter(|it| it.is_pending());
        let pending = pending.filter_map(|it| it.missing.at);
        self.behind_since = pending.chain(next).min();
    }

    /// The ledger for the log of this hook: another hook's log is read from its beginning. What was
    /// pending of the former log is returned: it went with its hook.
    pub fn change_hook(&mut self, hook: HookId) -> Vec<Deferred> {
        if self.hook == Some(hook) {
            return Vec::new();
        }
        self.hook = Some(hook);
        self.listed_at = self.listed_at.max(self.marks.settled_at);
        self.marks = Marks::default();
        self.stretches.clear();
        self.counted_to = None;
        let mut gone = std::mem::take(&mut self.deferred);
        gone.retain(Deferred::is_pending);
        gone
    }
}

named! {
    /// Why a reconcile was requested.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum AskedBy {
        /// A user requested it.
        User = "user",
        /// The connection has a new hook.
        Hook = "hook",
    }
}

/// A request to reconcile a connection. It is stored until a reconcile that began later has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The connection.
    pub connection: ConnectionId,
    /// The time of the request.
    pub at: Timestamp,
    /// Who requested it.
    pub by: AskedBy,
    /// Since when the provider may not have sent: the hook was missing, or had other settings.
    pub unsent_since: Option<Timestamp>,
}

impl Asked {
    /// This request after an earlier one that is not answered yet: it covers both.
    #[must_use]
    pub fn after(self, earlier: Option<Self>) -> Self {
        let Some(earlier) = earlier else {
            return self;
        };
        let by = if earlier.by == AskedBy::User {
            AskedBy::User
        } else {
            self.by
        };
        let unsent_since = match (self.unsent_since, earlier.unsent_since) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Self {
            by,
            unsent_since,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn minute(n: i64) -> Timestamp {
        Timestamp(n * 60_000)
    }

    #[test]
    fn with_times_all_but_the_youngest_attempts_are_settled_at_once() {
        let marks = Marks::default().after(minute(7), Some(9), Some(minute(100)));
        assert_eq!(
            marks.settled_at,
            Some(minute(90)),
            "by the provider's clock"
        );
        assert!(marks.is_settled(99, Some(minute(90))));
        assert!(!marks.is_settled(1, Some(minute(91))) && !marks.is_settled(1, None));
        let marks = marks.after(minute(8), Some(12), Some(minute(50)));
        assert_eq!(marks.settled_at, Some(minute(90)));
    }

    #[test]
    fn without_times_an_attempt_is_settled_by_a_later_reconcile() {
        let mut marks = Marks::default().after(minute(0), Some(9), None);
        assert_eq!(marks.settled, None);
        for n in 1..10 {
            marks = marks.after(minute(n), Some(9 + n.unsigned_abs()), None);
            assert_eq!(marks.settled, None);
        }
        marks = marks.after(minute(10), Some(30), None);
        let newest = Some((30, minute(10)));
        assert_eq!((marks.settled, marks.newest), (Some(9), newest));
        assert!(marks.is_settled(9, None) && !marks.is_settled(10, None));
        marks = marks.after(minute(30), None, None);
        assert_eq!(marks.settled, Some(30), "an empty log forgets nothing");
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_the_marks() {
        let marks = Marks::default().after(minute(500), Some(9), None);
        let marks = marks.after(minute(0), Some(12), None);
        assert_eq!((marks.settled, marks.newest), (None, Some((12, minute(0)))));
        let marks = marks.after(minute(10), Some(15), None);
        assert_eq!(marks.settled, Some(12));
    }

    /// Where the log has no times, the next reconcile reads back to what the one before the last
    /// saw.
    #[test]
    fn what_was_sent_before_the_reconcile_that_is_settled_is_not_read_again() {
        let mut ledger = Ledger::new(ConnectionId::from_u128(1), OwnerId::from_u128(2), minute(0));
        for (at, newest, expected) in [
            (0, Some(9), None),
            (360, Some(30), Some(0)),
            (365, Some(31), Some(0)),
            (720, None, Some(360)),
            (1080, Some(40), Some(360)),
        ] {
            ledger.settle(ledger.marks.after(minute(at), newest, None));
            assert_eq!(ledger.compared_to, expected.map(minute), "{at}");
        }
    }

    /// A quiet log with times: its last ten minutes are read by every reconcile.
    #[test]
    fn what_is_younger_than_the_mark_is_read_again_however_long_ago_it_was_sent() {
        let mut ledger = Ledger::new(ConnectionId::from_u128(1), OwnerId::from_u128(2), minute(0));
        for at in [0, 360, 720] {
            let marks = ledger.marks.after(minute(at), Some(9), Some(minute(-1)));
            ledger.settle(marks);
        }
        assert_eq!(ledger.compared_to, Some(minute(-11)));
    }

    #[test]
    fn another_hook_has_another_log() {
        let mut ledger = Ledger::new(ConnectionId::from_u128(1), OwnerId::from_u128(2), minute(0));
        assert_eq!(ledger.change_hook(HookId(7)), []);
        ledger.marks = ledger.marks.after(minute(1), Some(9), Some(minute(1)));
        let before = ledger.clone();
        assert_eq!(ledger.change_hook(HookId(7)), []);
        assert_eq!(ledger, before);
        let known_to = ledger.known_to();
        ledger.change_hook(HookId(8));
        assert_eq!(
            (ledger.hook, ledger.marks),
            (Some(HookId(8)), Marks::default())
        );
        assert_eq!(ledger.known_to(), known_to, "what is known stays known");
    }

    #[test]
    fn until_when_all_is_known_is_measured_by_the_clock_of_the_provider() {
        let mut ledger = Ledger::new(ConnectionId::from_u128(1), OwnerId::from_u128(2), minute(0));
        assert_eq!(ledger.known_to(), None);
        // Nothing with a time was listed yet: ours, with what it may be off.
        ledger.read_at = Some(minute(100));
        assert_eq!(ledger.known_to(), Some(minute(90)));
        // Ours is hours ahead.
        ledger.marks.settled_at = Some(minute(20));
        assert_eq!(ledger.known_to(), Some(minute(20)));
        ledger.listed_at = Some(minute(30));
        assert_eq!(ledger.known_to(), Some(minute(30)));
    }
}
