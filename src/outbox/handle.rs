//! The running outbox, as other rooms hold it.

use super::Settings;
use super::desk::{self, Added, DeskError, Edit, NewRules, NewSink, Tested};
use super::reseal::ResealError;
use super::room::Room;
use super::tools::Tools;
use super::worker::Worker;
use crate::domain::id::{NotificationId, SinkId};
use crate::domain::notification::Notification;
use crate::domain::rulebook::Rulebook;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::task::AbortHandle;

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

    /// Sets the rules of an owner, and returns them.
    fn set_rules(&self, new: NewRules) -> BoxFuture<'_, Result<Rulebook, DeskError>>;

    /// Sends a notification again that has failed, or one that waits now.
    fn retry(&self, id: NotificationId) -> BoxFuture<'_, Result<Notification, DeskError>>;
}

/// The outbox of a process.
#[derive(Clone)]
pub struct Notifier {
    room: Arc<Room>,
    working: Arc<Mutex<Option<AbortHandle>>>,
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Notifier")
    }
}

impl Notifier {
    /// One that is not started: users may add and test sinks, and nothing is sent.
    pub fn new(tools: Tools, settings: Settings) -> Self {
        Self {
            room: Arc::new(Room::new(tools, settings)),
            working: Arc::default(),
        }
    }

    /// Seals what is sealed with an older master key again.
    pub async fn reseal(&self) -> Result<(), ResealError> {
        self.room.tools.reseal().await
    }

    /// Starts it on this thread's runtime.
    pub fn start(&self) {
        let worker = Worker::new(Arc::clone(&self.room));
        let working = tokio::spawn(worker.work()).abort_handle();
        *self.working.lock() = Some(working);
    }

    /// Stops it. A call under way is repeated at the next start.
    pub fn stop(&self) {
        if let Some(working) = self.working.lock().take() {
            working.abort();
        }
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

    fn set_rules(&self, new: NewRules) -> BoxFuture<'_, Result<Rulebook, DeskError>> {
        Box::pin(desk::set_rules(&self.room, new))
    }

    fn retry(&self, id: NotificationId) -> BoxFuture<'_, Result<Notification, DeskError>> {
        Box::pin(desk::retry(&self.room, id))
    }
}
