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
use crate::domain::repo::ProviderKind;
use crate::store::pages;
use crate::telemetry::metric;
use actix::prelude::*;
use futures_util::TryStreamExt;
use metrics::gauge;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

/// Interval at which grants are checked.
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// The actor that sweeps.
pub(super) struct Sweeper {
    services: Arc<Services>,
    registry: Arc<Registry>,
    /// The dead credentials, until it has started.
    deaths: Option<Receiver<CredentialId>>,
}

impl Sweeper {
    /// Starts it on this thread. It listens for dead credentials.
    pub(super) fn start_on(
        services: Arc<Services>,
        registry: Arc<Registry>,
        deaths: Receiver<CredentialId>,
    ) -> Addr<Self> {
        let deaths = Some(deaths);
        let sweeper = Self {
            services,
            registry,
            deaths,
        };
        sweeper.start()
    }

    fn sweep(&self, ctx: &mut Context<Self>) {
        let services = Arc::clone(&self.services);
        let swept = async move {
            services.pool.sweep().await;
            show_pace(&services);
        };
        let swept = swept.into_actor(self);
        ctx.spawn(swept.map(|(), sweeper, ctx| {
            let wait = jittered(SWEEP_EVERY, sweeper.services.ports.chance());
            ctx.run_later(wait, |sweeper, ctx| sweeper.sweep(ctx));
        }));
    }
}

/// Shows how often hooks are checked.
fn show_pace(services: &Services) {
    let wanted = services.settings.intervals();
    for kind in ProviderKind::ALL {
        for instance in services.ports.providers.instances(kind) {
            let every = services.pool.longest(instance, wanted).check;
            let (provider, host) = (kind.as_str(), instance.host.to_string());
            gauge!(metric::CHECK_EVERY, "provider" => provider, "host" => host)
                .set(every.as_secs_f64());
        }
    }
}

/// Checks the connections that used a credential: each continues with another, or is suspended.
async fn check_users(services: &Services, registry: &Arc<Registry>, dead: CredentialId) {
    let store = &services.ports.store;
    let Ok(Some(credential)) = store.credential(dead).await else {
        return;
    };
    let using = |after| store.connections_using(dead, credential.owner, after);
    let mut using = pages(using, |c: &Connection| c.id);
    // Those that cannot be read find out at their next call.
    while let Ok(Some(page)) = using.try_next().await {
        let used = |c: &Connection| c.credential_used.map(CredentialUse::id) == Some(dead);
        for connection in page.into_iter().filter(used) {
            let is_waiting = matches!(connection.lifecycle.phase, Phase::Suspended(_));
            if connection.is_enabled() && !is_waiting {
                // No caller waits for the answer.
                let (answer, _) = oneshot::channel();
                let wanted = Wanted {
                    kind: CommandKind::Check,
                    priority: Priority::Check,
                    answer,
                };
                registry.tell(connection.id, Cause::Wanted(Box::new(wanted)));
            }
        }
    }
}

impl Actor for Sweeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.sweep(ctx);
        if let Some(mut deaths) = self.deaths.take() {
            let (services, registry) = (Arc::clone(&self.services), Arc::clone(&self.registry));
            let listening = async move {
                while let Some(dead) = deaths.recv().await {
                    check_users(&services, &registry, dead).await;
                }
            };
            ctx.spawn(listening.into_actor(self));
        }
    }
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
