//! What a read answers with.

use super::ReadError;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// The answer to a read, now or later: a future of the result.
///
/// A store that has the record at hand answers at once, and for that nothing is allocated. One
/// that must walk, or ask over a network, answers when it can; until it is polled it may not even
/// have begun, and dropping it gives the read up.
#[must_use = "a reading does nothing until it is awaited"]
pub struct Reading<'a, T>(State<'a, T>);

enum State<'a, T> {
    /// `None` once it was taken.
    Ready(Option<Result<T, ReadError>>),
    Waits(Pin<Box<dyn Future<Output = Result<T, ReadError>> + Send + 'a>>),
}

impl<'a, T> Reading<'a, T> {
    /// An answer that comes later.
    pub fn later(answer: impl Future<Output = Result<T, ReadError>> + Send + 'a) -> Self {
        Self(State::Waits(Box::pin(answer)))
    }

    /// Waits for the answer in a thread that may block: never in one that serves.
    pub fn wait(self) -> Result<T, ReadError> {
        block_on(self)
    }

    /// The answer of a store that has it at hand.
    #[cfg(test)]
    pub(crate) fn ready(self) -> Result<T, ReadError> {
        match self.0 {
            State::Ready(Some(result)) => result,
            State::Ready(None) | State::Waits(_) => panic!("the answer takes its time"),
        }
    }
}

/// Wakes a thread.
struct Thread(std::thread::Thread);

impl Wake for Thread {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future in a thread that may block.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Thread(std::thread::current())));
    let (mut cx, mut future) = (Context::from_waker(&waker), pin!(future));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        std::thread::park();
    }
}

impl<T> From<Result<T, ReadError>> for Reading<'_, T> {
    fn from(result: Result<T, ReadError>) -> Self {
        Self(State::Ready(Some(result)))
    }
}

// Nothing inside is pinned in place: what waits is in a box of its own.
impl<T> Unpin for Reading<'_, T> {}

impl<T> Future for Reading<'_, T> {
    type Output = Result<T, ReadError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(result) => Poll::Ready(
                result
                    .take()
                    .expect("a future is not polled once it has answered"),
            ),
            State::Waits(answer) => answer.as_mut().poll(context),
        }
    }
}

impl<T> std::fmt::Debug for Reading<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_ready = matches!(self.0, State::Ready(_));
        f.debug_struct("Reading")
            .field("is_ready", &is_ready)
            .finish_non_exhaustive()
    }
}
