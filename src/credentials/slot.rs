//! The state of a credential that is not stored, and the turn to work on it.

use super::ports::Ports;
use super::problem::waiting;
use crate::domain::backoff::Backoff;
use crate::domain::lifecycle::Failure;
use crate::domain::wording;
use crate::provider::ProviderError;
use crate::provider::oauth::InstallationToken;
use crate::store::CommitError;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::MutexGuard;
use tokio::time::Instant;

/// Longest wait of a caller for a refresh. The refresh itself continues.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(30);
/// Waits between attempts at a refresh after transient failures.
const PAUSES: Backoff = Backoff {
    initial: Duration::from_secs(5),
    cap: Duration::from_mins(5),
};
/// This many refusals of a token that never worked end a credential.
const REFUSALS_MAX: u32 = 3;

/// The state of one credential.
#[derive(Default)]
pub(super) struct Slot {
    /// Held during work on the credential: in this process there is one refresh at a time.
    pub(super) turn: tokio::sync::Mutex<Turn>,
    /// The token of an installation, while it is valid.
    installed: Mutex<Option<InstallationToken>>,
    /// The token is new, and no call has succeeded with it yet.
    is_unproven: AtomicBool,
}

impl Slot {
    /// The turn, for requests of users. A refresh whose outcome cannot be stored keeps it
    /// meanwhile: then the store accepts no requests of users either.
    pub(super) async fn turn(&self) -> Result<MutexGuard<'_, Turn>, CommitError> {
        let waiting = tokio::time::timeout(WAIT_MAX, self.turn.lock()).await;
        waiting.map_err(|_| CommitError::Overloaded)
    }

    pub(super) fn installed(&self) -> Option<InstallationToken> {
        self.installed.lock().clone()
    }

    pub(super) fn install(&self, token: Option<InstallationToken>) {
        *self.installed.lock() = token;
    }

    pub(super) fn is_unproven(&self) -> bool {
        self.is_unproven.load(Ordering::Relaxed)
    }

    /// Whether there is a token with which no call has succeeded yet.
    pub(super) fn set_unproven(&self, is_unproven: bool) {
        self.is_unproven.store(is_unproven, Ordering::Relaxed);
    }
}

/// The results of the attempts so far.
#[derive(Default)]
pub(super) struct Turn {
    /// No attempt before this time, and why.
    pause: Option<(Instant, ProviderError)>,
    /// Failures in a row.
    failures: u32,
    /// Refusals in a row of a token that never worked.
    refusals: u32,
}

impl Turn {
    /// Why no attempt is made now.
    pub(super) fn pausing(&self) -> Option<ProviderError> {
        let (until, error) = self.pause.as_ref()?;
        let left = until.checked_duration_since(Instant::now())?;
        let mut error = error.clone();
        if let Failure::Retryable { after } = &mut error.failure {
            *after = Some(left);
        }
        Some(error)
    }

    /// It failed, and may succeed later.
    pub(super) fn pause(&mut self, ports: &Ports, after: Option<Duration>, error: ProviderError) {
        self.failures = self.failures.saturating_add(1);
        let wait = PAUSES.wait(self.failures, ports.chance());
        let wait = wait.max(after.unwrap_or_default());
        self.pause = Some((Instant::now() + wait, error));
    }

    /// A token that never worked is refused. It may not have reached all servers of the provider
    /// yet; but if that happens repeatedly, another one will not help. Returns whether it did.
    pub(super) fn is_hopeless(&mut self, ports: &Ports) -> bool {
        self.refusals += 1;
        if self.refusals < REFUSALS_MAX {
            self.pause(ports, None, waiting(wording::NEW_TOKEN_REFUSED));
        }
        self.refusals >= REFUSALS_MAX
    }

    /// Its token has worked since.
    pub(super) const fn forget_refusals(&mut self) {
        self.refusals = 0;
    }

    /// It works.
    pub(super) fn proceed(&mut self) {
        self.pause = None;
        self.failures = 0;
    }
}
