//! Removal of users: their connections are disconnected, their credentials are kept as long as a
//! hook is still to be deleted with them, and the user is deleted last.
//!
//! The removal of a user is stored before anything else happens (see
//! [`crate::domain::user::Removal`]), and each pass begins from stored data: after a crash, the
//! next pass continues.

use super::interface::CommandError;
use super::registry::Registry;
use super::services::Services;
use crate::domain::backoff::jittered;
use crate::domain::command::CommandKind;
use crate::domain::connection::Connection;
use crate::domain::errand::Priority;
use crate::domain::id::UserId;
use crate::domain::incident::health::resolve_all;
use crate::domain::incident::{Resolution, Subject};
use crate::domain::lifecycle::{Desired, Phase};
use crate::domain::user::{Removal, User};
use crate::store::{After, Batch, Change, CommitError, ReadError, pages};
use actix::prelude::*;
use futures_util::TryStreamExt;
use std::sync::Arc;
use std::time::Duration;

/// The interval of passes during a removal: hooks are being deleted meanwhile.
const BUSY: Duration = Duration::from_millis(250);
/// The longest pause when the rest cannot be removed for a while.
const STUCK: Duration = Duration::from_mins(1);

/// The actor that removes users.
pub(super) struct Remover {
    services: Arc<Services>,
    registry: Arc<Registry>,
    /// The next pass, while one is planned.
    planned: Option<SpawnHandle>,
    /// Passes in a row that found removals in progress.
    looks: u32,
}

/// Why a pass failed. The next one retries.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl Remover {
    pub(super) const fn new(services: Arc<Services>, registry: Arc<Registry>) -> Self {
        Self {
            services,
            registry,
            planned: None,
            looks: 0,
        }
    }

    /// Runs a pass, and repeats as long as a removal is in progress.
    fn look(&mut self, ctx: &mut Context<Self>) {
        self.planned = None;
        let services = Arc::clone(&self.services);
        let registry = Arc::clone(&self.registry);
        let looked = async move { look(&services, &registry).await };
        ctx.wait(looked.into_actor(self).map(|is_done, remover, ctx| {
            if is_done {
                remover.looks = 0;
                return;
            }
            let wait = BUSY.saturating_mul(1 << remover.looks.min(10)).min(STUCK);
            remover.looks = remover.looks.saturating_add(1);
            let wait = jittered(wait, remover.services.ports.chance());
            remover.planned = Some(ctx.run_later(wait, Self::look));
        }));
    }
}

impl Actor for Remover {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.look(ctx);
    }
}

/// A removal has begun.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Begun;

impl Handler<Begun> for Remover {
    type Result = ();
    fn handle(&mut self, _: Begun, ctx: &mut Context<Self>) {
        if let Some(planned) = self.planned.take() {
            ctx.cancel_future(planned);
        }
        self.looks = 0;
        self.look(ctx);
    }
}

/// Ends the remover.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct StopRemoving;

impl Handler<StopRemoving> for Remover {
    type Result = ();
    fn handle(&mut self, _: StopRemoving, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

/// Does what can be done for all removals. Returns whether none is left.
async fn look(services: &Services, registry: &Arc<Registry>) -> bool {
    let users = match services.ports.store.users().await {
        Ok(users) => users,
        Err(error) => {
            tracing::warn!(%error, "users cannot be read; trying again");
            return false;
        }
    };
    let mut is_done = true;
    for user in users {
        let Some(removal) = user.removal else {
            continue;
        };
        match remove_user(services, registry, &user, removal).await {
            Ok(true) => tracing::info!(user.id = %user.id, "user_removed"),
            Ok(false) => is_done = false,
            Err(error) => {
                tracing::warn!(user.id = %user.id, %error, "a user is still being removed");
                is_done = false;
            }
        }
    }
    is_done
}

/// Whether a connection still has to be disconnected.
const fn must_disconnect(connection: &Connection, removal: Removal) -> bool {
    match connection.lifecycle.desired {
        Desired::Active | Desired::Paused => true,
        // The admin gave up on a hook that cannot be deleted.
        Desired::Removed { delete_hook } => delete_hook && !removal.delete_hooks,
    }
}

/// A step of a removal. Returns whether it was the last.
async fn remove_user(
    services: &Services,
    registry: &Arc<Registry>,
    user: &User,
    removal: Removal,
) -> Result<bool, Trouble> {
    let (mut left, mut trouble) = (0_usize, None);
    let store = &services.ports.store;
    let of_user = |after| store.connections_of(user.id, after);
    let mut connections = pages(of_user, |c: &Connection| c.id);
    while let Some(page) = connections.try_next().await? {
        let present = |c: &Connection| c.lifecycle.phase != Phase::Removed;
        for connection in page.into_iter().filter(present) {
            left += 1;
            if must_disconnect(&connection, removal) {
                let delete_hook = removal.delete_hooks;
                let kind = CommandKind::Disconnect { delete_hook };
                let asked = registry.want(connection.id, kind, Priority::Person).await;
                // A connection that does not accept it now delays no other.
                trouble = trouble.or(asked.err());
            }
        }
    }
    if left > 0 {
        return trouble.map_or(Ok(false), |error| Err(error.into()));
    }
    forget(services, user.id).await?;
    Ok(true)
}

/// Nothing belongs to the user any more.
async fn forget(services: &Services, id: UserId) -> Result<(), Trouble> {
    for credential in services.ports.store.credentials(id).await? {
        services.pool.remove(credential.id).await?;
    }
    loop {
        let operations = services.ports.store.operations_of(id, After::first(100));
        let operations = operations.await?.items;
        if operations.is_empty() {
            break;
        }
        let forget = operations.iter().map(|it| Change::ForgetOperation(it.id));
        services
            .ports
            .store
            .commit(Batch::of(forget.collect()))
            .await?;
    }
    let sinks = services.ports.store.sinks_of(id).await?;
    let mut changes: Vec<Change> = sinks.iter().map(|it| Change::DeleteSink(it.id)).collect();
    for sink in sinks {
        let unresolved = services
            .ports
            .store
            .unresolved_incidents(Subject::Sink(sink.id));
        let unresolved = unresolved.await?;
        let ended = resolve_all(unresolved, Resolution::Disconnected, services.ports.now());
        changes.extend(ended.map(|it| Change::PutIncident(Box::new(it))));
    }
    changes.push(Change::DeleteUser(id));
    let batch = Batch::of(changes);
    Ok(services.ports.store.commit(batch).await?)
}
