//! How far a provider's log was read.

use crate::domain::time::Timestamp;
use std::time::Duration;

/// Attempts younger than this are read once more by the next reconcile: an attempt may appear in
/// the log behind one that began later and ended earlier.
pub const OVERLAP: Duration = Duration::from_mins(10);

/// How far a log was read: by the provider's own times, as GitHub's script for redeliveries does
/// it, and by ids where the log has no times (GitLab, where ids of attempts only go up).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// All attempts up to this time are compared, by the provider's clock.
    pub settled_at: Option<Timestamp>,
    /// All attempts up to this one are compared, in a log without times.
    pub settled: Option<u64>,
    /// The newest attempt that a reconcile saw, and when it began by our clock. Others with lower
    /// ids may still have been on their way.
    pub newest: Option<(u64, Timestamp)>,
}

impl Marks {
    /// Whether the log up to this attempt is compared.
    pub fn is_settled(&self, attempt: u64, at: Option<Timestamp>) -> bool {
        match at {
            Some(at) => self.settled_at.is_some_and(|settled| at <= settled),
            None => self.settled.is_some_and(|settled| attempt <= settled),
        }
    }

    /// The marks after a complete reconcile that began at `began`: the newest attempt in the log,
    /// and the newest time there.
    #[must_use]
    pub fn after(
        self,
        began: Timestamp,
        newest: Option<u64>,
        newest_at: Option<Timestamp>,
    ) -> Self {
        let settled_at = newest_at.map(|at| at.minus(OVERLAP));
        let aged = self
            .newest
            .filter(|(_, at)| began.since(*at) >= OVERLAP)
            .map(|(attempt, _)| attempt);
        let newest = match (self.newest, newest) {
            // One that has not aged yet stays, so that it does.
            (Some(before), _) if aged.is_none() && began >= before.1 => Some(before),
            (before, newest) => newest.map(|newest| (newest, began)).or(before),
        };
        Self {
            settled_at: self.settled_at.max(settled_at),
            settled: self.settled.max(aged),
            newest,
        }
    }
}
