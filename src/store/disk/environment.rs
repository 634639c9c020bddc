//! Where a store has time and chance from.

use crate::domain::id::Entropy;
use crate::domain::time::{Clock, Timestamp};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::{SystemTime, UNIX_EPOCH};

/// Time and chance.
#[derive(Clone)]
pub struct Environment {
    /// The wall clock, as it is; the store finds out how far it can be trusted.
    pub clock: Arc<dyn Clock>,
    /// Chance, for the store's id.
    pub entropy: Arc<dyn Entropy>,
    /// What the store trusts to have passed, in milliseconds since 1970, is kept here: nothing
    /// should be dated before it.
    pub floor: Arc<AtomicI64>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Environment")
    }
}

/// The machine's clock and chance.
struct Machine;

impl Clock for Machine {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Entropy for Machine {
    fn fill(&self, bytes: &mut [u8]) {
        rand::fill(bytes);
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            clock: Arc::new(Machine),
            entropy: Arc::new(Machine),
            floor: Arc::default(),
        }
    }
}
