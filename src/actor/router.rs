//! The router: notifies connections of new deliveries.
//!
//! It carries no payloads, so a flood costs no memory: pending deliveries wait in the store. The
//! first one is announced at once; those that come within [`GATHER`] of it are announced together.

use super::connection::Cause;
use super::news::News;
use super::registry::Registry;
use crate::domain::id::ConnectionId;
use actix::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How often hints are looked at while there are any: the first one at once, those that follow
/// together. A stranger can cause them as often as they like, and nothing depends on them soon.
const HINTS_EVERY: Duration = Duration::from_millis(250);

/// How long a connection that has looked is not notified again. Of a burst, a turn of router and
/// actor for each delivery would cost more than all else.
const GATHER: Duration = Duration::from_millis(20);

/// The router.
pub(super) struct Router {
    registry: Arc<Registry>,
    news: Arc<News>,
    /// Connections that were notified of deliveries without a valid signature, and have not handled
    /// it yet: strangers fill no mailbox.
    warned: HashMap<ConnectionId, u32>,
}

impl Router {
    pub(super) fn new(registry: Arc<Registry>, news: Arc<News>) -> Self {
        Self {
            registry,
            news,
            warned: HashMap::new(),
        }
    }

    fn nudge(&self, id: ConnectionId, ctx: &mut Context<Self>) {
        let Some(looked) = self.registry.ask(id, Cause::Deliveries) else {
            // It looks for pending deliveries when it begins.
            self.registry.add(id);
            ctx.notify_later(Gathered(id), GATHER);
            return;
        };
        ctx.spawn(looked.into_actor(self).map(move |_, _, ctx| {
            ctx.notify_later(Gathered(id), GATHER);
        }));
    }
}

impl Actor for Router {
    type Context = Context<Self>;
}

/// A delivery of this connection was committed. An actor that is not running misses nothing: the
/// rest is stored.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Look(pub(super) ConnectionId);

impl Handler<Look> for Router {
    type Result = ();
    fn handle(&mut self, Look(id): Look, ctx: &mut Context<Self>) {
        self.nudge(id, ctx);
    }
}

/// It is time to notify a connection of what came since the last time.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
struct Gathered(ConnectionId);

impl Handler<Gathered> for Router {
    type Result = ();
    fn handle(&mut self, Gathered(id): Gathered, ctx: &mut Context<Self>) {
        if self.news.gathered(id) {
            self.nudge(id, ctx);
        }
    }
}

/// There are hints.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Hints;

impl Handler<Hints> for Router {
    type Result = ();
    fn handle(&mut self, Hints: Hints, ctx: &mut Context<Self>) {
        let hints = self.news.take_hints();
        if !hints.is_empty() {
            ctx.notify_later(Hints, HINTS_EVERY);
        }
        for (id, hint) in hints {
            if !hint.heard.is_empty() {
                self.registry.tell(id, Cause::Heard(hint.heard));
            }
            if hint.rejected > 0 {
                match self.warned.get_mut(&id) {
                    Some(more) => *more = more.saturating_add(hint.rejected),
                    None => self.warn(id, hint.rejected, ctx),
                }
            }
        }
    }
}

/// Only answers: the caller learns that the router handles its messages.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Alive;

impl Handler<Alive> for Router {
    type Result = ();
    fn handle(&mut self, Alive: Alive, _: &mut Context<Self>) {}
}

/// Never comes to an end.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Stall;

#[cfg(test)]
impl Handler<Stall> for Router {
    type Result = ();
    fn handle(&mut self, Stall: Stall, ctx: &mut Context<Self>) {
        ctx.wait(std::future::pending::<()>().into_actor(self));
    }
}

impl Router {
    /// Notifies an actor of the number of wrong signatures: one message at a time, for any number.
    fn warn(&mut self, id: ConnectionId, times: u32, ctx: &mut Context<Self>) {
        let Some(noted) = self.registry.ask(id, Cause::Rejected { times }) else {
            return;
        };
        self.warned.insert(id, 0);
        ctx.spawn(noted.into_actor(self).map(move |_, router, ctx| {
            if let Some(more @ 1..) = router.warned.remove(&id) {
                router.warn(id, more, ctx);
            }
        }));
    }
}
