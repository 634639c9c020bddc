//! How fast each sink is called, also when its task ends and another one begins.

use crate::domain::id::SinkId;
use crate::domain::sink::Sink;
use crate::domain::sink::pace::Bucket;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// The buckets of all sinks that were called lately. A restart fills them: at most a burst more.
pub(super) struct Paces {
    since: Instant,
    buckets: Mutex<HashMap<SinkId, Bucket>>,
}

impl Default for Paces {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            buckets: Mutex::default(),
        }
    }
}

impl Paces {
    /// How long to wait before a sink is called.
    pub(super) fn wait(&self, sink: &Sink) -> Duration {
        let bucket = self.buckets.lock().get(&sink.id).copied();
        bucket.map_or(Duration::ZERO, |bucket| {
            bucket.wait(sink.kind.pace(), self.since.elapsed())
        })
    }

    /// A sink is called.
    pub(super) fn take(&self, sink: &Sink) {
        let now = self.since.elapsed();
        let mut buckets = self.buckets.lock();
        if !buckets.contains_key(&sink.id) {
            buckets.retain(|_, bucket| !bucket.is_full(now));
        }
        let bucket = buckets.entry(sink.id).or_default();
        bucket.take(sink.kind.pace(), now);
    }
}
