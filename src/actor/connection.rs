//! The actor of one connection: the only one who writes it, its runs and its incidents.
//!
//! Every step goes the same way: plan it from the present state, commit the plan, adopt it, act.
//! While a commit is under way the actor handles nothing else, so there is no state between. A
//! plan whose commit fails is dropped; what caused it is kept and planned anew, except for
//! commands, whose senders are told.
//!
//! `started` runs after birth and after every panic alike: it reads the state from the store and
//! sends itself [`Input::Recovered`]. There is no other way in.

mod calls;
mod commands;
mod deliveries;
mod doubt;
mod turn;

use super::Command;
use super::CommandError;
use super::farewell::Farewell;
use super::plan::{Act, Edit, Plan, plan};
use super::secrets;
use super::services::Services;
use crate::domain::connection::{Connection, CredentialUse};
use crate::domain::errand::Priority;
use crate::domain::id::{ConnectionId, DeliveryId};
use crate::domain::lifecycle::{Call, Input, Observation, Timer};
use crate::store::Batch;
use actix::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
pub(super) use turn::MoveTurn;

/// How long to wait before a step is planned anew whose commit failed.
const COMMIT_RETRY: Duration = Duration::from_millis(500);

/// The actor.
pub(super) struct ConnectionActor {
    services: Arc<Services>,
    id: ConnectionId,
    /// The state as committed; `None` before it was read, or when it is gone.
    connection: Option<Connection>,
    /// The number of times each timer was armed: a timer of an earlier time does nothing.
    epochs: BTreeMap<Timer, u64>,
    /// Who waits for the outstanding call to end.
    waiting: Vec<oneshot::Sender<()>>,
    /// Who has disconnected, and waits for what becomes of the hook.
    leaving: Vec<Leaving>,
    /// After a panic deliveries are processed one at a time, each with its try counted first.
    careful: bool,
    /// The delivery whose try is counted already, and which has not panicked since.
    counted: Option<DeliveryId>,
    /// That it is this hook's turn to be moved.
    move_turn: Option<MoveTurn>,
    /// What deliveries with wrong signatures have against the hook.
    doubts: doubt::Doubts,
    is_draining: bool,
    /// A person waits for the call that is outstanding, or about to be.
    is_awaited: bool,
    /// Goes up with every restart.
    life: u64,
}

/// Where to say what became of the hook of a connection that was disconnected.
pub(super) type Leaving = oneshot::Sender<Farewell>;

/// Work that is done when a plan was committed.
type Then =
    Box<dyn FnOnce(&mut ConnectionActor, &mut Context<ConnectionActor>, Result<(), CommandError>)>;

impl ConnectionActor {
    pub(super) fn new(services: Arc<Services>, id: ConnectionId) -> Self {
        Self {
            services,
            id,
            connection: None,
            epochs: BTreeMap::new(),
            waiting: Vec::new(),
            leaving: Vec::new(),
            careful: false,
            counted: None,
            move_turn: None,
            doubts: doubt::Doubts::default(),
            is_draining: false,
            is_awaited: false,
            life: 0,
        }
    }

    /// Plans a step and commits it. On a failure `then` is told, and nothing has changed.
    fn go(&mut self, ctx: &mut Context<Self>, input: Option<Input>, edit: Edit, then: Then) {
        let Some(present) = &self.connection else {
            return then(self, ctx, Err(CommandError::NoSuchConnection));
        };
        let plan = match plan(&self.services, present, input, edit) {
            Ok(plan) => plan,
            Err(error) => return then(self, ctx, Err(error.into())),
        };
        self.commit(ctx, plan, then);
    }

    fn commit(&mut self, ctx: &mut Context<Self>, mut plan: Plan, then: Then) {
        let batch = Batch::of(std::mem::take(&mut plan.changes));
        let committing = self.services.ports.store.commit(batch).into_actor(self);
        ctx.wait(committing.map(move |result, actor, ctx| match result {
            Ok(()) => {
                actor.adopt(plan, ctx);
                then(actor, ctx, Ok(()));
            }
            Err(error) => then(actor, ctx, Err(error.into())),
        }));
    }

    /// Takes a step that nobody can repeat for us: when it cannot be committed, it is tried again
    /// until it is.
    fn must(&mut self, ctx: &mut Context<Self>, input: Input, edit: Edit) {
        let (again, edit_again) = (input.clone(), edit.clone());
        self.go(
            ctx,
            Some(input),
            edit,
            Box::new(move |actor, ctx, result| {
                if let Err(error) = result {
                    actor.complain(&error);
                    if actor.connection.is_some() {
                        ctx.run_later(COMMIT_RETRY, move |actor, ctx| {
                            actor
                                .in_turn(ctx, move |actor, ctx| actor.must(ctx, again, edit_again));
                        });
                    }
                }
            }),
        );
    }

    fn complain(&self, error: &CommandError) {
        tracing::warn!(
            connection.id = %self.id,
            %error,
            "a step could not be stored; trying again"
        );
    }

    /// The plan is durable: make it the state, and do what follows from it.
    fn adopt(&mut self, plan: Plan, ctx: &mut Context<Self>) {
        let (is_end, farewell) = (plan.is_end(), plan.farewell());
        let is_outstanding = plan.connection.lifecycle.call_outstanding();
        self.tell_switch(&plan.connection);
        self.note_address(&plan.connection);
        self.connection = Some(plan.connection);
        for act in plan.acts {
            match act {
                Act::Call(call) => self.call(ctx, call),
                Act::Arm(timer, wait) => self.arm(ctx, timer, wait),
                Act::Tell(observation) => self.tell(observation, farewell),
            }
        }
        if !is_outstanding {
            self.is_awaited = false;
            // Whoever waited and went away does not care.
            for waiting in self.waiting.drain(..) {
                let _ = waiting.send(());
            }
            for leaving in self.leaving.drain(..) {
                let _ = leaving.send(farewell);
            }
        }
        if is_end {
            self.connection = None;
            ctx.stop();
        }
    }

    fn arm(&mut self, ctx: &mut Context<Self>, timer: Timer, wait: Duration) {
        let epoch = self.epochs.entry(timer).or_default();
        *epoch += 1;
        let armed = *epoch;
        ctx.run_later(wait, move |actor, ctx| {
            actor.in_turn(ctx, move |actor, ctx| {
                if actor.epochs.get(&timer) == Some(&armed) {
                    actor.must(ctx, Input::TimerFired(timer), Edit::default());
                }
            });
        });
    }

    /// Says so when another credential took over.
    fn tell_switch(&self, next: &Connection) {
        let before = self.connection.as_ref().and_then(|c| c.credential_used);
        let (Some(before), Some(after)) = (before, next.credential_used) else {
            return;
        };
        if before != after {
            let is_shared = matches!(after, CredentialUse::Shared(_));
            tracing::warn!(
                connection.id = %self.id,
                credential.id = %after.id(),
                credential.before = %before.id(),
                is_shared,
                "credential_switched"
            );
        }
    }

    fn tell(&self, observation: Observation, farewell: Farewell) {
        let Some(c) = &self.connection else { return };
        let (id, repository) = (c.id, &c.full_name);
        match observation {
            // The call tells whether it was made or found.
            Observation::HookEnsured(_) => {}
            Observation::HookDrifted => {
                tracing::warn!(connection.id = %id, %repository, "webhook_drifted");
            }
            Observation::HookRepaired => {
                tracing::info!(connection.id = %id, %repository, "webhook_repaired");
            }
            Observation::HookRewritten => {
                tracing::info!(connection.id = %id, %repository, "webhook_rewritten");
            }
            Observation::HookLost => {
                tracing::warn!(connection.id = %id, %repository, "webhook_lost");
            }
            Observation::HookDisabled { permanently } => {
                tracing::warn!(
                    connection.id = %id,
                    %repository,
                    permanently,
                    "webhook_disabled"
                );
            }
            Observation::HookEnabled => {
                tracing::info!(connection.id = %id, %repository, "webhook_enabled");
            }
            Observation::HookSilent => {
                tracing::warn!(connection.id = %id, %repository, "webhook_silent");
            }
            Observation::HookHeard => {
                tracing::info!(connection.id = %id, %repository, "webhook_heard");
            }
            Observation::Suspended(reason) => {
                let reason = reason.as_str();
                tracing::error!(connection.id = %id, %repository, reason, "webhook_suspended");
            }
            Observation::Resumed => {
                tracing::info!(connection.id = %id, %repository, "webhook_resumed");
            }
            Observation::Removed if farewell == Farewell::Deleted => {
                tracing::info!(connection.id = %id, %repository, "webhook_deleted");
            }
            Observation::Removed => {
                let webhook = farewell.as_str();
                tracing::info!(connection.id = %id, %repository, webhook, "connection_removed");
            }
        }
    }

    fn call(&mut self, ctx: &mut Context<Self>, call: Call) {
        let Some(connection) = self.connection.clone() else {
            return;
        };
        let priority = calls::priority(&connection, call, self.is_awaited);
        let services = Arc::clone(&self.services);
        let made = calls::make(services, connection, call, priority).into_actor(self);
        ctx.spawn(made.map(|called, actor, ctx| {
            let calls::Called { input, mut edit } = called;
            actor.in_turn(ctx, move |actor, ctx| {
                actor.weigh(ctx, &input, &mut edit);
                actor.end_turn(&input);
                actor.must(ctx, input, *edit);
            });
        }));
    }
}

/// Something to do when no commit is under way, unless the actor fell meanwhile.
#[derive(Message)]
#[rtype(result = "()")]
struct InTurn {
    /// The life that it belongs to: messages survive a restart, and what they speak of does not.
    life: u64,
    act: Doing,
}

/// What is to be done.
type Doing = Box<dyn FnOnce(&mut ConnectionActor, &mut Context<ConnectionActor>) + Send>;

impl ConnectionActor {
    /// Lets `act` come in turn, as a message. What a timer or the end of a call brings must come
    /// this way: actix polls one spawned future after the mailbox even if a message has just
    /// called `ctx.wait`, and a plan made then would start from a state that is about to be
    /// replaced. For the same reason [`Nudge`] is sent and not given to `ctx.notify`, which
    /// spawns it.
    fn in_turn(
        &self,
        ctx: &Context<Self>,
        act: impl FnOnce(&mut Self, &mut Context<Self>) + Send + 'static,
    ) {
        let (life, act) = (self.life, Box::new(act));
        ctx.address().do_send(InTurn { life, act });
    }

    /// Reads the state, and goes on from there.
    fn begin(&mut self, ctx: &mut Context<Self>) {
        match self.services.ports.store.connection(self.id).ready() {
            Ok(connection) => self.connection = connection,
            Err(error) => {
                tracing::error!(connection.id = %self.id, %error, "a connection cannot be read");
                ctx.run_later(COMMIT_RETRY, |actor, ctx| {
                    actor.in_turn(ctx, Self::begin);
                });
                return;
            }
        }
        let Some(connection) = &self.connection else {
            return ctx.stop();
        };
        let resealed = secrets::resealed(&self.services.ports, connection);
        let edit = Edit {
            resealed,
            ..Edit::default()
        };
        self.must(ctx, Input::Recovered, edit);
        ctx.address().do_send(Nudge);
    }
}

impl Handler<InTurn> for ConnectionActor {
    type Result = ();
    fn handle(&mut self, InTurn { life, act }: InTurn, ctx: &mut Context<Self>) {
        if life == self.life {
            act(self, ctx);
        }
    }
}

impl Actor for ConnectionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.begin(ctx);
    }
}

impl actix::Supervised for ConnectionActor {
    /// Forgets everything: `started` comes next and reads it from the store.
    fn restarting(&mut self, _: &mut Context<Self>) {
        *self = Self {
            life: self.life.wrapping_add(1),
            careful: true,
            ..Self::new(Arc::clone(&self.services), self.id)
        };
    }
}

/// There may be deliveries to process.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Nudge;

impl Handler<Nudge> for ConnectionActor {
    type Result = ();
    fn handle(&mut self, _: Nudge, ctx: &mut Context<Self>) {
        self.drain(ctx);
    }
}

/// What arrived without being stored.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) enum Word {
    /// An authentic delivery that was stored before.
    Heard,
    /// Something that none of the secrets signed.
    Rejected {
        /// How often.
        times: u32,
    },
}

impl Handler<Word> for ConnectionActor {
    type Result = ();
    fn handle(&mut self, word: Word, ctx: &mut Context<Self>) {
        match word {
            Word::Heard => self.hear(ctx),
            Word::Rejected { times } => self.doubt(ctx, times),
        }
    }
}

impl ConnectionActor {
    /// The way from the provider works. Stored only when that is news: whoever repeats a delivery
    /// all day long causes no writes.
    fn hear(&mut self, ctx: &mut Context<Self>) {
        self.doubts.hear();
        let Some(connection) = &self.connection else {
            return;
        };
        let lifecycle = &connection.lifecycle;
        if !lifecycle.heard || lifecycle.pings_unanswered > 0 {
            let edit = Edit {
                delivery_at: Some(self.services.ports.now()),
                ..Edit::default()
            };
            self.must(ctx, Input::DeliveryArrived { hook: None }, edit);
        }
    }
}

/// Asks to be told when no provider call is outstanding.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct WhenSettled(pub(super) oneshot::Sender<()>);

impl Handler<WhenSettled> for ConnectionActor {
    type Result = ();
    fn handle(&mut self, message: WhenSettled, _: &mut Context<Self>) {
        let is_outstanding = self
            .connection
            .as_ref()
            .is_some_and(|c| c.lifecycle.call_outstanding());
        if is_outstanding {
            self.waiting.push(message.0);
        } else {
            let _ = message.0.send(());
        }
    }
}

/// A command, and where to answer.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Obey {
    pub(super) command: Command,
    /// How urgent the calls are that follow.
    pub(super) priority: Priority,
    pub(super) answer: oneshot::Sender<Result<(), CommandError>>,
    /// Where to say what becomes of the hook, when the command is to disconnect.
    pub(super) leaving: Option<Leaving>,
}

impl Handler<Obey> for ConnectionActor {
    type Result = ();
    fn handle(&mut self, obey: Obey, ctx: &mut Context<Self>) {
        let Obey {
            command,
            priority,
            answer,
            leaving,
        } = obey;
        self.leaving.extend(leaving);
        self.is_awaited |= priority == Priority::Person;
        self.obey(ctx, command, answer);
    }
}

/// Ends the actor where it is, as a crash would.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Die;

#[cfg(test)]
impl Handler<Die> for ConnectionActor {
    type Result = ();
    fn handle(&mut self, _: Die, ctx: &mut Context<Self>) {
        ctx.terminate();
    }
}
