//! The settings of the actors.

use crate::domain::backoff::Backoff;
use crate::domain::expiry::NOTICE;
use crate::domain::pace::Intervals;
use crate::domain::rule::Rules;
use std::time::Duration;

/// Settings of all actors.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Interval at which a hook is checked.
    pub check_interval: Duration,
    /// Time without a delivery after which a hook is pinged.
    pub ping_interval: Duration,
    /// The time in which the answer to a ping usually arrives: GitHub's deliveries may be delayed
    /// by minutes. At most [`Self::ping_interval`].
    pub answer_time: Duration,
    /// The time after which a new secret is proven by a ping, unless a delivery has proven it.
    pub proof_wait: Duration,
    /// Interval at which secrets are rotated; `None` for never.
    pub rotate_every: Option<Duration>,
    /// Interval at which a connection is reconciled; see [`crate::ledger`].
    pub reconcile_every: Duration,
    /// Waits between retries after transient failures.
    pub retry: Backoff,
    /// Waits between retries after failures that a person has to correct.
    pub slow_retry: Backoff,
    /// Longer than a provider may take to carry out a call after its timeout.
    pub settle_time: Duration,
    /// Calls interrupted by a restart are repeated within this time.
    pub startup_spread: Duration,
    /// How long before it expires the owner of a token is notified.
    pub token_expiry_notice: Duration,
    /// How long connecting waits for the hook before it answers.
    pub connect_wait: Duration,
    /// The rules for incidents.
    pub rules: Rules,
    /// When an actor that keeps panicking is no longer restarted.
    pub supervision: super::supervise::Policy,
    /// Threads that actors live on.
    pub arbiters: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            check_interval: Duration::from_mins(30),
            ping_interval: Duration::from_hours(6),
            answer_time: Duration::from_mins(15),
            proof_wait: Duration::from_secs(30),
            rotate_every: None,
            reconcile_every: Duration::from_hours(6),
            retry: Backoff {
                initial: Duration::from_secs(2),
                cap: Duration::from_mins(15),
            },
            slow_retry: Backoff {
                initial: Duration::from_mins(1),
                cap: Duration::from_hours(6),
            },
            settle_time: Duration::from_mins(2),
            startup_spread: Duration::from_secs(10),
            token_expiry_notice: NOTICE,
            connect_wait: Duration::from_secs(5),
            rules: Rules::default(),
            supervision: super::supervise::Policy::default(),
            arbiters: 2,
        }
    }
}

impl Settings {
    /// The intervals of regular work.
    pub(super) const fn intervals(&self) -> Intervals {
        Intervals {
            check: self.check_interval,
            ping: self.ping_interval,
            reconcile: self.reconcile_every,
        }
    }
}
