//! What a read answers with.

use super::ReadError;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, Ready, ready};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

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
