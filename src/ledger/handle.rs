//! The running reconciler, as other rooms hold it.

use super::Settings;
use super::room::{Delivered, Room};
use super::worker::{Worker, beat};
use crate::credentials::{Pool, Ports};
use crate::domain::id::ConnectionId;
use crate::domain::ledger::Uptime;
use crate::store::ReadError;
use std::sync::Arc;
use tokio::task::AbortHandle;

/// The reconciler, as the API uses it.
pub trait Recovery: Send + Sync + 'static {
    /// Reports that a request to reconcile was stored. Losing this notice costs a second.
    fn asked(&self);

    /// Reports that a delivery of this connection was refused, although it may be authentic: its
    /// sender knows the hook's key. Losing this notice costs time: the next regular reconcile finds
    /// what was missed.
    fn refused(&self, connection: ConnectionId);
}

/// The running reconciler.
#[derive(Clone, Debug)]
pub struct Reconciler {
    room: Arc<Room>,
    pub(super) working: AbortHandle,
}

impl Reconciler {
    /// Starts it on this thread's runtime. `connections` are all that are stored: all are due, for
    /// the time in which the daemon did not run. `delivered` reports a delivery that was ingested.
    pub async fn start(
        (ports, pool): (Arc<Ports>, Arc<Pool>),
        settings: Settings,
        connections: Vec<ConnectionId>,
        delivered: Delivered,
    ) -> Result<Self, ReadError> {
        let last = ports.store.uptime().await?;
        let uptime = Uptime::started(last, ports.now());
        let room = Arc::new(Room::new(ports, pool, settings, delivered, uptime));
        // Before anything is received: a later start must not take the time until then for down.
        beat(&room).await;
        let worker = Worker::new(Arc::clone(&room), connections);
        let working = tokio::spawn(worker.work()).abort_handle();
        Ok(Self { room, working })
    }

    /// Stops it, and records when. What is under way is repeated at the next start.
    pub async fn stop(&self) {
        self.working.abort();
        beat(&self.room).await;
    }
}

impl Recovery for Reconciler {
    fn asked(&self) {
        self.room.news.notify_one();
    }

    fn refused(&self, connection: ConnectionId) {
        let now = self.room.ports.now();
        self.room.refused.lock().note(connection, now);
    }
}
