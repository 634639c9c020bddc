//! Which connection is reconciled next.
//!
//! Each connection has one regular entry, in the queue of those that are due or among those that
//! are due later: 32 bytes for a connection at rest. What users request, and what follows from
//! refused deliveries, comes in addition, and goes first.

use super::reconcile::Reason;
use crate::domain::id::ConnectionId;
use crate::domain::ledger::Outage;
use crate::domain::outage::PROBE_EVERY;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Connections that are reconciled at once: each keeps the particulars of at most
/// [`crate::domain::ledger::MISSING_MAX`] missing deliveries in memory.
const REGULAR_MAX: usize = 32;
/// How many more may be, when users request it.
const URGENT_MAX: usize = 8;
/// While others wait for the limits of its credential, a connection waits so long: in all, so many
/// are looked at in a second.
const FULL_PAUSE: Duration = Duration::from_secs(5);
const FULL_PAUSE_EACH: Duration = Duration::from_millis(5);
const FULL_PAUSE_MAX: Duration = Duration::from_mins(5);
/// A connection that is due while it is reconciled waits so long.
const BUSY_PAUSE: Duration = Duration::from_secs(5);

/// A connection's turn.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) id: ConnectionId,
    pub(super) reason: Reason,
    /// Whether it is the connection's regular entry, which comes again.
    pub(super) is_regular: bool,
}

/// What follows from a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The connection is gone.
    Never,
    /// It is due again after this time.
    After(Duration),
    /// It failed, and is tried again after this time.
    Again(Duration),
    /// As many as may wait for the limits of its credential: it did not begin.
    Full,
    /// Its provider has an outage: it waits for the end.
    Parked,
}

/// Which connection is reconciled next.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    known: HashSet<ConnectionId>,
    busy: HashSet<ConnectionId>,
    urgent_busy: usize,
    urgent: VecDeque<ConnectionId>,
    refused: VecDeque<(ConnectionId, Outage)>,
    /// What was refused of connections whose reconciles could not begin since.
    withheld: HashMap<ConnectionId, Outage>,
    /// Connections with a new hook, each once.
    new: VecDeque<ConnectionId>,
    expected: HashSet<ConnectionId>,
    due: VecDeque<ConnectionId>,
    later: BinaryHeap<Reverse<(Instant, ConnectionId, bool)>>,
    /// When a connection is due besides its regular entry, at most once.
    extra: HashMap<ConnectionId, Instant>,
    /// What waits for the end of a provider's outage, and whether it is the regular entry.
    parked: HashMap<ConnectionId, bool>,
    /// Requests that failed are not tried again before this time.
    held: HashMap<ConnectionId, Instant>,
}

impl Schedule {
    /// Adds a connection, unless it is known.
    pub(super) fn add(&mut self, id: ConnectionId, at: Instant) {
        if self.known.insert(id) {
            self.later.push(Reverse((at, id, true)));
        }
    }

    /// A user requested it.
    pub(super) fn ask(&mut self, id: ConnectionId, now: Instant) {
        self.held.retain(|_, until| *until > now);
        let is_in_hand = self.busy.contains(&id) || self.urgent.contains(&id);
        if !is_in_hand && !self.held.contains_key(&id) {
            self.urgent.push_back(id);
        }
    }

    /// It follows from a new hook: before regular ones, and not as if a user waited.
    pub(super) fn soon(&mut self, id: ConnectionId, now: Instant) {
        self.held.retain(|_, until| *until > now);
        let is_in_hand =
            self.busy.contains(&id) || self.parked.contains_key(&id) || self.held.contains_key(&id);
        if !is_in_hand && self.expected.insert(id) {
            self.new.push_back(id);
        }
    }

    /// Deliveries of a connection were refused.
    pub(super) fn refuse(&mut self, id: ConnectionId, outage: Outage) {
        self.refused.push_back((id, outage));
    }

    /// All connections are due now.
    pub(super) fn all_due(&mut self) {
        self.extra.clear();
        for Reverse((_, id, is_regular)) in std::mem::take(&mut self.later).into_sorted_vec() {
            if is_regular {
                self.due.push_back(id);
            }
        }
    }

    /// A provider answers again: what waited for that is due, evenly over this time; with `all`
    /// every one of these connections.
    pub(super) fn unpark(&mut self, ids: &[ConnectionId], all: bool, now: Instant, span: Duration) {
        let count = u32::try_from(ids.len()).unwrap_or(u32::MAX).max(1);
        for (nth, id) in (0_u32..).zip(ids) {
            let parked = self.parked.remove(id);
            let is_due = parked.is_some() || (all && self.known.contains(id));
            if is_due {
                let is_regular = parked.unwrap_or(false);
                let at = now + span / count * nth;
                self.put(at, *id, is_regular);
            }
        }
    }

    /// Has a connection come later. Besides its regular entry, it has the earliest one only.
    fn put(&mut self, at: Instant, id: ConnectionId, is_regular: bool) {
        if !is_regular {
            if self.extra.get(&id).is_some_and(|known| *known <= at) {
                return;
            }
            self.extra.insert(id, at);
        }
        self.later.push(Reverse((at, id, is_regular)));
    }

    /// The next turn, if there is one and room for it.
    pub(super) fn next(&mut self, now: Instant) -> Option<Turn> {
        let mut turn = self.next_urgent().or_else(|| self.next_regular(now))?;
        if let Some(earlier) = self.withheld.remove(&turn.id) {
            turn.reason.refused = Some(earlier.and(turn.reason.refused));
        }
        self.busy.insert(turn.id);
        if turn.reason.is_awaited {
            self.urgent_busy += 1;
        }
        Some(turn)
    }

    fn next_urgent(&mut self) -> Option<Turn> {
        if self.urgent_busy >= URGENT_MAX {
            return None;
        }
        // The request of one that is in hand is still stored when that began before it.
        let id = loop {
            let id = self.urgent.pop_front()?;
            if !self.busy.contains(&id) {
                break id;
            }
        };
        let reason = Reason {
            is_awaited: true,
            refused: None,
        };
        Some(Turn {
            id,
            reason,
            is_regular: false,
        })
    }

    fn next_regular(&mut self, now: Instant) -> Option<Turn> {
        if self.busy.len() >= self.urgent_busy + REGULAR_MAX {
            return None;
        }
        for _ in 0..self.refused.len() {
            let (id, outage) = self.refused.pop_front()?;
            if self.busy.contains(&id) {
                self.refused.push_back((id, outage));
                continue;
            }
            let reason = Reason {
                is_awaited: false,
                refused: Some(outage),
            };
            return Some(Turn {
                id,
                reason,
                is_regular: false,
            });
        }
        for _ in 0..self.new.len() {
            let id = self.new.pop_front()?;
            if self.busy.contains(&id) {
                self.new.push_back(id);
                continue;
            }
            self.expected.remove(&id);
            return Some(Turn {
                id,
                reason: Reason::default(),
                is_regular: false,
            });
        }
        while let Some((id, is_regular)) = self.next_due(now) {
            if self.busy.contains(&id) {
                self.put(now + BUSY_PAUSE, id, is_regular);
                continue;
            }
            return Some(Turn {
                id,
                reason: Reason::default(),
                is_regular,
            });
        }
        None
    }

    fn next_due(&mut self, now: Instant) -> Option<(ConnectionId, bool)> {
        if let Some(id) = self.due.pop_front() {
            return Some((id, true));
        }
        loop {
            let Reverse((at, id, is_regular)) = *self.later.peek()?;
            if at > now {
                return None;
            }
            self.later.pop();
            if is_regular || self.extra.get(&id) == Some(&at) {
                if !is_regular {
                    self.extra.remove(&id);
                }
                return Some((id, is_regular));
            }
        }
    }

    fn full_pause(&self) -> Duration {
        let known = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        let all = FULL_PAUSE_EACH.saturating_mul(known);
        all.clamp(FULL_PAUSE, FULL_PAUSE_MAX)
    }

    /// A turn has ended. `usual` is the usual time between two.
    pub(super) fn end(&mut self, turn: &Turn, next: Next, now: Instant, usual: Duration) {
        self.busy.remove(&turn.id);
        if turn.reason.is_awaited {
            self.urgent_busy = self.urgent_busy.saturating_sub(1);
        }
        if let (Next::Full | Next::Parked, Some(outage)) = (next, turn.reason.refused) {
            self.withheld.insert(turn.id, outage);
        }
        let at = match next {
            Next::Never => {
                self.known.remove(&turn.id);
                self.parked.remove(&turn.id);
                self.extra.remove(&turn.id);
                return;
            }
            Next::After(wait) if turn.is_regular || wait < usual / 2 => now + wait,
            // Its regular entry comes.
            Next::After(_) => return,
            Next::Again(wait) if turn.reason.is_awaited => {
                self.held.insert(turn.id, now + wait);
                return;
            }
            Next::Again(wait) => now + wait,
            Next::Full => now + self.full_pause(),
            Next::Parked if turn.reason.is_awaited => {
                self.held.insert(turn.id, now + PROBE_EVERY);
                return;
            }
            Next::Parked => {
                *self.parked.entry(turn.id).or_default() |= turn.is_regular;
                return;
            }
        };
        self.put(at, turn.id, turn.is_regular);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ledger::GapCause;
    use crate::domain::time::Timestamp;

    const USUAL: Duration = Duration::from_hours(6);

    const fn id(n: u128) -> ConnectionId {
        ConnectionId::from_u128(n)
    }

    fn with(ids: u128, now: Instant) -> Schedule {
        let mut schedule = Schedule::default();
        for n in 0..ids {
            schedule.add(id(n), now);
            schedule.add(id(n), now);
        }
        schedule
    }

    fn all(schedule: &mut Schedule, now: Instant) -> Vec<Turn> {
        std::iter::from_fn(|| schedule.next(now)).collect()
    }

    #[test]
    fn each_comes_once_in_its_time_and_few_at_once() {
        let now = Instant::now();
        let mut schedule = with(100, now);
        let mut turns = all(&mut schedule, now);
        assert_eq!(turns.len(), REGULAR_MAX);
        let mut count = 0;
        while let Some(turn) = turns.pop() {
            count += 1;
            schedule.end(&turn, Next::After(USUAL), now, USUAL);
            turns.extend(schedule.next(now));
        }
        assert_eq!(count, 100);
        assert!(schedule.next(now + USUAL / 2).is_none());
        assert_eq!(all(&mut schedule, now + USUAL).len(), REGULAR_MAX);
    }

    #[test]
    fn users_requests_come_first_also_when_all_are_busy_and_take_no_regular_turn() {
        let now = Instant::now();
        let mut schedule = with(100, now);
        let turns = all(&mut schedule, now);
        schedule.ask(id(99), now);
        schedule.ask(id(99), now);
        schedule.ask(turns[0].id, now);
        let urgent = all(&mut schedule, now);
        assert_eq!(urgent.len(), 1, "those in hand are not taken twice");
        assert!(urgent[0].id == id(99) && urgent[0].reason.is_awaited);
        schedule.end(&urgent[0], Next::After(USUAL), now, USUAL);
        for turn in &turns {
            schedule.end(turn, Next::Never, now, USUAL);
        }
        let mut rest = Vec::new();
        while let Some(turn) = schedule.next(now) {
            schedule.end(&turn, Next::Never, now, USUAL);
            rest.push(turn.id);
        }
        assert_eq!(rest.len(), 100 - REGULAR_MAX);
        assert!(rest.contains(&id(99)));
    }

    #[test]
    fn no_connection_is_reconciled_twice_at_once_while_requests_wait_for_their_turn() {
        let now = Instant::now();
        let mut schedule = with(URGENT_MAX as u128 + 1, now);
        for n in 0..=URGENT_MAX as u128 {
            schedule.ask(id(n), now);
        }
        // Its regular turn comes while its request waits.
        let turns = all(&mut schedule, now);
        assert_eq!(turns.len(), URGENT_MAX + 1);
        schedule.end(&turns[0], Next::After(USUAL), now, USUAL);
        let next = all(&mut schedule, now);
        let is_in_hand = |turn: &Turn| turns[1..].iter().any(|other| other.id == turn.id);
        assert!(!next.iter().any(is_in_hand), "{next:?}");
    }

    #[test]
    fn however_often_users_ask_a_connection_comes_once_more_for_what_is_pending() {
        let now = Instant::now();
        let mut schedule = with(1, now + USUAL);
        let soon = Duration::from_secs(10);
        for wait in [soon * 2, soon, soon, soon * 3] {
            schedule.ask(id(0), now);
            let turn = schedule.next(now).unwrap();
            schedule.end(&turn, Next::After(wait), now, USUAL);
        }
        assert!(schedule.next(now + soon / 2).is_none());
        for (at, expected) in [(soon, 1), (soon * 4, 0)] {
            let mut count = 0;
            while let Some(turn) = schedule.next(now + at) {
                schedule.end(&turn, Next::After(USUAL), now + at, USUAL);
                count += 1;
            }
            assert_eq!(count, expected, "after {at:?}");
        }
    }

    #[test]
    fn a_request_that_failed_waits_and_a_regular_one_too() {
        let now = Instant::now();
        let mut schedule = with(1, now);
        let minute = Duration::from_mins(1);
        schedule.ask(id(0), now);
        let turn = schedule.next(now).unwrap();
        schedule.end(&turn, Next::Again(minute), now, USUAL);
        schedule.ask(id(0), now);
        let turn = schedule.next(now).unwrap();
        assert!(!turn.reason.is_awaited);
        schedule.end(&turn, Next::Again(minute), now, USUAL);
        assert!(schedule.next(now).is_none());
        schedule.ask(id(0), now + minute);
        assert!(schedule.next(now + minute).unwrap().reason.is_awaited);
    }

    #[test]
    fn of_many_that_wait_for_others_with_their_credential_some_are_looked_at_in_a_second() {
        let now = Instant::now();
        let mut schedule = with(10_000, now);
        while let Some(turn) = schedule.next(now) {
            schedule.end(&turn, Next::Full, now, USUAL);
        }
        let pause = FULL_PAUSE_EACH * 10_000;
        assert!(schedule.next(now + pause / 2).is_none());
        assert!(schedule.next(now + pause).unwrap().is_regular);
    }

    #[test]
    fn what_was_refused_is_not_forgotten_while_a_connection_cannot_begin() {
        for next in [Next::Full, Next::Parked] {
            let now = Instant::now();
            let mut schedule = with(1, now + USUAL);
            let cause = GapCause::Refused;
            let of = |from, to| (Timestamp(from), Timestamp(to));
            let outage = |(from, to)| Outage { cause, from, to };
            for at in [1, 3] {
                schedule.refuse(id(0), outage(of(at, at + 1)));
                let turn = schedule.next(now).unwrap();
                schedule.end(&turn, next, now, USUAL);
            }
            schedule.unpark(&[id(0)], false, now, Duration::ZERO);
            let turn = schedule.next(now + FULL_PAUSE).unwrap();
            assert_eq!(turn.reason.refused, Some(outage(of(1, 4))), "{next:?}");
        }
    }

    #[test]
    fn a_new_hook_comes_before_regular_ones_once_and_takes_no_users_place() {
        let now = Instant::now();
        let mut schedule = with(100, now);
        schedule.soon(id(99), now);
        schedule.soon(id(99), now);
        let turns = all(&mut schedule, now);
        assert_eq!(turns.len(), REGULAR_MAX, "none in a place of users");
        let first = &turns[0];
        assert!(first.id == id(99) && !first.reason.is_awaited && !first.is_regular);
        schedule.soon(id(99), now);
        assert!(schedule.new.is_empty(), "it is being reconciled");
        schedule.end(first, Next::After(USUAL), now, USUAL);
        schedule.soon(id(99), now);
        assert_eq!(schedule.next(now).unwrap().id, id(99));
    }

    #[test]
    fn what_waits_for_the_end_of_an_outage_comes_then_bit_by_bit() {
        let now = Instant::now();
        let mut schedule = with(10, now);
        for turn in all(&mut schedule, now) {
            schedule.end(&turn, Next::Parked, now, USUAL);
        }
        schedule.ask(id(3), now);
        let asked = schedule.next(now).unwrap();
        schedule.end(&asked, Next::Parked, now, USUAL);
        assert!(schedule.next(now + USUAL * 9).is_none());
        schedule.ask(id(3), now);
        assert!(schedule.next(now).is_none(), "it is held for a minute");
        let ids: Vec<_> = (0..10).map(id).collect();
        schedule.unpark(&ids[..5], true, now, Duration::from_secs(50));
        for n in 0..5 {
            let at = now + Duration::from_secs(10 * n);
            let turns = all(&mut schedule, at);
            assert_eq!(turns.len(), 1, "{n}");
            assert!(turns[0].is_regular);
            schedule.end(&turns[0], Next::After(USUAL), at, USUAL);
        }
        assert!(schedule.next(now + Duration::from_mins(5)).is_none());
    }

    #[test]
    fn after_an_outage_all_are_due_and_refusals_come_with_their_time() {
        let now = Instant::now();
        let mut schedule = with(3, now + USUAL);
        assert!(schedule.next(now).is_none());
        let outage = Outage {
            cause: GapCause::Refused,
            from: Timestamp(1),
            to: Timestamp(2),
        };
        schedule.refuse(id(1), outage);
        let turn = schedule.next(now).unwrap();
        assert_eq!((turn.id, turn.reason.refused), (id(1), Some(outage)));
        assert!(!turn.is_regular);
        schedule.end(&turn, Next::After(USUAL), now, USUAL);
        schedule.all_due();
        assert_eq!(all(&mut schedule, now).len(), 3);
    }
}
