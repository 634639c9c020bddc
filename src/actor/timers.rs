//! The timers of all lifecycles, in one queue: a hundred thousand connections at rest cost an entry
//! each, no timer of the runtime, and no actor.

use crate::domain::id::ConnectionId;
use crate::domain::lifecycle::Timer;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Whose timer, and which.
pub(super) type Whose = (ConnectionId, Timer);

#[derive(Debug, Default)]
struct Armed {
    queue: BTreeSet<(Instant, Whose)>,
    /// The time for which each timer of a connection is armed.
    times: HashMap<ConnectionId, [Option<Instant>; Timer::ALL.len()]>,
}

/// The timers that are armed.
#[derive(Debug, Default)]
pub(super) struct Timers {
    armed: Mutex<Armed>,
    /// One was armed that fires before all others.
    sooner: Notify,
}

impl Timers {
    /// Arms a timer. If it was armed already, it fires at the new time only.
    pub(super) fn arm(&self, whose: Whose, at: Instant) {
        let mut armed = self.armed.lock();
        let times = armed.times.entry(whose.0).or_default();
        if let Some(before) = times[whose.1 as usize].replace(at) {
            armed.queue.remove(&(before, whose));
        }
        let first = armed.queue.first();
        let is_first = first.is_none_or(|(first, _)| at < *first);
        armed.queue.insert((at, whose));
        drop(armed);
        if is_first {
            self.sooner.notify_one();
        }
    }

    /// A timer that fired at this time is handled. Returns whether it still counts: it was not
    /// armed again meanwhile.
    pub(super) fn take(&self, (id, timer): Whose, at: Instant) -> bool {
        let mut armed = self.armed.lock();
        let known = armed.times.get_mut(&id);
        let taken = known.and_then(|times| times[timer as usize].take_if(|until| *until == at));
        taken.is_some()
    }

    /// No timer of this connection fires.
    pub(super) fn forget(&self, id: ConnectionId) {
        let mut armed = self.armed.lock();
        let until = armed.times.remove(&id).unwrap_or_default();
        for (timer, at) in Timer::ALL.iter().zip(until) {
            if let Some(at) = at {
                armed.queue.remove(&(at, (id, *timer)));
            }
        }
    }

    /// Those that are due, no longer in the queue; else when the next one is.
    fn due(&self) -> (Vec<(Instant, Whose)>, Option<Instant>) {
        let now = Instant::now();
        let mut armed = self.armed.lock();
        let mut due = Vec::new();
        while let Some(first) = armed.queue.first().copied().filter(|(at, _)| *at <= now) {
            armed.queue.remove(&first);
            due.push(first);
        }
        (due, armed.queue.first().map(|(at, _)| *at))
    }

    /// Fires due timers, forever.
    pub(super) async fn run(&self, fire: impl Fn(Whose, Instant)) {
        loop {
            let (due, next) = self.due();
            for (at, whose) in due {
                fire(whose, at);
            }
            let sooner = self.sooner.notified();
            match next {
                Some(at) => drop(tokio::time::timeout_at(at, sooner).await),
                None => sooner.await,
            }
        }
    }
}

#[cfg(test)]
impl Timers {
    /// Connections with an armed timer.
    pub(super) fn connections(&self) -> usize {
        self.armed.lock().times.len()
    }
}
