//! The sweep: renews grants in good time, also those that nobody uses, and has the connections of
//! dead credentials look again.

use super::{Keeper, Need, ahead, renew};
use crate::actor::Command;
use crate::actor::connection::Obey;
use crate::actor::router::Registry;
use crate::actor::shared::World;
use crate::domain::backoff::jittered;
use crate::domain::connection::CredentialUse;
use crate::domain::errand::{Errand, Priority};
use crate::domain::grant::{Freshness, Grant};
use crate::domain::id::{ConnectionId, CredentialId};
use crate::domain::lifecycle::Phase;
use crate::domain::user::Credential;
use actix::prelude::*;
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often grants are looked at.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// Most refreshes that a sweep has under way.
const AT_ONCE_MAX: usize = 4;

impl Keeper {
    /// Says that a credential no longer works.
    pub(super) fn bury(&self, id: CredentialId) {
        if let Some(undertaker) = self.undertaker.get() {
            undertaker.do_send(Died(id));
        }
    }
}

/// The actor that sweeps.
pub(in crate::actor) struct Sweeper {
    world: Arc<World>,
    registry: Arc<Registry>,
}

impl Sweeper {
    pub(in crate::actor) const fn new(world: Arc<World>, registry: Arc<Registry>) -> Self {
        Self { world, registry }
    }

    fn sweep(&self, ctx: &mut Context<Self>) {
        let swept = sweep(Arc::clone(&self.world)).into_actor(self);
        ctx.spawn(swept.map(|(), sweeper, ctx| {
            let wait = jittered(SWEEP_EVERY, sweeper.world.chance());
            ctx.run_later(wait, |sweeper, ctx| sweeper.sweep(ctx));
        }));
    }

    /// Has the connections look that used a credential: each goes on with another, or is
    /// suspended.
    fn rouse(&self, dead: CredentialId) {
        let ids = self
            .world
            .store
            .connection_ids()
            .ready()
            .unwrap_or_default();
        for id in ids.into_iter().filter(|id| self.is_touched(*id, dead)) {
            if let Some(actor) = self.registry.get(id) {
                // Nobody waits for the answer.
                let (answer, _) = oneshot::channel();
                let command = Command::Check;
                let priority = Priority::Check;
                actor.do_send(Obey {
                    command,
                    priority,
                    answer,
                    leaving: None,
                });
            }
        }
    }

    fn is_touched(&self, id: ConnectionId, dead: CredentialId) -> bool {
        let Ok(Some(connection)) = self.world.store.connection(id).ready() else {
            return false;
        };
        let is_waiting = matches!(connection.lifecycle.phase, Phase::Suspended(_));
        let used = connection.credential_used.map(CredentialUse::id);
        used == Some(dead) && connection.is_enabled() && !is_waiting
    }
}

impl Actor for Sweeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let undertaker = ctx.address().recipient();
        // Only the first one in a world is told: there is one.
        let _ = self.world.keeper.undertaker.set(undertaker);
        self.sweep(ctx);
    }
}

/// Renews what needs it. A refresh that a crash cut off is among that.
pub(super) async fn sweep(world: Arc<World>) {
    let credentials = match world.store.all_credentials().await {
        Ok(credentials) => credentials,
        Err(error) => {
            tracing::warn!(%error, "credentials cannot be read; trying again");
            return;
        }
    };
    let now = world.now();
    let is_due = |credential: &Credential| match &credential.grant {
        Grant::Oauth(grant) => {
            credential.rejected.is_none() && grant.freshness_for_sweep(now) != Freshness::Fresh
        }
        // Made when needed.
        Grant::Token { .. } | Grant::App { .. } => false,
    };
    let due: Vec<(CredentialId, Errand)> = credentials
        .iter()
        .filter(|credential| is_due(credential))
        .map(|credential| (credential.id, ahead(credential)))
        .collect();
    let world = &world;
    futures_util::stream::iter(due)
        .for_each_concurrent(AT_ONCE_MAX, |(id, errand)| async move {
            // What failed was logged, and is tried again by the next sweep.
            let _ = renew(world, id, Need::Ahead, errand).await;
        })
        .await;
}

/// A credential no longer works.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Died(CredentialId);

impl Handler<Died> for Sweeper {
    type Result = ();
    fn handle(&mut self, Died(id): Died, _: &mut Context<Self>) {
        self.rouse(id);
    }
}

/// Ends the sweeper.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(in crate::actor) struct StopSweeping;

impl Handler<StopSweeping> for Sweeper {
    type Result = ();
    fn handle(&mut self, _: StopSweeping, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
