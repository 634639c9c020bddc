//! The sweeper: has grants renewed in good time, also those that nobody uses, and has the
//! connections of dead credentials look again.

use super::Command;
use super::connection::Obey;
use super::router::Registry;
use super::services::Services;
use crate::domain::backoff::jittered;
use crate::domain::connection::CredentialUse;
use crate::domain::errand::Priority;
use crate::domain::id::{ConnectionId, CredentialId};
use crate::domain::lifecycle::Phase;
use actix::prelude::*;
use futures_util::stream;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

/// How often grants are looked at.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// The actor that sweeps.
pub(super) struct Sweeper {
    services: Arc<Services>,
    registry: Arc<Registry>,
}

impl Sweeper {
    /// Starts it on this thread. It hears of credentials that were found dead.
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

    /// Has the connections look that used a credential: each goes on with another, or is
    /// suspended.
    fn rouse(&self, dead: CredentialId) {
        let ids = self
            .services
            .ports
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
        let Ok(Some(connection)) = self.services.ports.store.connection(id).ready() else {
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
        self.sweep(ctx);
    }
}

/// A credential no longer works.
struct Died(CredentialId);

impl StreamHandler<Died> for Sweeper {
    fn handle(&mut self, Died(id): Died, _: &mut Context<Self>) {
        self.rouse(id);
    }

    /// It goes on sweeping.
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
