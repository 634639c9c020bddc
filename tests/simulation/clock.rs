//! Virtual time: the providers' clock, which is right, and the daemon's, which people set.

use hookherd::domain::time::{Clock, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The time that passes.
#[derive(Debug)]
pub struct TrueClock(Instant);

impl TrueClock {
    pub fn new() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Clock for TrueClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_800_000_000_000).plus(self.elapsed())
    }
}

/// The wall clock of the daemon's machine.
#[derive(Debug)]
pub struct WallClock {
    truth: Arc<TrueClock>,
    off_by_ms: AtomicI64,
    /// How wrong it was when the process began.
    began_off_by_ms: AtomicI64,
    last_id_ms: AtomicI64,
}

impl WallClock {
    pub fn new(truth: Arc<TrueClock>) -> Self {
        Self {
            truth,
            off_by_ms: AtomicI64::new(0),
            began_off_by_ms: AtomicI64::new(0),
            last_id_ms: AtomicI64::new(0),
        }
    }

    /// A person sets the clock.
    pub fn set_off_by(&self, ms: i64) {
        self.off_by_ms.store(ms, Ordering::Relaxed);
    }

    /// A process begins.
    pub fn begin(&self) {
        let off_by = self.off_by_ms.load(Ordering::Relaxed);
        self.began_off_by_ms.store(off_by, Ordering::Relaxed);
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let off_by = self.off_by_ms.load(Ordering::Relaxed);
        Timestamp(self.truth.now().0 + off_by)
    }

    fn steady(&self) -> Timestamp {
        let off_by = self.began_off_by_ms.load(Ordering::Relaxed);
        Timestamp(self.truth.now().0 + off_by)
    }

    fn trusted(&self) -> Timestamp {
        self.now().min(self.steady())
    }

    fn now_for_id(&self) -> Timestamp {
        let last = self.last_id_ms.load(Ordering::Relaxed);
        let next = self.now().0.max(last + 1);
        self.last_id_ms.store(next, Ordering::Relaxed);
        Timestamp(next)
    }
}
