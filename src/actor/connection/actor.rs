//! The actor: its mailbox, its timers, its calls. Its decisions are in [`super::turn`].

use super::calls;
use super::cause::{Cause, Own, OwnCause};
use super::state::State;
use super::turn::{Doing, Turn};
use crate::actor::services::Services;
use crate::domain::connection::Connection;
use crate::domain::errand::Priority;
use crate::domain::id::ConnectionId;
use crate::domain::lifecycle::{Call, Timer};
use actix::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The actor of a connection.
pub(in crate::actor) struct ConnectionActor {
    services: Arc<Services>,
    id: ConnectionId,
    /// Its state that is not stored. Moved into the turn while there is one, and back.
    state: Option<Box<State>>,
    /// The time for which each timer of the lifecycle is armed.
    armed: [Option<Instant>; Timer::ALL.len()],
    /// Increases with every restart.
    life: u32,
    /// It succeeds one that panicked too often.
    gives_up: bool,
}

impl ConnectionActor {
    pub(in crate::actor) fn new(services: Arc<Services>, id: ConnectionId, gives_up: bool) -> Self {
        Self {
            services,
            id,
            state: gives_up.then(careful),
            armed: [None; Timer::ALL.len()],
            life: 0,
            gives_up,
        }
    }

    /// Runs a turn: until it ends, no other message is handled.
    fn turn<Taking>(&mut self, ctx: &mut Context<Self>, take: impl FnOnce(Turn) -> Taking)
    where
        Taking: Future<Output = Turn> + 'static,
    {
        let state = self.state.take().unwrap_or_default();
        let turn = take(Turn::new(Arc::clone(&self.services), self.id, state));
        ctx.wait(turn.into_actor(self).map(|turn, actor, ctx| {
            let Turn { state, doings, .. } = turn;
            actor.state = (!state.is_at_rest()).then_some(state);
            for doing in doings {
                actor.act(doing, ctx);
            }
        }));
    }

    /// Carries out the effects of a turn.
    fn act(&mut self, doing: Doing, ctx: &mut Context<Self>) {
        match doing {
            Doing::Call(connection, call, priority) => self.call(ctx, *connection, call, priority),
            Doing::Arm(timer, wait) => self.arm(timer, wait),
            Doing::Next(cause) => self.say(cause, ctx),
            Doing::Later(cause, wait) => {
                ctx.run_later(wait, |actor, ctx| actor.say(cause, ctx));
            }
            Doing::Stop => ctx.stop(),
        }
    }

    /// Sends itself a message. Results of timers and calls must use this: actix polls one spawned
    /// future after the mailbox even if a message has just called `ctx.wait`, and the running turn
    /// has the state.
    fn say(&self, what: OwnCause, ctx: &Context<Self>) {
        let life = self.life;
        ctx.address().do_send(Own { life, what });
    }

    fn call(
        &self,
        ctx: &mut Context<Self>,
        connection: Connection,
        call: Call,
        priority: Priority,
    ) {
        let services = Arc::clone(&self.services);
        let made = calls::make(services, connection, call, priority).into_actor(self);
        ctx.spawn(made.map(|called, actor, ctx| actor.say(OwnCause::Called(called), ctx)));
    }

    fn arm(&mut self, timer: Timer, wait: Duration) {
        let at = Instant::now() + wait;
        let before = self.armed[timer as usize].replace(at);
        self.services.timers.arm((self.id, timer), before, at);
    }

    fn disarm(&mut self) {
        for timer in Timer::ALL {
            if let Some(at) = self.armed[timer as usize].take() {
                self.services.timers.disarm((self.id, timer), at);
            }
        }
    }
}

impl Drop for ConnectionActor {
    fn drop(&mut self) {
        self.disarm();
    }
}

impl Actor for ConnectionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let gives_up = std::mem::take(&mut self.gives_up);
        let cause = if gives_up {
            OwnCause::GiveUp
        } else {
            OwnCause::Begin
        };
        self.turn(ctx, |turn| turn.take_own(cause));
    }
}

impl actix::Supervised for ConnectionActor {
    /// Drops all state: `started` comes next and reads it from the store.
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.disarm();
        self.life = self.life.wrapping_add(1);
        self.state = Some(careful());
    }
}

impl Handler<Cause> for ConnectionActor {
    type Result = ();
    fn handle(&mut self, cause: Cause, ctx: &mut Context<Self>) {
        if let Cause::Fired(timer, at) = cause {
            // It was armed again meanwhile, or belongs to an earlier life.
            if self.armed[timer as usize] != Some(at) {
                return;
            }
            self.armed[timer as usize] = None;
        }
        self.turn(ctx, |turn| turn.take(cause));
    }
}

impl Handler<Own> for ConnectionActor {
    type Result = ();
    fn handle(&mut self, Own { life, what }: Own, ctx: &mut Context<Self>) {
        if life == self.life {
            self.turn(ctx, |turn| turn.take_own(what));
        }
    }
}

/// The only known fact after a panic: that there was one.
fn careful() -> Box<State> {
    Box::new(State {
        careful: true,
        ..State::default()
    })
}

/// Whether the actor has no state.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "bool")]
pub(in crate::actor) struct IsAtRest;

#[cfg(test)]
impl Handler<IsAtRest> for ConnectionActor {
    type Result = bool;
    fn handle(&mut self, _: IsAtRest, _: &mut Context<Self>) -> bool {
        self.state.is_none()
    }
}

/// Ends the actor at once, as a crash would.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(in crate::actor) struct Die;

#[cfg(test)]
impl Handler<Die> for ConnectionActor {
    type Result = ();
    fn handle(&mut self, _: Die, ctx: &mut Context<Self>) {
        ctx.terminate();
    }
}
