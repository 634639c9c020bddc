//! What processing a stored delivery again would do, without doing it.

use super::connection::outcome_of;
use super::incidents::Fold;
use super::interface::{CommandError, Preview};
use super::services::Services;
use crate::domain::delivery::Outcome;
use crate::domain::id::DeliveryId;
use crate::domain::wording;
use crate::store::ReadError;
use std::sync::Arc;

/// Folds the delivery as its connection's actor would, and commits nothing. What the actor commits
/// meanwhile may make the real effect another.
pub(super) async fn preview(services: &Services, id: DeliveryId) -> Result<Preview, CommandError> {
    let store = &services.ports.store;
    let mut delivery = store
        .delivery(id)
        .await?
        .ok_or(CommandError::NoSuchSubject)?;
    let connection = store.connection(delivery.connection).await?;
    let connection = connection.filter(|c| !c.is_removed());
    let connection = connection.ok_or(CommandError::NoSuchConnection)?;
    let providers = &services.ports.providers;
    let read = match (
        providers.decoder(connection.instance.provider),
        store.payload(id).await,
    ) {
        (None, _) => Err(wording::DECODER_MISSING.to_owned()),
        (Some(_), Ok(None)) => Err(wording::PAYLOAD_GONE.to_owned()),
        (Some(_), Err(ReadError::Damaged { .. })) => Err(wording::PAYLOAD_DAMAGED.to_owned()),
        (Some(_), Err(error @ ReadError::Unavailable(_))) => return Err(error.into()),
        (Some(how), Ok(Some(payload))) => {
            let (how, event) = (Arc::clone(how), delivery.event.clone());
            let read = tokio::task::spawn_blocking(move || how.decode(&event, &payload)).await;
            let read = read.map_err(|_| CommandError::Unavailable)?;
            read.map_err(|error| error.to_string())
        }
    };
    let mut fold = Fold::trial(&services.ports, &services.settings.rules, &connection);
    let outcome = match read {
        Err(reason) => Outcome::DeadLetter { reason },
        Ok(mut decoded) => {
            delivery.action = decoded.action.take();
            outcome_of(&connection, decoded, &delivery, &mut fold).await?
        }
    };
    let (changed_runs, changed_incidents) = fold.touched();
    let (mut runs, mut incidents) = (Vec::new(), Vec::new());
    for run in changed_runs {
        runs.push((store.run(run.id).await?, run));
    }
    for incident in changed_incidents {
        incidents.push((store.incident(incident.id).await?, incident));
    }
    Ok(Preview {
        outcome,
        runs,
        incidents,
    })
}
