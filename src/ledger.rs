//! Reconciling: what the providers report that they sent, compared with what is stored; and
//! ingesting what is missing.
//!
//! One worker per process reconciles the connections that are due, few at a time: after a start,
//! after an outage, regularly, and when a user requests it. It is the only writer of ledgers and
//! gaps. What it ingests is processed by the connections' actors, like any delivery.
//!
//! Every step can be repeated. A kill leaves the mark up to which a log is settled; what was
//! ingested beyond it is stored, and is not missing the next time. See ADR 27.

mod beyond;
mod calls;
mod case;
mod handle;
mod ingest;
mod listed;
mod pending;
mod readable;
mod reading;
mod reconcile;
mod recover;
mod room;
mod schedule;
mod steps;
#[cfg(test)]
mod tests;
mod trouble;
mod waiting;
mod walk;
mod window;
mod worker;

pub use handle::{Reconciler, Recovery};

use crate::domain::backoff::Backoff;
use std::time::Duration;

/// Settings of the reconciler.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Interval at which each connection is reconciled.
    pub every: Duration,
    /// After a start, the first reconciles begin within this time.
    pub startup_spread: Duration,
    /// Waits after failures that pass by themselves.
    pub retry: Backoff,
    /// Time after which a redelivery that was requested counts as lost.
    pub redelivery_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            every: Duration::from_hours(6),
            startup_spread: Duration::from_secs(10),
            retry: Backoff {
                initial: Duration::from_secs(30),
                cap: Duration::from_mins(15),
            },
            redelivery_wait: Duration::from_mins(2),
        }
    }
}
