//! The running outbox, as other rooms hold it.

use super::Settings;
use super::desk::{self, Added, DeskError, Edit, NewSink, Tested};
use super::room::Room;
use super::worker::Worker;
use crate::domain::id::{Entropy, NotificationId, SinkId};
use crate::domain::notification::Notification;
use crate::domain::secret::Sealed;
use crate::domain::sink::Sink;
use crate::domain::time::{Clock, Timestamp};
use crate::notify::{Deliver, Target};
use crate::seal::{Purpose, Seal, SealError};
use crate::store::Store;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use tokio::task::AbortHandle;

/// What the outbox works with.
#[derive(Clone)]
pub struct Tools {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Opens and seals secrets.
    pub seal: Arc<dyn Seal>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Sends messages.
    pub deliver: Arc<dyn Deliver>,
}

const fn purpose(sink: &Sink) -> Purpose<'_> {
    Purpose::SinkTarget {
        sink: sink.id,
        owner: sink.owner,
        host: sink.host.as_str(),
    }
}

impl Tools {
    /// The time by the wall clock.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A number that is uniform over all of `u64`.
    pub(super) fn chance(&self) -> u64 {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// The address and the keys of a sink.
    pub fn target(&self, sink: &Sink) -> Result<Target, SealError> {
        let plain = self.seal.open(&purpose(sink), &sink.target)?;
        Ok(Target {
            kind: sink.kind,
            plain,
        })
    }

    /// The address and the keys of a sink, encrypted for it.
    pub fn sealed(&self, sink: &Sink, plain: &[u8]) -> Sealed {
        self.seal.seal(&purpose(sink), plain)
    }
}

/// The outbox, as the API uses it. Callers see to it that what they name is the user's.
pub trait Notifying: Send + Sync + 'static {
    /// Adds a sink. Returns it, and the key that was generated for it, to be shown once.
    fn add(&self, new: NewSink) -> BoxFuture<'_, Result<Added, DeskError>>;

    /// Changes a sink. Returns it, and the key that was generated for it.
    fn edit(&self, sink: SinkId, edit: Edit) -> BoxFuture<'_, Result<Added, DeskError>>;

    /// Removes a sink. What waits for it is dropped.
    fn remove(&self, sink: SinkId) -> BoxFuture<'_, Result<(), DeskError>>;

    /// Sends a sample to a sink, also to one that is paused or disabled, and returns the answer.
    /// Nothing of it is stored.
    fn test(&self, sink: SinkId) -> BoxFuture<'_, Result<Tested, DeskError>>;

    /// Sends a notification again that has failed, or one that waits now.
    fn retry(&self, id: NotificationId) -> BoxFuture<'_, Result<Notification, DeskError>>;
}

/// The running outbox.
#[derive(Clone)]
pub struct Notifier {
    room: Arc<Room>,
    working: AbortHandle,
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Notifier")
    }
}

impl Notifier {
    /// Starts it on this thread's runtime.
    pub fn start(tools: Tools, settings: Settings) -> Self {
        let room = Arc::new(Room::new(tools, settings));
        let worker = Worker::new(Arc::clone(&room));
        let working = tokio::spawn(worker.work()).abort_handle();
        Self { room, working }
    }

    /// Stops it. A call under way is repeated at the next start.
    pub fn stop(&self) {
        self.working.abort();
    }
}

impl Notifying for Notifier {
    fn add(&self, new: NewSink) -> BoxFuture<'_, Result<Added, DeskError>> {
        Box::pin(desk::add(&self.room, new))
    }

    fn edit(&self, sink: SinkId, edit: Edit) -> BoxFuture<'_, Result<Added, DeskError>> {
        Box::pin(desk::edit(&self.room, sink, edit))
    }

    fn remove(&self, sink: SinkId) -> BoxFuture<'_, Result<(), DeskError>> {
        Box::pin(desk::remove(&self.room, sink))
    }

    fn test(&self, sink: SinkId) -> BoxFuture<'_, Result<Tested, DeskError>> {
        Box::pin(desk::test(&self.room, sink))
    }

    fn retry(&self, id: NotificationId) -> BoxFuture<'_, Result<Notification, DeskError>> {
        Box::pin(desk::retry(&self.room, id))
    }
}
