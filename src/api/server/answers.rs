//! What goes out: within a budget of bytes, a little at a time.
//!
//! actix copies each piece of a body that it is given into the connection's buffer, whole. So it
//! is given small ones. What an answer holds in memory until it is read comes out of a budget;
//! what all answers share, such as a public document, costs nothing.

use crate::domain::id::UserId;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Bytes of a piece. Two of them and a head fit in the eight KiB that a connection's buffer has
/// from the start, so that it never grows.
pub(super) const PIECE_BYTES: usize = 3 * 1024;
/// An answer up to this size costs nothing: the number of connections bounds those.
const FREE_BYTES: usize = 16 * 1024;
/// What a large answer costs that is shared: it holds no memory, but sending it takes time, which
/// thousands who never read would take from deliveries.
const SHARED_BYTES: usize = 128 * 1024;
/// The share of the budget that one user may have, and that all who are not known have together:
/// one part in so many.
const SHARES: usize = 4;

/// In the extensions of a response: its body is shared by all who are answered with it.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) struct IsShared;

/// Bytes of answers that may be on their way.
#[derive(Debug)]
pub(in crate::api) struct Budget {
    bytes: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_user: HashMap<Option<UserId>, usize>,
}

impl Budget {
    /// A budget of so many bytes.
    pub(in crate::api) fn new(bytes: usize) -> Arc<Self> {
        let taken = Mutex::default();
        Arc::new(Self { bytes, taken })
    }

    /// So many bytes for an answer to this user; `None` when they have their share, or nothing is
    /// left.
    pub(in crate::api) fn take(
        self: &Arc<Self>,
        user: Option<UserId>,
        bytes: usize,
    ) -> Option<Spent> {
        let mut taken = self.taken.lock();
        let own = taken.by_user.get(&user).copied().unwrap_or_default();
        let is_fair = own + bytes <= self.bytes / SHARES || own == 0;
        if !is_fair || taken.total + bytes > self.bytes {
            return None;
        }
        taken.total += bytes;
        taken.by_user.insert(user, own + bytes);
        Some(Spent {
            budget: Arc::clone(self),
            user,
            bytes,
        })
    }

    fn give_back(&self, user: Option<UserId>, bytes: usize) {
        let mut taken = self.taken.lock();
        taken.total -= bytes;
        if let Some(own) = taken.by_user.get_mut(&user) {
            *own -= bytes;
            if *own == 0 {
                taken.by_user.remove(&user);
            }
        }
    }
}

/// Bytes of the budget, until this is dropped.
#[derive(Debug)]
pub(in crate::api) struct Spent {
    budget: Arc<Budget>,
    user: Option<UserId>,
    bytes: usize,
}

impl Drop for Spent {
    fn drop(&mut self) {
        self.budget.give_back(self.user, self.bytes);
    }
}

/// Is called when an answer is sent, or its client is gone.
type AtEnd = Box<dyn FnOnce()>;

enum Content {
    /// In memory; given in pieces.
    Whole(Bytes),
    /// Made as it is read.
    Made(BoxBody),
}

/// The body of an answer.
pub(super) struct Sent {
    content: Content,
    _spent: Option<Spent>,
    at_end: Option<AtEnd>,
}

impl Sent {
    /// A body that is sent in pieces; `None` when the budget has no room for it.
    pub(super) fn new(
        body: BoxBody,
        budget: &Arc<Budget>,
        user: Option<UserId>,
        is_shared: bool,
    ) -> Option<Self> {
        let content = match body.try_into_bytes() {
            Ok(bytes) => Content::Whole(bytes),
            Err(body) => Content::Made(body),
        };
        let cost = match &content {
            Content::Whole(bytes) if bytes.len() <= FREE_BYTES => 0,
            Content::Whole(_) if is_shared => SHARED_BYTES,
            Content::Whole(bytes) => bytes.len(),
            // What is made as it is read has taken its cost itself.
            Content::Made(_) => 0,
        };
        let spent = match cost {
            0 => None,
            cost => Some(budget.take(user, cost)?),
        };
        Some(Self {
            content,
            _spent: spent,
            at_end: None,
        })
    }

    /// Calls this at the end.
    pub(super) fn and_then(mut self, at_end: impl FnOnce() + 'static) -> Self {
        self.at_end = Some(Box::new(at_end));
        self
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if let Some(at_end) = self.at_end.take() {
            at_end();
        }
    }
}

impl MessageBody for Sent {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        match &self.content {
            Content::Whole(bytes) => BodySize::Sized(bytes.len() as u64),
            Content::Made(body) => body.size(),
        }
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match &mut self.content {
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => {
                let piece = bytes.split_to(bytes.len().min(PIECE_BYTES));
                Poll::Ready(Some(Ok(piece)))
            }
            Content::Made(body) => Pin::new(body).poll_next(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    #[test]
    fn a_user_has_a_share_and_leaves_some_to_others() {
        let budget = Budget::new(8 * MIB);
        let user = |n| Some(UserId::from_u128(n));
        let held: Vec<_> = (0..9).map_while(|_| budget.take(user(1), MIB)).collect();
        assert_eq!(held.len(), 2, "a quarter");
        assert!(budget.take(user(2), MIB).is_some());
        assert!(budget.take(None, MIB).is_some());
        drop(held);
        let large = budget
            .take(user(1), 5 * MIB)
            .expect("one at a time may be larger");
        assert!(budget.take(user(1), 1).is_none());
        assert!(
            budget.take(user(2), 4 * MIB).is_none(),
            "more than there is"
        );
        drop(large);
        let taken = budget.taken.lock();
        assert_eq!((taken.total, taken.by_user.len()), (0, 0));
    }

    #[actix_web::test]
    async fn a_body_is_given_in_pieces_and_whole() {
        let text: Vec<u8> = (0..100_000_u32)
            .map(|n| u8::try_from(n % 251).unwrap())
            .collect();
        let budget = Budget::new(MIB);
        let body = BoxBody::new(text.clone());
        let mut sent = Sent::new(body, &budget, None, false).unwrap();
        assert_eq!(sent.size(), BodySize::Sized(100_000));
        let mut seen = Vec::new();
        while let Some(piece) = std::future::poll_fn(|cx| Pin::new(&mut sent).poll_next(cx)).await {
            let piece = piece.unwrap();
            assert!(piece.len() <= PIECE_BYTES);
            seen.extend_from_slice(&piece);
        }
        assert_eq!(seen, text);
        let body = BoxBody::new(text.clone());
        assert!(Sent::new(body, &Budget::new(1000), None, false).is_none());
        let (budget, mut held) = (Budget::new(4 * 2 * SHARED_BYTES), Vec::new());
        for is_let in [true, true, false] {
            let sent = Sent::new(BoxBody::new(text.clone()), &budget, None, true);
            assert_eq!(
                sent.is_some(),
                is_let,
                "what is shared costs less than its size"
            );
            held.push(sent);
        }
    }
}
