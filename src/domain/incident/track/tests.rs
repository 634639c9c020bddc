//! Stories and properties of tracks.

mod reopened;

use super::*;
use crate::domain::id::ConnectionId;
use crate::domain::lane::Lane;
use crate::domain::run::Family;
use proptest::prelude::*;

fn key() -> TrackKey {
    TrackKey {
        connection: ConnectionId::from_u128(1),
        family: Family::Actions,
        workflow: "77".into(),
        lane: Lane::of_branch("push", "main".into()),
    }
}

fn end(number: u64, attempt: u32, at: i64, conclusion: Conclusion) -> End {
    End {
        position: Position { number, attempt },
        at: Timestamp(at),
        conclusion,
    }
}

fn by_hand(at: i64) -> Closed {
    Closed {
        at: Timestamp(at),
        why: Resolution::ByHand,
    }
}

struct Teller {
    track: Track,
    reopening: Reopening,
    next: u128,
}

impl Teller {
    fn new() -> Self {
        Self {
            track: Track::new(key()),
            reopening: Reopening::default(),
            next: 0,
        }
    }

    fn tell(&mut self, number: u64, attempt: u32, verdict: Verdict) -> Vec<IncidentId> {
        let at = i64::try_from(number).unwrap() * 10 + i64::from(attempt);
        let conclusion = match verdict {
            Verdict::Failed => Conclusion::Failure,
            Verdict::Passed => Conclusion::Success,
        };
        self.tell_end(end(number, attempt, at, conclusion), verdict)
    }

    fn tell_end(&mut self, end: End, verdict: Verdict) -> Vec<IncidentId> {
        self.shift(end, verdict).changed
    }

    fn shift(&mut self, end: End, verdict: Verdict) -> Shift {
        let next = &mut self.next;
        let mut new_incident = || {
            *next += 1;
            IncidentId::from_u128(*next)
        };
        let run = RunId::from_u128(u128::from(end.position.number));
        let reported = Reported {
            end,
            verdict,
            run,
            began: end.at,
            mark: 0,
            reopening: self.reopening,
        };
        self.track.take(reported, &mut new_incident)
    }

    fn close(&mut self, incident: IncidentId, at: i64) -> bool {
        self.track.close(incident, by_hand(at))
    }

    /// The incident that is open now.
    fn open(&self) -> Option<IncidentId> {
        match self.track.points.values().next_back()?.kind {
            PointKind::Failed {
                incident,
                closed: None,
            } => Some(incident),
            PointKind::Failed { .. } | PointKind::Passed => None,
        }
    }

    fn fail(&mut self, number: u64) -> IncidentId {
        self.tell(number, 1, Verdict::Failed)[0]
    }

    fn pass(&mut self, number: u64) {
        self.tell(number, 1, Verdict::Passed);
    }

    /// The incidents, in order.
    fn incidents(&self) -> Vec<IncidentId> {
        let mut ids = Vec::new();
        for point in self.track.points.values() {
            if let PointKind::Failed { incident, .. } = point.kind
                && !ids.contains(&incident)
            {
                ids.push(incident);
            }
        }
        ids
    }

    /// Everything that must not depend on order: the groups without their ids.
    fn shape(&self) -> Vec<Group> {
        let ids = self.incidents();
        let group = |id| self.track.group(id).unwrap();
        let nameless = |group| Group {
            incident: IncidentId::from_u128(0),
            ..group
        };
        ids.into_iter().map(group).map(nameless).collect()
    }
}

#[test]
fn failures_in_a_row_are_one_incident_and_a_pass_resolves_it() {
    let mut story = Teller::new();
    let incident = story.fail(1);
    assert_eq!(story.fail(2), incident);
    assert_eq!(story.open(), Some(incident));
    story.pass(3);
    assert_eq!(story.open(), None);
    let group = story.track.group(incident).unwrap();
    assert_eq!(group.occurrences, 2);
    assert_eq!(
        group.end,
        Some(GroupEnd::Passed(RunId::from_u128(3), Timestamp(31)))
    );
    assert_ne!(story.fail(4), incident);
}

#[test]
fn a_success_of_an_older_run_resolves_nothing() {
    let mut story = Teller::new();
    let incident = story.fail(5);
    story.pass(4);
    assert_eq!(story.open(), Some(incident));
}

#[test]
fn a_successful_rerun_resolves_its_own_failure_but_not_a_newer_one() {
    let mut story = Teller::new();
    let incident = story.fail(5);
    story.tell(5, 2, Verdict::Passed);
    assert_eq!(story.open(), None);

    let newer = story.fail(6);
    story.tell(5, 3, Verdict::Passed);
    assert_eq!(story.open(), Some(newer));
    assert_ne!(newer, incident);
}

#[test]
fn a_late_failure_does_not_reopen_what_a_later_run_resolved() {
    let mut story = Teller::new();
    story.pass(7);
    let incident = story.fail(6);
    assert_eq!(story.open(), None);
    assert!(story.track.group(incident).unwrap().end.is_some());
}

#[test]
fn a_repeated_delivery_counts_once() {
    let mut story = Teller::new();
    let incident = story.fail(1);
    assert_eq!(story.tell(1, 1, Verdict::Failed), []);
    assert_eq!(story.track.group(incident).unwrap().occurrences, 1);
}

#[test]
fn a_pass_that_comes_late_splits_an_incident() {
    let mut story = Teller::new();
    let first = story.fail(1);
    assert_eq!(story.fail(3), first);
    let changed = story.tell(2, 1, Verdict::Passed);
    assert_eq!(changed.len(), 2);
    assert!(story.track.group(first).unwrap().end.is_some());
    assert_eq!(story.open(), Some(changed[1]));
}

#[test]
fn what_a_person_resolved_stays_resolved_and_a_new_failure_is_a_new_incident() {
    let mut story = Teller::new();
    let incident = story.fail(1);
    assert!(story.close(incident, 99));
    assert!(!story.close(incident, 100), "only once");
    assert_eq!(story.open(), None);
    let next = story.fail(2);
    assert_ne!(next, incident);
    story.pass(3);
    let end = story.track.group(incident).unwrap().end;
    assert_eq!(
        end,
        Some(GroupEnd::Closed(by_hand(99))),
        "a later pass does not rewrite it"
    );
}

#[test]
fn a_track_stays_bounded_and_ignores_what_is_older_than_it_remembers() {
    let mut story = Teller::new();
    for number in 1..=1000 {
        story.fail(number);
    }
    assert_eq!(story.track.points.len(), POINTS_MAX);
    assert_eq!(story.tell(1, 1, Verdict::Passed), []);
    let incident = story.open().unwrap();
    let group = story.track.group(incident).unwrap();
    assert_eq!(group.occurrences, 1000, "what is forgotten still counts");
    assert_eq!(group.first_seen_at, Timestamp(11));
}

#[test]
fn a_late_failure_before_one_that_a_person_resolved_is_resolved_with_it() {
    let mut story = Teller::new();
    let incident = story.fail(5);
    assert!(story.close(incident, 99));
    assert_eq!(story.fail(4), incident);
    let group = story.track.group(incident).unwrap();
    assert_eq!(
        (group.occurrences, group.last_run),
        (2, RunId::from_u128(5))
    );
    assert_eq!(group.end, Some(GroupEnd::Closed(by_hand(99))));
    assert!(!story.track.is_failing());
}

#[test]
fn what_was_forgotten_is_not_taken_in_again() {
    let mut story = Teller::new();
    let count = u64::try_from(POINTS_MAX).unwrap();
    for number in 1..=count + 3 {
        story.fail(number);
    }
    assert_eq!(story.track.floor.unwrap().position.number, 3);
    for number in 1..=3 {
        assert_eq!(story.tell(number, 1, Verdict::Failed), []);
    }
    let incident = story.open().unwrap();
    assert!(story.track.is_failing());
    let occurrences = story.track.group(incident).unwrap().occurrences;
    assert_eq!(u64::from(occurrences), count + 3);
}

#[test]
fn the_last_failure_owns_what_failed_since_the_attempt_decided_before_it() {
    let mut story = Teller::new();
    let incident = story.fail(5);
    let since = |story: &Teller, incident| story.track.group(incident).unwrap().decided_before;
    assert_eq!(since(&story, incident), None);
    story.tell(5, 4, Verdict::Failed);
    assert_eq!(since(&story, incident), Some(1));
    story.tell(5, 2, Verdict::Passed);
    let later = story.open().unwrap();
    assert_eq!(
        (since(&story, incident), since(&story, later)),
        (None, Some(2))
    );
    story.fail(6);
    assert_eq!(
        since(&story, later),
        None,
        "another run's attempts are not its own"
    );
    assert_eq!(story.track.incidents_of(RunId::from_u128(5)), [incident]);
    assert_eq!(story.track.incidents_of(RunId::from_u128(6)), [later]);
}

#[test]
fn an_attempt_that_ends_twice_is_what_it_was_last_and_counts_once() {
    let waits = |at| end(1, 1, at, Conclusion::ActionRequired);
    let passes = end(1, 1, 20, Conclusion::Success);
    for order in [[0, 1], [1, 0]] {
        let mut story = Teller::new();
        for which in order {
            match which {
                0 => story.tell_end(waits(10), Verdict::Failed),
                _ => story.tell_end(passes, Verdict::Passed),
            };
        }
        assert_eq!(story.open(), None, "it was let through and passed");
        assert_eq!(story.shape().len(), 1);
    }
    let mut story = Teller::new();
    let incident = story.tell_end(waits(10), Verdict::Failed)[0];
    story.tell(1, 1, Verdict::Failed);
    let group = story.track.group(incident).unwrap();
    assert_eq!((group.occurrences, group.last.at), (1, Timestamp(11)));
}

#[test]
fn a_telling_at_another_time_counts_once_and_opens_nothing_anew() {
    let failure = |at| end(1, 1, at, Conclusion::Failure);
    let mut story = Teller::new();
    let incident = story.tell_end(failure(10), Verdict::Failed)[0];
    assert!(story.close(incident, 99));
    assert_eq!(story.tell_end(failure(12), Verdict::Failed), []);
    assert_eq!(story.open(), None);
    assert_eq!(story.tell_end(failure(9), Verdict::Failed), [incident]);
    let group = story.track.group(incident).unwrap();
    assert_eq!((group.occurrences, group.last_seen_at), (1, Timestamp(9)));
    assert_eq!(group.end, Some(GroupEnd::Closed(by_hand(99))));
}

#[test]
fn what_was_closed_by_hand_can_still_be_split_and_keeps_its_end() {
    let mut story = Teller::new();
    let first = story.fail(1);
    story.fail(3);
    assert!(story.close(first, 99));
    let changed = story.tell(2, 1, Verdict::Passed);
    let ends: Vec<_> = changed
        .iter()
        .map(|id| story.track.group(*id).unwrap().end)
        .collect();
    let passed = GroupEnd::Passed(RunId::from_u128(2), Timestamp(21));
    assert_eq!(ends, [Some(passed), Some(GroupEnd::Closed(by_hand(99)))]);
    assert_eq!(story.open(), None);
}

#[test]
fn of_too_many_attempts_the_newest_are_remembered_whatever_the_order() {
    let most = u64::try_from(POINTS_MAX).unwrap();
    let (mut forwards, mut backwards) = (Teller::new(), Teller::new());
    let tell = |story: &mut Teller, number| {
        let verdict = match number {
            _ if number % 10 == 0 => Verdict::Passed,
            _ => Verdict::Failed,
        };
        story.tell(number, 1, verdict);
    };
    (1..=2 * most).for_each(|number| tell(&mut forwards, number));
    (1..=2 * most)
        .rev()
        .for_each(|number| tell(&mut backwards, number));
    assert_eq!(forwards.track.points.len(), POINTS_MAX);
    assert!(
        forwards
            .track
            .points
            .keys()
            .eq(backwards.track.points.keys())
    );
    let newest = |story: &Teller| story.shape().split_off(1);
    assert_eq!(newest(&forwards), newest(&backwards));
    assert!(forwards.open().is_some() && backwards.open().is_some());
}

#[test]
fn what_was_forgotten_is_still_the_attempt_before() {
    let mut story = Teller::new();
    let attempts = u32::try_from(POINTS_MAX).unwrap() + 1;
    (1..=attempts).for_each(|attempt| drop(story.tell(5, attempt, Verdict::Passed)));
    assert_eq!(story.track.floor.map(|end| end.position.attempt), Some(1));
    let incident = story.fail(6);
    for number in 7..5 + u64::from(attempts) {
        story.pass(number);
    }
    // Everything before the failure is forgotten now.
    assert_eq!(story.track.points.len(), POINTS_MAX);
    assert!(story.track.group(incident).is_some());
    assert_eq!(
        story.track.decided_before(Position {
            number: 5,
            attempt: attempts + 1
        }),
        Some(attempts)
    );
}

fn verdicts() -> impl Strategy<Value = Vec<(u64, u32, Verdict)>> {
    let verdict = prop_oneof![Just(Verdict::Failed), Just(Verdict::Passed)];
    prop::collection::btree_map((1_u64..12, 1_u32..4), verdict, 1..24)
        .prop_map(|map| map.into_iter().map(|((n, a), v)| (n, a, v)).collect())
}

proptest! {
    #[test]
    fn any_order_and_repetition_ends_in_the_same_incidents(
        (ordered, shuffled) in verdicts().prop_flat_map(|list| {
            let twice = [list.clone(), list.clone()].concat();
            (Just(list), Just(twice).prop_shuffle())
        })
    ) {
        let (mut told_in_order, mut told_anyhow) = (Teller::new(), Teller::new());
        for (number, attempt, verdict) in ordered {
            told_in_order.tell(number, attempt, verdict);
        }
        for (number, attempt, verdict) in shuffled {
            told_anyhow.tell(number, attempt, verdict);
        }
        prop_assert_eq!(told_in_order.shape(), told_anyhow.shape());
    }

    #[test]
    fn there_is_an_open_incident_exactly_when_the_last_attempt_failed(list in verdicts()) {
        let mut story = Teller::new();
        for (number, attempt, verdict) in &list {
            story.tell(*number, *attempt, *verdict);
        }
        let last_failed = list.last().unwrap().2 == Verdict::Failed;
        prop_assert_eq!(story.open().is_some(), last_failed);
    }
}
