//! The timers of all lifecycles, in one queue: a hundred thousand connections at rest cost an entry
//! each and no timer of the runtime.

use crate::domain::id::ConnectionId;
use crate::domain::lifecycle::Timer;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Whose timer, and which.
pub(super) type Whose = (ConnectionId, Timer);

/// The timers that are armed.
#[derive(Debug, Default)]
pub(super) struct Timers {
    armed: Mutex<BTreeSet<(Instant, Whose)>>,
    /// One was armed that fires before all others.
    sooner: Notify,
}

impl Timers {
    /// Arms a timer, which was armed for `before` until now.
    pub(super) fn arm(&self, whose: Whose, before: Option<Instant>, at: Instant) {
        let mut armed = self.armed.lock();
        if let Some(before) = before {
            armed.remove(&(before, whose));
        }
        let is_first = armed.first().is_none_or(|(first, _)| at < *first);
        armed.insert((at, whose));
        drop(armed);
        if is_first {
            self.sooner.notify_one();
        }
    }

    /// A timer that was armed for then does not fire.
    pub(super) fn disarm(&self, whose: Whose, at: Instant) {
        self.armed.lock().remove(&(at, whose));
    }

    /// Those that are due, no longer armed; else when the next one is.
    fn due(&self) -> (Vec<(Instant, Whose)>, Option<Instant>) {
        let now = Instant::now();
        let mut armed = self.armed.lock();
        let mut due = Vec::new();
        while let Some(first) = armed.first().copied().filter(|(at, _)| *at <= now) {
            armed.remove(&first);
            due.push(first);
        }
        (due, armed.first().map(|(at, _)| *at))
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
