//! The actor: its mailbox, its timers, its calls. Its decisions are in [`super::turn`].

use super::calls;
use super::cause::{Cause, Own, OwnCause};
use super::home::Home;
use super::retire::retire;
use super::state::State;
use super::turn::{Doing, Turn};
use crate::domain::connection::Connection;
use crate::domain::errand::Priority;
use crate::domain::id::ConnectionId;
use crate::domain::lifecycle::Call;
use actix::prelude::*;
use std::sync::Arc;
use tokio::time::Instant;

/// What an actor does first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::actor) enum First {
    /// The first step of a life, from what is stored.
    Begin,
    /// Suspends the connection: the one before it panicked too often.
    GiveUp,
    /// Nothing: it was at rest.
    Wake,
}

/// The actor of a connection.
pub(in crate::actor) struct ConnectionActor {
    home: Arc<dyn Home>,
    id: ConnectionId,
    /// What it does first in this life.
    first: First,
    /// Its state that is not stored. Moved into the turn while there is one, and back.
    state: Option<Box<State>>,
    /// Increases with every restart.
    life: u32,
    /// Messages of others that it has taken.
    taken: u32,
    /// Messages to itself of this life that are still to come.
    own: u32,
}

impl ConnectionActor {
    pub(in crate::actor) fn new(home: Arc<dyn Home>, id: ConnectionId, first: First) -> Self {
        Self {
            home,
            id,
            first,
            state: (first == First::GiveUp).then(careful),
            life: 0,
            taken: 0,
            own: 0,
        }
    }

    /// Runs a turn: until it ends, no other message is handled.
    fn turn<Taking>(&mut self, ctx: &mut Context<Self>, take: impl FnOnce(Turn) -> Taking)
    where
        Taking: Future<Output = Turn> + 'static,
    {
        let state = self.state.take().unwrap_or_default();
        let services = Arc::clone(self.home.services());
        let turn = take(Turn::new(services, self.id, state));
        ctx.wait(turn.into_actor(self).map(|turn, actor, ctx| {
            let Turn { state, doings, .. } = turn;
            actor.state = (!state.is_at_rest()).then_some(state);
            for doing in doings {
                actor.act(doing, ctx);
            }
            actor.rest(ctx);
        }));
    }

    /// Ends if everything that it knows is stored and nothing is to come.
    fn rest(&self, ctx: &mut Context<Self>) {
        let is_at_rest = self.state.is_none() && self.own == 0;
        if is_at_rest && self.home.rest(self.id, self.taken) {
            ctx.stop();
        }
    }

    /// Carries out the effects of a turn.
    fn act(&mut self, doing: Doing, ctx: &mut Context<Self>) {
        match doing {
            Doing::Call(connection, call, priority) => self.call(ctx, *connection, call, priority),
            Doing::Retire(connection, hook, print) => {
                self.own += 1;
                let services = Arc::clone(self.home.services());
                let retiring = retire(services, *connection, hook, print);
                let retiring = retiring.into_actor(self);
                ctx.spawn(retiring.map(|retired, actor, ctx| {
                    actor.say(OwnCause::Retired(retired), ctx);
                }));
            }
            Doing::Arm(timer, wait) => {
                let timers = &self.home.services().timers;
                timers.arm((self.id, timer), Instant::now() + wait);
            }
            Doing::Next(cause) => {
                self.own += 1;
                self.say(cause, ctx);
            }
            Doing::Later(cause, wait) => {
                self.own += 1;
                ctx.run_later(wait, |actor, ctx| actor.say(cause, ctx));
            }
            Doing::Stop => {
                self.home.remove(self.id);
                ctx.stop();
            }
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
        &mut self,
        ctx: &mut Context<Self>,
        connection: Connection,
        call: (Call, Vec<Vec<String>>),
        priority: Priority,
    ) {
        self.own += 1;
        let services = Arc::clone(self.home.services());
        let made = calls::make(services, connection, call, priority).into_actor(self);
        ctx.spawn(made.map(|called, actor, ctx| actor.say(OwnCause::Called(called), ctx)));
    }
}

impl Actor for ConnectionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let cause = match self.first {
            First::Begin => OwnCause::Begin,
            First::GiveUp => OwnCause::GiveUp,
            // A message waits.
            First::Wake => return,
        };
        self.turn(ctx, |turn| turn.take_own(cause));
    }
}

impl actix::Supervised for ConnectionActor {
    /// Drops all state: `started` comes next and reads it from the store.
    fn restarting(&mut self, _: &mut Context<Self>) {
        self.home.services().timers.forget(self.id);
        self.life = self.life.wrapping_add(1);
        (self.first, self.own) = (First::Begin, 0);
        self.state = Some(careful());
    }
}

impl Handler<Cause> for ConnectionActor {
    type Result = ();
    fn handle(&mut self, cause: Cause, ctx: &mut Context<Self>) {
        self.taken = self.taken.wrapping_add(1);
        // It was armed again meanwhile, or belongs to an earlier life.
        if let Cause::Fired(timer, at) = cause
            && !self.home.services().timers.take((self.id, timer), at)
        {
            return self.rest(ctx);
        }
        self.turn(ctx, |turn| turn.take(cause));
    }
}

impl Handler<Own> for ConnectionActor {
    type Result = ();
    fn handle(&mut self, Own { life, what }: Own, ctx: &mut Context<Self>) {
        if life == self.life {
            self.own -= 1;
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
