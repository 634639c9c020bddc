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
const LOOK_EACH: Duration = Duration::from_millis(5);
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
    /// Those in hand, and how many outages had ended when their turns began.
    busy: HashMap<ConnectionId, u64>,
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
    /// The outages that have ended.
    ends: u64,
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
        let is_in_hand = self.busy.contains_key(&id) || self.urgent.contains(&id);
        if !is_in_hand && !self.held.contains_key(&id) {
            self.urgent.push_back(id);
        }
    }

    /// It follows from a new hook: before regular ones, and not as if a user waited.
    pub(super) fn soon(&mut self, id: ConnectionId, now: Instant) {
        self.held.retain(|_, until| *until > now);
        let is_in_hand = self.busy.contains_key(&id)
            || self.parked.contains_key(&id)
            || self.held.contains_key(&id);
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
        self.ends += 1;
        self.extra.clear();
        let parked = std::mem::take(&mut self.parked).into_iter();
        let mut parked: Vec<_> = parked.filter(|(_, is_regular)| *is_regular).collect();
        parked.sort_unstable();
        self.due.extend(parked.into_iter().map(|(id, _)| id));
        for Reverse((_, id, is_regular)) in std::mem::take(&mut self.later).into_sorted_vec() {
            if is_regular {
                self.due.push_back(id);
            }
        }
    }

    /// A provider answers again: what waited for that is due, evenly over this time; with `all`
    /// every one of these connections. What else is parked is looked at after that: it waits for
    /// another provider, or the connection is gone.
    pub(super) fn unpark(&mut self, ids: &[ConnectionId], all: bool, now: Instant, span: Duration) {
        self.ends += 1;
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
        let mut others: Vec<_> = std::mem::take(&mut self.parked).into_iter().collect();
        others.sort_unstable();
        for (nth, (id, is_regular)) in (1_u32..).zip(others) {
            let at = now + span + LOOK_EACH.saturating_mul(nth);
            self.put(at, id, is_regular);
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
        self.busy.insert(turn.id, self.ends);
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
            if !self.busy.contains_key(&id) {
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
            if self.busy.contains_key(&id) {
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
            if self.busy.contains_key(&id) {
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
            if self.busy.contains_key(&id) {
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
        let all = LOOK_EACH.saturating_mul(known);
        all.clamp(FULL_PAUSE, FULL_PAUSE_MAX)
    }

    /// A turn has ended. `usual` is the usual time between two.
    pub(super) fn end(&mut self, turn: &Turn, next: Next, now: Instant, usual: Duration) {
        let began = self.busy.remove(&turn.id);
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
            // What it waits for may have ended: no other end would have it come.
            Next::Parked if began != Some(self.ends) => now + BUSY_PAUSE,
            Next::Parked => {
                *self.parked.entry(turn.id).or_default() |= turn.is_regular;
                return;
            }
        };
        self.put(at, turn.id, turn.is_regular);
    }
}

#[cfg(test)]
mod tests;
