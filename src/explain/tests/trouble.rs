//! Providers in trouble, processes that die, and people who leave.

use super::*;
use crate::domain::error_code::ErrorCode;
use crate::domain::explanation::TRIES_MAX;
use crate::store::faulty::Fault;

const fn is_ours(change: &Change) -> bool {
    matches!(change, Change::PutExplanation(_))
}

fn error(world: &World, id: u128) -> ErrorCode {
    match world.found(id).map(|it| it.state) {
        Some(ExplanationState::Failed { error }) => error.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_is_asked_a_few_times_and_then_given_up() {
    let world = World::started().await;
    // One connection in trouble is no outage.
    world.here.answers("/jobs?", Manner::Status(502));
    world.open(1, HERE).await;
    world.until(|world| world.state(1) == Some("failed")).await;
    assert_eq!(error(&world, 1), ErrorCode::ProviderUnavailable);
    let calls = world.here.calls("/jobs?");
    world.passes(Duration::from_hours(48)).await;
    assert_eq!(world.here.calls("/jobs?"), calls);
    assert!(calls >= TRIES_MAX as usize, "{calls}");
    // What the provider refuses for good is asked for once.
    world.there.answers("/re", Manner::Status(404));
    world.open(2, THERE).await;
    world.until(|world| world.state(2) == Some("failed")).await;
    assert_eq!(error(&world, 2), ErrorCode::NoAccess);
}

#[tokio::test(start_paused = true)]
async fn a_limit_puts_it_off_and_is_no_try() {
    let world = World::started().await;
    let time = Duration::from_mins(10);
    world.here.answers("/jobs?", Manner::Limit(time));
    world.open(1, HERE).await;
    world.passes(Duration::from_hours(3)).await;
    let found = world.found(1).unwrap();
    assert_eq!((found.state.as_str(), found.tries()), ("pending", 0));
    let calls = world.here.calls("/jobs?");
    assert!((2..30).contains(&calls), "the wait is obeyed: {calls}");
    world.here.is_well();
    world
        .until(|world| world.state(1) == Some("explained"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_delays_no_other() {
    let world = World::started().await;
    world.there.answers("/", Manner::Hang);
    for id in 1..=200 {
        world.open(id, THERE).await;
    }
    world.passes(Duration::from_secs(1)).await;
    let begun = Instant::now();
    world.open(999, HERE).await;
    world
        .until(|world| world.state(999) == Some("explained"))
        .await;
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert!(world.there.most_running() <= super::super::worker::OF_ONE_MAX);
    world.there.is_well();
    let all = |world: &World| (1..=200).all(|id| world.state(id) == Some("explained"));
    world.until(all).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_at_any_step_continues_at_the_next_start() {
    for fault in [Fault::StopBefore, Fault::StopAfter] {
        for nth in 0..3 {
            let mut world = World::started().await;
            world.store.breaks(nth, fault, is_ours);
            world.open(1, HERE).await;
            world.passes(Duration::from_mins(5)).await;
            world.kill();
            world.store.mend();
            world.start();
            world
                .until(|world| world.state(1) == Some("explained"))
                .await;
            let calls = world.here.calls("/jobs?");
            assert!((1..=2).contains(&calls), "{fault:?} at {nth}: {calls}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_in_each_try_does_not_die_for_ever() {
    let mut world = World::started().await;
    world.here.answers("/jobs?", Manner::Hang);
    world.open(1, HERE).await;
    for deaths in 1..=TRIES_MAX as usize {
        world
            .until(|world| world.here.calls("/jobs?") == deaths)
            .await;
        world.kill();
        world.start();
    }
    world.until(|world| world.state(1) == Some("failed")).await;
    assert_eq!(error(&world, 1), ErrorCode::Unavailable);
    assert_eq!(world.here.calls("/jobs?"), TRIES_MAX as usize);
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_the_explanation_that_it_was_in() {
    let world = World::started().await;
    world.there.answers("/jobs?", Manner::Panic);
    world.open(1, THERE).await;
    world.open(2, HERE).await;
    world.until(|world| world.state(1) == Some("failed")).await;
    assert_eq!(world.state(2), Some("explained"));
    assert_eq!(world.there.calls("/jobs?"), TRIES_MAX as usize);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_stored_for_a_connection_that_was_disconnected_meanwhile() {
    let world = World::started().await;
    world.here.answers("/compare", Manner::Hang);
    world.open(1, HERE).await;
    world.until(|world| world.here.calls("/compare") == 1).await;
    let gone = ConnectionId::from_u128(HERE);
    world.commit(vec![Change::DeleteConnection(gone)]).await;
    world.here.is_well();
    world.passes(Duration::from_mins(10)).await;
    assert_eq!(world.found(1), None);
}

#[tokio::test(start_paused = true)]
async fn an_incident_that_changes_while_it_is_read_keeps_its_explanation_and_its_change() {
    let world = World::started().await;
    let open = ci_incident(1, HERE);
    let again = Incident {
        occurrences: 3,
        ..open
    };
    let by = Change::PutIncident(Box::new(again.clone()));
    world.store.overtakes(by, is_ours);
    let mut first = again.clone();
    first.occurrences = 1;
    if let Some(ci) = &mut first.ci {
        ci.run = RunId::from_u128(HERE);
    }
    world.put(&first).await;
    world
        .until(|world| world.state(1) == Some("explained"))
        .await;
    let stored = world.store.incident(first.id).ready().unwrap();
    assert_eq!(stored, Some(again));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_full_delays_and_asks_the_provider_for_nothing() {
    let world = World::started().await;
    world.store.breaks(0, Fault::Refuse, is_ours);
    world.open(1, HERE).await;
    world.passes(Duration::from_hours(1)).await;
    assert_eq!(world.here.calls("/"), 0);
    world.store.mend();
    world
        .until(|world| world.state(1) == Some("explained"))
        .await;
}
