//! Our clock is set back between what happened to a hook and the reconcile that looks for what it
//! missed.

use super::World;
use crate::domain::id::HookId;
use crate::domain::ledger::{Gap, GapCause};
use std::time::Duration;

const BACK: Duration = Duration::from_hours(2);

/// The only gap, once it is closed.
async fn closed(world: &World) -> Gap {
    world
        .until(|world| world.gaps().iter().any(|gap| gap.closed_at.is_some()))
        .await;
    let gaps = world.gaps();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    gaps[0].clone()
}

#[tokio::test]
async fn what_a_changed_hook_did_not_get_is_listed_though_the_clock_was_set_back() {
    let world = World::at_work().await;
    world.passes(Duration::from_hours(1)).await;
    let since = world.now();
    world.clock.set_back(BACK);
    world.asks_since(Some(since));
    let gap = closed(&world).await;
    assert_eq!(gap.cause, GapCause::HookChanged);
    assert!(gap.from <= gap.to && gap.to <= world.now(), "{gap:?}");
    assert_eq!(world.log.calls("runs_since"), 1);
}

#[tokio::test]
async fn a_time_without_a_hook_is_a_gap_though_the_clock_was_set_back() {
    let world = World::at_work().await;
    world.passes(Duration::from_hours(1)).await;
    world.clock.set_back(BACK);
    world.log.state.lock().entries.clear();
    world.has_hook(HookId(8)).await;
    world.asks();
    let gap = closed(&world).await;
    assert_eq!(gap.cause, GapCause::NoHook);
    assert!(gap.from <= gap.to && gap.to <= world.now(), "{gap:?}");
    assert_eq!(world.log.calls("runs_since"), 1);
}
