//! What a store is opened with.

use super::environment::Environment;
use std::time::Duration;

/// How a store on disk behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// A segment is ended when it is larger than this.
    pub segment_bytes: u64,
    /// A snapshot is taken when the journal has grown by this much since the last one.
    pub snapshot_bytes: u64,
    /// Space kept for emergencies.
    pub ballast_bytes: u64,
    /// How long to wait between attempts to heal.
    pub heal_interval: Duration,
    /// What history is kept.
    pub retention: Retention,
    /// How often to see whether a snapshot or retention is due.
    pub upkeep_interval: Duration,
    /// Whether a directory without a store is refused, as it may be a disk that is not mounted.
    pub require_existing: bool,
    /// Whether what is found to be gone is accepted as lost, instead of refusing to open.
    pub accept_loss: bool,
    /// Where time and chance come from.
    pub environment: Environment,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            snapshot_bytes: 64 << 20,
            ballast_bytes: 16 << 20,
            heal_interval: Duration::from_secs(1),
            retention: Retention::default(),
            upkeep_interval: Duration::from_secs(10),
            require_existing: false,
            accept_loss: false,
            environment: Environment::default(),
        }
    }
}

/// What history is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Deliveries older than this may go.
    pub max_age: Duration,
    /// The journal may not grow beyond this, as far as what must be kept allows.
    pub max_bytes: u64,
    /// Each connection keeps at least this many of its newest deliveries.
    pub floor_per_connection: usize,
    /// Runs and resolved incidents that nothing was heard of for so long go.
    pub history_max_age: Duration,
    /// For so long, at least, a delivery is recognised when it is sent again. Providers send again
    /// what is a few days old, at most.
    pub guards_max_age: Duration,
    /// Each connection keeps the replay guards of at least this many of its newest deliveries,
    /// however old they are: a clock may be wrong.
    pub guards_per_connection: usize,
    /// Of forgotten deliveries, over all connections, at least this many keep their guards.
    pub guards_in_all: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            max_age: Duration::from_hours(720),
            max_bytes: 10 << 30,
            floor_per_connection: 20,
            history_max_age: Duration::from_hours(180 * 24),
            guards_max_age: Duration::from_hours(90 * 24),
            guards_per_connection: 100,
            guards_in_all: 10_000,
        }
    }
}
