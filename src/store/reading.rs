//! What a read is asked for, and what it answers with.

use crate::domain::id::{ConnectionId, UserId};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, Ready, ready};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Why a read failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A record could not be read or decoded. Others can.
    #[error("a record of kind {kind} is damaged")]
    Damaged {
        /// The kind of record.
        kind: &'static str,
    },
    /// The view failed.
    #[error("the store cannot be read: {0}")]
    Unavailable(String),
}

/// A page of a list, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The records.
    pub items: Vec<T>,
    /// Whether more follow after the last one.
    pub has_more: bool,
}

/// Where a list continues: after this record (exclusive), at most so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After<Id> {
    /// The last record of the page before; `None` for the first page.
    pub last: Option<Id>,
    /// At most this many.
    pub limit: usize,
}

impl<Id> After<Id> {
    /// The first page.
    pub const fn first(limit: usize) -> Self {
        Self { last: None, limit }
    }
}

/// Whose records a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// All of a user's.
    Owner(UserId),
    /// One connection's.
    Connection(ConnectionId),
}

/// The answer to a read, now or later: a future of the result.
///
/// A store that has the record at hand answers at once, and for that nothing is allocated. One
/// that must walk, or ask over a network, answers when it can; until it is polled it may not even
/// have begun, and dropping it gives the read up.
#[must_use = "a reading does nothing until it is awaited"]
pub struct Reading<'a, T>(Either<Ready<Answer<T>>, BoxFuture<'a, Answer<T>>>);

type Answer<T> = Result<T, ReadError>;

impl<'a, T> Reading<'a, T> {
    /// An answer that comes later.
    pub fn later(answer: impl Future<Output = Result<T, ReadError>> + Send + 'a) -> Self {
        Self(Either::Right(answer.boxed()))
    }

    /// Waits for the answer in a thread that may block: never in one that serves.
    pub fn wait(self) -> Result<T, ReadError> {
        futures_executor::block_on(self)
    }

    /// The answer of a store that has it at hand.
    #[cfg(test)]
    pub(crate) fn ready(self) -> Result<T, ReadError> {
        self.now_or_never().expect("the answer takes its time")
    }
}

impl<T> From<Answer<T>> for Reading<'_, T> {
    fn from(result: Answer<T>) -> Self {
        Self(Either::Left(ready(result)))
    }
}

// Nothing inside is pinned in place: what waits is in a box of its own.
impl<T> Unpin for Reading<'_, T> {}

impl<T> Future for Reading<'_, T> {
    type Output = Answer<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_unpin(context)
    }
}

impl<T> std::fmt::Debug for Reading<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_ready = matches!(self.0, Either::Left(_));
        f.debug_struct("Reading")
            .field("is_ready", &is_ready)
            .finish_non_exhaustive()
    }
}
