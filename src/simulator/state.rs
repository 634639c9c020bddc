//! What the simulated providers know: a room for each, on common ground. No sockets here.

pub(super) mod github;
pub(super) mod gitlab;
pub(super) mod oauth;

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The seconds since 1970 on the machine's own clock.
pub(super) fn wall_now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// What the rooms stand on: the address, the clock, the numbers, the counts of requests.
#[derive(Debug, Default)]
pub(super) struct Ground {
    url: OnceLock<String>,
    clock_offset_s: AtomicU64,
    next: AtomicU64,
    requests: Mutex<BTreeMap<String, u64>>,
}

impl Ground {
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

    /// The provider's time.
    pub(super) fn now_s(&self) -> u64 {
        wall_now_s() + self.clock_offset_s.load(Ordering::SeqCst)
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
