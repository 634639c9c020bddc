//! Waits that providers ask for, by credential: stored, so that a restart obeys them, too.

use crate::domain::id::CredentialId;
use crate::domain::pace::Hold;
use crate::domain::time::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::OnceCell;

/// A wait that ends only so much later than the stored one is not stored again.
const SAME: Duration = Duration::from_secs(1);

/// The waits that last.
#[derive(Debug, Default)]
pub(super) struct Holds {
    until: Mutex<HashMap<CredentialId, Hold>>,
    /// What is stored was read.
    pub(super) known: OnceCell<()>,
}

impl Holds {
    /// Takes note of a wait. Returns whether it is news.
    pub(super) fn note(&self, hold: Hold, now: Timestamp) -> bool {
        let mut all = self.until.lock();
        all.retain(|_, known| known.left(now).is_some());
        let known = all
            .entry(hold.credential)
            .or_insert(Hold { until: now, ..hold });
        let is_news = hold.until.since(known.until) > SAME;
        if is_news {
            *known = hold;
        }
        is_news
    }

    pub(super) fn left(&self, id: CredentialId, now: Timestamp) -> Option<Duration> {
        self.until.lock().get(&id)?.left(now)
    }
}
