//! Whether a body arrives fast enough to be complete in time. One that does not may continue for as
//! long as no other needs the room that it holds.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A body is not judged in the first part of its time: one part in so many.
const GRACE: u32 = 10;
/// What a body must bring that does not say how large it is, in bytes a second.
const UNTOLD_BYTES_PER_SECOND: u64 = 16 * 1024;
/// Never.
const NEVER: u64 = u64::MAX;

/// How a body gets on.
#[derive(Debug)]
pub(super) struct Progress {
    made: Instant,
    /// Milliseconds since it was made at which the body lags, if nothing more comes until then.
    lags_at: AtomicU64,
    is_out: AtomicBool,
    out: Notify,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            made: Instant::now(),
            lags_at: AtomicU64::new(NEVER),
            is_out: AtomicBool::new(false),
            out: Notify::new(),
        }
    }
}

/// The pace that a body has to keep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track {
    began: Instant,
    /// How long it may take.
    time: Duration,
    /// Its size, if announced.
    size: Option<u64>,
}

impl Track {
    /// A body that begins now.
    pub(super) fn new(time: Duration, size: Option<u64>) -> Self {
        let began = Instant::now();
        Self { began, time, size }
    }

    /// When a body lags of which so much has come.
    fn lags_at(&self, come: u64) -> Instant {
        let millis = u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX);
        let (part, whole) = match self.size {
            Some(size) => (millis, size.max(1)),
            None => (1000, UNTOLD_BYTES_PER_SECOND),
        };
        let good_for = u128::from(come) * u128::from(part) / u128::from(whole);
        let good_for = Duration::from_millis(u64::try_from(good_for).unwrap_or(u64::MAX));
        self.began + good_for.min(self.time).max(self.time / GRACE)
    }
}

impl Progress {
    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.made);
        u64::try_from(since.as_millis()).unwrap_or(NEVER)
    }

    /// So much of the body has come.
    pub(super) fn came(&self, track: &Track, bytes: u64) {
        let at = self.millis(track.lags_at(bytes));
        self.lags_at.store(at, Ordering::Relaxed);
    }

    /// The body is there, or is no longer waited for.
    pub(super) fn is_over(&self) {
        self.lags_at.store(NEVER, Ordering::Relaxed);
    }

    /// Since when it lags, in milliseconds; `None` when it does not.
    pub(super) fn lags_for(&self, now: Instant) -> Option<u64> {
        let at = self.lags_at.load(Ordering::Relaxed);
        self.millis(now).checked_sub(at)
    }

    /// Whether it has to go.
    pub(super) fn is_out(&self) -> bool {
        self.is_out.load(Ordering::Acquire)
    }

    /// It has to go: others need its room.
    pub(super) fn put_out(&self) {
        self.is_out.store(true, Ordering::Release);
        self.out.notify_one();
    }

    /// Waits until it has to go.
    pub(super) async fn out(&self) {
        self.out.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_body_lags_when_it_would_be_late_at_its_pace() {
        let (progress, time) = (Progress::default(), Duration::from_secs(10));
        assert_eq!(
            progress.lags_for(Instant::now()),
            None,
            "nothing is awaited"
        );
        for (size, came, at_ms) in [
            (Some(1000), 0, 1000),
            (Some(1000), 50, 1000),
            (Some(1000), 500, 5000),
            (Some(1000), 1000, 10_000),
            (None, 0, 1000),
            (None, 48 * 1024, 3000),
            (None, 1 << 40, 10_000),
        ] {
            let track = Track::new(time, size);
            progress.came(&track, came);
            let at = Instant::now() + Duration::from_millis(at_ms);
            let before = at.checked_sub(Duration::from_millis(1)).unwrap();
            assert_eq!(progress.lags_for(before), None, "{size:?} {came}");
            assert_eq!(progress.lags_for(at), Some(0), "{size:?} {came}");
            tokio::time::advance(time).await;
        }
        progress.is_over();
        assert_eq!(progress.lags_for(Instant::now() + time), None);
    }
}
