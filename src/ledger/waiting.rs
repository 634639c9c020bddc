//! Which reconciles wait for a limit of a provider's in place.
//!
//! A recovery of many connections with one token takes all that a minute allows. If each reconcile
//! that meets the limit failed, and began again a minute later, each would use its share for what
//! it had read before, and none would come to its end. So a few wait and continue; until they have
//! ended, no others with that credential begin.

use crate::domain::id::CredentialId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Reconciles that wait for the limits of one credential.
const OF_ONE_MAX: usize = 4;
/// Reconciles that wait, of all that are at work: others have room.
const OF_ALL_MAX: usize = 24;

/// Those that wait, or have waited, and have not ended.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<HashMap<CredentialId, usize>>);

/// The place of one of them.
#[derive(Debug)]
pub(super) struct Place {
    credential: CredentialId,
    of: Arc<Waiting>,
    since: Instant,
}

impl Place {
    /// How long it has it.
    pub(super) fn has_it_since(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Waiting {
    /// Whether as many wait for the limits of this credential as may.
    pub(super) fn is_full(&self, credential: CredentialId) -> bool {
        let waiting = self.0.lock();
        waiting
            .get(&credential)
            .is_some_and(|count| *count >= OF_ONE_MAX)
    }

    /// One more may wait; `None` when it may not.
    pub(super) fn enter(self: &Arc<Self>, credential: CredentialId) -> Option<Place> {
        let mut waiting = self.0.lock();
        if waiting.values().sum::<usize>() >= OF_ALL_MAX {
            return None;
        }
        let count = waiting.entry(credential).or_default();
        if *count >= OF_ONE_MAX {
            return None;
        }
        *count += 1;
        let of = Arc::clone(self);
        let since = Instant::now();
        Some(Place {
            credential,
            of,
            since,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.of.0.lock();
        if let Some(count) = waiting.get_mut(&self.credential) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.credential);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_wait_for_one_credential_and_leave_room_to_others() {
        let waiting = Arc::new(Waiting::default());
        let credential = |n| CredentialId::from_u128(n);
        let mut places = Vec::new();
        for n in 0..20 {
            places.extend(std::iter::from_fn(|| waiting.enter(credential(n))));
        }
        assert_eq!(places.len(), OF_ALL_MAX);
        assert!(waiting.is_full(credential(0)) && !waiting.is_full(credential(19)));
        places.remove(0);
        assert!(!waiting.is_full(credential(0)));
        places.push(waiting.enter(credential(19)).expect("there is room"));
        drop(places);
        assert!(waiting.0.lock().is_empty());
    }
}
