//! The call budget of an installation: calls wait in a queue (see [`Queue`]) for a place and for
//! their token's turn, at most [`queue::WAIT_MAX`]. Tokens are identified by their hashes and not
//! stored here. Uses tokio's clock, so tests need not wait.

use super::meter::{Cost, Limit};
use super::queue::{self, Away, Next, Number, Queue};
use super::ticket::{Left, Shape, Ticket};
use crate::domain::errand::Errand;
use crate::domain::secret::ProviderToken;
use parking_lot::Mutex;
use reqwest::Method;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

pub(super) use super::gate::HOLD_MAX;
pub(super) use super::ticket::TokenKey;

/// Most queued calls of an installation, and most of one owner: each is an open future.
const WAITING_MAX: usize = 2048;
const WAITING_PER_OWNER_MAX: usize = 512;
/// Most concurrent calls with one token: GitHub asks for few, and allows a hundred.
const PER_TOKEN_MAX: usize = 4;

impl TokenKey {
    pub(super) fn of(token: &ProviderToken) -> Self {
        Self(*blake3::hash(token.expose().as_bytes()).as_bytes())
    }

    /// A number that identifies the token.
    pub(super) fn number(self) -> u64 {
        let bytes = self.0.first_chunk().copied();
        u64::from_le_bytes(bytes.unwrap_or_default())
    }

    /// The key for tokens that change with every call.
    pub(super) fn named(name: &str) -> Self {
        Self(*blake3::hash(name.as_bytes()).as_bytes())
    }
}

/// What a provider allows one token, and what a request costs against it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The limits, at most [`super::meter::LIMITS_MAX`].
    pub(super) limits: &'static [Limit],
    /// The cost of a request against each, by its method and path.
    pub(super) cost: fn(&Method, &str) -> Cost,
}

/// Where callers learn that it is their turn, or that they are refused.
type Callers = HashMap<Number, oneshot::Sender<Result<(), Away>>>;

#[derive(Debug)]
struct Line {
    queue: Queue,
    callers: Callers,
}

/// The budget of one installation.
#[derive(Debug)]
pub(super) struct Budget {
    line: Mutex<Line>,
    /// Signals that the queue must be checked sooner than planned.
    changed: Notify,
    /// Held by the one caller that drives the queue while it waits.
    lead: tokio::sync::Mutex<()>,
}

/// A place in the queue, and then the permission to make one call; held while it runs.
#[derive(Debug)]
pub(super) struct Permit {
    number: Number,
    budget: Arc<Budget>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut line = self.budget.line.lock();
        line.queue.leave(self.number);
        line.callers.remove(&self.number);
        drop(line);
        self.budget.pump();
        self.budget.changed.notify_one();
    }
}

/// The current time, for pure code.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

impl Budget {
    pub(super) fn new(at_once: usize, write_pause: Duration, limits: &'static [Limit]) -> Self {
        let at_once = at_once.max(1);
        let queue = Queue::new(Shape {
            at_once,
            per_token: at_once.min(PER_TOKEN_MAX),
            waiting: WAITING_MAX,
            waiting_per_owner: WAITING_PER_OWNER_MAX,
            write_pause,
            limits,
        });
        let callers = Callers::new();
        Self {
            line: Mutex::new(Line { queue, callers }),
            changed: Notify::new(),
            lead: tokio::sync::Mutex::default(),
        }
    }

    /// Waits for the turn of a call. An error says why it is refused and when to retry; then
    /// nothing was reserved.
    pub(super) async fn admit(
        self: &Arc<Self>,
        errand: Errand,
        token: TokenKey,
        writes: bool,
        cost: Cost,
    ) -> Result<Permit, Away> {
        let ticket = Ticket {
            errand,
            token,
            writes,
            cost,
        };
        let (permit, mut word) = self.enter(ticket)?;
        let answer = tokio::select! {
            biased;
            answer = &mut word => answer.ok(),
            never = self.look_after() => match never {},
            () = tokio::time::sleep(queue::WAIT_MAX) => None,
        };
        // Its turn may have come just now.
        match answer.or_else(|| word.try_recv().ok()) {
            Some(answer) => answer.map(|()| permit),
            None => Err(self.line.lock().queue.late(now(), &ticket)),
        }
    }

    fn enter(
        self: &Arc<Self>,
        ticket: Ticket,
    ) -> Result<(Permit, oneshot::Receiver<Result<(), Away>>), Away> {
        let (caller, word) = oneshot::channel();
        let mut line = self.line.lock();
        let (number, displaced) = line.queue.enter(now(), ticket)?;
        line.callers.insert(number, caller);
        if let Some(displaced) = displaced {
            line.send_away(displaced, Away::Busy(queue::WAIT_MAX));
        }
        drop(line);
        let budget = Arc::clone(self);
        let permit = Permit { number, budget };
        self.pump();
        self.changed.notify_one();
        Ok((permit, word))
    }

    /// Starts the calls that may start; returns the time at which more may.
    fn pump(&self) -> Option<Instant> {
        let mut line = self.line.lock();
        loop {
            match line.queue.next(now()) {
                Next::Go(number) => {
                    if let Some(caller) = line.callers.remove(&number) {
                        // A caller that was dropped releases its place on drop.
                        let _ = caller.send(Ok(()));
                    }
                }
                Next::LookAgain(at) => return Some(Instant::from_std(at)),
                Next::Rest => return None,
            }
        }
    }

    /// Starts calls as their time comes, for as long as this is polled. One caller does it for all
    /// that wait.
    async fn look_after(&self) -> Infallible {
        let _lead = self.lead.lock().await;
        loop {
            let changed = self.changed.notified();
            match self.pump() {
                Some(at) => tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(at) => {}
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }

    /// Holds all calls with this token for `hold`; returns the time.
    pub(super) fn hold(&self, token: TokenKey, hold: Duration) -> Duration {
        let mut line = self.line.lock();
        let (lasts, away) = line.queue.hold(now(), token, hold);
        for number in away {
            line.send_away(number, Away::Limited(lasts));
        }
        lasts
    }

    /// Records what is left of the provider's window of a token.
    pub(super) fn note_remaining(&self, token: TokenKey, left: Left) {
        self.line.lock().queue.note_remaining(now(), token, left);
    }
}

impl Line {
    fn send_away(&mut self, number: Number, why: Away) {
        if let Some(caller) = self.callers.remove(&number) {
            let _ = caller.send(Err(why));
        }
    }
}

#[cfg(test)]
mod tests;
