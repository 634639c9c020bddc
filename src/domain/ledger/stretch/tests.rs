//! Walks that are cut off, page by page and as histories.

use super::*;
use crate::domain::samples::stretch;
use crate::domain::time::Timestamp;
use proptest::prelude::*;
use std::collections::BTreeSet;

const PAGE: u64 = 20;

fn sight(began: i64) -> Sight {
    Sight {
        began: Timestamp(began),
        newest: None,
        newest_at: None,
    }
}

/// The attempts from one down to another.
fn down(from: u64, to: u64) -> Vec<u64> {
    (to..=from).rev().collect()
}

#[test]
fn what_was_read_is_remembered_once_it_is_long_enough() {
    let mut progress = Progress::new(Vec::new());
    for page in 0..9 {
        let newest = 1_000 - page * PAGE;
        let attempts = down(newest, newest - PAGE + 1);
        assert_eq!(progress.pass(&attempts, 0, false), Step::Next);
        assert_eq!(progress.stretches("20:9", sight(1), false), None);
    }
    // Others have pushed a whole page down, and more: what repeats counts once.
    progress.pass(&down(830, 815), 0, false);
    progress.pass(&down(815, 800), 1, false);
    let expected = Stretch {
        top: 1_000,
        bottom: 800,
        count: 202,
        page: "20:11".to_owned(),
        sight: sight(1),
        is_unsure: true,
    };
    let stretches = progress.stretches("20:11", sight(1), true);
    assert_eq!(stretches, Some(vec![expected]));
}

#[test]
fn a_walk_that_meets_a_stretch_goes_to_its_bottom_and_is_one_with_it() {
    let known = stretch(900, 500);
    let mut progress = Progress::new(vec![known.clone()]);
    assert_eq!(progress.pass(&down(920, 901), 0, false), Step::Next);
    // Twenty above it, and four hundred within it before the last.
    let step = progress.pass(&down(900, 881), 0, false);
    assert_eq!(step, Step::Jump(known, 420));
    assert_eq!(
        progress.stretches("", sight(1), false),
        None,
        "not there yet"
    );
    assert_eq!(progress.pass(&down(521, 502), 0, false), Step::Next);
    assert_eq!(progress.pass(&down(501, 482), 0, false), Step::Next);
    let whole = progress.stretches("p", sight(1), false).unwrap();
    let shape = |it: &Stretch| (it.top, it.bottom, it.count);
    assert_eq!(
        whole.iter().map(shape).collect::<Vec<_>>(),
        [(920, 482, 439)]
    );
}

#[test]
fn several_stretches_are_met_one_after_another_and_those_in_between_are_read_again() {
    let known = vec![stretch(900, 700), stretch(690, 480), stretch(400, 200)];
    let mut progress = Progress::new(known.clone());
    let step = progress.pass(&down(900, 881), 0, false);
    assert_eq!(step, Step::Jump(known[0].clone(), 200));
    // On the page of its bottom is the top of the next.
    let step = progress.pass(&down(705, 686), 0, false);
    assert_eq!(step, Step::Jump(known[1].clone(), 420));
    assert_eq!(progress.pass(&down(480, 461), 0, false), Step::Next);
    let whole = progress.stretches("p", sight(1), false).unwrap();
    assert_eq!(whole[1..], known[2..]);
    assert_eq!(
        (whole[0].top, whole[0].bottom, whole[0].count),
        (900, 461, 440)
    );
}

#[test]
fn a_bottom_that_is_not_found_is_lost_and_the_end_of_the_log_needs_none() {
    let known = stretch(900, 500);
    let met = || {
        let mut progress = Progress::new(vec![known.clone()]);
        progress.pass(&down(900, 881), 0, false);
        progress
    };
    assert_eq!(
        met().pass(&down(520, 501), 0, true),
        Step::Lost,
        "it is shorter now"
    );
    assert_eq!(met().pass(&[], 0, true), Step::Lost);
    let mut progress = met();
    for _ in 0..PAGES_MAX {
        assert_eq!(progress.pass(&down(499, 480), 0, false), Step::Next);
    }
    assert_eq!(progress.pass(&down(499, 480), 0, false), Step::Lost);
    assert_eq!(
        met().pass(&down(510, 491), 0, true),
        Step::Next,
        "the last page"
    );
    let mut progress = Progress::new(vec![known.clone()]);
    let step = progress.pass(&down(905, 890), 0, true);
    assert_eq!(step, Step::Next, "what is below it is settled");
}

/// Walks through a log with numbered pages, which are cut off after some pages, while entries are
/// sent and the oldest are deleted. Returns what the last one, which was not, has left out.
fn walks(cuts: &[(u64, u64, u64)]) -> BTreeSet<u64> {
    let (mut newest, mut oldest) = (3_000_u64, 1_u64);
    let mut known: Vec<Stretch> = Vec::new();
    let mut compared: BTreeSet<u64> = BTreeSet::new();
    let forever = (u64::MAX, 1, 0);
    for (pages, every, deleted) in cuts.iter().copied().chain([forever]) {
        let begun_at = newest;
        let (mut progress, mut page) = (Progress::new(known.clone()), 1);
        for read in 0..pages {
            let place = newest.saturating_sub((page - 1) * PAGE);
            let end = place.saturating_sub(PAGE).max(oldest - 1);
            let attempts = down(place.max(end), end + 1);
            compared.extend(&attempts);
            let is_last = end < oldest;
            match progress.pass(&attempts, 0, is_last) {
                Step::Next if is_last => {
                    return (oldest..=begun_at)
                        .filter(|it| !compared.contains(it))
                        .collect();
                }
                Step::Next => page += 1,
                Step::Jump(_, before) => page = (before / PAGE).max(1),
                Step::Lost => {
                    (progress, page) = (Progress::new(Vec::new()), 1);
                    known.clear();
                    continue;
                }
            }
            if read % 5 == 4 {
                known = progress.stretches("", sight(0), false).unwrap_or(known);
            }
            newest += u64::from(read % every == 0);
        }
        oldest += deleted;
        newest += deleted;
    }
    unreachable!("the last one comes to its end")
}

proptest! {
    #[test]
    fn whenever_walks_are_cut_off_all_is_compared(
        cuts in proptest::collection::vec((1_u64..60, 1_u64..9, 0_u64..40), 0..12),
    ) {
        prop_assert_eq!(walks(&cuts), BTreeSet::new());
    }
}
