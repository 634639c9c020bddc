//! The word to systemd that we are getting on, given only while that is so: it restarts a daemon
//! from which it hears nothing for `WatchdogSec`.
//!
//! What counts is progress of the two that everything waits for. The committer has answered a batch
//! (an empty one, which writes nothing), and the router has handled a message. A committer that
//! refuses because the disk is full gets on as well; one that hangs in the kernel does not.

use crate::actor::Actors;
use crate::store::{Batch, CommitError, Store};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// So often within the time after which systemd gives up.
const FEEDINGS: u32 = 3;

/// Feeds the watchdog of systemd, if it set one up, for as long as the system runs.
pub(super) fn start(store: Arc<dyn Store>, actors: Actors) {
    let Some(patience) = sd_notify::watchdog_enabled() else {
        return;
    };
    tracing::debug!(?patience, "systemd expects notifications");
    let progress = move || {
        let (store, actors) = (Arc::clone(&store), actors.clone());
        async move {
            let (commits, routes) = tokio::join!(is_committing(&*store), actors.is_routing());
            commits && routes
        }
    };
    let feed = || {
        // Should systemd not hear us it restarts us, which is its business.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
    };
    actix::spawn(keep_feeding(patience / FEEDINGS, progress, feed));
}

/// Whether the committer has answered. It is not asked when its queue is full: then the batches in
/// it are the proof that is missing.
async fn is_committing(store: &dyn Store) -> bool {
    match store.commit(Batch::of(Vec::new())).await {
        Err(CommitError::Overloaded | CommitError::Closed) => false,
        Ok(()) | Err(CommitError::Conflict(_) | CommitError::DiskFull | CommitError::Failed) => {
            true
        }
    }
}

/// Feeds after each proof of progress. A proof that does not come is waited for, and nothing is
/// fed meanwhile.
async fn keep_feeding<P: Future<Output = bool>>(
    pause: Duration,
    progress: impl Fn() -> P,
    feed: impl Fn(),
) {
    loop {
        if progress().await {
            feed();
        }
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::pending;

    const PAUSE: Duration = Duration::from_secs(1);

    /// How often the watchdog is fed in a minute of which the second half sees no progress, for
    /// what stops it then.
    async fn fed(progress: impl AsyncFn(u32) -> bool) -> u32 {
        let (asked, fed) = (Cell::new(0), Cell::new(0));
        let feeding = keep_feeding(
            PAUSE,
            || {
                asked.set(asked.get() + 1);
                progress(asked.get())
            },
            || fed.set(fed.get() + 1),
        );
        let _ = tokio::time::timeout(PAUSE * 59 + PAUSE / 2, feeding).await;
        fed.get()
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_fed_after_progress_only() {
        assert_eq!(fed(async |_| true).await, 60);
        assert_eq!(fed(async |asked| asked <= 30).await, 30);
        let stuck = async |asked| match asked {
            0..=30 => true,
            _ => pending().await,
        };
        assert_eq!(fed(stuck).await, 30);
    }
}
