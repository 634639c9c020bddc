//! Room for what comes in: how many requests and how many bytes of bodies may be under way.
//!
//! Deliveries to a hook that we know have room that nothing else can take: whoever does not know
//! a hook's unguessable key shares a quarter of it with all others who do not. Small bodies and
//! large ones have a half each, so that a few large ones hold up no small one. A body has its
//! room before its first byte is read; while it waits, the sender's own buffers are what fills.

use crate::api::error::{Code, Problem};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

/// Largest body that counts as a small one. Nearly all deliveries are far smaller.
const SMALL_BYTES_MAX: usize = 1024 * 1024;
/// The share of strangers in bytes: one part in so many.
const STRANGERS_BYTES: usize = 4;
/// Their share of the requests.
const STRANGERS_REQUESTS: usize = 8;

fn overloaded() -> Problem {
    Problem::new(
        Code::Overloaded,
        "too many bodies are under way: send it again shortly",
    )
}

/// Bytes that are held until this is dropped.
#[derive(Debug)]
pub(in crate::api) struct Share {
    _bytes: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Pool {
    bytes: usize,
    left: Arc<Semaphore>,
}

impl Pool {
    fn new(bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        let left = Arc::new(Semaphore::new(bytes));
        Self { bytes, left }
    }
}

/// Bytes of bodies that may be in memory.
#[derive(Debug)]
pub(in crate::api) struct Room {
    small: Pool,
    large: Pool,
}

impl Room {
    /// Room for so many bytes.
    pub(in crate::api) fn new(bytes: usize) -> Self {
        Self {
            small: Pool::new(bytes - bytes / 2),
            large: Pool::new(bytes / 2),
        }
    }

    /// Room for a body of this size, in the order of those who ask; refused when none is there in
    /// time, or ever.
    pub(super) async fn reserve(&self, bytes: usize, wait: Duration) -> Result<Share, Problem> {
        let is_small = bytes <= SMALL_BYTES_MAX;
        let pool = if is_small { &self.small } else { &self.large };
        if bytes > pool.bytes {
            return Err(overloaded());
        }
        let permits = u32::try_from(bytes).map_err(|_| overloaded())?;
        let reserving = Arc::clone(&pool.left).acquire_many_owned(permits);
        match timeout(wait, reserving).await {
            Ok(Ok(bytes)) => Ok(Share { _bytes: bytes }),
            Ok(Err(_)) | Err(_) => Err(overloaded()),
        }
    }

    /// Room for a further piece of a body that did not say how large it is. Nobody waits with half
    /// a body in hand: two who do could wait for each other.
    pub(super) fn take(&self, bytes: usize) -> Result<Share, Problem> {
        let permits = u32::try_from(bytes).map_err(|_| overloaded())?;
        let taken = Arc::clone(&self.large.left).try_acquire_many_owned(permits);
        let bytes = taken.map_err(|_| overloaded())?;
        Ok(Share { _bytes: bytes })
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.small.left.available_permits() + self.large.left.available_permits()
    }
}

/// What the deliveries of one kind of sender may take.
#[derive(Debug)]
pub(super) struct Lane {
    requests: Semaphore,
    pub(super) room: Room,
}

impl Lane {
    /// A place among the requests that are under way.
    pub(super) fn enter(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let full = |_| {
            Problem::new(
                Code::Overloaded,
                "too many deliveries are under way: send it again shortly",
            )
        };
        self.requests.try_acquire().map_err(full)
    }
}

/// The lanes of ingress.
#[derive(Debug)]
pub(in crate::api) struct Lanes {
    known: Lane,
    strangers: Lane,
}

impl Lanes {
    /// Lanes that take so many requests and bytes together.
    pub(in crate::api) fn new(requests: usize, bytes: usize) -> Self {
        let (few, some) = (
            requests.div_ceil(STRANGERS_REQUESTS),
            bytes / STRANGERS_BYTES,
        );
        let lane = |requests, bytes| Lane {
            requests: Semaphore::new(requests),
            room: Room::new(bytes),
        };
        Self {
            known: lane(requests - few, bytes - some),
            strangers: lane(few, some),
        }
    }

    /// The lane of those who know a hook's key, or of those who do not.
    pub(super) fn of(&self, knows_a_hook: bool) -> &Lane {
        if knows_a_hook {
            &self.known
        } else {
            &self.strangers
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: usize = SMALL_BYTES_MAX + 1;

    #[actix_web::test]
    async fn large_bodies_wait_for_each_other_and_hold_up_no_small_one() {
        let room = Arc::new(Room::new(4 * SMALL_BYTES_MAX));
        let brief = Duration::from_millis(20);
        let first = room.reserve(LARGE, brief).await.unwrap();
        let refused = room.reserve(LARGE, brief).await.unwrap_err();
        assert_eq!(refused.code(), Code::Overloaded);
        let small = room.reserve(SMALL_BYTES_MAX, brief).await.unwrap();
        let waiting = {
            let room = Arc::clone(&room);
            actix_web::rt::spawn(async move {
                room.reserve(LARGE, Duration::from_secs(20)).await.is_ok()
            })
        };
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.unwrap(), "it has its turn");
        drop(small);
        assert_eq!(room.left(), 4 * SMALL_BYTES_MAX);
    }

    #[actix_web::test]
    async fn what_never_fits_is_refused_at_once() {
        let room = Room::new(1000);
        let long = Duration::from_hours(1);
        assert!(room.reserve(501, long).await.is_err());
        assert!(room.reserve(500, long).await.is_ok());
        assert!(room.take(501).is_err());
    }

    #[test]
    fn strangers_cannot_take_what_is_kept_for_hooks_that_we_know() {
        let lanes = Lanes::new(16, 1000);
        let strangers: Vec<_> = std::iter::from_fn(|| lanes.of(false).enter().ok()).collect();
        assert_eq!(strangers.len(), 2);
        let known: Vec<_> = std::iter::from_fn(|| lanes.of(true).enter().ok()).collect();
        assert_eq!(known.len(), 14);
        let bytes = (lanes.of(false).room.left(), lanes.of(true).room.left());
        assert_eq!(bytes, (250, 750));
    }
}
