//! What may be asked of an installation, and when: few calls at once, writes spaced out, and
//! nothing at all before the moment that the provider named. Per token, by its hash; the tokens
//! themselves are not kept here. Measures with tokio's clock, so tests need not wait.

use crate::domain::secret::ProviderToken;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Longest wait inside a call. Whoever would have to wait longer is sent away with the time, so
/// that a backlog waits in the store and not in open calls.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest that a provider's word is obeyed: GitHub's windows are an hour, and a clock that is
/// wrong must not silence us for days.
pub(super) const HOLD_MAX: Duration = Duration::from_hours(2);
/// From this many tokens on, those without restrictions are forgotten.
const TOKENS_MAX: usize = 4096;
/// With fewer calls than this left in the window, the rest is spread over what is left of it.
const REMAINING_LOW: u64 = 100;

/// A token's name here: its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenKey([u8; 32]);

impl TokenKey {
    pub(super) fn of(token: &ProviderToken) -> Self {
        Self(*blake3::hash(token.expose().as_bytes()).as_bytes())
    }

    /// A number that tells tokens apart.
    pub(super) fn number(self) -> u64 {
        let bytes = self.0.first_chunk().copied();
        u64::from_le_bytes(bytes.unwrap_or_default())
    }
}

#[derive(Clone, Copy, Debug)]
struct Gate {
    /// Nothing goes out before: the provider said so.
    not_before: Instant,
    /// No write goes out before: the pause after the last one.
    next_write: Instant,
    /// No call goes out before: what is left of the window is spread out.
    next_call: Instant,
    /// The space between calls while little is left.
    spacing: Duration,
    spaced_until: Instant,
}

impl Gate {
    const fn open(now: Instant) -> Self {
        Self {
            not_before: now,
            next_write: now,
            next_call: now,
            spacing: Duration::ZERO,
            spaced_until: now,
        }
    }

    fn is_open(&self, now: Instant) -> bool {
        [
            self.not_before,
            self.next_write,
            self.next_call,
            self.spaced_until,
        ]
        .into_iter()
        .all(|at| at <= now)
    }
}

/// The permission to make one call; held while it runs.
#[derive(Debug)]
pub(super) struct Permit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// The budget of one installation.
#[derive(Debug)]
pub(super) struct Budget {
    at_once: Arc<Semaphore>,
    write_pause: Duration,
    gates: Mutex<HashMap<TokenKey, Gate>>,
}

impl Budget {
    pub(super) fn new(at_once: usize, write_pause: Duration) -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(at_once.max(1))),
            write_pause,
            gates: Mutex::default(),
        }
    }

    /// A panic elsewhere leaves times in the map that are at worst a call too old.
    fn gates(&self) -> MutexGuard<'_, HashMap<TokenKey, Gate>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for this token's turn and for a free place. An error is the time after which to come
    /// again; nothing was reserved then.
    pub(super) async fn admit(&self, key: TokenKey, writes: bool) -> Result<Permit, Duration> {
        let deadline = Instant::now() + WAIT_MAX;
        let at = self.reserve(key, writes)?;
        tokio::time::sleep_until(at).await;
        let place = Arc::clone(&self.at_once).acquire_owned();
        let place = match tokio::time::timeout_at(deadline, place).await {
            Ok(place) => place.expect("the semaphore is never closed"),
            Err(_) => return Err(WAIT_MAX),
        };
        // The provider may have said "stop" to another call while this one waited.
        let now = Instant::now();
        match self.gates().get(&key) {
            Some(gate) if gate.not_before > now => Err(gate.not_before - now),
            _ => Ok(Permit(place)),
        }
    }

    fn reserve(&self, key: TokenKey, writes: bool) -> Result<Instant, Duration> {
        let now = Instant::now();
        let mut gates = self.gates();
        if gates.len() >= TOKENS_MAX {
            gates.retain(|_, gate| !gate.is_open(now));
        }
        let gate = gates.entry(key).or_insert_with(|| Gate::open(now));
        let mut at = now.max(gate.not_before).max(gate.next_call);
        if writes {
            at = at.max(gate.next_write);
        }
        if gate.not_before > now || at - now > WAIT_MAX {
            return Err(at - now);
        }
        if writes {
            gate.next_write = at + self.write_pause;
        }
        if gate.spaced_until > at {
            gate.next_call = at + gate.spacing;
        }
        Ok(at)
    }

    /// Lets nothing out with this token for `hold`, and says for how long that is.
    pub(super) fn hold(&self, key: TokenKey, hold: Duration) -> Duration {
        let hold = hold.min(HOLD_MAX);
        let now = Instant::now();
        let mut gates = self.gates();
        let gate = gates.entry(key).or_insert_with(|| Gate::open(now));
        gate.not_before = gate.not_before.max(now + hold);
        gate.not_before - now
    }

    /// Takes note that `remaining` calls are left for the next `reset_in`.
    pub(super) fn note_remaining(&self, key: TokenKey, remaining: u64, reset_in: Duration) {
        if remaining >= REMAINING_LOW {
            return;
        }
        let now = Instant::now();
        let reset_in = reset_in.min(HOLD_MAX);
        let calls = u32::try_from(remaining.max(1)).unwrap_or(u32::MAX);
        let mut gates = self.gates();
        let gate = gates.entry(key).or_insert_with(|| Gate::open(now));
        gate.spacing = reset_in / calls;
        gate.spaced_until = now + reset_in;
        gate.next_call = gate.next_call.max(now + gate.spacing.min(WAIT_MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(fill: u8) -> TokenKey {
        TokenKey([fill; 32])
    }

    fn budget(at_once: usize) -> Budget {
        Budget::new(at_once, Duration::from_secs(1))
    }

    #[tokio::test(start_paused = true)]
    async fn writes_of_one_token_are_a_pause_apart_and_reads_are_not() {
        let budget = budget(4);
        let start = Instant::now();
        for _ in 0..5 {
            drop(budget.admit(key(1), true).await.unwrap());
            drop(budget.admit(key(1), false).await.unwrap());
        }
        assert_eq!(start.elapsed().as_secs(), 4);
        drop(budget.admit(key(2), true).await.unwrap());
        assert_eq!(start.elapsed().as_secs(), 4, "another token does not wait");
    }

    #[tokio::test(start_paused = true)]
    async fn a_held_token_sends_nothing_until_the_time_is_over() {
        let budget = budget(4);
        assert_eq!(
            budget.hold(key(1), Duration::from_mins(1)),
            Duration::from_mins(1)
        );
        // A shorter word does not undo the longer one.
        budget.hold(key(1), Duration::from_secs(5));
        let wait = budget.admit(key(1), false).await.unwrap_err();
        assert_eq!(wait.as_secs(), 60);
        budget.admit(key(2), true).await.unwrap();
        tokio::time::advance(Duration::from_secs(61)).await;
        budget.admit(key(1), true).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_calls_run_at_once() {
        let budget = budget(2);
        let first = budget.admit(key(1), false).await.unwrap();
        let _second = budget.admit(key(2), false).await.unwrap();
        assert_eq!(budget.admit(key(3), false).await.unwrap_err(), WAIT_MAX);
        drop(first);
        budget.admit(key(3), false).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_that_comes_while_a_call_waits_stops_it() {
        let budget = Arc::new(budget(4));
        drop(budget.admit(key(1), true).await.unwrap());
        let waiting = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.admit(key(1), true).await.map(drop) }
        });
        tokio::task::yield_now().await;
        budget.hold(key(1), Duration::from_mins(1));
        assert_eq!(waiting.await.unwrap().unwrap_err().as_secs(), 59);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_calls_of_a_window_are_spread_out() {
        let budget = budget(4);
        budget.note_remaining(key(1), 10, Duration::from_secs(50));
        let start = Instant::now();
        for _ in 0..3 {
            drop(budget.admit(key(1), false).await.unwrap());
        }
        assert_eq!(start.elapsed().as_secs(), 15);
        budget.note_remaining(key(2), REMAINING_LOW, Duration::from_secs(50));
        let start = Instant::now();
        drop(budget.admit(key(2), false).await.unwrap());
        assert_eq!(start.elapsed().as_secs(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_without_restrictions_are_forgotten() {
        let budget = budget(4);
        for n in 0..TOKENS_MAX {
            let text = format!("token-{n}");
            let token = ProviderToken::new(text).unwrap();
            budget.reserve(TokenKey::of(&token), false).unwrap();
        }
        budget.hold(key(1), Duration::from_mins(1));
        budget.reserve(key(2), false).unwrap();
        assert_eq!(budget.gates().len(), 2);
    }
}
