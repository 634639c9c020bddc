//! The warden: starts the actors of connections, and is notified when one panics or ends.

use super::connection::{Cause, ConnectionActor, Wanted};
use super::interface::CommandError;
use super::registry::Registry;
use super::services::Services;
use super::supervise::{Exit, start};
use crate::domain::command::CommandKind;
use crate::domain::errand::Priority;
use crate::domain::id::ConnectionId;
use crate::telemetry::metric;
use actix::prelude::*;
use metrics::counter;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Longest wait for a connection's actor to take a command: it may be restarting.
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// The wait before an actor is replaced whose predecessor panicked too often, too.
const REPLACE_PAUSE: Duration = Duration::from_mins(1);

/// The warden.
pub(super) struct Warden {
    services: Arc<Services>,
    registry: Arc<Registry>,
    arbiters: Vec<Arbiter>,
    /// Its own address, shared by all supervised actors.
    address: Arc<Addr<Self>>,
    is_stopping: bool,
}

impl Warden {
    /// Starts it on this thread.
    pub(super) fn start_on(services: Arc<Services>, registry: Arc<Registry>) -> Addr<Self> {
        Self::create(|ctx| {
            let count = services.settings.arbiters;
            Self {
                services,
                registry,
                arbiters: (0..count).map(|_| Arbiter::new()).collect(),
                address: Arc::new(ctx.address()),
                is_stopping: false,
            }
        })
    }

    /// The thread that a connection lives on. Without threads of its own: this one.
    fn arbiter_of(&self, id: ConnectionId) -> ArbiterHandle {
        let count = self.arbiters.len().max(1) as u128;
        let index = usize::try_from(id.as_u128() % count).expect("less than the number of threads");
        self.arbiters
            .get(index)
            .map_or_else(Arbiter::current, Arbiter::handle)
    }

    /// Starts the actor of a connection, unless it runs. One that replaces an actor that panicked
    /// too often first suspends the connection.
    fn start_connection(&self, id: ConnectionId, gives_up: bool) {
        if self.is_stopping || self.registry.get(id).is_some() {
            return;
        }
        let (services, warden) = (Arc::clone(&self.services), Arc::clone(&self.address));
        let address = start(
            &self.arbiter_of(id),
            services.settings.supervision,
            move || ConnectionActor::new(services, id, gives_up),
            move |exit| warden.do_send(Exited { id, exit, gives_up }),
        );
        self.registry.insert(id, address);
    }
}

impl Actor for Warden {
    type Context = Context<Self>;
}

/// Starts a connection's actor, unless it runs.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Start(pub(super) ConnectionId);

impl Handler<Start> for Warden {
    type Result = ();
    fn handle(&mut self, Start(id): Start, _: &mut Context<Self>) {
        self.start_connection(id, false);
    }
}

/// The fate of a connection's actor.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
struct Exited {
    id: ConnectionId,
    exit: Exit,
    gives_up: bool,
}

impl Handler<Exited> for Warden {
    type Result = ();
    fn handle(&mut self, exited: Exited, ctx: &mut Context<Self>) {
        let Exited { id, exit, gives_up } = exited;
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
                let pause = if gives_up {
                    REPLACE_PAUSE
                } else {
                    Duration::ZERO
                };
                ctx.run_later(pause, move |warden, _| warden.start_connection(id, true));
            }
            Exit::Finished => self.registry.remove(id),
        }
    }
}

/// Stops all threads of actors. Committed data is safe; the rest is repeated at the next start.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct StopAll;

impl Handler<StopAll> for Warden {
    type Result = ();
    fn handle(&mut self, _: StopAll, ctx: &mut Context<Self>) {
        self.is_stopping = true;
        self.registry.clear();
        // Not waited for: a blocked actor must not delay the end of the process.
        for arbiter in self.arbiters.drain(..) {
            arbiter.stop();
        }
        // It has its own address, so it would not end by itself, and would hold the store.
        ctx.stop();
    }
}

/// The actor of a connection, started if necessary.
pub(super) async fn actor_of(
    services: &Services,
    registry: &Registry,
    warden: &Addr<Warden>,
    id: ConnectionId,
) -> Result<Addr<ConnectionActor>, CommandError> {
    if registry.get(id).is_none() {
        if services.ports.store.connection(id).await?.is_none() {
            return Err(CommandError::NoSuchConnection);
        }
        let _ = warden.send(Start(id)).await;
    }
    registry.get(id).ok_or(CommandError::Unavailable)
}

/// Sends a connection's actor a request that follows from stored data.
pub(super) async fn want(
    actor: &Addr<ConnectionActor>,
    kind: CommandKind,
    priority: Priority,
) -> Result<(), CommandError> {
    let (answer, answered) = oneshot::channel();
    actor.do_send(Cause::Wanted(Box::new(Wanted {
        kind,
        priority,
        answer,
    })));
    match tokio::time::timeout(COMMAND_TIMEOUT, answered).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) | Err(_) => Err(CommandError::Unavailable),
    }
}
