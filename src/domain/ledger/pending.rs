//! The part of a ledger that lists deliveries which could not be read yet.

use super::Ledger;
use super::deferred::{Deferral, Deferred, GIVEN_UP_MAX, PENDING_MAX};
use crate::domain::id::GapId;
use crate::domain::time::Timestamp;
use std::time::Duration;

impl Ledger {
    /// Whether a delivery is listed as deferred.
    pub fn is_deferred(&self, delivery_id: &str) -> bool {
        let mut all = self.deferred.iter();
        all.any(|it| it.missing.delivery_id == delivery_id)
    }

    /// Lists a delivery, or changes what was done about it. `false` when the list is full: then
    /// nothing changed. See [`Self::has_room`].
    pub fn defer(&mut self, deferred: Deferred) -> bool {
        let id = deferred.missing.delivery_id.as_str();
        let known = self
            .deferred
            .iter()
            .position(|it| it.missing.delivery_id == id);
        let was_pending = known.is_some_and(|known| self.deferred[known].is_pending());
        let fits = was_pending && deferred.is_pending() || self.has_room(deferred.is_pending());
        match known {
            _ if !fits => {}
            Some(known) => self.deferred[known] = deferred,
            None => self.deferred.push(deferred),
        }
        fits
    }

    /// Whether one more can be listed: as pending, or as given up.
    pub fn has_room(&self, is_pending: bool) -> bool {
        let alike = self.deferred.iter();
        let alike = alike.filter(|it| it.is_pending() == is_pending).count();
        alike
            < if is_pending {
                PENDING_MAX
            } else {
                GIVEN_UP_MAX
            }
    }

    /// The log has this attempt. If its delivery is listed, it may have been sent again without
    /// success: see [`Deferred::saw`].
    pub fn saw_attempt(&mut self, delivery_id: &str, attempt: u64, at: Option<Timestamp>) {
        let mut all = self.deferred.iter_mut();
        if let Some(listed) = all.find(|it| it.missing.delivery_id == delivery_id) {
            listed.saw(attempt, at);
        }
    }

    /// A delivery is stored.
    pub fn undefer(&mut self, delivery_id: &str) {
        self.deferred
            .retain(|it| it.missing.delivery_id != delivery_id);
    }

    /// The number of pending deliveries in the account of this gap.
    pub fn pending_of(&self, gap: GapId) -> u64 {
        let of_it = self.deferred.iter();
        let of_it = of_it.filter(|it| it.is_pending() && it.gap == Some(gap));
        of_it.count() as u64
    }

    /// When the next pending delivery is due, a redelivery after this `wait`.
    pub fn pending_due_at(&self, wait: Duration) -> Option<Timestamp> {
        let due = self.deferred.iter().filter_map(|it| match it.state {
            Deferral::SetAside { due_at, .. } => Some(due_at),
            Deferral::Asked { at } => Some(at.plus(wait)),
            Deferral::GivenUp => None,
        });
        due.min()
    }

    /// The oldest delivery that is to be read again.
    pub fn oldest_set_aside(&self) -> Option<Deferred> {
        let all = self.deferred.iter();
        let set_aside = all.filter(|it| matches!(it.state, Deferral::SetAside { .. }));
        set_aside.min_by_key(|it| it.missing.at).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{ConnectionId, OwnerId};
    use crate::domain::ledger::GapCause;
    use crate::domain::ledger::{Marks, Missing, next_try};

    fn deferred(n: u64, state: Deferral) -> Deferred {
        let missing = Missing {
            delivery_id: n.to_string(),
            event: "push".into(),
            at: Some(Timestamp(i64::try_from(n).unwrap())),
            attempts: vec![n],
            cause: GapCause::Unreachable,
        };
        let gap = Some(GapId::from_u128(1));
        Deferred {
            missing,
            gap,
            state,
        }
    }

    fn ledger() -> Ledger {
        Ledger::new(
            ConnectionId::from_u128(1),
            OwnerId::from_u128(2),
            Timestamp(0),
        )
    }

    const SET_ASIDE: Deferral = Deferral::SetAside {
        tries: 1,
        due_at: Timestamp(9),
    };

    #[test]
    fn tries_come_later_and_later_and_end_before_the_delivery_is_deleted() {
        let now = Timestamp(1_000_000_000);
        let hours = |hours| Some(now.plus(Duration::from_hours(hours)));
        let waits: Vec<_> = (0..7)
            .map(|tries| next_try(tries, now, hours(72)))
            .collect();
        let minutes = Some(now.plus(Duration::from_mins(10)));
        let expected = [None, minutes, hours(1), hours(4), hours(12), None, None];
        assert_eq!(waits, expected);
        assert_eq!(next_try(1, now, hours(1)), None);
        assert_eq!(next_try(4, now, hours(13)), None);
        assert_eq!(next_try(4, now, None), hours(12));
    }

    #[test]
    fn pending_and_given_up_ones_have_bounds_of_their_own_and_none_is_forgotten() {
        let mut ledger = ledger();
        let pending = PENDING_MAX as u64;
        for n in 0..pending {
            assert!(ledger.defer(deferred(n, SET_ASIDE)));
        }
        assert!(!ledger.defer(deferred(pending, SET_ASIDE)));
        assert_eq!(ledger.deferred.len(), PENDING_MAX);
        assert_eq!(ledger.oldest_set_aside().unwrap().missing.attempts, [0]);
        // One that is listed changes in its place.
        assert!(ledger.defer(deferred(0, Deferral::Asked { at: Timestamp(1) })));
        assert_eq!(ledger.oldest_set_aside().unwrap().missing.attempts, [1]);
        assert!(ledger.defer(deferred(0, Deferral::GivenUp)));
        assert!(ledger.defer(deferred(pending, SET_ASIDE)));
        for n in 1..GIVEN_UP_MAX as u64 {
            assert!(ledger.defer(deferred(10_000 + n, Deferral::GivenUp)));
        }
        assert!(!ledger.defer(deferred(1, Deferral::GivenUp)));
        assert_eq!(ledger.pending_of(GapId::from_u128(1)), pending);
    }

    #[test]
    fn what_is_given_up_is_listed_until_the_log_is_settled_and_what_is_pending_until_it_ends() {
        let mut ledger = ledger();
        ledger.defer(deferred(5, Deferral::GivenUp));
        ledger.defer(deferred(6, Deferral::GivenUp));
        ledger.defer(deferred(1, SET_ASIDE));
        ledger.settle(Marks {
            settled_at: Some(Timestamp(5)),
            ..Marks::default()
        });
        assert!(!ledger.is_deferred("5") && ledger.is_deferred("6") && ledger.is_deferred("1"));
        let wait = Duration::from_millis(3);
        assert_eq!(ledger.pending_due_at(wait), Some(Timestamp(9)));
        ledger.defer(deferred(1, Deferral::Asked { at: Timestamp(2) }));
        assert_eq!(ledger.pending_due_at(wait), Some(Timestamp(5)));
        ledger.undefer("1");
        assert_eq!(ledger.pending_due_at(wait), None);
    }

    #[test]
    fn what_was_pending_goes_with_its_hook() {
        use crate::domain::id::HookId;
        let mut ledger = ledger();
        ledger.change_hook(HookId(1));
        ledger.defer(deferred(1, SET_ASIDE));
        ledger.defer(deferred(2, Deferral::GivenUp));
        let gone = ledger.change_hook(HookId(2));
        assert_eq!(gone, [deferred(1, SET_ASIDE)]);
        assert_eq!(ledger.deferred, []);
    }
}
