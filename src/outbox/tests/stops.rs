//! The process dies at any batch, and the store fails.

use super::*;
use crate::store::faulty::Fault;

const fn is_ours(change: &Change) -> bool {
    matches!(
        change,
        Change::PutNotification(_) | Change::PutAnnounced(_) | Change::PutThread(_)
    )
}

/// An incident that opens and is resolved; the process dies at the `nth` of its batches.
async fn dies_at(nth: usize, fault: Fault) -> Vec<Heard> {
    let mut world = World::new().await;
    world.store.breaks(nth, fault, is_ours);
    let incident = world.open(1).await;
    world.passes(Duration::from_mins(1)).await;
    world.resolve(&incident).await;
    world.passes(Duration::from_mins(1)).await;
    world.kill();
    world.store.breaks(usize::MAX, fault, |_| false);
    world.start();
    world.passes(Duration::from_hours(100)).await;
    assert!(!world.states().contains(&"waiting"), "{:?}", world.states());
    world.heard()
}

#[tokio::test(start_paused = true)]
async fn a_death_at_any_batch_loses_nothing_and_repeats_the_same_ids_only() {
    use NotificationKind::{Opened, Resolved};
    let mut lives = 0;
    for fault in [Fault::StopBefore, Fault::StopAfter] {
        for nth in 0..12 {
            let heard = dies_at(nth, fault).await;
            let mut ids: Vec<_> = heard.iter().map(|it| (it.id, it.kind)).collect();
            ids.dedup();
            let kinds: Vec<_> = ids.iter().map(|(_, kind)| *kind).collect();
            // Both, or neither: it was resolved before anything was sent.
            let is_right = kinds == [Opened, Resolved] || kinds.is_empty();
            assert!(is_right, "{fault:?} at {nth}: {heard:?}");
            assert!(heard.len() <= 3, "{heard:?}");
            lives += usize::from(heard.len() == 2);
        }
    }
    assert!(lives > 4, "most histories have a second life: {lives}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_full_for_an_hour_delays_and_loses_nothing() {
    let world = World::new().await;
    world.store.breaks(1, Fault::Refuse, is_ours);
    let incident = world.open(1).await;
    world.passes(Duration::from_hours(1)).await;
    assert_eq!(
        world.heard(),
        [],
        "nothing is sent whose intent is not stored"
    );
    world.store.breaks(usize::MAX, Fault::Refuse, |_| false);
    world.until(|world| world.states() == ["sent"]).await;
    world.resolve(&incident).await;
    world
        .until(|world| world.states() == ["sent", "sent"])
        .await;
    assert_eq!(world.heard().len(), 2);
}
