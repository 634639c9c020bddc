//! The pool: its state, and the only code that writes credentials.

use super::asked::Asked;
use super::holds::Holds;
use super::loads::Loads;
use super::outages::Outages;
use super::ports::Ports;
use super::slot::Slot;
use crate::domain::id::CredentialId;
use crate::domain::user::Credential;
use crate::store::{Batch, Change, CommitError, Conflict, Guard};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{RwLockReadGuard, mpsc};

/// Longest wait of an orderly shutdown for running refreshes.
const REST_MAX: Duration = Duration::from_secs(8);

/// Most dead credentials that are reported and not handled yet.
const DEATHS_MAX: usize = 1024;

/// The credentials of all users. Issues [`crate::provider::Access`], renews what expires, and is
/// the only writer of credentials.
pub struct Pool {
    pub(super) ports: Arc<Ports>,
    slots: Mutex<HashMap<CredentialId, Arc<Slot>>>,
    /// Held while a credential is added, so that one account becomes one credential.
    pub(super) adding: tokio::sync::Mutex<()>,
    /// Held for reading by every refresh, from its intent to its outcome.
    at_work: tokio::sync::RwLock<()>,
    /// No new refresh starts.
    is_closing: AtomicBool,
    died: mpsc::Sender<CredentialId>,
    pub(super) outages: Outages,
    pub(super) holds: Holds,
    pub(super) loads: Loads,
    /// How long before their end the owners of tokens are notified.
    pub(super) notice: Duration,
    pub(super) expiries_asked: Asked,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool, and the channel on which it reports dead credentials. The owners of tokens that
    /// expire are notified so long before.
    pub fn new(ports: Arc<Ports>, notice: Duration) -> (Arc<Self>, mpsc::Receiver<CredentialId>) {
        let (died, deaths) = mpsc::channel(DEATHS_MAX);
        let pool = Self {
            outages: Outages::new(Arc::clone(&ports)),
            holds: Holds::default(),
            loads: Loads::default(),
            notice,
            expiries_asked: Asked::default(),
            ports,
            slots: Mutex::default(),
            adding: tokio::sync::Mutex::default(),
            at_work: tokio::sync::RwLock::default(),
            is_closing: AtomicBool::default(),
            died,
        };
        (Arc::new(pool), deaths)
    }

    /// The outages of providers.
    pub const fn outages(&self) -> &Outages {
        &self.outages
    }

    /// Starts no new refresh, and waits (a limited time) for running ones: an orderly shutdown
    /// loses no answer.
    pub async fn rest(&self) {
        self.is_closing.store(true, Ordering::SeqCst);
        if tokio::time::timeout(REST_MAX, self.at_work.write())
            .await
            .is_err()
        {
            tracing::warn!("the renewal of a credential is cut off");
        }
    }

    /// Held by a refresh; `None` when none may start.
    pub(super) async fn begin_refresh(&self) -> Option<RwLockReadGuard<'_, ()>> {
        let at_work = self.at_work.read().await;
        (!self.is_closing.load(Ordering::SeqCst)).then_some(at_work)
    }

    /// Records that a call with a credential succeeded.
    pub(super) fn worked(&self, id: CredentialId) {
        self.slot(id).set_unproven(false);
    }

    pub(super) fn slot(&self, id: CredentialId) -> Arc<Slot> {
        Arc::clone(self.slots.lock().entry(id).or_default())
    }

    pub(super) fn forget(&self, id: CredentialId) {
        self.slots.lock().remove(&id);
    }

    /// Reports that a credential no longer works.
    pub(super) fn announce_death(&self, id: CredentialId) {
        // If there is no room, or no listener, its connections find out at their next call.
        let _ = self.died.try_send(id);
    }

    /// Replaces a credential, with related changes, if it is still `present`: another process may
    /// have had the turn meanwhile.
    pub(super) async fn replace(
        &self,
        present: &Credential,
        next: Credential,
        more: impl IntoIterator<Item = Change>,
    ) -> Result<(), CommitError> {
        let put = [Change::PutCredential(next)];
        let batch = Batch::of(put.into_iter().chain(more).collect());
        let same = Guard::SameCredential(Box::new(present.clone()));
        self.ports.store.commit(batch.guarded_by(same)).await
    }
}

/// Whether another process has written the credential meanwhile.
pub(super) const fn is_lost_race(error: &CommitError) -> bool {
    matches!(error, CommitError::Conflict(Conflict::Credential(_)))
}
