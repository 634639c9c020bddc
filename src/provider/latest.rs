//! Which runs of a list say how their lanes stand.

use crate::domain::rule::Verdict;
use crate::domain::run::{Conclusion, RunStatus};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// A run of a list: its kind (only runs of one kind resolve each other), its place among those of
/// its kind, and its state.
pub(super) type Seen<K> = (K, u64, RunStatus);

/// What a list says. Runs are named by their index in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Latest<K: Ord> {
    /// The runs from which the state of each kind follows.
    pub(super) chosen: BTreeSet<usize>,
    /// Of each kind the last run that decides.
    pub(super) deciding: BTreeMap<K, (usize, Verdict)>,
}

/// What was seen of a kind, from its newest run on.
#[derive(Debug, Default)]
struct Walk {
    ends: BTreeSet<Conclusion>,
    has_passed: bool,
}

/// The latest runs of each kind: the last one that decides, and what came after it: each that has
/// not ended, and one of each conclusion that decides nothing.
///
/// The rules for incidents may be configured, and are not known here. So of the failures since the
/// last pass, the last one of each conclusion that fails is chosen: another may not count.
pub(super) fn latest<K: Ord + Clone>(runs: &[Seen<K>]) -> Latest<K> {
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by_key(|at| Reverse(runs[*at].1));
    let (mut chosen, mut deciding) = (BTreeSet::new(), BTreeMap::new());
    let mut walks: BTreeMap<&K, Walk> = BTreeMap::new();
    for at in order {
        let (kind, _, status) = &runs[at];
        let walk = walks.entry(kind).or_default();
        let is_open = !deciding.contains_key(kind);
        let Some(conclusion) = status.conclusion() else {
            chosen.extend(is_open.then_some(at));
            continue;
        };
        let verdict = Verdict::by_default(conclusion);
        let has_failed = verdict == Some(Verdict::Failed) && !walk.has_passed;
        if (is_open || has_failed) && walk.ends.insert(conclusion) {
            chosen.insert(at);
        }
        walk.has_passed |= verdict == Some(Verdict::Passed);
        if let Some(verdict) = verdict {
            deciding.entry(kind.clone()).or_insert((at, verdict));
        }
    }
    Latest { chosen, deciding }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNS: RunStatus = RunStatus::InProgress;

    fn ended(conclusion: Conclusion) -> RunStatus {
        RunStatus::Completed(conclusion)
    }

    /// The numbers of the chosen ones of runs of one kind that are listed from the newest on.
    fn chosen(newest_first: &[RunStatus]) -> Vec<usize> {
        let count = newest_first.len();
        let numbered = newest_first.iter().zip(0_u64..);
        let runs: Vec<Seen<()>> = numbered
            .map(|(status, at)| ((), u64::MAX - at, *status))
            .collect();
        let found = latest(&runs);
        assert!(found.chosen.iter().all(|at| *at < count));
        found.chosen.into_iter().collect()
    }

    #[test]
    fn what_decides_nothing_hides_no_end_that_does() {
        use Conclusion::{Failure, Success};
        for conclusion in Conclusion::ALL {
            if Verdict::by_default(conclusion).is_some() {
                continue;
            }
            for last in [Failure, Success] {
                let runs = [RUNS, ended(conclusion), ended(conclusion), ended(last)];
                assert_eq!(chosen(&runs), [0, 1, 3], "{conclusion:?} {last:?}");
            }
        }
    }

    #[test]
    fn a_pass_is_the_last_word_and_other_failures_before_a_failure_may_be_the_ones_that_count() {
        use Conclusion::{Cancelled, Failure, Success, TimedOut};
        let before = [RUNS, ended(Cancelled), ended(Failure), ended(TimedOut)];
        let with = |last: &[Conclusion]| {
            let last = last.iter().map(|conclusion| ended(*conclusion));
            chosen(&last.chain(before).collect::<Vec<_>>())
        };
        assert_eq!(with(&[Success]), [0]);
        assert_eq!(with(&[Failure]), [0, 4]);
        assert_eq!(with(&[TimedOut, Failure, TimedOut]), [0, 1]);
        assert_eq!(with(&[Failure, Success]), [0]);
    }

    #[test]
    fn kinds_do_not_concern_each_other_and_the_order_of_a_list_is_of_no_account() {
        use Conclusion::{Cancelled, Failure, Success};
        let runs = [
            ("push", 3, ended(Failure)),
            ("schedule", 9, ended(Success)),
            ("push", 8, ended(Cancelled)),
            ("push", 1, ended(Success)),
            ("fork", 7, RUNS),
        ];
        let found = latest(&runs);
        assert_eq!(found.chosen, BTreeSet::from([0, 1, 2, 4]));
        let deciding = [
            ("push", (0, Verdict::Failed)),
            ("schedule", (1, Verdict::Passed)),
        ];
        assert_eq!(found.deciding, BTreeMap::from(deciding));
    }
}
