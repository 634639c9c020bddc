//! Supervision that survives panics.
//!
//! `actix::Supervisor` restarts an actor only after an orderly stop; a panic kills the actor with
//! its mailbox. Here a future of ours owns the actor's context, polls it inside `catch_unwind` and,
//! after a panic, waits and calls [`ContextFut::restart`]: timers and futures are dropped,
//! `restarting` reloads the state, `started` runs again. The address and the queued messages
//! survive; only the current message is lost, so important data is committed before it is sent.

use actix::dev::{ContextFut, channel};
use actix::prelude::*;
use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// When an actor that keeps panicking is no longer restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// More panics than this within the window are too many.
    pub panics_max: usize,
    /// See `panics_max`.
    pub window: Duration,
    /// The wait before the first restart; it doubles with each panic in the window.
    pub backoff: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            panics_max: 5,
            window: Duration::from_mins(1),
            backoff: Duration::from_millis(100),
        }
    }
}

/// Longest wait before a restart.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Messages of an address before `try_send` fails. Nothing here depends on it: deliveries wait in
/// the store, not in mailboxes.
const MAILBOX: usize = 64;

/// The fate of a supervised actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It panicked and is restarted.
    Panicked,
    /// It panicked too often and has ended.
    GaveUp,
    /// It stopped by itself, or its last address was dropped.
    Finished,
}

type OnExit = Box<dyn FnMut(Exit)>;

/// Starts an actor under supervision on an arbiter.
pub fn start<A, Make, Tell>(
    arbiter: &ArbiterHandle,
    policy: Policy,
    make: Make,
    on_exit: Tell,
) -> Addr<A>
where
    A: Actor<Context = Context<A>> + actix::Supervised + Unpin,
    Make: FnOnce() -> A + Send + 'static,
    Tell: FnMut(Exit) + Send + 'static,
{
    let (sender, receiver) = channel::channel(MAILBOX);
    arbiter.spawn_fn(move || {
        let context = Context::with_receiver(receiver);
        actix::spawn(Guarded {
            actor: Some(context.into_future(make())),
            policy,
            panics: VecDeque::new(),
            pause: None,
            on_exit: Box::new(on_exit),
        });
    });
    Addr::new(sender)
}

struct Guarded<A: Actor<Context = Context<A>>> {
    actor: Option<ContextFut<A, Context<A>>>,
    policy: Policy,
    panics: VecDeque<Instant>,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
    on_exit: OnExit,
}

impl<A> Guarded<A>
where
    A: Actor<Context = Context<A>> + actix::Supervised + Unpin,
{
    /// Counts a panic. The wait before the restart, or none when it was one too many.
    fn count(&mut self) -> Option<Duration> {
        let now = Instant::now();
        while self
            .panics
            .front()
            .is_some_and(|at| now - *at > self.policy.window)
        {
            self.panics.pop_front();
        }
        if self.panics.len() >= self.policy.panics_max {
            return None;
        }
        let doublings = u32::try_from(self.panics.len()).unwrap_or(u32::MAX).min(16);
        self.panics.push_back(now);
        Some(
            self.policy
                .backoff
                .saturating_mul(1 << doublings)
                .min(BACKOFF_MAX),
        )
    }

    /// After a panic: arms the restart, or ends the actor. The payload of the panic is ignored: it
    /// could hold anything, and the panic hook has already logged the location.
    fn fall(&mut self, _: Box<dyn Any + Send>) -> Poll<()> {
        if let Some(wait) = self.count() {
            self.pause = Some(Box::pin(tokio::time::sleep(wait)));
            (self.on_exit)(Exit::Panicked);
            Poll::Pending
        } else {
            self.end(Exit::GaveUp)
        }
    }

    /// Drops the actor outside of any unwinding: its `stopped` may panic once more.
    fn end(&mut self, exit: Exit) -> Poll<()> {
        let actor = self.actor.take();
        if catch_unwind(AssertUnwindSafe(move || drop(actor))).is_err() {
            tracing::error!("an actor panicked while it was dropped");
        }
        (self.on_exit)(exit);
        Poll::Ready(())
    }

    /// One round: waits, restarts, or lets the actor run. `Pending` with an armed pause means that
    /// another round is due.
    fn round(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
            let Some(actor) = &mut self.actor else {
                return Poll::Ready(());
            };
            match catch_unwind(AssertUnwindSafe(|| actor.restart())) {
                Ok(true) => {}
                Ok(false) => return self.end(Exit::Finished),
                Err(panic) => return self.fall(panic),
            }
        }
        let Some(actor) = &mut self.actor else {
            return Poll::Ready(());
        };
        match catch_unwind(AssertUnwindSafe(|| Pin::new(actor).poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            // It stopped its context, or its last address was dropped.
            Ok(Poll::Ready(())) => self.end(Exit::Finished),
            Err(panic) => self.fall(panic),
        }
    }
}

impl<A> Future for Guarded<A>
where
    A: Actor<Context = Context<A>> + actix::Supervised + Unpin,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        loop {
            let falls = self.panics.len();
            let polled = self.round(cx);
            // A pause that was just armed has to be polled once, so that it wakes us.
            if polled.is_ready() || self.pause.is_none() || self.panics.len() == falls {
                return polled;
            }
        }
    }
}

#[cfg(test)]
mod tests;
