//! The sweeper: renews grants in advance, also unused ones, and has the connections of dead
//! credentials checked.

use super::connection::{Cause, Wanted};
use super::registry::Registry;
use super::services::Services;
use crate::domain::backoff::jittered;
use crate::domain::command::CommandKind;
use crate::domain::connection::{Connection, CredentialUse};
use crate::domain::errand::Priority;
use crate::domain::id::CredentialId;
use crate::domain::lifecycle::Phase;
use crate::store::After;
use actix::prelude::*;
use futures_util::stream;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

/// Interval at which grants are checked.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// Connections of a dead credential that are read at a time.
const PAGE: usize = 200;

/// The actor that sweeps.
pub(super) struct Sweeper {
    services: Arc<Services>,
    registry: Arc<Registry>,
}

impl Sweeper {
    /// Starts it on this thread. It listens for dead credentials.
    pub(super) fn start_on(
        services: Arc<Services>,
        registry: Arc<Registry>,
        deaths: UnboundedReceiver<CredentialId>,
    ) -> Addr<Self> {
        Self::create(|ctx| {
            ctx.add_stream(stream::unfold(deaths, async |mut deaths| {
                deaths.recv().await.map(|id| (Died(id), deaths))
            }));
            Self { services, registry }
        })
    }

    fn sweep(&self, ctx: &mut Context<Self>) {
        let pool = Arc::clone(&self.services.pool);
        let swept = async move { pool.sweep().await }.into_actor(self);
        ctx.spawn(swept.map(|(), sweeper, ctx| {
            let wait = jittered(SWEEP_EVERY, sweeper.services.ports.chance());
            ctx.run_later(wait, |sweeper, ctx| sweeper.sweep(ctx));
        }));
    }
}

/// Checks the connections that used a credential: each continues with another, or is suspended.
async fn rouse(services: Arc<Services>, registry: Arc<Registry>, dead: CredentialId) {
    let store = &services.ports.store;
    let Ok(Some(credential)) = store.credential(dead).await else {
        return;
    };
    let mut last = None;
    loop {
        let after = After { last, limit: PAGE };
        let Ok(page) = store.connections_using(dead, credential.owner, after).await else {
            return;
        };
        last = page.items.last().map(|c| c.id);
        rouse_each(&registry, dead, page.items);
        if !page.has_more || last.is_none() {
            return;
        }
    }
}

fn rouse_each(registry: &Registry, dead: CredentialId, using: Vec<Connection>) {
    for connection in using {
        let is_waiting = matches!(connection.lifecycle.phase, Phase::Suspended(_));
        let used = connection.credential_used.map(CredentialUse::id);
        if used != Some(dead) || !connection.is_enabled() || is_waiting {
            continue;
        }
        if let Some(actor) = registry.get(connection.id) {
            // No caller waits for the answer.
            let (answer, _) = oneshot::channel();
            actor.do_send(Cause::Wanted(Box::new(Wanted {
                kind: CommandKind::Check,
                priority: Priority::Check,
                answer,
            })));
        }
    }
}

impl Actor for Sweeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.sweep(ctx);
    }
}

/// A credential no longer works.
struct Died(CredentialId);

impl StreamHandler<Died> for Sweeper {
    fn handle(&mut self, Died(id): Died, ctx: &mut Context<Self>) {
        let (services, registry) = (Arc::clone(&self.services), Arc::clone(&self.registry));
        ctx.spawn(rouse(services, registry, id).into_actor(self));
    }

    /// It continues sweeping.
    fn finished(&mut self, _: &mut Context<Self>) {}
}

/// Ends the sweeper.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct StopSweeping;

impl Handler<StopSweeping> for Sweeper {
    type Result = ();
    fn handle(&mut self, _: StopSweeping, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
