//! The actor that has hooks moved to our present address, each when its turn comes.

use super::connection::Cause;
use super::registry::Registry;
use super::services::Services;
use actix::prelude::*;
use std::sync::Arc;

/// The actor that hands out turns.
pub(super) struct Mover {
    services: Arc<Services>,
    registry: Arc<Registry>,
}

impl Mover {
    pub(super) const fn new(services: Arc<Services>, registry: Arc<Registry>) -> Self {
        Self { services, registry }
    }
}

async fn hand_out(services: Arc<Services>, registry: Arc<Registry>) {
    loop {
        let (ids, next) = services.moves.take_turns();
        for id in ids {
            if !registry.tell(id, Cause::MoveTurn) {
                services.moves.over(id, None, services.settings.retry);
            }
        }
        let changed = services.moves.changed.notified();
        match next {
            Some(at) => drop(tokio::time::timeout_at(at, changed).await),
            None => changed.await,
        }
    }
}

impl Actor for Mover {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let (services, registry) = (Arc::clone(&self.services), Arc::clone(&self.registry));
        ctx.spawn(hand_out(services, registry).into_actor(self));
    }
}

/// Ends the mover.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct StopMoving;

impl Handler<StopMoving> for Mover {
    type Result = ();
    fn handle(&mut self, _: StopMoving, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
