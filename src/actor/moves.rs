//! Hooks that still deliver to a former public address, and the order in which they are moved.
//!
//! When the public address changes, every hook is moved in place. Deliveries to the former address
//! are accepted as before, so there is no hurry: one move at a time for each owner at an
//! installation, so that a user's request waits behind one write at most. The connections
//! themselves say what is to be moved; this is only the order, and is rebuilt at a start.

use crate::domain::backoff::Backoff;
use crate::domain::connection::Connection;
use crate::domain::id::{ConnectionId, UserId};
use crate::domain::repo::Instance;
use crate::telemetry::metric;
use metrics::gauge;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Most concurrent moves, over all owners.
const AT_ONCE_MAX: usize = 16;
/// A turn that is not returned after this time has ended: an actor panicked. Longer than any call.
const TURN_MAX: Duration = Duration::from_mins(5);

/// Who waits behind whom.
type Line = (UserId, Instance);

/// The hooks to be moved, in their queues.
#[derive(Debug, Default)]
pub struct Moves {
    inner: Mutex<Inner>,
    pub(super) changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    unmoved: HashMap<ConnectionId, Line>,
    lines: BTreeMap<Line, Queue>,
    unseen: usize,
}

impl Inner {
    fn count(&self) -> usize {
        self.unmoved.len() + self.unseen
    }

    fn show(&self) {
        gauge!(metric::TO_MOVE).set(metric::float(self.count() as u64));
    }
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<ConnectionId>,
    /// The hook whose turn it is, and since when.
    turn: Option<(ConnectionId, Instant)>,
    not_before: Option<Instant>,
    /// Turns in a row that moved nothing.
    failures: u32,
}

impl Queue {
    fn holds(&self, id: ConnectionId) -> bool {
        self.turn.is_some_and(|(holder, _)| holder == id)
    }
}

impl Moves {
    /// The number of hooks at a former address, or not looked at yet.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.inner.lock().count()
    }

    /// The number of an owner's hooks at a former address; `None` when not all were looked at.
    pub(super) fn count_of(&self, owner: UserId) -> Option<usize> {
        let inner = self.inner.lock();
        let of_owner = inner.unmoved.values().filter(|(of, _)| *of == owner);
        (inner.unseen == 0).then(|| of_owner.count())
    }

    /// So many connections have not taken their first step since the start: their hooks may be at a
    /// former address.
    pub(super) fn unseen(&self, count: usize) {
        let mut inner = self.inner.lock();
        inner.unseen = count;
        inner.show();
    }

    /// Records the current state of a connection.
    pub(super) fn note(&self, connection: &Connection, public_url: &str) {
        let (id, is_to_move) = (connection.id, connection.is_to_move(public_url));
        let mut inner = self.inner.lock();
        if is_to_move == inner.unmoved.contains_key(&id) {
            return;
        }
        if is_to_move {
            let line = (connection.owner, connection.instance.clone());
            inner.unmoved.insert(id, line.clone());
            inner.lines.entry(line).or_default().waiting.push_back(id);
        } else if let Some(line) = inner.unmoved.remove(&id)
            && let Some(queue) = inner.lines.get_mut(&line)
            && queue.holds(id)
        {
            (queue.turn, queue.failures) = (None, 0);
        }
        inner.show();
        drop(inner);
        self.changed.notify_one();
    }

    /// A turn has moved nothing: the connection goes to the end of its queue, and the queue pauses
    /// for as long as the provider requires, or with backoff.
    pub(super) fn over(&self, id: ConnectionId, wish: Option<Duration>, pause: Backoff) {
        let mut inner = self.inner.lock();
        let Some(line) = inner.unmoved.get(&id).cloned() else {
            return;
        };
        if let Some(queue) = inner.lines.get_mut(&line).filter(|queue| queue.holds(id)) {
            queue.turn = None;
            queue.waiting.push_back(id);
            queue.failures = queue.failures.saturating_add(1);
            let rest = wish.unwrap_or_else(|| pause.wait(queue.failures, u64::MAX));
            queue.not_before = Some(Instant::now() + rest);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// The hooks whose turn it is now, and when to check again if nothing changes.
    pub(super) fn take_turns(&self) -> (Vec<ConnectionId>, Option<Instant>) {
        let now = Instant::now();
        let mut inner = self.inner.lock();
        let Inner { unmoved, lines, .. } = &mut *inner;
        for queue in lines.values_mut() {
            if let Some((id, since)) = queue.turn
                && now.duration_since(since) >= TURN_MAX
            {
                queue.turn = None;
                queue.waiting.push_back(id);
            }
        }
        let under_way = lines.values().filter(|queue| queue.turn.is_some()).count();
        let mut taken = Vec::new();
        for queue in lines.values_mut().filter(|queue| queue.turn.is_none()) {
            if under_way + taken.len() >= AT_ONCE_MAX {
                break;
            }
            if queue.not_before.is_some_and(|at| at > now) {
                continue;
            }
            // A hook that was moved meanwhile is no longer queued.
            while let Some(id) = queue.waiting.pop_front() {
                if unmoved.contains_key(&id) {
                    queue.turn = Some((id, now));
                    taken.push(id);
                    break;
                }
            }
        }
        lines.retain(|_, queue| queue.turn.is_some() || !queue.waiting.is_empty());
        let ends = lines.values().filter_map(|queue| match queue.turn {
            Some((_, since)) => Some(since + TURN_MAX),
            None => queue.not_before.filter(|at| *at > now),
        });
        (taken, ends.min())
    }
}
