//! Room for what comes in: how many requests and how many bytes of bodies may be under way.
//!
//! Deliveries to a hook that we know have room that nothing else can take: senders who do not know
//! a hook's unguessable key share a quarter of it. Small bodies and
//! large ones have a half each, so that a few large ones hold up no small one. A body takes its
//! room when its first bytes have come; while it waits, the sender's own buffers are what fills.
//! Within these no sender holds so much that nothing is left for others: see [`super::fair`].

use super::fair::{Account, Pool, Share};
use crate::api::error::{Code, Problem};
use crate::api::progress::Progress;
use crate::telemetry::{Limit, limit_reached};
use std::sync::Arc;
use tokio::time::Instant;

/// Largest body that counts as a small one. Nearly all deliveries are far smaller.
pub(super) const SMALL_BYTES_MAX: usize = 1024 * 1024;
/// The share of strangers in bytes: one part in so many.
const STRANGERS_BYTES: usize = 4;
/// Their share of the requests.
const STRANGERS_REQUESTS: usize = 8;

fn overloaded() -> Problem {
    limit_reached(Limit::BytesInFlight);
    Problem::new(
        Code::Overloaded,
        "server overloaded: too many request bodies at once. Retry shortly",
    )
}

/// Bytes of bodies that may be in memory.
#[derive(Debug)]
pub(in crate::api) struct Room {
    small: Arc<Pool>,
    large: Arc<Pool>,
}

impl Room {
    /// Room for so many bytes.
    pub(in crate::api) fn new(bytes: usize) -> Self {
        Self {
            small: Pool::new(bytes - bytes / 2),
            large: Pool::new(bytes / 2),
        }
    }

    /// Room for a body of this size, after a wait for its turn until then. `None` for a body that
    /// holds a part already: two of these could wait for each other.
    pub(super) async fn take(
        &self,
        account: Account,
        bytes: usize,
        progress: &Arc<Progress>,
        until: Option<Instant>,
    ) -> Result<Share, Problem> {
        let is_small = bytes <= SMALL_BYTES_MAX;
        let pool = if is_small { &self.small } else { &self.large };
        let share = pool.take(account, bytes, progress, until).await;
        share.ok_or_else(overloaded)
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.small.left() + self.large.left()
    }
}

/// What the deliveries of one kind of sender may take.
#[derive(Debug)]
pub(super) struct Lane {
    requests: Arc<Pool>,
    pub(super) room: Room,
}

impl Lane {
    /// A place among the requests that are under way.
    pub(super) async fn enter(
        &self,
        account: Account,
        progress: &Arc<Progress>,
    ) -> Result<Share, Problem> {
        let place = self.requests.take(account, 1, progress, None).await;
        place.ok_or_else(|| {
            limit_reached(Limit::RequestsUnderWay);
            Problem::new(
                Code::Overloaded,
                "server overloaded: too many deliveries at once. Retry shortly",
            )
        })
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
            requests: Pool::new(requests),
            room: Room::new(bytes),
        };
        Self {
            known: lane(requests - few, bytes - some),
            strangers: lane(few, some),
        }
    }

    /// The lane of those who know a hook's key, or of those who do not.
    pub(super) fn of(&self, account: &Account) -> &Lane {
        match account.hook {
            Some(_) => &self.known,
            None => &self.strangers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fair::Who;
    use super::*;
    use crate::domain::id::{ConnectionId, UserId};
    use std::time::Duration;

    const LARGE: usize = SMALL_BYTES_MAX + 1;
    const STRANGER: Account = Account {
        who: Who::Peer(None),
        hook: None,
    };

    async fn take(room: &Room, bytes: usize, wait: Duration) -> Result<Share, Problem> {
        let until = Some(Instant::now() + wait);
        room.take(STRANGER, bytes, &Arc::default(), until).await
    }

    #[actix_web::test]
    async fn large_bodies_wait_for_each_other_and_hold_up_no_small_one() {
        let room = Arc::new(Room::new(4 * SMALL_BYTES_MAX));
        let brief = Duration::from_millis(20);
        let first = take(&room, LARGE, brief).await.unwrap();
        let refused = take(&room, LARGE, brief).await.unwrap_err();
        assert_eq!(refused.code(), Code::Overloaded);
        let small = take(&room, SMALL_BYTES_MAX, brief).await.unwrap();
        let waiting = {
            let room = Arc::clone(&room);
            actix_web::rt::spawn(async move {
                take(&room, LARGE, Duration::from_secs(20)).await.is_ok()
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
        assert!(take(&room, 501, long).await.is_err());
        assert!(take(&room, 500, long).await.is_ok());
    }

    #[actix_web::test]
    async fn strangers_cannot_take_what_is_kept_for_hooks_that_we_know() {
        let lanes = Lanes::new(16, 1000);
        let hook = |n| Account {
            who: Who::User(UserId::from_u128(n)),
            hook: Some(ConnectionId::from_u128(n)),
        };
        let (mut held, progress) = (Vec::new(), Arc::default());
        let strangers = lanes.of(&STRANGER);
        let (mut few, mut many) = (0, 0);
        while let Ok(place) = strangers.enter(STRANGER, &progress).await {
            held.push(place);
            few += 1;
        }
        for n in 1..100 {
            if let Ok(place) = lanes.of(&hook(n)).enter(hook(n), &progress).await {
                held.push(place);
                many += 1;
            }
        }
        assert!(few <= 2 && many == 14, "{few} {many}");
        let bytes = (strangers.room.left(), lanes.of(&hook(1)).room.left());
        assert_eq!(bytes, (250, 750));
    }
}
