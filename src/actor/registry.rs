//! The registry: where the actors of connections are, and how they start and end.
//!
//! An actor at rest keeps nothing, so it does not run at all (ADR 24). The registry starts it with
//! the next message for it. An actor ends only through [`Home::rest`], which compares the
//! messages that were sent with those that it has taken, while none can be sent: so no message is
//! lost, and no connection ever has two actors at work.

use super::connection::{Cause, ConnectionActor, First, Home, Wanted};
use super::interface::CommandError;
use super::services::Services;
use super::supervise::{Exit, start};
use crate::domain::command::CommandKind;
use crate::domain::errand::Priority;
use crate::domain::id::ConnectionId;
use crate::telemetry::metric;
use actix::prelude::*;
use metrics::{counter, gauge};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// Longest wait for a connection's actor to take a command: it may be restarting.
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// The wait before an actor is replaced whose predecessor panicked too often, too.
const REPLACE_PAUSE: Duration = Duration::from_mins(1);
/// Connections that take their first step at once after a start ...
const BEGIN_AT_ONCE: usize = 1000;
/// ... and how many of the others at a time at least, and how often. With any number, all have
/// begun after ten minutes.
const BEGIN_CHUNK: usize = 20;
const BEGIN_EVERY: Duration = Duration::from_millis(200);
const BEGIN_STEPS: usize = 3000;

/// Where the actor of a connection is.
#[derive(Debug)]
enum Place {
    /// Its state is in the store.
    AtRest {
        /// Whether it has taken its first step in this process.
        has_begun: bool,
    },
    Running {
        address: Addr<ConnectionActor>,
        /// Messages that were sent to it.
        sent: AtomicU32,
    },
}

#[derive(Debug, Default)]
struct Places {
    all: HashMap<ConnectionId, Place>,
    is_closed: bool,
}

/// Where the actors of connections are.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) services: Arc<Services>,
    /// The threads that actors live on.
    arbiters: Vec<ArbiterHandle>,
    places: RwLock<Places>,
}

impl Home for Registry {
    fn services(&self) -> &Arc<Services> {
        &self.services
    }

    fn rest(&self, id: ConnectionId, taken: u32) -> bool {
        let mut places = self.places.write();
        let Some(place) = places.all.get_mut(&id) else {
            return false;
        };
        let is_idle = match place {
            Place::Running { sent, .. } => *sent.get_mut() == taken,
            Place::AtRest { .. } => false,
        };
        if is_idle {
            *place = Place::AtRest { has_begun: true };
        }
        is_idle
    }

    fn remove(&self, id: ConnectionId) {
        self.places.write().all.remove(&id);
        self.services.timers.forget(id);
        self.services.news.note_backlog(id, false);
        self.count();
    }
}

impl Registry {
    /// Knows these connections, all of which are at rest.
    pub(super) fn new(services: Arc<Services>, ids: &[ConnectionId]) -> Arc<Self> {
        let own = 0..services.settings.arbiters;
        let mut arbiters: Vec<_> = own.map(|_| Arbiter::new().handle()).collect();
        if arbiters.is_empty() {
            arbiters.push(Arbiter::current());
        }
        let at_rest = |id: &ConnectionId| (*id, Place::AtRest { has_begun: false });
        let places = Places {
            all: ids.iter().map(at_rest).collect(),
            is_closed: false,
        };
        let registry = Arc::new(Self {
            services,
            arbiters,
            places: RwLock::new(places),
        });
        registry.count();
        registry.services.moves.unseen(ids.len());
        registry
    }

    /// Starts the actor of a connection.
    fn start(self: &Arc<Self>, id: ConnectionId, first: First) -> Place {
        let count = self.arbiters.len() as u128;
        let index = usize::try_from(id.as_u128() % count).expect("less than the number of threads");
        let (registry, observer) = (Arc::clone(self), Arc::downgrade(self));
        let address = start(
            &self.arbiters[index],
            self.services.settings.supervision,
            move || ConnectionActor::new(registry, id, first),
            move |exit| {
                if let Some(registry) = observer.upgrade() {
                    registry.ended(id, exit, first);
                }
            },
        );
        Place::Running {
            address,
            sent: AtomicU32::new(0),
        }
    }

    /// Starts the actor of a connection that may be new, unless it runs.
    pub(super) fn add(self: &Arc<Self>, id: ConnectionId) {
        self.put(id, First::Begin);
    }

    fn put(self: &Arc<Self>, id: ConnectionId, first: First) {
        let mut places = self.places.write();
        let is_running = matches!(places.all.get(&id), Some(Place::Running { .. }));
        if !is_running && !places.is_closed {
            places.all.insert(id, self.start(id, first));
        }
        drop(places);
        self.count();
    }

    /// Has a connection take its first step in this process. Returns whether it had not yet.
    fn begin(self: &Arc<Self>, id: ConnectionId) -> bool {
        let mut places = self.places.write();
        match places.all.get_mut(&id) {
            Some(place @ Place::AtRest { has_begun: false }) => {
                *place = self.start(id, First::Begin);
                true
            }
            Some(Place::AtRest { .. } | Place::Running { .. }) | None => false,
        }
    }

    /// Has all connections take their first step: at once where something waits, and otherwise in
    /// an order and at a pace that leave the processor to others.
    pub(super) async fn begin_all(self: &Arc<Self>, ids: Vec<ConnectionId>) {
        let store = &self.services.ports.store;
        let told = |found: Result<Vec<ConnectionId>, _>| {
            found.unwrap_or_else(|error| {
                tracing::warn!(%error, "pending work cannot be read: connections start in turn");
                Vec::new()
            })
        };
        let mut busy = told(store.connections_with_commands().await);
        busy.extend(told(store.connections_with_pending().await));
        for id in busy {
            self.begin(id);
        }
        let unsettled = told(store.connections_unsettled().await);
        let (mut left, chunk) = (ids.len(), BEGIN_CHUNK.max(ids.len() / BEGIN_STEPS));
        let mut begun = 0;
        for id in unsettled.into_iter().chain(ids) {
            if self.begin(id) {
                begun += 1;
                if begun >= BEGIN_AT_ONCE && begun % chunk == 0 {
                    tokio::time::sleep(BEGIN_EVERY).await;
                    left = left.saturating_sub(chunk);
                    self.services.moves.unseen(left);
                }
            }
        }
        tokio::time::sleep(BEGIN_EVERY).await;
        self.services.moves.unseen(0);
    }

    /// Has something sent to a connection's actor, which is started if it is at rest. `None` when
    /// there is no such connection.
    fn send<T>(
        self: &Arc<Self>,
        id: ConnectionId,
        send: impl FnOnce(&Addr<ConnectionActor>) -> T,
    ) -> Option<T> {
        let places = self.places.read();
        if let Place::Running { address, sent } = places.all.get(&id)? {
            sent.fetch_add(1, Ordering::Relaxed);
            return Some(send(address));
        }
        drop(places);
        let mut places = self.places.write();
        let place = places.all.get_mut(&id)?;
        if let Place::AtRest { has_begun } = *place {
            let first = if has_begun { First::Wake } else { First::Begin };
            *place = self.start(id, first);
        }
        match place {
            Place::Running { address, sent } => {
                sent.fetch_add(1, Ordering::Relaxed);
                Some(send(address))
            }
            Place::AtRest { .. } => None,
        }
    }

    /// Sends a connection's actor a message. Returns whether there is such a connection.
    pub(super) fn tell(self: &Arc<Self>, id: ConnectionId, cause: Cause) -> bool {
        self.send(id, |address| address.do_send(cause)).is_some()
    }

    /// The same, and resolves when the message was taken.
    pub(super) fn ask(
        self: &Arc<Self>,
        id: ConnectionId,
        cause: Cause,
    ) -> Option<Request<ConnectionActor, Cause>> {
        self.send(id, |address| address.send(cause))
    }

    /// Sends a connection that may be new a message.
    pub(super) async fn reach(
        self: &Arc<Self>,
        id: ConnectionId,
        cause: Cause,
    ) -> Result<(), CommandError> {
        if !self.knows(id) {
            if self.services.ports.store.connection(id).await?.is_none() {
                return Err(CommandError::NoSuchConnection);
            }
            self.add(id);
        }
        let is_sent = self.tell(id, cause);
        is_sent.then_some(()).ok_or(CommandError::Unavailable)
    }

    /// Sends a connection's actor a request that follows from stored data, and waits for the
    /// answer.
    pub(super) async fn want(
        self: &Arc<Self>,
        id: ConnectionId,
        kind: CommandKind,
        priority: Priority,
    ) -> Result<(), CommandError> {
        let (answer, answered) = oneshot::channel();
        let wanted = Wanted {
            kind,
            priority,
            answer,
        };
        self.reach(id, Cause::Wanted(Box::new(wanted))).await?;
        match tokio::time::timeout(COMMAND_TIMEOUT, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(CommandError::Unavailable),
        }
    }

    /// An actor has panicked or ended. One that panicked too often is replaced by one that first
    /// suspends the connection.
    fn ended(self: &Arc<Self>, id: ConnectionId, exit: Exit, first: First) {
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
                self.remove(id);
                let pause = match first {
                    First::GiveUp => REPLACE_PAUSE,
                    First::Begin | First::Wake => Duration::ZERO,
                };
                let registry = Arc::downgrade(self);
                actix::spawn(async move {
                    tokio::time::sleep(pause).await;
                    if let Some(registry) = registry.upgrade() {
                        registry.put(id, First::GiveUp);
                    }
                });
            }
            // It is at rest, or has removed itself.
            Exit::Finished => {}
        }
    }

    /// Waits until no provider call of the connection is outstanding, at most for `within`. Returns
    /// whether that is so (also when the connection was removed).
    pub(super) async fn settled(self: &Arc<Self>, id: ConnectionId, within: Duration) -> bool {
        let (sender, settled) = oneshot::channel();
        // Through the mailbox, behind `started`: a new actor has begun its call by then.
        let Some(asked) = self.ask(id, Cause::WhenSettled(sender)) else {
            return true;
        };
        if asked.await.is_err() {
            return true;
        }
        match tokio::time::timeout(within, settled).await {
            Ok(Ok(())) => true,
            Ok(Err(_)) => !self.knows(id),
            Err(_) => false,
        }
    }

    fn count(&self) {
        gauge!(metric::ACTORS).set(metric::float(self.len() as u64));
    }

    /// Whether there is an actor for this connection, running or at rest.
    pub(super) fn knows(&self, id: ConnectionId) -> bool {
        self.places.read().all.contains_key(&id)
    }

    /// Stops all actors and their threads. Committed data is safe; the rest is repeated at the next
    /// start.
    pub(super) fn close(&self) {
        *self.places.write() = Places {
            all: HashMap::new(),
            is_closed: true,
        };
        // Not waited for: a blocked actor must not delay the end of the process.
        let own = self.services.settings.arbiters;
        for arbiter in self.arbiters.iter().take(own) {
            arbiter.stop();
        }
    }

    /// Connections that have an actor, running or at rest.
    pub(super) fn len(&self) -> usize {
        self.places.read().all.len()
    }
}

#[cfg(test)]
impl Registry {
    /// Ends all actors at once, as a crash would.
    pub(super) fn kill(&self) {
        let places = std::mem::take(&mut *self.places.write());
        self.places.write().is_closed = true;
        for place in places.all.into_values() {
            if let Place::Running { address, .. } = place {
                address.do_send(super::connection::Die);
            }
        }
    }

    /// Whether the actor of a connection does not run; `None` when there is none.
    pub(super) fn is_at_rest(&self, id: ConnectionId) -> Option<bool> {
        let places = self.places.read();
        let place = places.all.get(&id)?;
        Some(matches!(place, Place::AtRest { .. }))
    }
}
