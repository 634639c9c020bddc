//! Failures after a pass: soon after it, or while the workflow flaps.

use super::*;
use std::time::Duration;

/// A minute by the provider's clock.
const MINUTE: i64 = 60_000;

const SOON: Reopening = Reopening {
    within: Duration::from_mins(30),
    when_flapping: false,
};
const FLAPS: Reopening = Reopening {
    within: Duration::ZERO,
    when_flapping: true,
};
const BOTH: Reopening = Reopening {
    within: Duration::from_mins(30),
    when_flapping: true,
};

impl Teller {
    fn under(reopening: Reopening) -> Self {
        Self {
            reopening,
            ..Self::new()
        }
    }

    /// Run `number` ended in this minute: `f` failed, `p` passed.
    fn ends(&mut self, number: u64, minute: i64, result: char) -> Shift {
        let (verdict, conclusion) = match result {
            'f' => (Verdict::Failed, Conclusion::Failure),
            _ => (Verdict::Passed, Conclusion::Success),
        };
        self.shift(end(number, 1, minute * MINUTE, conclusion), verdict)
    }

    /// Runs end one an hour.
    fn hourly(&mut self, from: u64, results: &str) {
        for (number, result) in (from..).zip(results.chars()) {
            self.ends(number, i64::try_from(number).unwrap() * 60, result);
        }
    }

    /// The failures of each incident, in order.
    fn counts(&self) -> Vec<u32> {
        self.shape().iter().map(|group| group.occurrences).collect()
    }

    fn last_group(&self) -> Group {
        self.shape().pop().unwrap()
    }
}

#[test]
fn a_failure_soon_after_a_pass_opens_the_same_incident_again() {
    let mut story = Teller::under(SOON);
    let incident = story.ends(1, 0, 'f').changed[0];
    story.ends(2, 10, 'p');
    assert_eq!(story.open(), None);
    let shift = story.ends(3, 40, 'f');
    assert_eq!((shift.changed, shift.joined), (vec![incident], vec![]));
    assert_eq!(story.open(), Some(incident));
    let group = story.track.group(incident).unwrap();
    assert_eq!((group.occurrences, group.end), (2, None));
    story.ends(4, 50, 'p');
    let end = story.track.group(incident).unwrap().end;
    let passed = GroupEnd::Passed(RunId::from_u128(4), Timestamp(50 * MINUTE));
    assert_eq!(end, Some(passed));
    // A moment longer, and it is another one. The first pass counts.
    story.ends(5, 60, 'p');
    assert_ne!(story.ends(6, 81, 'f').changed, [incident]);
    assert_eq!(story.counts(), [2, 1]);
}

#[test]
fn what_ended_otherwise_than_by_a_pass_is_not_opened_again() {
    let mut story = Teller::under(BOTH);
    let incident = story.ends(1, 0, 'f').changed[0];
    story.ends(2, 10, 'f');
    assert!(story.close(incident, 11 * MINUTE));
    assert_ne!(story.ends(3, 12, 'f').changed, [incident]);
    let mut story = Teller::under(BOTH);
    let incident = story.ends(1, 0, 'f').changed[0];
    let at = EndedAt {
        at: Timestamp(5 * MINUTE),
        reach: Reach::Begun,
    };
    let shift = story
        .track
        .end(at, Resolution::Merged, || IncidentId::from_u128(50));
    assert_eq!(shift.changed, [incident]);
    assert_ne!(
        story.ends(2, 6, 'f').changed,
        [incident],
        "it began after the merge"
    );
}

#[test]
fn a_late_failure_joins_two_incidents_and_a_late_pass_parts_them() {
    let mut story = Teller::under(SOON);
    let first = story.ends(1, 0, 'f').changed[0];
    story.ends(2, 10, 'p');
    let second = story.ends(5, 60, 'f').changed[0];
    assert_ne!(first, second);
    // Between them and the first is no half an hour, and between them no pass.
    let shift = story.ends(4, 40, 'f');
    assert_eq!((shift.changed, shift.joined), (vec![first], vec![second]));
    assert_eq!(story.counts(), [3]);
    assert_eq!(story.track.group(second), None);
    // The first pass after the failure was earlier than was known.
    let third = IncidentId::from_u128(3);
    let early = end(1, 2, 5 * MINUTE, Conclusion::Success);
    let shift = story.shift(early, Verdict::Passed);
    assert_eq!((shift.changed, shift.joined), (vec![first, third], vec![]));
    assert_eq!(story.counts(), [1, 2]);
}

#[test]
fn while_it_flaps_all_is_one_incident_until_it_is_steady() {
    let mut story = Teller::under(FLAPS);
    story.hourly(1, "fpfpfp");
    assert_eq!(story.counts(), [1, 1, 1]);
    assert!(!story.last_group().is_flapping);
    // The sixth change within 21 results.
    story.hourly(7, "f");
    assert_eq!(story.counts(), [1, 1, 2], "the last is opened again");
    assert!(story.last_group().is_flapping);
    story.hourly(8, "pfpppf");
    assert_eq!(story.counts(), [1, 1, 4]);
    let group = story.last_group();
    assert!(group.is_flapping && group.end.is_none());
    story.hourly(14, "p");
    assert!(story.last_group().is_flapping && story.last_group().end.is_some());
    story.hourly(15, &"p".repeat(14));
    assert!(
        !story.last_group().is_flapping,
        "{:?}",
        story.track.whole_trend()
    );
    story.hourly(30, "f");
    assert_eq!(story.counts(), [1, 1, 4, 1]);
}

#[test]
fn where_flapping_is_of_no_account_nothing_flaps() {
    let mut story = Teller::under(SOON);
    story.hourly(1, "fpfpfpfpfpf");
    assert!(story.track.whole_trend().now.is_flapping);
    assert!(!story.last_group().is_flapping);
    assert_eq!(story.counts(), [1; 6]);
}

#[test]
fn one_that_a_person_resolved_does_not_flap() {
    let mut story = Teller::under(FLAPS);
    story.hourly(1, "fpfpfpf");
    let incident = story.open().unwrap();
    assert!(story.track.group(incident).unwrap().is_flapping);
    assert!(story.close(incident, 10_000 * MINUTE));
    assert!(!story.track.group(incident).unwrap().is_flapping);
    story.hourly(8, "pf");
    assert_ne!(story.open(), Some(incident));
    assert!(story.last_group().is_flapping, "the next one does");
}

#[test]
fn what_was_stored_before_stays_as_it_was() {
    let mut story = Teller::new();
    story.hourly(1, "fpfpfpfpfp");
    let before = story.incidents();
    story.reopening = BOTH;
    story.ends(11, 11 * 60, 'p');
    assert_eq!((story.incidents(), story.counts()), (before, vec![1; 5]));
    story.hourly(12, "f");
    assert_eq!(
        story.counts(),
        [1, 1, 1, 1, 2],
        "only what comes now is opened again"
    );
}

#[test]
fn what_is_forgotten_still_counts_and_parts_nothing() {
    let most = POINTS_MAX * 3;
    let results: String = "fp".repeat(most / 2);
    let mut story = Teller::under(FLAPS);
    story.hourly(1, &results);
    let groups = story.shape();
    assert_eq!(groups.len(), 1, "{groups:?}");
    let flapped = u32::try_from(most / 2).unwrap() - 2;
    assert_eq!(groups[0].occurrences, flapped);
    assert_eq!(story.track.points.len(), POINTS_MAX);
}

/// Ends of runs: number, attempt, minute and result.
type Ends = Vec<(u64, u32, i64, bool)>;

fn ends() -> impl Strategy<Value = Ends> {
    let end = (0_i64..90, any::<bool>());
    prop::collection::btree_map((1_u64..14, 1_u32..3), end, 1..28).prop_map(|map| {
        let ends = map.into_iter();
        let minute = |number: u64, late| i64::try_from(number).unwrap() * 20 + late;
        ends.map(|((number, attempt), (late, failed))| {
            (number, attempt, minute(number, late), failed)
        })
        .collect()
    })
}

fn reopenings() -> impl Strategy<Value = Reopening> {
    prop::sample::select(vec![SOON, FLAPS, BOTH])
}

fn tell_all(story: &mut Teller, ends: &Ends, live: &mut BTreeSet<IncidentId>) {
    for (number, attempt, minute, failed) in ends {
        let (verdict, conclusion) = match failed {
            true => (Verdict::Failed, Conclusion::Failure),
            false => (Verdict::Passed, Conclusion::Success),
        };
        let shift = story.shift(end(*number, *attempt, minute * MINUTE, conclusion), verdict);
        for joined in &shift.joined {
            assert!(live.remove(joined), "it was known, and joins only once");
        }
        live.extend(shift.changed);
    }
}

/// The rule, by itself: pairs of failures, of which nothing is between but passes.
fn expected(ends: &Ends, reopening: Reopening) -> Vec<u32> {
    let mut trend = flapping::Trend::default();
    let (mut counts, mut passed): (Vec<u32>, Option<i64>) = (Vec::new(), None);
    for (number, attempt, minute, failed) in ends {
        let position = Position {
            number: *number,
            attempt: *attempt,
        };
        let is_flapping = trend.take(position, *failed) && reopening.when_flapping;
        if !failed {
            passed = passed.or(Some(*minute));
            continue;
        }
        let within = i64::try_from(reopening.within.as_secs() / 60).unwrap();
        let is_soon = passed.is_none_or(|at| within > 0 && minute - at <= within);
        match counts.last_mut().filter(|_| is_soon || is_flapping) {
            Some(count) => *count += 1,
            None => counts.push(1),
        }
        passed = None;
    }
    counts
}

proptest! {
    #![proptest_config(crate::histories::of(2_000))]

    #[test]
    fn any_order_and_repetition_ends_in_the_incidents_that_the_rule_says(
        (ordered, shuffled) in ends().prop_flat_map(|list| {
            let twice = [list.clone(), list.clone()].concat();
            (Just(list), Just(twice).prop_shuffle())
        }),
        reopening in reopenings(),
    ) {
        let (mut in_order, mut anyhow) = (Teller::under(reopening), Teller::under(reopening));
        let mut live = BTreeSet::new();
        tell_all(&mut in_order, &ordered, &mut BTreeSet::new());
        tell_all(&mut anyhow, &shuffled, &mut live);
        prop_assert_eq!(in_order.shape(), anyhow.shape());
        prop_assert_eq!(in_order.counts(), expected(&ordered, reopening));
        // Every incident of which anything was said is there, or has joined another one.
        let there: BTreeSet<IncidentId> = anyhow.incidents().into_iter().collect();
        prop_assert_eq!(live, there);
    }
}
