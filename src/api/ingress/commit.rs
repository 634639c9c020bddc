//! Commits of deliveries, which continue when the sender hangs up, and work on large bodies away
//! from the threads that serve.

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
    let connections = Arc::clone(&shared.connections);
    let notify = move || connections.delivered(connection);
    let mut notified = Notified(Some((notify, committing)));
    std::future::poll_fn(|cx| notified.poll(cx)).await
}

/// A commit after which the connection's actor is notified, also when the sender hangs up
/// meanwhile: then it continues by itself.
struct Notified<N: FnOnce() + 'static>(Option<(N, Committing)>);

impl<N: FnOnce() + Unpin + 'static> Notified<N> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), CommitError>> {
        let Some((_, committing)) = &mut self.0 else {
            return Poll::Ready(Err(CommitError::Closed));
        };
        let result = ready!(committing.as_mut().poll(cx));
        if let Some((notify, _)) = self.0.take()
            && result.is_ok()
        {
            notify();
        }
        Poll::Ready(result)
    }
}

impl<N: FnOnce() + 'static> Drop for Notified<N> {
    fn drop(&mut self) {
        // The sender that waited is gone. The rest must not be spawned again when it is dropped: a
        // runtime that shuts down drops a new task at once.
        if let Some((notify, committing)) = self.0.take() {
            drop(actix_web::rt::spawn(async move {
                if committing.await.is_ok() {
                    notify();
                }
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::{pending, poll_fn};
    use std::rc::Rc;

    fn begin(committing: Committing) -> (Rc<Cell<bool>>, impl Future<Output = ()>) {
        let is_notified = Rc::new(Cell::new(false));
        let told = Rc::clone(&is_notified);
        let mut notified = Notified(Some((move || told.set(true), committing)));
        let committing = async move { drop(poll_fn(|cx| notified.poll(cx)).await) };
        (is_notified, committing)
    }

    #[test]
    fn a_runtime_that_shuts_down_with_a_commit_under_way_ends() {
        let system = actix_web::rt::System::new();
        system.block_on(async {
            actix_web::rt::spawn(begin(Box::pin(pending())).1);
            tokio::task::yield_now().await;
        });
        drop(system);
    }

    #[actix_web::test]
    async fn a_commit_continues_without_its_sender() {
        let (done, committing) = tokio::sync::oneshot::channel();
        let committing: Committing = Box::pin(async { committing.await.unwrap() });
        let (is_notified, sender) = begin(committing);
        let sender = actix_web::rt::spawn(sender);
        tokio::task::yield_now().await;
        sender.abort();
        assert!(sender.await.is_err() && !is_notified.get());
        done.send(Ok(())).unwrap();
        while !is_notified.get() {
            tokio::task::yield_now().await;
        }
    }
}
