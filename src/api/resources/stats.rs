//! The caller's totals. Of deliveries and incidents only the newest are looked at, and the answer
//! says how many: a figure over all history would cost more with every day.

use crate::api::dto::{DeliveryStats, GapTotals, IncidentStats, Stats};
use crate::api::error::{Answer, Problem};
use crate::api::me::Me;
use crate::api::reply::ok;
use crate::api::scope::Owned;
use crate::domain::delivery::{DeliveryState, Outcome};
use crate::domain::incident::IncidentStatus;
use crate::domain::time::Timestamp;
use crate::store::{After, DeliveryFilter, IncidentFilter};
use std::collections::BTreeMap;
use std::time::Duration;

/// Newest records that are looked at.
const SAMPLE_MAX: usize = 1000;
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Get the totals of your objects
#[utoipa::path(get, path = "/api/v2/stats", responses((status = 200, body = Stats)))]
pub(in crate::api) async fn show(me: Me) -> Answer {
    let owned = me.owned();
    let counts = owned.counts().await?;
    let behind_since = owned.behind_since().await?;
    let lag = behind_since.map(|since| me.now().since(since));
    ok(&Stats {
        connections_total: counts.connections.values().sum(),
        connections_by_status: counts.connections,
        webhooks_to_delete: counts.connections_leaving,
        webhooks_to_move: me.connections.hooks_to_move(me.caller.user),
        webhooks_with_old_secrets: counts.rotating,
        incidents: incidents(owned, me.now()).await?,
        gaps: GapTotals::of(&owned.gap_totals().await?),
        behind_since,
        lag_seconds: lag.unwrap_or_default().as_secs(),
        deliveries: deliveries(owned).await?,
    })
}

async fn incidents(owned: Owned<'_>, now: Timestamp) -> Result<IncidentStats, Problem> {
    let newest = After::first(SAMPLE_MAX);
    let sample = owned.incidents(&IncidentFilter::default(), newest).await?;
    let sample = sample.items;
    let mut by_status = BTreeMap::from(IncidentStatus::ALL.map(|status| (status, 0)));
    for incident in &sample {
        *by_status.entry(incident.status).or_default() += 1;
    }
    let within = |age| {
        sample
            .iter()
            .filter(|i| i.first_seen_at >= now.minus(age))
            .count()
    };
    Ok(IncidentStats {
        sampled: sample.len(),
        by_status,
        opened_last_hour: within(HOUR),
        opened_last_day: within(DAY),
    })
}

async fn deliveries(owned: Owned<'_>) -> Result<DeliveryStats, Problem> {
    let sample = owned
        .deliveries(&DeliveryFilter::default(), After::first(SAMPLE_MAX))
        .await?
        .items;
    let mut by_outcome = BTreeMap::new();
    let (mut pending, mut dead) = (0, 0);
    let mut lags_ms = Vec::with_capacity(sample.len());
    for delivery in &sample {
        match &delivery.state {
            DeliveryState::Received => pending += 1,
            DeliveryState::Processed { at, outcome } => {
                *by_outcome.entry(outcome.into()).or_default() += 1;
                dead += usize::from(matches!(outcome, Outcome::DeadLetter { .. }));
                let lag = at.since(delivery.received_at).as_millis();
                lags_ms.push(u64::try_from(lag).unwrap_or(u64::MAX));
            }
        }
    }
    lags_ms.sort_unstable();
    Ok(DeliveryStats {
        sampled: sample.len(),
        since: sample.last().map(|delivery| delivery.received_at),
        pending,
        by_outcome,
        success_rate: share(lags_ms.len() - dead, lags_ms.len()),
        lag_p50_ms: percentile(&lags_ms, 50),
        lag_p95_ms: percentile(&lags_ms, 95),
    })
}

/// The share of `part` in `whole`; the sample is small enough for both to fit.
fn share(part: usize, whole: usize) -> Option<f64> {
    let number = |n: usize| u32::try_from(n).ok().map(f64::from);
    (whole > 0)
        .then(|| Some(number(part)? / number(whole)?))
        .flatten()
}

/// The smallest value that so many percent of the sorted values do not exceed.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_shares_of_nothing_are_nothing() {
        assert_eq!((percentile(&[], 50), share(0, 0)), (None, None));
        assert_eq!(percentile(&[7], 95), Some(7));
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(
            (percentile(&hundred, 50), percentile(&hundred, 95)),
            (Some(50), Some(95))
        );
        assert_eq!(share(1, 4), Some(0.25));
    }
}
