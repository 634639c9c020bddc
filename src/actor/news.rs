//! Notices for the router: each connection has one, however many deliveries come.

use crate::domain::id::ConnectionId;
use crate::domain::rotation::SecretNumber;
use parking_lot::Mutex;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Notices about connections that are not handled yet: however many come for one, the router has
/// one message for them. Waking its thread for each would cost more than receiving a delivery.
#[derive(Debug, Default)]
pub(super) struct News(Mutex<Notices>);

#[derive(Debug, Default)]
struct Notices {
    /// Connections that are being notified of committed deliveries, or were notified just now, and
    /// whether more came since.
    delivered: HashMap<ConnectionId, bool>,
    /// Connections with more to process than they took in their turn.
    backlogs: HashSet<ConnectionId>,
    hints: HashMap<ConnectionId, Hint>,
    /// Whether the router is going to look at the hints.
    hints_expected: bool,
}

/// Notices about a connection that can wait a little.
#[derive(Debug, Default)]
pub(super) struct Hint {
    /// The secrets with which duplicates of authentic deliveries arrived: as many as a connection
    /// accepts.
    pub(super) heard: BTreeSet<SecretNumber>,
    /// The number of deliveries without a valid signature.
    pub(super) rejected: u32,
}

impl News {
    /// Records that a delivery was committed. Returns whether the router must be notified.
    pub(super) fn note_delivered(&self, id: ConnectionId) -> bool {
        match self.0.lock().delivered.entry(id) {
            Entry::Occupied(mut more) => {
                more.insert(true);
                false
            }
            Entry::Vacant(none) => {
                none.insert(false);
                true
            }
        }
    }

    /// Records a hint. Returns whether the router must be notified.
    pub(super) fn note_hint(&self, id: ConnectionId, note: impl FnOnce(&mut Hint)) -> bool {
        let mut notices = self.0.lock();
        note(notices.hints.entry(id).or_default());
        !std::mem::replace(&mut notices.hints_expected, true)
    }

    /// Whether another connection has deliveries to process just now: then none may process many at
    /// a time.
    pub(super) fn is_crowded(&self, id: ConnectionId) -> bool {
        let notices = self.0.lock();
        let notified = notices.delivered.len() > usize::from(notices.delivered.contains_key(&id));
        notified || notices.backlogs.len() > usize::from(notices.backlogs.contains(&id))
    }

    /// Whether a connection has more to process than it took in its turn.
    pub(super) fn note_backlog(&self, id: ConnectionId, has_more: bool) {
        let mut notices = self.0.lock();
        if has_more {
            notices.backlogs.insert(id);
        } else {
            notices.backlogs.remove(&id);
        }
    }

    /// Whether more came for a connection since it was notified. If not, the router must be
    /// notified of the next one.
    pub(super) fn gathered(&self, id: ConnectionId) -> bool {
        let mut notices = self.0.lock();
        let more = notices.delivered.get_mut(&id).map(std::mem::take);
        if more != Some(true) {
            notices.delivered.remove(&id);
        }
        more == Some(true)
    }

    /// The hints. Without any, the router must be notified of the next one.
    pub(super) fn take_hints(&self) -> HashMap<ConnectionId, Hint> {
        let mut notices = self.0.lock();
        notices.hints_expected = !notices.hints.is_empty();
        std::mem::take(&mut notices.hints)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_router_is_notified_once_for_any_number_of_notices() {
        let (news, ids) = (News::default(), [1, 2].map(ConnectionId::from_u128));
        assert!(news.note_delivered(ids[0]) && !news.is_crowded(ids[0]));
        news.note_backlog(ids[1], true);
        assert!(news.is_crowded(ids[0]));
        news.note_backlog(ids[1], false);
        assert!(news.note_delivered(ids[1]) && news.is_crowded(ids[0]));
        assert!(!news.note_delivered(ids[0]), "it was notified a moment ago");
        assert!(news.gathered(ids[0]), "more came");
        assert!(!news.gathered(ids[0]) && !news.gathered(ids[1]));
        assert!(news.note_delivered(ids[0]) && !news.note_delivered(ids[0]));

        let forged = |id| news.note_hint(id, |hint| hint.rejected += 1);
        assert_eq!(ids.map(forged), [true, false]);
        for _ in 0..2 {
            assert_eq!(ids.map(forged), [false, false]);
            let hints = news.take_hints();
            assert!(ids.iter().all(|id| hints[id].rejected >= 1));
        }
        assert!(
            !forged(ids[0]),
            "it looks again by itself while there are any"
        );
        assert_eq!((news.take_hints().len(), news.take_hints().len()), (1, 0));
        assert_eq!(
            ids.map(forged),
            [true, false],
            "it does not after a time without"
        );
    }
}
