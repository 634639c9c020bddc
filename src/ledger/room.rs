//! What all reconciles share.

use super::Settings;
use crate::credentials::{Pool, Ports};
use crate::domain::id::ConnectionId;
use crate::domain::ledger::{GapCause, Outage, Uptime};
use crate::domain::repo::Instance;
use crate::domain::time::Timestamp;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// While a provider does not answer, one call in this time finds out whether it does again.
const PROBE_EVERY: Duration = Duration::from_mins(1);
/// Connections whose refused deliveries are remembered one by one: beyond, all are reconciled.
const REFUSED_MAX: usize = 10_000;

/// Reports a delivery that was committed to the connection's actor.
pub(super) type Delivered = Box<dyn Fn(ConnectionId) + Send + Sync>;

/// A provider that does not answer.
#[derive(Clone, Copy, Debug)]
struct Down {
    since: Timestamp,
    probe_at: Instant,
}

/// Refused deliveries.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// When the first and the last one of a connection was refused.
    of: HashMap<ConnectionId, (Timestamp, Timestamp)>,
    /// More connections than can be remembered.
    of_more: Option<(Timestamp, Timestamp)>,
}

/// What all reconciles share.
pub(super) struct Room {
    pub(super) ports: Arc<Ports>,
    pub(super) pool: Arc<Pool>,
    pub(super) settings: Settings,
    pub(super) delivered: Delivered,
    pub(super) uptime: Mutex<Uptime>,
    pub(super) refused: Mutex<Refused>,
    down: Mutex<BTreeMap<Instance, Down>>,
    /// There is news for the worker.
    pub(super) news: Notify,
}

impl Room {
    pub(super) fn new(
        ports: Arc<Ports>,
        pool: Arc<Pool>,
        settings: Settings,
        delivered: Delivered,
        uptime: Uptime,
    ) -> Self {
        Self {
            ports,
            pool,
            settings,
            delivered,
            uptime: Mutex::new(uptime),
            refused: Mutex::default(),
            down: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// Whether a call to this installation has to wait, because it does not answer. One call in a
    /// while may be made, to find out.
    pub(super) fn must_wait(&self, instance: &Instance) -> bool {
        let now = Instant::now();
        let mut all = self.down.lock();
        let Some(down) = all.get_mut(instance) else {
            return false;
        };
        let must_wait = now < down.probe_at;
        if !must_wait {
            down.probe_at = now + PROBE_EVERY;
        }
        must_wait
    }

    /// The installation did not answer.
    pub(super) fn fails(&self, instance: &Instance) {
        let since = self.ports.now();
        let probe_at = Instant::now() + PROBE_EVERY;
        let mut all = self.down.lock();
        all.entry(instance.clone())
            .or_insert(Down { since, probe_at });
    }

    /// The installation answered. Returns since when it had not.
    pub(super) fn answers(&self, instance: &Instance) -> Option<Timestamp> {
        Some(self.down.lock().remove(instance)?.since)
    }
}

impl Refused {
    /// An authentic delivery of a connection was refused, as far as one can tell.
    pub(super) fn note(&mut self, connection: ConnectionId, at: Timestamp) {
        let times = if self.of.len() < REFUSED_MAX || self.of.contains_key(&connection) {
            self.of.entry(connection).or_insert((at, at))
        } else {
            self.of_more.get_or_insert((at, at))
        };
        times.1 = times.1.max(at);
    }

    /// Those of connections that have not been refused anything for this time.
    pub(super) fn take(
        &mut self,
        now: Timestamp,
        calm: Duration,
    ) -> (Vec<(ConnectionId, Outage)>, Option<Outage>) {
        let is_calm = |(_, last): (Timestamp, Timestamp)| now.since(last) >= calm;
        let outage = |(from, to)| Outage {
            cause: GapCause::Refused,
            from,
            to,
        };
        let calm = self.of.extract_if(|_, times| is_calm(*times));
        let calm = calm.map(|(id, times)| (id, outage(times))).collect();
        let of_more = self.of_more.take_if(|times| is_calm(*times));
        (calm, of_more.map(outage))
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_a_connection_are_one_outage_once_they_cease() {
        let mut refused = Refused::default();
        let (first, second) = (ConnectionId::from_u128(1), ConnectionId::from_u128(2));
        for (connection, at) in [(first, 10), (first, 20), (second, 5_000)] {
            refused.note(connection, Timestamp(at));
        }
        let calm = Duration::from_secs(5);
        let (calm_ones, more) = refused.take(Timestamp(6_000), calm);
        let outage = Outage {
            cause: GapCause::Refused,
            from: Timestamp(10),
            to: Timestamp(20),
        };
        assert_eq!((calm_ones, more), (vec![(first, outage)], None));
        let (calm_ones, _) = refused.take(Timestamp(20_000), calm);
        assert_eq!(calm_ones.len(), 1);
        for n in 0..=REFUSED_MAX as u128 {
            refused.note(ConnectionId::from_u128(n), Timestamp(7));
        }
        let (calm_ones, more) = refused.take(Timestamp(20_000), calm);
        assert!(calm_ones.len() == REFUSED_MAX && more.is_some());
    }
}
