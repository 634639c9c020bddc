//! Answers to who waits for a commit.
//!
//! A group is answered all at once, to futures on few threads. To wake each of them from the
//! committer's thread takes a system call, and mostly two switches of threads. So of those on one
//! thread only one is woken, who wakes the others there, where it costs next to nothing. One that
//! is dropped meanwhile does so as well.

use crate::store::CommitError;
use parking_lot::Mutex;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

type Outcome = Result<(), CommitError>;

/// Those on one thread who are to be woken there.
type Bell = Arc<Mutex<Vec<Waker>>>;

/// Who waits, and for what.
type Waiting = (Arc<Slot>, Waker);

thread_local! {
    static BELL: Bell = Bell::default();
}

/// Wakes all that wait on the bell's thread, except the caller's own waker.
fn wake_others(bell: &Bell, but: Option<&Waker>) {
    let wakers = std::mem::take(&mut *bell.lock());
    let others = wakers.into_iter();
    let others = others.filter(|waker| but.is_none_or(|but| !waker.will_wake(but)));
    others.for_each(Waker::wake);
}

#[derive(Debug, Default)]
enum State {
    /// Not awaited yet.
    #[default]
    Open,
    /// Awaited.
    Awaited(Waker, Bell),
    /// Given, and not seen yet.
    Answered(Outcome),
    /// Not awaited any more.
    Over,
}

#[derive(Debug, Default)]
struct Slot(Mutex<State>);

/// Who waits for a commit.
#[derive(Debug)]
pub(super) struct Answer {
    slot: Arc<Slot>,
    /// The bell of the thread that last asked.
    bell: Option<Bell>,
}

/// Who answers. One that is dropped without an answer has failed.
#[derive(Debug)]
pub(super) struct Answerer(Option<Arc<Slot>>);

/// An answer that is given, and its waiter.
#[derive(Debug)]
pub(super) struct Given(Option<(Arc<Slot>, Waker, Bell)>);

/// A question, and the answer to come.
pub(super) fn answer() -> (Answerer, Answer) {
    let slot = Arc::<Slot>::default();
    let answerer = Answerer(Some(Arc::clone(&slot)));
    (answerer, Answer { slot, bell: None })
}

impl Answerer {
    /// Answers. [`tell`] wakes the waiter.
    pub(super) fn give(mut self, outcome: Outcome) -> Given {
        Given(self.0.take().and_then(|slot| set(slot, outcome)))
    }
}

fn set(slot: Arc<Slot>, outcome: Outcome) -> Option<(Arc<Slot>, Waker, Bell)> {
    let mut state = slot.0.lock();
    let answered = match &*state {
        State::Over => State::Over,
        State::Open | State::Awaited(..) | State::Answered(_) => State::Answered(outcome),
    };
    let before = std::mem::replace(&mut *state, answered);
    drop(state);
    match before {
        State::Awaited(waker, bell) => Some((slot, waker, bell)),
        State::Open | State::Answered(_) | State::Over => None,
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            tell([Given(set(slot, Err(CommitError::Failed)))]);
        }
    }
}

/// Wakes the waiters of these answers: one on each thread.
pub(super) fn tell(given: impl IntoIterator<Item = Given>) {
    let mut bells: Vec<(Bell, Vec<Waiting>)> = Vec::new();
    for (slot, waker, bell) in given.into_iter().filter_map(|given| given.0) {
        match bells
            .iter_mut()
            .find(|(other, _)| Arc::ptr_eq(other, &bell))
        {
            Some((_, told)) => told.push((slot, waker)),
            None => bells.push((bell, vec![(slot, waker)])),
        }
    }
    for (bell, told) in bells {
        bell.lock()
            .extend(told.iter().map(|(_, waker)| waker.clone()));
        // From here on one that sees an answer, or gives up, wakes the others. One that has done so
        // already, for whatever reason it was asked again, will not.
        let is_waiting =
            |(slot, _): &&(Arc<Slot>, Waker)| matches!(&*slot.0.lock(), State::Answered(_));
        match told.iter().find(is_waiting) {
            Some((_, waker)) => waker.wake_by_ref(),
            None => wake_others(&bell, None),
        }
    }
}

impl Future for Answer {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut state = self.slot.0.lock();
        if let State::Answered(outcome) = &*state {
            let outcome = outcome.clone();
            *state = State::Over;
            drop(state);
            if let Some(bell) = self.bell.take() {
                wake_others(&bell, Some(cx.waker()));
            }
            return Poll::Ready(outcome);
        }
        let bell = BELL.with(Arc::clone);
        *state = State::Awaited(cx.waker().clone(), Arc::clone(&bell));
        drop(state);
        let former = self.bell.replace(Arc::clone(&bell));
        // It may have been the one to wake the others of a thread that it has left.
        if let Some(former) = former.filter(|former| !Arc::ptr_eq(former, &bell)) {
            wake_others(&former, None);
        }
        Poll::Pending
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(bell) = self.bell.take() {
            *self.slot.0.lock() = State::Over;
            wake_others(&bell, None);
        }
    }
}

impl Answer {
    /// Waits for it in a thread that may block.
    pub(super) fn wait(self) -> Outcome {
        futures_executor::block_on(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Count {
        fn is(&self) -> usize {
            self.0.load(Ordering::SeqCst)
        }
    }

    fn poll(answer: &mut Answer, count: &Arc<Count>) -> Poll<Outcome> {
        let waker = Waker::from(Arc::clone(count));
        Pin::new(answer).poll(&mut Context::from_waker(&waker))
    }

    #[test]
    fn one_of_a_thread_is_woken_and_wakes_the_others() {
        for is_dropped in [false, true] {
            let counts: Vec<Arc<Count>> = (0..5).map(|_| Arc::default()).collect();
            let (askers, mut answers): (Vec<_>, Vec<_>) = (0..5).map(|_| answer()).unzip();
            for (answer, count) in answers.iter_mut().zip(&counts) {
                assert_eq!(poll(answer, count), Poll::Pending);
            }
            tell(askers.into_iter().map(|asker| asker.give(Ok(()))));
            let woken = || counts.iter().map(|count| count.is()).sum::<usize>();
            let first = counts.iter().position(|count| count.is() == 1).unwrap();
            assert_eq!(woken(), 1);
            let mut first = answers.remove(first);
            if !is_dropped {
                assert_eq!(poll(&mut first, &counts[0]), Poll::Ready(Ok(())));
            }
            drop(first);
            assert!(counts.iter().all(|count| count.is() > 0));
            for answer in &mut answers {
                assert_eq!(poll(answer, &counts[0]), Poll::Ready(Ok(())));
            }
        }
    }

    #[test]
    fn one_that_has_seen_its_answer_already_is_not_relied_on() {
        let counts: Vec<Arc<Count>> = (0..3).map(|_| Arc::default()).collect();
        let (askers, mut answers): (Vec<_>, Vec<_>) = (0..3).map(|_| answer()).unzip();
        for (answer, count) in answers.iter_mut().zip(&counts) {
            assert_eq!(poll(answer, count), Poll::Pending);
        }
        let given: Vec<Given> = askers.into_iter().map(|asker| asker.give(Ok(()))).collect();
        assert_eq!(poll(&mut answers[0], &counts[0]), Poll::Ready(Ok(())));
        drop(answers.remove(1));
        tell(given);
        assert!(counts[2].is() > 0);
    }

    #[test]
    fn who_is_not_answered_has_failed_and_a_thread_may_wait() {
        let (asker, waits) = answer();
        let waiting = std::thread::spawn(move || waits.wait());
        drop(asker);
        assert_eq!(waiting.join().unwrap(), Err(CommitError::Failed));
        let (asker, waits) = answer();
        tell([asker.give(Ok(()))]);
        assert_eq!(waits.wait(), Ok(()));
    }
}
