//! Has the timers fire that waited for the end of an outage.

use super::services::Services;
use crate::domain::repo::Instance;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;

/// Releases what waits as outages end, forever.
pub(super) fn release(services: &Arc<Services>) -> impl Future<Output = ()> + use<> {
    let services = Arc::clone(services);
    let mut ends = services.pool.outages().ends();
    async move {
        loop {
            match ends.recv().await {
                Ok(_) | Err(RecvError::Lagged(_)) => {
                    let outages = services.pool.outages();
                    let chance = || services.ports.chance();
                    let round = |instance: &Instance| services.pool.round(instance);
                    services
                        .parked
                        .release(outages, &services.timers, round, chance);
                }
                Err(RecvError::Closed) => return,
            }
        }
    }
}
