//! When a connection is reconciled, and how much at once.

use super::arriving::many;
use super::log::{Failing, STUCK};
use super::{CONNECTION, World};
use crate::domain::id::HookId;
use crate::domain::ledger::{Asked, AskedBy, GapCause, Loss, MISSING_MAX};
use crate::domain::lifecycle::{Desired, Hook, Phase, SuspendReason};
use crate::domain::samples::{self, ANN};
use crate::store::Change;
use crate::store::Read;
use crate::store::faulty::Fault;
use std::time::Duration;

/// What is missing is fetched with a call each, and the pages; of more than can be kept in memory,
/// the oldest first.
#[tokio::test]
async fn ten_thousand_missed_deliveries_cost_a_call_each_and_the_pages() {
    const MISSED: usize = 10_000;
    const { assert!(MISSED > 2 * MISSING_MAX) };
    let world = World::at_work().await;
    let missed = world.log.misses(MISSED);
    let (details, pages) = (
        world.log.calls("logged_payload"),
        world.log.calls("delivery_log"),
    );
    world.asks();
    world
        .until(|world| world.ledger().totals.recovered == MISSED as u64)
        .await;
    let details = world.log.calls("logged_payload") - details;
    let pages = world.log.calls("delivery_log") - pages;
    assert_eq!(details, MISSED as u64);
    // Three walks, over all of it: what was sent in the last minutes is never settled at once.
    assert!(pages <= 3 * (MISSED as u64 / 100 + 1), "{pages} pages");
    let read = world.log.state.lock().read.clone();
    assert!(read.is_sorted(), "the oldest first");
    let stored = world.stored();
    assert!(missed.iter().all(|guid| stored.contains_key(guid)));
    world
        .until(|world| world.gaps()[0].closed_at.is_some())
        .await;
    assert_eq!(world.account(), (MISSED as u64, MISSED as u64, 0, vec![]));
}

/// A request was stored, and then our clock was set back.
#[tokio::test]
async fn a_request_from_the_future_is_answered_once_and_later_ones_are_too() {
    let world = World::at_work().await;
    let before = world.log.calls("delivery_log");
    world.store.writes(Change::AskReconcile(Asked {
        connection: CONNECTION,
        at: world.now().plus(Duration::from_hours(2)),
        by: AskedBy::User,
        unsent_since: None,
    }));
    world.passes(Duration::from_mins(1)).await;
    let reads = world.log.calls("delivery_log") - before;
    assert!((1..=2).contains(&reads), "{reads} in a minute");
    world.asks();
    world.passes(Duration::from_mins(1)).await;
    let more = world.log.calls("delivery_log") - before - reads;
    assert!((1..=2).contains(&more), "{more} in a minute");
}

/// More requests than are read at a time cannot be answered.
#[tokio::test]
async fn requests_that_cannot_be_answered_hide_no_others() {
    let mut world = World::new().await;
    let mut connections: Vec<_> = (100..200)
        .map(|n| samples::connection(n, &format!("{STUCK}r{n}")))
        .collect();
    connections.push(samples::connection(1000, "o/free"));
    for connection in &mut connections {
        connection.credential = Some(samples::credential(1, ANN).id);
        connection.lifecycle.hook = Hook::Present(HookId(7));
        let put = Change::PutConnection(Box::new(connection.clone()));
        world.commit(vec![put]).await;
    }
    let free = connections[100].id;
    world.start().await;
    let ledger = |world: &World| world.store.ledger(free).ready().unwrap();
    world
        .until(|world| ledger(world).is_some_and(|it| it.read_at.is_some()))
        .await;
    let at = world.now();
    for connection in &connections {
        world.store.writes(Change::AskReconcile(Asked {
            connection: connection.id,
            at,
            by: AskedBy::User,
            unsent_since: None,
        }));
    }
    world.passes(Duration::from_mins(2)).await;
    let answered = ledger(&world).and_then(|it| it.answered);
    assert!(answered >= Some(at), "{answered:?} {at:?}");
}

/// Nothing happens but time.
#[tokio::test]
async fn a_connection_is_reconciled_regularly() {
    let world = World::at_work().await;
    for _ in 0..5 {
        let missed = world.log.sends(Some(200));
        let before = world.now();
        world.until(|world| world.is_stored(&missed)).await;
        let every = world.settings.every;
        let took = world.now().since(before);
        assert!(took <= every + every / 4, "{took:?}");
        // What is answered well, and not here, was lost here.
        assert_eq!(world.gaps()[0].cause, GapCause::NotStored);
    }
    let (missed, recovered, ..) = world.account();
    assert_eq!((missed, recovered), (5, 5));
    let pages = world.log.calls("delivery_log");
    assert!((6..=12).contains(&pages), "a page each: {pages}");
}

#[tokio::test]
async fn after_trouble_of_the_store_what_was_refused_is_fetched() {
    let world = World::at_work().await;
    let from = world.now();
    world.store.has_trouble(true);
    world.store.breaks(0, Fault::Refuse, |_| true);
    let missed: Vec<_> = (0..3).map(|_| world.log.sends(Some(503))).collect();
    world.passes(Duration::from_mins(5)).await;
    world.store.mend();
    world.store.has_trouble(false);
    let to = world.now();
    world
        .until(|world| missed.iter().all(|guid| world.is_stored(guid)))
        .await;
    assert!(world.now().since(to) < Duration::from_mins(2), "at once");
    world
        .until(|world| world.gaps()[0].closed_at.is_some())
        .await;
    let gap = &world.gaps()[0];
    assert_eq!((gap.cause, gap.totals.recovered), (GapCause::Refused, 3));
    let seconds = gap.totals.gap_ms / 1000;
    let took = to.since(from).as_secs();
    assert!(seconds >= took - 2 && seconds <= took + 2, "{seconds} s");
}

/// The lengths of outages are in the totals, each once, also of those too short for a record.
#[tokio::test]
async fn outages_are_in_the_totals_once() {
    let mut world = World::at_work().await;
    let (mut expected, mut recovered) = (0, 0);
    let outages = [(20, 0), (600, 0), (1_200, 3), (30, 1)];
    for (number, (seconds, missed)) in (1..).zip(outages) {
        world.passes(Duration::from_hours(1)).await;
        world.kill().await;
        world.log.misses(missed);
        world.passes(Duration::from_secs(seconds)).await;
        (expected, recovered) = (expected + seconds, recovered + missed as u64);
        world.start().await;
        world.reconcile().await;
        world.reconcile().await;
        assert_eq!(world.ledger().totals.recovered, recovered);
        let of_owner = world.store.gap_totals(ANN).ready().unwrap();
        assert_eq!(of_owner, world.ledger().totals);
        let counted = of_owner.gap_ms / 1000;
        // The last sign of life is up to half a minute before the end.
        let times = expected..=expected + number * 31;
        assert!(times.contains(&counted), "{counted} s, expected {times:?}");
    }
    assert_eq!(world.gaps().len(), 3, "one is too short for a record");
}

/// A recovery that is killed at any step still lists the runs of the time before the log.
#[tokio::test]
async fn what_lies_before_the_log_is_listed_also_when_the_recovery_is_killed() {
    let mut step = 0;
    loop {
        let mut world = World::at_work().await;
        let known = world.now();
        // Nothing can be read for three days, and the log keeps less.
        world.log.state.lock().down = Some(Failing::ProviderUnreachable);
        world.log.misses(3);
        world.passes(Duration::from_hours(60)).await;
        world.log.forgets_before(world.now());
        let missed = world.log.misses(4);
        world.passes(Duration::from_mins(11)).await;
        world.delivered().await;
        let is_of_ledger = |change: &Change| matches!(change, Change::PutLedger(_));
        world.kill().await;
        world.log.state.lock().down = None;
        world.store.breaks(step, Fault::StopAfter, is_of_ledger);
        world.start().await;
        let is_over = |world: &World| {
            let ledger = world.ledger();
            ledger.read_at > Some(known.plus(Duration::from_hours(60))) && ledger.gap.is_none()
        };
        world.until_also_killed(is_over).await;
        assert!(missed.iter().all(|guid| world.is_stored(guid)));
        let since = world.log.state.lock().listed_since.clone();
        assert!(since.iter().any(|at| *at <= known), "killed at {step}");
        if world.store.strikes() == 0 {
            break;
        }
        step += 1;
    }
    assert!(step > 5, "{step} steps");
}

#[tokio::test]
async fn after_refusals_of_a_connection_what_was_refused_is_fetched() {
    let world = World::at_work().await;
    let missed = world.log.sends(Some(503));
    world.refuses();
    world.passes(Duration::from_secs(3)).await;
    let second = world.log.sends(Some(503));
    world.refuses();
    world.passes(Duration::from_secs(4)).await;
    assert!(!world.is_stored(&missed), "not while it goes on");
    let before = world.now();
    world.until(|world| world.is_stored(&second)).await;
    assert!(world.is_stored(&missed));
    assert!(world.now().since(before) < Duration::from_mins(1));
    assert_eq!(world.gaps()[0].cause, GapCause::Refused);
}

#[tokio::test]
async fn after_an_outage_of_the_provider_what_it_sent_is_fetched() {
    let world = World::at_work().await;
    world.log.state.lock().down = Some(Failing::ProviderUnavailable);
    let missed = world.log.sends(None);
    world.passes(Duration::from_hours(8)).await;
    assert!(world.ledger().failures > 0 && !world.is_stored(&missed));
    assert_eq!(world.ledger().deferred, []);
    world.log.state.lock().down = None;
    let before = world.now();
    world.until(|world| world.is_stored(&missed)).await;
    let took = world.now().since(before);
    assert!(took <= Duration::from_mins(16), "{took:?}");
    world
        .until(|world| world.ledger().last_error.is_none())
        .await;
    assert_eq!(world.account(), (1, 1, 0, vec![]));
}

/// A limit is no failure: however often it is reached, the next try comes soon.
#[tokio::test]
async fn limits_make_no_try_come_later() {
    let world = World::at_work().await;
    let missed = world.log.sends(None);
    world.log.state.lock().down = Some(Failing::RateLimited);
    let tries = world.log.calls("delivery_log");
    world.asks();
    world.passes(Duration::from_hours(3)).await;
    // Each is a write.
    let tries = world.log.calls("delivery_log") - tries;
    assert!((100..=1080).contains(&tries), "{tries} in three hours");
    let ledger = world.ledger();
    assert!(ledger.failures == 0 && ledger.last_error.is_some());
    world.log.state.lock().down = None;
    let before = world.now();
    world.until(|world| world.is_stored(&missed)).await;
    assert!(world.now().since(before) < Duration::from_mins(1));
}

/// It is known that they were sent, and they are gone before they could be read.
#[tokio::test]
async fn what_the_provider_deletes_before_it_is_read_is_lost_as_expired() {
    let world = World::at_work().await;
    world.log.misses(4);
    world.log.state.lock().details_down = Some(Failing::ProviderUnavailable);
    world.reconciles_in_vain().await;
    assert_eq!(world.account(), (4, 0, 4, vec![]));
    let behind = world.ledger().behind_since;
    assert!(behind.is_some() && world.store.behind_since(ANN).ready() == Ok(behind));
    world.log.state.lock().down = Some(Failing::ProviderUnavailable);
    world.passes(Duration::from_hours(73)).await;
    world
        .log
        .forgets_before(world.now().minus(Duration::from_hours(72)));
    world.log.state.lock().details_down = None;
    world.log.state.lock().down = None;
    let late = world.log.sends(None);
    world.until(|world| world.is_stored(&late)).await;
    world
        .until(|world| world.ledger().last_error.is_none())
        .await;
    assert_eq!(world.account(), (5, 1, 0, vec![(Loss::Expired, 4)]));
    assert_eq!(world.ledger().behind_since, None);
    // What the log no longer covers may have had more, which nobody can tell.
    let gap = &world.gaps()[0];
    assert!(gap.closed_at.is_some());
    let incidents = world.incidents();
    let [lost] = &incidents[..] else {
        panic!("one incident: {incidents:?}");
    };
    assert_eq!(
        (lost.failure_type.as_str(), lost.owner, lost.occurrences),
        ("deliveries_lost", ANN, 4)
    );
    assert!(
        lost.title.starts_with("4 deliveries from "),
        "{}",
        lost.title
    );
}

/// Nobody knows what was missed before the log begins.
#[tokio::test]
async fn what_is_older_than_the_log_is_told_apart_from_what_is_known_to_be_lost() {
    let mut world = World::at_work().await;
    world.kill().await;
    world.log.misses(3);
    world.passes(Duration::from_hours(100)).await;
    world
        .log
        .forgets_before(world.now().minus(Duration::from_hours(72)));
    let seen = world.log.sends(None);
    world.start().await;
    world.until(|world| world.is_stored(&seen)).await;
    world
        .until(|world| world.gaps()[0].closed_at.is_some())
        .await;
    assert_eq!(world.account(), (1, 1, 0, vec![]));
    let totals = &world.gaps()[0].totals;
    let hours = |ms: u64| ms / 3_600_000;
    assert_eq!((hours(totals.gap_ms), hours(totals.unlogged_ms)), (100, 28));
    assert_eq!(world.log.calls("runs_since"), 1, "runs tell the rest");
    assert_eq!(world.incidents(), [], "none is known to be lost");
}

/// The log goes with its hook, and with it what was missing in it.
#[tokio::test]
async fn a_new_hook_has_another_log_and_what_was_missing_in_the_former_is_lost() {
    for fault in [None, Some(Fault::StopBefore), Some(Fault::StopAfter)] {
        for step in 0..4 {
            let mut world = World::at_work().await;
            let read_at = world.ledger().read_at.unwrap();
            world.log.misses(3);
            world.log.state.lock().details_down = Some(Failing::BadAnswer);
            world.reconciles_in_vain().await;
            world.log.state.lock().down = Some(Failing::ProviderUnavailable);
            world.passes(Duration::from_hours(2)).await;
            world.log.state.lock().entries.clear();
            world.log.state.lock().details_down = None;
            world.log.state.lock().down = None;
            world.has_hook(crate::domain::id::HookId(8)).await;
            let until = world.now();
            let lists = world.log.calls("runs_since");
            if let Some(fault) = fault {
                let is_of_ledger = |change: &Change| matches!(change, Change::PutLedger(_));
                world.store.breaks(step, fault, is_of_ledger);
            }
            world.asks();
            world
                .until_also_killed(|world| world.gaps()[0].closed_at.is_some())
                .await;
            assert_eq!(world.account(), (3, 0, 0, vec![(Loss::HookGone, 3)]));
            let gap = &world.gaps()[0];
            assert_eq!(gap.logged_from, Some(until), "{fault:?} at {step}");
            assert!(gap.from <= read_at.plus(Duration::from_secs(1)));
            assert!(world.log.calls("runs_since") > lists, "{fault:?} at {step}");
            assert_eq!(world.incidents().len(), 1, "{fault:?} at {step}");
        }
    }
}

/// A connection that had no hook for a while, and missed nothing that is known.
#[tokio::test]
async fn a_time_without_a_hook_is_a_gap_of_its_own_kind() {
    let world = World::at_work().await;
    let from = world.ledger().read_at.unwrap();
    world.passes(Duration::from_hours(3)).await;
    world.log.state.lock().entries.clear();
    world.has_hook(crate::domain::id::HookId(8)).await;
    let until = world.now();
    world.reconcile().await;
    let gaps = world.gaps();
    let [gap] = &gaps[..] else {
        panic!("one gap: {gaps:?}");
    };
    assert_eq!(gap.cause, GapCause::NoHook);
    assert_eq!(
        (gap.from, gap.to, gap.logged_from),
        (from, until, Some(until))
    );
    assert_eq!(gap.totals.unlogged_ms, gap.totals.gap_ms);
    assert_eq!(world.log.calls("runs_since"), 1);
    world.reconcile().await;
    assert_eq!(world.gaps(), gaps);
}

/// The same after the connection has asked: it knows since when nothing may have been sent.
#[tokio::test]
async fn a_hook_that_was_deleted_by_hand_is_a_gap_without_a_hook_and_a_changed_one_is_not() {
    for (hook, cause) in [(8, GapCause::NoHook), (7, GapCause::HookChanged)] {
        let world = World::at_work().await;
        let checked_at = world.now();
        world.passes(Duration::from_mins(10)).await;
        world.log.state.lock().entries.clear();
        world.has_hook(HookId(hook)).await;
        world.store.writes(Change::AskReconcile(Asked {
            connection: CONNECTION,
            at: world.now(),
            by: AskedBy::Hook,
            unsent_since: Some(checked_at),
        }));
        world.passes(Duration::from_mins(5)).await;
        let gaps = world.gaps();
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        assert_eq!(gaps[0].cause, cause);
    }
}

/// A person decides whether there is to be a hook again. CI is watched meanwhile: nothing is
/// written at the provider, and runs are listed.
#[tokio::test]
async fn while_a_hook_that_was_deleted_repeatedly_waits_for_a_person_runs_are_found() {
    let world = World::at_work().await;
    let mut connection = world.connection();
    connection.lifecycle.phase = Phase::Suspended(SuspendReason::HookDeletedRepeatedly);
    connection.lifecycle.hook = Hook::Unknown(Some(HookId(7)));
    let put = Change::PutConnection(Box::new(connection));
    world.commit(vec![put]).await;
    let began = world.now();
    {
        let mut state = world.log.state.lock();
        state.is_deleted = true;
        state.found = many(3, began.plus(Duration::from_hours(1)));
    }
    world.until(|world| world.ledger().totals.found == 3).await;
    let took = world.now().since(began);
    assert!(took < world.settings.every * 2, "{took:?}");
    assert_eq!(world.ledger().last_error, None);
}

/// What a paused connection's hook sends is answered and stored; what is missed of it, too.
#[tokio::test]
async fn what_a_paused_connection_missed_is_stored() {
    let world = World::at_work().await;
    let mut connection = world.connection();
    (connection.lifecycle.desired, connection.lifecycle.phase) = (Desired::Paused, Phase::Idle);
    let put = Change::PutConnection(Box::new(connection));
    world.commit(vec![put]).await;
    let missed = world.log.misses(2);
    world
        .until(|world| world.ledger().totals.recovered == 2)
        .await;
    assert!(missed.iter().all(|guid| world.is_stored(guid)));
}

/// Missed while the daemon was down: fetched, the oldest first, within the budget and again when it
/// is killed; and beyond the provider's window the gap is shown, and runs are listed.
#[tokio::test]
async fn scenario_32_missed_while_down() {
    let mut world = World::at_work().await;
    world.kill().await;
    let missed = world.log.misses(250);
    world.passes(Duration::from_hours(5)).await;
    world.start().await;
    for part in 1..4 {
        let wanted = part * 60;
        world
            .until(|world| world.ledger().totals.recovered >= wanted)
            .await;
        world.restart().await;
    }
    world
        .until(|world| world.ledger().totals.recovered == 250)
        .await;
    world
        .until(|world| world.gaps()[0].closed_at.is_some())
        .await;
    assert_eq!(world.account(), (250, 250, 0, vec![]));
    let stored = world.stored();
    assert!(missed.iter().all(|guid| stored.contains_key(guid)));
    let read = world.log.state.lock().read.clone();
    assert!(read.is_sorted(), "the oldest first");
    assert!(read.len() <= 250 + 3, "one for each, and one for each kill");
    let gap = world.gaps()[0].clone();
    assert_eq!((gap.cause, gap.totals.unlogged_ms), (GapCause::Down, 0));
    assert_eq!(gap.totals.gap_ms / 3_600_000, 5);
    assert_eq!(world.log.calls("runs_since"), 0, "the log has it all");
    world.kill().await;
    world.passes(Duration::from_hours(5 * 24)).await;
    world
        .log
        .forgets_before(world.now().minus(Duration::from_hours(72)));
    world.start().await;
    world
        .until(|world| world.log.calls("runs_since") == 1)
        .await;
    world.until(|world| world.gaps().len() == 2).await;
    let gap = world.gaps()[0].clone();
    assert_eq!(gap.cause, GapCause::Down);
    assert!(gap.logged_from.is_some() && gap.totals.missed == 0);
}
