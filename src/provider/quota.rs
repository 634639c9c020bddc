//! The number of calls left to the tokens of one installation, for its metric.

use super::ticket::Left;
use crate::domain::repo::Instance;
use crate::telemetry::metric;
use metrics::{Gauge, gauge};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Most tokens whose windows are stored.
const WINDOWS_MAX: usize = 4096;
/// Longest window that is accepted: a provider may answer with any time.
const WINDOW_MAX: Duration = Duration::from_hours(2);

/// The current windows of an installation's tokens, and the gauge of the one with the fewest calls.
pub(super) struct Quota {
    /// By the number of the token: calls left, and the end of the window.
    windows: Mutex<HashMap<u64, (u64, Instant)>>,
    fewest: Gauge,
    /// The calls of a whole window, as last reported; 0 when it is not known.
    limit: AtomicU64,
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Quota")
    }
}

impl Quota {
    pub(super) fn new(instance: &Instance) -> Self {
        let (provider, host) = (instance.provider.as_str(), instance.host.to_string());
        let fewest = gauge!(metric::QUOTA, "provider" => provider, "host" => host);
        fewest.set(f64::INFINITY);
        Self {
            windows: Mutex::default(),
            fewest,
            limit: AtomicU64::new(0),
        }
    }

    /// Records what is left to a token until its window ends.
    pub(super) fn note(&self, token: u64, left: Left) {
        let (remaining, ends_in) = (left.remaining, left.reset_in);
        if let Some(limit) = left.limit {
            self.limit.store(limit, Ordering::Relaxed);
        }
        let mut windows = self.windows.lock();
        let now = Instant::now();
        windows.retain(|_, (_, ends)| *ends > now);
        if windows.len() < WINDOWS_MAX {
            windows.insert(token, (remaining, now + ends_in.min(WINDOW_MAX)));
        }
        let fewest = windows.values().map(|(remaining, _)| *remaining).min();
        self.fewest.set(fewest.map_or(f64::INFINITY, metric::float));
    }

    /// The calls of a whole window, as last reported.
    pub(super) fn limit(&self) -> Option<u64> {
        let limit = self.limit.load(Ordering::Relaxed);
        (limit > 0).then_some(limit)
    }
}
