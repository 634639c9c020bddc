//! What the simulated providers know: a room for each, on common ground. No sockets here.

pub(super) mod github;
pub(super) mod gitlab;
pub(super) mod oauth;

use crate::domain::time::{Clock, Timestamp};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The machine's own clock.
#[derive(Debug)]
struct Wall;

impl Clock for Wall {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Timestamp::default().plus(since.unwrap_or_default())
    }
}

/// What the rooms stand on: the address, the clock, the numbers, the counts of requests.
pub(super) struct Ground {
    clock: Arc<dyn Clock>,
    url: OnceLock<String>,
    clock_offset_s: AtomicU64,
    next: AtomicU64,
    requests: Mutex<BTreeMap<String, u64>>,
}

impl std::fmt::Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").finish_non_exhaustive()
    }
}

impl Default for Ground {
    fn default() -> Self {
        Self::under(Arc::new(Wall))
    }
}

impl Ground {
    /// One whose time is that of a clock.
    pub(super) fn under(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            url: OnceLock::new(),
            clock_offset_s: AtomicU64::new(0),
            next: AtomicU64::new(0),
            requests: Mutex::default(),
        }
    }

    /// Where the simulator listens, without a slash at the end.
    pub(super) fn url(&self) -> &str {
        self.url.get().map_or("", String::as_str)
    }

    pub(super) fn listens_on(&self, url: String) {
        // It is bound once.
        let _ = self.url.set(url);
    }

    /// A number that was not used before.
    pub(super) fn fresh(&self) -> u64 {
        1001 + self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// An unguessable text, for tokens and codes.
    pub(super) fn secret(&self, prefix: &str, length: usize) -> String {
        let seed = format!("{}/{}", self.url(), self.fresh());
        let digits = blake3::hash(seed.as_bytes()).to_hex();
        format!("{prefix}{}", &digits[..length.min(64)])
    }

    /// An id in the form of a UUID.
    pub(super) fn guid(&self) -> String {
        let n = self.fresh();
        format!("{n:08x}-f3ac-11f0-8000-{n:012x}")
    }

    /// The seconds since 1970, by the clock that it was given.
    pub(super) fn wall_now_s(&self) -> u64 {
        u64::try_from(self.clock.now().0 / 1000).unwrap_or_default()
    }

    /// The provider's time.
    pub(super) fn now_s(&self) -> u64 {
        self.wall_now_s() + self.clock_offset_s.load(Ordering::SeqCst)
    }

    pub(super) fn advance_clock(&self, by: Duration) {
        self.clock_offset_s
            .fetch_add(by.as_secs(), Ordering::SeqCst);
    }

    pub(super) fn count(&self, operation: &str) {
        let mut requests = self.requests.lock();
        *requests.entry(operation.to_owned()).or_default() += 1;
    }

    pub(super) fn requests(&self) -> BTreeMap<String, u64> {
        self.requests.lock().clone()
    }
}
