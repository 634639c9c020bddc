//! The campaign: runs operations, each owner's of one track one after the other (ADR 28).
//!
//! Everything that it decides by is stored: after a kill at any point it reads the operations that
//! have not ended, and continues. See [`run`] for one operation and [`follow`] for one item.

mod follow;
mod run;

use super::registry::Registry;
use super::services::Services;
use crate::domain::id::OperationId;
use crate::domain::operation::{Operation, runnable};
use crate::store::ReadError;
use crate::telemetry::metric;
use actix::prelude::*;
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use metrics::gauge;
use run::Runner;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Most operations that run at a time, over all owners.
const RUNNING_MAX: usize = 64;
/// How often the operations are read though nothing was reported: another process may have stored
/// or continued some, or they could not be read.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The actor that runs operations.
pub(super) struct Campaign {
    services: Arc<Services>,
    registry: Arc<Registry>,
    changed: Arc<Notify>,
}

impl Campaign {
    pub(super) fn new(services: Arc<Services>, registry: Arc<Registry>) -> Self {
        Self {
            services,
            registry,
            changed: Arc::default(),
        }
    }
}

impl Actor for Campaign {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let managing = manage(
            Arc::clone(&self.services),
            Arc::clone(&self.registry),
            Arc::clone(&self.changed),
        );
        ctx.spawn(managing.into_actor(self));
    }
}

/// An operation was stored or cancelled.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Changed;

impl Handler<Changed> for Campaign {
    type Result = ();
    fn handle(&mut self, _: Changed, _: &mut Context<Self>) {
        self.changed.notify_one();
    }
}

/// Ends the campaign.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct StopCampaign;

impl Handler<StopCampaign> for Campaign {
    type Result = ();
    fn handle(&mut self, _: StopCampaign, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

/// Runs what may run, forever.
async fn manage(services: Arc<Services>, registry: Arc<Registry>, changed: Arc<Notify>) {
    let mut running = FuturesUnordered::<LocalBoxFuture<'static, OperationId>>::new();
    // Of each that runs, how it learns that it was changed.
    let mut known = BTreeMap::<OperationId, Arc<Notify>>::new();
    loop {
        match unfinished(&services).await {
            Ok(operations) => {
                for id in runnable(&operations) {
                    if known.len() >= RUNNING_MAX || known.contains_key(&id) {
                        continue;
                    }
                    let news = Arc::<Notify>::default();
                    known.insert(id, Arc::clone(&news));
                    let shared = (Arc::clone(&services), Arc::clone(&registry));
                    running.push(Box::pin(async move {
                        Runner::new(shared, id, news).run().await;
                        id
                    }));
                }
            }
            Err(error) => tracing::warn!(%error, "operations cannot be read; trying again"),
        }
        tokio::select! {
            biased;
            Some(ended) = running.next() => drop(known.remove(&ended)),
            () = changed.notified() => known.values().for_each(|news| news.notify_one()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn unfinished(services: &Services) -> Result<Vec<Operation>, ReadError> {
    let operations = services.ports.store.operations_unfinished().await?;
    for state in ["queued", "running", "cancelled"] {
        let count = operations
            .iter()
            .filter(|it| it.state.as_str() == state)
            .count();
        gauge!(metric::OPERATIONS, "state" => state).set(metric::float(count as u64));
    }
    Ok(operations)
}
