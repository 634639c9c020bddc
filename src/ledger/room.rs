//! What all reconciles share.

use super::Settings;
use super::waiting::Waiting;
use crate::credentials::{Pool, Ports};
use crate::domain::connection::Connection;
use crate::domain::id::ConnectionId;
use crate::domain::ledger::{GapCause, Outage, Uptime};
use crate::domain::pace::Intervals;
use crate::domain::time::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Connections whose refused deliveries are remembered one by one: beyond, all are reconciled.
const REFUSED_MAX: usize = 10_000;

/// Reports a delivery that was committed to the connection's actor.
pub(super) type Delivered = Box<dyn Fn(ConnectionId) + Send + Sync>;

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
    pub(super) waiting: Arc<Waiting>,
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
            waiting: Arc::default(),
            news: Notify::new(),
        }
    }
}

impl Room {
    /// How often a connection is reconciled: more seldom when that does not fit what the provider
    /// allows its credential.
    pub(super) fn every(&self, connection: &Connection) -> Duration {
        let every = self.settings.every;
        let wanted = Intervals {
            check: every,
            ping: every,
            reconcile: every,
        };
        self.pool.intervals(connection, wanted).reconcile
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
