//! The router: notifies connections of new deliveries.
//!
//! It carries no payloads, so a flood costs no memory: pending deliveries wait in the store, and a
//! connection is notified once for any number of deliveries before it looks.

use super::connection::Cause;
use super::registry::Registry;
use crate::domain::id::ConnectionId;
use actix::prelude::*;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// The router.
pub(super) struct Router {
    registry: Arc<Registry>,
    news: Arc<News>,
    /// Connections that were notified and have not looked yet, and whether more came since.
    nudged: HashMap<ConnectionId, bool>,
    /// Connections that were notified of deliveries without a valid signature, and have not handled
    /// it yet: strangers fill no mailbox.
    warned: HashMap<ConnectionId, u32>,
}

impl Router {
    pub(super) fn new(registry: Arc<Registry>, news: Arc<News>) -> Self {
        Self {
            registry,
            news,
            nudged: HashMap::new(),
            warned: HashMap::new(),
        }
    }

    fn nudge(&mut self, id: ConnectionId, ctx: &mut Context<Self>) {
        let Some(looked) = self.registry.ask(id, Cause::Deliveries) else {
            // It looks for pending deliveries when it begins.
            return self.registry.add(id);
        };
        self.nudged.insert(id, false);
        ctx.spawn(looked.into_actor(self).map(move |_, router, ctx| {
            if router.nudged.remove(&id) == Some(true) {
                router.nudge(id, ctx);
            }
        }));
    }
}

impl Actor for Router {
    type Context = Context<Self>;
}

/// Notices about connections that are not handled yet: however many come for one, the router has
/// one message for them. Waking its thread for each would cost more than receiving a delivery.
#[derive(Debug, Default)]
pub(super) struct News(Mutex<HashMap<ConnectionId, Item>>);

/// The notices about a connection.
#[derive(Debug, Default)]
pub(super) struct Item {
    /// A delivery was committed.
    pub(super) is_delivered: bool,
    /// A duplicate of an authentic delivery arrived.
    pub(super) is_heard: bool,
    /// The number of deliveries without a valid signature.
    pub(super) rejected: u32,
}

impl News {
    /// Records a notice. Returns whether the router must be notified: then there was none before.
    pub(super) fn note(&self, id: ConnectionId, note: impl FnOnce(&mut Item)) -> bool {
        let mut news = self.0.lock();
        let is_first = !news.contains_key(&id);
        note(news.entry(id).or_default());
        is_first
    }

    fn take(&self, id: ConnectionId) -> Item {
        self.0.lock().remove(&id).unwrap_or_default()
    }
}

/// There is a notice for this connection. An actor that is not running misses nothing: the rest is
/// stored.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Look(pub(super) ConnectionId);

impl Handler<Look> for Router {
    type Result = ();
    fn handle(&mut self, Look(id): Look, ctx: &mut Context<Self>) {
        let item = self.news.take(id);
        if item.is_delivered {
            match self.nudged.get_mut(&id) {
                Some(more) => *more = true,
                None => self.nudge(id, ctx),
            }
        }
        if item.is_heard {
            self.registry.tell(id, Cause::Heard);
        }
        if item.rejected > 0 {
            match self.warned.get_mut(&id) {
                Some(more) => *more = more.saturating_add(item.rejected),
                None => self.warn(id, item.rejected, ctx),
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
