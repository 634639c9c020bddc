//! Stories and properties of tracks.

use super::*;
use proptest::prelude::*;

fn key() -> TrackKey {
    TrackKey {
        connection: ConnectionId::from_u128(1),
        workflow_key: "77".into(),
        branch: "main".into(),
    }
}

struct Teller {
    track: Track,
    next: u128,
}

impl Teller {
    fn new() -> Self {
        Self {
            track: Track::new(key()),
            next: 0,
        }
    }

    fn tell(&mut self, number: u64, attempt: u32, verdict: Verdict) -> Vec<IncidentId> {
        let at = i64::try_from(number).unwrap() * 10 + i64::from(attempt);
        self.tell_at(number, attempt, verdict, at)
    }

    fn tell_at(&mut self, number: u64, attempt: u32, verdict: Verdict, at: i64) -> Vec<IncidentId> {
        let next = &mut self.next;
        let mut new_incident = || {
            *next += 1;
            IncidentId::from_u128(*next)
        };
        let (at, position) = (Timestamp(at), Position { number, attempt });
        let run = RunId::from_u128(u128::from(number));
        self.track
            .take(position, verdict, run, at, &mut new_incident)
    }

    fn fail(&mut self, number: u64) -> IncidentId {
        self.tell(number, 1, Verdict::Failed)[0]
    }

    fn pass(&mut self, number: u64) {
        self.tell(number, 1, Verdict::Passed);
    }

    fn groups(&self) -> Vec<Group> {
        let mut ids = Vec::new();
        for point in self.track.points.values() {
            if let PointKind::Failed { incident, .. } = point.kind
                && !ids.contains(&incident)
            {
                ids.push(incident);
            }
        }
        ids.iter().filter_map(|id| self.track.group(*id)).collect()
    }

    /// Everything that must not depend on order: the groups without their ids.
    fn shape(&self) -> Vec<Shape> {
        let shape = |g: Group| {
            (
                g.occurrences,
                g.first_seen_at,
                g.last_seen_at,
                g.last_run,
                g.end,
            )
        };
        self.groups().into_iter().map(shape).collect()
    }
}

type Shape = (u32, Timestamp, Timestamp, RunId, Option<GroupEnd>);

/// What a list of all attempts, by position, amounts to: told once more, as simply as can be.
fn expected(attempts: &[Attempt]) -> Vec<Shape> {
    let mut shapes: Vec<Shape> = Vec::new();
    for ((number, _), verdict, at) in attempts {
        let (run, at) = (RunId::from_u128(u128::from(*number)), Timestamp(*at));
        let open = shapes.last_mut().filter(|shape| shape.4.is_none());
        match (verdict, open) {
            (Verdict::Failed, None) => shapes.push((1, at, at, run, None)),
            (Verdict::Failed, Some(open)) => {
                let (count, first, last, ..) = *open;
                *open = (count + 1, first.min(at), last.max(at), run, None);
            }
            (Verdict::Passed, Some(open)) => open.4 = Some(GroupEnd::Passed(run, at)),
            (Verdict::Passed, None) => {}
        }
    }
    shapes
}

#[test]
fn failures_in_a_row_are_one_incident_and_a_pass_resolves_it() {
    let mut story = Teller::new();
    let incident = story.fail(1);
    assert_eq!(story.fail(2), incident);
    assert_eq!(story.track.open_incident(), Some(incident));
    story.pass(3);
    assert_eq!(story.track.open_incident(), None);
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
    assert_eq!(story.track.open_incident(), Some(incident));
}

#[test]
fn a_successful_rerun_resolves_its_own_failure_but_not_a_newer_one() {
    let mut story = Teller::new();
    let incident = story.fail(5);
    story.tell(5, 2, Verdict::Passed);
    assert_eq!(story.track.open_incident(), None);

    let newer = story.fail(6);
    story.tell(5, 3, Verdict::Passed);
    assert_eq!(story.track.open_incident(), Some(newer));
    assert_ne!(newer, incident);
}

#[test]
fn a_late_failure_does_not_reopen_what_a_later_run_resolved() {
    let mut story = Teller::new();
    story.pass(7);
    let incident = story.fail(6);
    assert_eq!(story.track.open_incident(), None);
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
    assert_eq!(story.track.open_incident(), Some(changed[1]));
}

#[test]
fn what_a_person_resolved_stays_resolved_and_a_new_failure_is_a_new_incident() {
    let mut story = Teller::new();
    let incident = story.fail(1);
    assert!(story.track.resolve_by_hand(incident, Timestamp(99)));
    assert!(
        !story.track.resolve_by_hand(incident, Timestamp(100)),
        "only once"
    );
    assert_eq!(story.track.open_incident(), None);
    let next = story.fail(2);
    assert_ne!(next, incident);
    story.pass(3);
    let end = story.track.group(incident).unwrap().end;
    assert_eq!(
        end,
        Some(GroupEnd::ByHand(Timestamp(99))),
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
    let incident = story.track.open_incident().unwrap();
    let group = story.track.group(incident).unwrap();
    assert_eq!(group.occurrences, 1000, "what is forgotten still counts");
    assert_eq!(group.first_seen_at, Timestamp(11));
}

#[test]
fn a_late_failure_before_one_that_a_person_resolved_is_resolved_with_it() {
    let mut story = Teller::new();
    let incident = story.fail(5);
    story.track.resolve_by_hand(incident, Timestamp(99));
    assert_eq!(story.fail(4), incident);
    let group = story.track.group(incident).unwrap();
    assert_eq!(
        (group.occurrences, group.last_run),
        (2, RunId::from_u128(5))
    );
    assert_eq!(group.end, Some(GroupEnd::ByHand(Timestamp(99))));
}

#[test]
fn what_was_forgotten_is_not_taken_in_again() {
    let mut story = Teller::new();
    let count = u64::try_from(POINTS_MAX).unwrap();
    for number in 1..=count + 3 {
        story.fail(number);
    }
    assert_eq!(story.track.floor.unwrap().number, 3);
    for number in 1..=3 {
        assert_eq!(story.tell(number, 1, Verdict::Failed), []);
    }
    let incident = story.track.open_incident().unwrap();
    let occurrences = story.track.group(incident).unwrap().occurrences;
    assert_eq!(u64::from(occurrences), count + 3);
}

/// A position, what it meant, and when it ended by the provider's clock.
type Attempt = ((u64, u32), Verdict, i64);

/// Attempts by position. Their clock is no better ordered than the provider's.
fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
    let verdict = prop_oneof![Just(Verdict::Failed), Just(Verdict::Passed)];
    prop::collection::btree_map((1_u64..12, 1_u32..4), (verdict, 0..100_i64), 1..24)
        .prop_map(|map| map.into_iter().map(|(p, (v, at))| (p, v, at)).collect())
}

proptest! {
    #[test]
    fn any_order_and_repetition_ends_in_the_incidents_that_the_set_of_attempts_means(
        (ordered, shuffled) in attempts().prop_flat_map(|list| {
            let twice = [list.clone(), list.clone()].concat();
            (Just(list), Just(twice).prop_shuffle())
        })
    ) {
        let mut story = Teller::new();
        for ((number, attempt), verdict, at) in shuffled {
            let before = story.groups();
            let told = story.tell_at(number, attempt, verdict, at);
            // Whoever keeps incidents in step looks at those that are told, and at no others.
            for group in story.groups().into_iter().filter(|group| !before.contains(group)) {
                prop_assert!(told.contains(&group.incident), "{:?} is not told", group);
            }
        }
        prop_assert_eq!(story.shape(), expected(&ordered));
    }

    #[test]
    fn there_is_an_open_incident_exactly_when_the_last_attempt_failed(list in attempts()) {
        let mut story = Teller::new();
        for ((number, attempt), verdict, at) in &list {
            story.tell_at(*number, *attempt, *verdict, *at);
        }
        let last_failed = list.last().unwrap().1 == Verdict::Failed;
        prop_assert_eq!(story.track.open_incident().is_some(), last_failed);
    }
}
