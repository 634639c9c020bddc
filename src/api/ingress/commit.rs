//! Commits of deliveries, which continue when the sender hangs up, and work on large bodies away
//! from the threads that serve.

use crate::actor::Connections;
use crate::api::error::{Code, Problem};
use crate::api::scope::Shared;
use crate::domain::delivery::{Delivery, Payload};
use crate::domain::id::ConnectionId;
use crate::store::{Batch, Change, CommitError, Committing, Guard, Priority};
use actix_web::web;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// From this size on a body is hashed on another thread: below, hashing takes less than a
/// millisecond, and handing it over costs more than it saves.
pub(super) const OFFLOAD_BYTES: usize = 512 * 1024;
/// Does what takes its time for a large body, away from the threads that serve.
pub(super) async fn offloaded<T: Send + 'static>(
    is_large: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    if !is_large {
        return Ok(work());
    }
    web::block(work).await.map_err(|_| stopping())
}

pub(super) fn stopping() -> Problem {
    Problem::new(Code::Unavailable, "the daemon is shutting down")
}

/// Commits a new delivery and its payload.
pub(super) async fn commit(
    shared: &web::Data<Shared>,
    connection: ConnectionId,
    delivery: Delivery,
    payload: Payload,
) -> Result<(), CommitError> {
    let guard = Guard::NewDelivery {
        connection,
        provider_delivery_id: delivery.provider_delivery_id.clone(),
        body_digest: delivery.body_digest,
    };
    let is_large = payload.body.len() >= OFFLOAD_BYTES;
    let batch = Batch {
        priority: Priority::Ingress,
        guards: vec![Guard::ConnectionExists(connection), guard],
        changes: vec![Change::InsertDelivery(Box::new(delivery), payload)],
    };
    // A batch is put into bytes, and its body compressed, when it is submitted.
    let store = shared.clone();
    let submitting = offloaded(is_large, move || store.ingress_store().commit(batch));
    let committing = submitting.await.map_err(|_| CommitError::Closed)?;
    acknowledged(shared, connection, committing).await
}

/// Waits for a commit that leaves something to process, and says so to the connection's actor.
pub(super) async fn acknowledged(
    shared: &web::Data<Shared>,
    connection: ConnectionId,
    committing: Committing,
) -> Result<(), CommitError> {
    let mut notified = Notified(Some((
        Arc::clone(&shared.connections),
        connection,
        committing,
    )));
    std::future::poll_fn(|cx| notified.poll(cx)).await
}

/// A commit of which the connection's actor is notified, also when the sender hangs up meanwhile:
/// then it continues by itself.
struct Notified(Option<(Arc<dyn Connections>, ConnectionId, Committing)>);

impl Notified {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CommitError>> {
        let Some((connections, connection, committing)) = &mut self.0 else {
            return Poll::Ready(Err(CommitError::Closed));
        };
        let result = ready!(committing.as_mut().poll(cx));
        if result.is_ok() {
            connections.delivered(*connection);
        }
        self.0 = None;
        Poll::Ready(result)
    }
}

impl Drop for Notified {
    fn drop(&mut self) {
        if self.0.is_some() {
            let mut rest = Self(self.0.take());
            let going_on = async move { std::future::poll_fn(|cx| rest.poll(cx)).await };
            // The sender that waited is gone.
            drop(actix_web::rt::spawn(going_on));
        }
    }
}
