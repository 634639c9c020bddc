//! A run that was played.

use serde_json::Value;
use std::collections::BTreeMap;

/// A run in its present state.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) repository: u64,
    pub(crate) id: u64,
    /// When its first attempt was created: that stays.
    pub(crate) created_at_s: u64,
    /// As the API shows it.
    pub(crate) body: Value,
    /// The finished jobs of its last attempt.
    pub(crate) jobs: Vec<Value>,
    /// The attempts before it, by number, as the API shows them.
    pub(crate) earlier: BTreeMap<u64, Value>,
}

impl Run {
    /// An attempt, as the API shows it.
    pub(crate) fn attempt(&self, number: u64) -> Option<&Value> {
        if self.body["run_attempt"] == number {
            return Some(&self.body);
        }
        self.earlier.get(&number)
    }
}
