//! Walks through a long log that are cut off again and again.

use super::World;
use super::log::State;
use crate::provider::LogPage;
use std::time::Duration;

/// Entries of a page of a log whose pages have numbers.
const A_PAGE: usize = 20;

/// A page takes 50 ms.
const LIFE: Duration = Duration::from_secs(1);
const PAGES_A_LIFE: u64 = 20;
/// What a restart costs: the pages since it was last remembered how far the walk had come, the
/// newest page, and those in which the bottom is looked for.
const PAGES_LOST: u64 = 10;

/// Reads a log of so many pages with processes that live for a second each. Between them, more is
/// sent. All of it is stored in the end.
async fn cut_off(world: &mut World, mut sent: Vec<String>, pages: u64, more: usize) {
    world.settings.startup_spread = Duration::ZERO;
    let lives = pages / (PAGES_A_LIFE - PAGES_LOST) + 2;
    for _ in 0..lives {
        world.start().await;
        world.passes(LIFE).await;
        world.kill().await;
        if world.ledger().read_at.is_some() {
            let stored = world.stored();
            assert!(sent.iter().all(|guid| stored.contains_key(guid)));
            assert_eq!(world.ledger().stretches, []);
            return;
        }
        sent.extend(world.log.misses(more));
    }
    panic!("{:?}", world.ledger());
}

#[tokio::test]
async fn a_walk_that_is_cut_off_is_continued_where_pages_have_numbers() {
    let mut world = World::new().await;
    world.log.state.lock().is_numbered = true;
    let sent = world.log.misses(4_000);
    cut_off(&mut world, sent, 200, 7).await;
    let (missed, recovered, outstanding, lost) = world.account();
    assert_eq!((missed, outstanding, lost), (recovered, 0, Vec::new()));
    let calls = world.log.calls("delivery_log");
    assert!(calls < 400, "{calls}");
}

#[tokio::test]
async fn a_walk_that_is_cut_off_is_continued_where_cursors_name_places() {
    let mut world = World::new().await;
    let mut sent = world.log.misses(1);
    for _ in 0..5_000 {
        sent.push(world.delivered().await);
    }
    cut_off(&mut world, sent, 50, 0).await;
    let calls = world.log.calls("delivery_log");
    assert!(calls < 100, "{calls}");
}

/// The entry at which a walk was cut off is deleted meanwhile.
#[tokio::test]
async fn where_the_place_is_gone_everything_is_read_and_nothing_is_left_out() {
    let mut world = World::new().await;
    world.settings.startup_spread = Duration::ZERO;
    world.log.state.lock().is_numbered = true;
    let sent = world.log.misses(1_000);
    world.start().await;
    world.passes(LIFE).await;
    world.kill().await;
    let bottom = world.ledger().stretches[0].bottom;
    {
        let mut state = world.log.state.lock();
        state.entries.retain(|(logged, _)| logged.attempt != bottom);
    }
    world.start().await;
    world.until(|world| world.ledger().read_at.is_some()).await;
    let stored = world.stored();
    assert!(sent.iter().all(|guid| stored.contains_key(guid)));
    assert_eq!((stored.len(), world.ledger().stretches.len()), (1_000, 0));
}

/// A page of a log with numbered pages.
pub(super) fn page(state: &State, cursor: Option<&str>) -> LogPage {
    let page: usize = cursor.map_or(1, |cursor| cursor.parse().expect("a number"));
    let mut all = state.entries.iter().rev().map(|(logged, _)| logged);
    let skipped = all.by_ref().take((page - 1) * A_PAGE).count();
    let attempts: Vec<_> = all.by_ref().take(A_PAGE).cloned().collect();
    let has_more = skipped + attempts.len() < state.entries.len();
    LogPage {
        attempts,
        unreadable: 0,
        next: has_more.then(|| (page + 1).to_string()),
    }
}

/// The page before the one with an entry before which so many are listed.
pub(super) fn place(before: u64) -> String {
    (before / A_PAGE as u64).max(1).to_string()
}
