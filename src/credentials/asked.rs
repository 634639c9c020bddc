//! When providers were last asked when tokens expire.

use crate::domain::id::CredentialId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;
use tokio::time::Instant;

/// How often a provider is asked when a token expires, until it answers.
const ASK_EVERY: Duration = Duration::from_hours(1);

/// When providers were last asked when tokens expire.
#[derive(Default)]
pub(super) struct Asked(Mutex<HashMap<CredentialId, Instant>>);

impl Asked {
    /// Whether to ask now. Counts as asking.
    pub(super) fn may_ask(&self, id: CredentialId) -> bool {
        let now = Instant::now();
        let mut all = self.0.lock();
        all.retain(|_, at| now.saturating_duration_since(*at) < ASK_EVERY);
        match all.entry(id) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(now);
                true
            }
        }
    }
}
