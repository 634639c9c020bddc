//! The warden: starts the actors of connections, and is told when one falls.

use super::connection::ConnectionActor;
use super::plan::{Edit, plan};
use super::router::Registry;
use super::services::Services;
use super::supervise::{Exit, start};
use crate::domain::id::ConnectionId;
use crate::domain::lifecycle::{Input, SuspendReason};
use crate::store::Batch;
use crate::telemetry::metric;
use actix::prelude::*;
use metrics::counter;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait before the suspension of a connection is stored again.
const SUSPEND_RETRY: Duration = Duration::from_secs(1);

/// The warden.
pub(super) struct Warden {
    services: Arc<Services>,
    registry: Arc<Registry>,
    arbiters: Vec<Arbiter>,
    is_stopping: bool,
}

impl Warden {
    pub(super) fn new(services: Arc<Services>, registry: Arc<Registry>) -> Self {
        let arbiters = (0..services.settings.arbiters)
            .map(|_| Arbiter::new())
            .collect();
        Self {
            services,
            registry,
            arbiters,
            is_stopping: false,
        }
    }

    /// The thread that a connection lives on. Without threads of its own: this one.
    fn arbiter_of(&self, id: ConnectionId) -> ArbiterHandle {
        let count = self.arbiters.len().max(1) as u128;
        let index = usize::try_from(id.as_u128() % count).expect("less than the number of threads");
        self.arbiters
            .get(index)
            .map_or_else(Arbiter::current, Arbiter::handle)
    }

    fn start_connection(&self, id: ConnectionId, ctx: &Context<Self>) {
        if self.is_stopping || self.registry.get(id).is_some() {
            return;
        }
        let (services, warden) = (Arc::clone(&self.services), ctx.address());
        let policy = services.settings.supervision;
        let address = start(
            &self.arbiter_of(id),
            policy,
            move || ConnectionActor::new(services, id),
            move |exit| warden.do_send(Exited(id, exit)),
        );
        self.registry.insert(id, address);
    }

    /// Suspends a connection whose actor is given up. The warden may write it: nobody else lives
    /// who could.
    fn suspend(&mut self, id: ConnectionId, ctx: &mut Context<Self>) {
        let Ok(Some(connection)) = self.services.ports.store.connection(id).ready() else {
            return;
        };
        let input = Some(Input::GaveUp(SuspendReason::Panics));
        let planned = plan(&self.services, &connection, input, Edit::default());
        let Ok(plan) = planned else { return };
        let committing = self
            .services
            .ports
            .store
            .commit(Batch::of(plan.changes))
            .into_actor(self);
        ctx.spawn(committing.map(move |result, _, ctx| {
            if let Err(error) = result {
                tracing::error!(connection.id = %id, %error, "a suspension could not be stored");
                ctx.run_later(SUSPEND_RETRY, move |warden, ctx| warden.suspend(id, ctx));
            }
        }));
    }
}

impl Actor for Warden {
    type Context = Context<Self>;
}

/// Starts a connection's actor, unless it lives.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Start(pub(super) ConnectionId);

impl Handler<Start> for Warden {
    type Result = ();
    fn handle(&mut self, Start(id): Start, ctx: &mut Context<Self>) {
        self.start_connection(id, ctx);
    }
}

/// What became of a connection's actor.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
struct Exited(ConnectionId, Exit);

impl Handler<Exited> for Warden {
    type Result = ();
    fn handle(&mut self, Exited(id, exit): Exited, ctx: &mut Context<Self>) {
        match exit {
            Exit::Panicked => {
                tracing::error!(
                    connection.id = %id,
                    "the actor of a connection panicked; restarting it"
                );
                counter!(metric::PANICS).increment(1);
            }
            Exit::GaveUp => {
                tracing::error!(connection.id = %id, "the actor of a connection keeps panicking");
                counter!(metric::PANICS).increment(1);
                self.registry.remove(id);
                self.suspend(id, ctx);
            }
            Exit::Finished => {
                self.registry.remove(id);
            }
        }
    }
}

/// Stops all threads of actors. What was committed is safe; what was not is made up for at the
/// next start.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct StopAll;

impl Handler<StopAll> for Warden {
    type Result = ();
    fn handle(&mut self, _: StopAll, _: &mut Context<Self>) {
        self.is_stopping = true;
        self.registry.clear();
        // Not waited for: an actor that is stuck must not hold up the end of the process.
        for arbiter in self.arbiters.drain(..) {
            arbiter.stop();
        }
    }
}
