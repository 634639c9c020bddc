//! What the actors were configured with.

use crate::domain::backoff::Backoff;
use crate::domain::rule::Rules;
use std::time::Duration;

/// Settings of all actors.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often a hook is compared with what it should be.
    pub check_interval: Duration,
    /// After this long without any delivery a hook is pinged.
    pub ping_interval: Duration,
    /// Waits between attempts after failures that tend to pass.
    pub retry: Backoff,
    /// Waits between attempts after failures that a person has to mend.
    pub slow_retry: Backoff,
    /// Longer than a provider may take to carry out a call that we gave up on.
    pub settle_time: Duration,
    /// Calls that a restart cut off are repeated within this time.
    pub startup_spread: Duration,
    /// How long connecting waits for the hook before it answers.
    pub connect_wait: Duration,
    /// What opens incidents.
    pub rules: Rules,
    /// When an actor that keeps panicking is given up.
    pub supervision: super::supervise::Policy,
    /// Threads that actors live on.
    pub arbiters: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            check_interval: Duration::from_mins(30),
            ping_interval: Duration::from_hours(6),
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
            connect_wait: Duration::from_secs(5),
            rules: Rules::default(),
            supervision: super::supervise::Policy::default(),
            arbiters: 2,
        }
    }
}
