//! Comparing a provider's log with what is stored.

use super::gap::{GapCause, cause_of};
use super::marks::{Marks, OVERLAP};
use crate::domain::time::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Most missing deliveries of which a comparison keeps the particulars: the oldest, because they
/// are the next that the provider deletes. The rest is found by another comparison.
pub const MISSING_MAX: usize = 4_096;
/// Attempts of a delivery that are kept: the payload of one may be gone, and that of another not.
pub(super) const ATTEMPTS_MAX: usize = 3;

/// An attempt in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// The provider's id of the attempt.
    pub attempt: u64,
    /// The id of the delivery, which all attempts share.
    pub delivery_id: &'a str,
    /// The event's name.
    pub event: &'a str,
    /// When it was sent, by the provider's clock. GitLab's log has no times before 19.0.
    pub at: Option<Timestamp>,
    /// The HTTP status that the provider got; `None` when it got no answer.
    pub status: Option<u16>,
}

/// A delivery that the provider sent and that is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The id of the delivery.
    pub delivery_id: String,
    /// The event's name.
    pub event: String,
    /// When it was first sent, as far as the log has times.
    pub at: Option<Timestamp>,
    /// Its oldest attempts. Few.
    pub attempts: Vec<u64>,
    /// Why it was missed.
    pub cause: GapCause,
}

/// When an attempt was made, in a log with times or without.
type Order = (Option<Timestamp>, u64);

/// What a walk through a log has seen of its newest part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// When it began, by our clock.
    pub began: Timestamp,
    /// The newest attempt.
    pub newest: Option<u64>,
    /// The newest time, in a log with times.
    pub newest_at: Option<Timestamp>,
}

impl Sight {
    /// What both have seen.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        Self {
            began: self.began.min(other.began),
            newest: self.newest.into_iter().chain(other.newest).min(),
            newest_at: self.newest_at.into_iter().chain(other.newest_at).min(),
        }
    }
}

/// A comparison of a log with what is stored, page by page from the newest attempt on.
#[derive(Debug)]
pub struct Comparison {
    marks: Marks,
    sight: Sight,
    /// What the walks saw that compared a part of the log before.
    before: Option<Sight>,
    oldest_at: Option<Timestamp>,
    /// Missing deliveries, in the order in which they were first sent.
    missing: BTreeMap<Order, Missing>,
    /// The place of each of them in that order.
    by_id: HashMap<String, Order>,
    /// The particulars of some missing deliveries were dropped.
    is_partial: bool,
}

impl Comparison {
    /// A comparison that begins now.
    pub fn new(marks: Marks, began: Timestamp) -> Self {
        Self {
            marks,
            sight: Sight {
                began,
                newest: None,
                newest_at: None,
            },
            before: None,
            oldest_at: None,
            missing: BTreeMap::new(),
            by_id: HashMap::new(),
            is_partial: false,
        }
    }

    /// A part of the log is not read, because another walk has compared it, which saw this. What
    /// appeared in that part since is found by the next comparison: the marks move only as far as
    /// that walk would have moved them.
    pub fn join(&mut self, earlier: Sight) {
        let before = self.before.map_or(earlier, |it| it.earlier(earlier));
        self.before = Some(before);
    }

    /// What was seen when the first part was compared.
    pub fn sight(&self) -> Sight {
        self.before
            .map_or(self.sight, |before| before.earlier(self.sight))
    }

    /// Takes an attempt; `is_stored` is whether any attempt of its delivery is stored here.
    pub fn take(&mut self, seen: Seen<'_>, is_stored: bool) {
        self.sight.newest = self.sight.newest.max(Some(seen.attempt));
        self.sight.newest_at = self.sight.newest_at.max(seen.at);
        self.oldest_at = match (self.oldest_at, seen.at) {
            (Some(oldest), Some(at)) => Some(oldest.min(at)),
            (oldest, at) => oldest.or(at),
        };
        if !is_stored {
            self.note_missing(seen);
        }
    }

    fn note_missing(&mut self, seen: Seen<'_>) {
        let order = (seen.at, seen.attempt);
        let known = self.by_id.get(seen.delivery_id).copied();
        let first = known.map_or(order, |known| known.min(order));
        let mut missing = known
            .and_then(|known| self.missing.remove(&known))
            .unwrap_or_else(|| Missing {
                delivery_id: seen.delivery_id.to_owned(),
                event: seen.event.to_owned(),
                at: None,
                attempts: Vec::new(),
                cause: GapCause::Unreachable,
            });
        if !missing.attempts.contains(&seen.attempt) {
            missing.attempts.insert(0, seen.attempt);
            missing.attempts.truncate(ATTEMPTS_MAX);
        }
        if first == order {
            missing.at = seen.at;
            missing.cause = cause_of(seen.status);
        }
        self.by_id.insert(missing.delivery_id.clone(), first);
        self.missing.insert(first, missing);
        if self.missing.len() > MISSING_MAX
            && let Some((_, newest)) = self.missing.pop_last()
        {
            self.by_id.remove(&newest.delivery_id);
            self.is_partial = true;
        }
    }

    /// Whether more pages have to be read after one that ends with this attempt.
    ///
    /// Source: GitHub's own script for redeliveries relies on the order, and stops by the last item
    /// of a page.
    pub fn wants_more(&self, attempt: u64, at: Option<Timestamp>) -> bool {
        !self.marks.is_settled(attempt, at)
    }

    /// Whether an earlier reconcile has compared the log up to this attempt.
    pub fn is_settled(&self, attempt: u64, at: Option<Timestamp>) -> bool {
        self.marks.is_settled(attempt, at)
    }

    /// The number of missing deliveries whose particulars are kept.
    pub fn count(&self) -> usize {
        self.missing.len()
    }

    /// Whether another comparison is needed to find the rest.
    pub const fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// The time of the oldest attempt that was seen, in a log with times.
    pub const fn oldest_at(&self) -> Option<Timestamp> {
        self.oldest_at
    }

    /// The marks once all of it is ingested or given up. A partial comparison moves none.
    pub fn marks(&self) -> Marks {
        if self.is_partial() {
            return self.marks;
        }
        let Sight {
            began,
            newest,
            newest_at,
        } = self.sight();
        self.marks.after(began, newest, newest_at)
    }

    /// The marks once a missing delivery and all that were sent before it are ingested or given up.
    /// Others may have been sent at the same time, as exact as the log is: they are not settled.
    /// Without times nothing moves: ids say nothing about what was read from an earlier page.
    pub fn marks_at(&self, handled: &Missing) -> Marks {
        let mut marks = self.marks;
        let young = self.sight().newest_at.map(|newest| newest.minus(OVERLAP));
        let before = handled.at.map(|at| at.minus(Duration::from_millis(1)));
        let handled_at = before.and_then(|at| Some(at.min(young?)));
        marks.settled_at = marks.settled_at.max(handled_at);
        marks
    }

    /// Takes the missing deliveries out, the oldest first.
    pub fn take_missing(&mut self) -> impl Iterator<Item = Missing> + use<> {
        self.by_id.clear();
        std::mem::take(&mut self.missing).into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(attempt: u64) -> Timestamp {
        Timestamp(i64::try_from(attempt).unwrap() * 1_000)
    }

    fn seen(attempt: u64, delivery_id: &str) -> Seen<'_> {
        Seen {
            attempt,
            delivery_id,
            event: "push",
            at: Some(at(attempt)),
            status: None,
        }
    }

    fn ids(comparison: &mut Comparison) -> Vec<(String, Vec<u64>)> {
        let missing = comparison.take_missing();
        missing.map(|it| (it.delivery_id, it.attempts)).collect()
    }

    fn fresh() -> Comparison {
        Comparison::new(Marks::default(), Timestamp(10_000_000))
    }

    #[test]
    fn attempts_of_one_delivery_are_one_and_the_oldest_comes_first() {
        let mut comparison = fresh();
        for (attempt, id) in [(9, "b"), (8, "a"), (7, "c"), (6, "b"), (5, "a"), (9, "b")] {
            comparison.take(seen(attempt, id), id == "c");
        }
        assert_eq!(comparison.count(), 2);
        let expected = [("a".to_owned(), vec![5, 8]), ("b".to_owned(), vec![6, 9])];
        assert_eq!(ids(&mut comparison), expected);
        assert_eq!(comparison.marks().newest.map(|(newest, _)| newest), Some(9));
    }

    #[test]
    fn what_is_handled_is_settled_as_far_as_it_is_old_enough() {
        let mut comparison = fresh();
        for attempt in (1..=2_000).rev() {
            comparison.take(seen(attempt, &attempt.to_string()), attempt == 2_000);
        }
        let marks: Vec<_> = comparison.take_missing().collect();
        let marks = marks.iter().map(|it| comparison.marks_at(it).settled_at);
        let marks: Vec<_> = marks.collect();
        let before = |attempt| Some(at(attempt).minus(Duration::from_millis(1)));
        assert_eq!(marks[..2], [before(1), before(2)]);
        assert_eq!(marks[1_998], Some(at(1_400)), "the youngest are read again");
    }

    /// A log may show whole seconds, and a run sends several deliveries in one.
    #[test]
    fn what_was_sent_at_the_same_time_as_something_handled_is_not_settled() {
        let mut comparison = fresh();
        comparison.take(seen(2_000, "newest"), true);
        for attempt in [3, 2, 1] {
            let id = attempt.to_string();
            let same = Seen {
                at: Some(at(7)),
                ..seen(attempt, &id)
            };
            comparison.take(same, false);
        }
        let handled: Vec<_> = comparison.take_missing().collect();
        let marks = comparison.marks_at(&handled[0]);
        assert!(!marks.is_settled(handled[1].attempts[0], handled[1].at));
        assert!(marks.is_settled(1, Some(at(6))));
    }

    #[test]
    fn what_was_sent_first_comes_first_whatever_its_number() {
        let mut comparison = fresh();
        let early = Seen {
            at: Some(at(1)),
            ..seen(900, "early")
        };
        comparison.take(seen(7, "late"), false);
        comparison.take(early, false);
        assert_eq!(ids(&mut comparison)[0].0, "early");
        assert_eq!(comparison.oldest_at(), Some(at(1)));
        for attempt in [8, 7] {
            let timeless = Seen {
                at: None,
                ..seen(attempt, if attempt == 8 { "late" } else { "early" })
            };
            comparison.take(timeless, false);
        }
        assert_eq!(ids(&mut comparison)[0].0, "early");
    }

    #[test]
    fn the_answer_that_the_provider_got_decides_nothing_but_the_cause() {
        let mut comparison = fresh();
        let causes = [
            (Some(200), GapCause::NotStored),
            (Some(503), GapCause::Refused),
            (None, GapCause::Unreachable),
        ];
        for (attempt, (status, cause)) in (1..).zip(causes) {
            let attempt = Seen {
                status,
                ..seen(attempt, cause.as_str())
            };
            comparison.take(attempt, false);
        }
        let found: Vec<_> = comparison.take_missing().map(|it| it.cause).collect();
        assert_eq!(found, causes.map(|(_, cause)| cause));
    }

    #[test]
    fn reading_stops_where_an_earlier_reconcile_has_settled() {
        let marks = Marks {
            settled: Some(5),
            settled_at: Some(at(50)),
            newest: None,
        };
        let comparison = Comparison::new(marks, Timestamp(0));
        assert!(comparison.wants_more(6, None) && !comparison.wants_more(5, None));
        assert!(comparison.wants_more(1, Some(at(51))) && !comparison.wants_more(99, Some(at(50))));
        assert!(fresh().wants_more(1, None), "the whole log, the first time");
    }

    #[test]
    fn what_another_walk_has_compared_moves_the_marks_as_that_would_have() {
        let sight = |began, newest| Sight {
            began: at(began),
            newest: Some(newest),
            newest_at: Some(at(newest)),
        };
        let mut comparison = Comparison::new(Marks::default(), at(9_000));
        comparison.take(seen(8_900, "missing"), false);
        comparison.join(sight(7_000, 6_900));
        comparison.take(seen(3_000, "old"), true);
        comparison.join(sight(5_000, 4_900));
        comparison.join(sight(8_000, 7_900));
        assert_eq!(comparison.sight(), sight(5_000, 4_900));
        let marks = comparison.marks();
        assert_eq!(marks.settled_at, Some(at(4_900).minus(OVERLAP)));
        assert_eq!(marks.newest, Some((4_900, at(5_000))));
        let missing = comparison.take_missing().next().unwrap();
        assert_eq!(
            comparison.marks_at(&missing).settled_at,
            Some(at(4_900).minus(OVERLAP)),
        );
    }

    #[test]
    fn of_too_many_the_oldest_are_kept_and_no_mark_moves() {
        let mut comparison = fresh();
        let most = MISSING_MAX as u64;
        for attempt in (1..=most + 10).rev() {
            comparison.take(seen(attempt, &attempt.to_string()), false);
        }
        assert!(comparison.is_partial() && comparison.count() == MISSING_MAX);
        assert_eq!(comparison.marks(), Marks::default());
        let found = ids(&mut comparison);
        assert_eq!(found.len(), MISSING_MAX);
        let ends = (found[0].1[0], found[MISSING_MAX - 1].1[0]);
        assert_eq!(ends, (1, most));
    }
}
