//! Which connection is reconciled next.
//!
//! Each connection has one regular entry, in the queue of those that are due or among those that
//! are due later: 32 bytes for a connection at rest. What users request, and what follows from
//! refused deliveries, comes in addition, and goes first.

use super::reconcile::Reason;
use crate::domain::id::ConnectionId;
use crate::domain::ledger::Outage;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Connections that are reconciled at once: each keeps the particulars of at most
/// [`crate::domain::ledger::MISSING_MAX`] missing deliveries in memory.
const REGULAR_MAX: usize = 32;
/// How many more may be, when users request it.
const URGENT_MAX: usize = 8;
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
}

/// Which connection is reconciled next.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    known: HashSet<ConnectionId>,
    busy: HashSet<ConnectionId>,
    urgent_busy: usize,
    urgent: VecDeque<ConnectionId>,
    refused: VecDeque<(ConnectionId, Outage)>,
    due: VecDeque<ConnectionId>,
    later: BinaryHeap<Reverse<(Instant, ConnectionId, bool)>>,
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

    /// Deliveries of a connection were refused.
    pub(super) fn refuse(&mut self, id: ConnectionId, outage: Outage) {
        self.refused.push_back((id, outage));
    }

    /// All connections are due now.
    pub(super) fn all_due(&mut self) {
        for Reverse((_, id, is_regular)) in std::mem::take(&mut self.later).into_sorted_vec() {
            if is_regular {
                self.due.push_back(id);
            }
        }
    }

    /// The next turn, if there is one and room for it.
    pub(super) fn next(&mut self, now: Instant) -> Option<Turn> {
        let turn = self.next_urgent().or_else(|| self.next_regular(now))?;
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
        let id = self.urgent.pop_front()?;
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
        while let Some((id, is_regular)) = self.next_due(now) {
            if self.busy.contains(&id) {
                self.later.push(Reverse((now + BUSY_PAUSE, id, is_regular)));
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
        let Reverse((at, ..)) = self.later.peek()?;
        if *at > now {
            return None;
        }
        let Reverse((_, id, is_regular)) = self.later.pop()?;
        Some((id, is_regular))
    }

    /// A turn has ended. `usual` is the usual time between two.
    pub(super) fn end(&mut self, turn: &Turn, next: Next, now: Instant, usual: Duration) {
        self.busy.remove(&turn.id);
        if turn.reason.is_awaited {
            self.urgent_busy = self.urgent_busy.saturating_sub(1);
        }
        let at = match next {
            Next::Never => {
                self.known.remove(&turn.id);
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
        };
        self.later.push(Reverse((at, turn.id, turn.is_regular)));
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
