//! Runs of a list that are read only as far as the provider lets them be read.

use super::arriving::{ended_at, many};
use super::{CONNECTION, World};
use crate::domain::error_code::ErrorCode;
use crate::domain::id::{HookId, RunId};
use crate::domain::ledger::{Asked, AskedBy, Loss};
use crate::domain::lifecycle::Hook;
use crate::domain::run::Run;
use crate::domain::samples::{self, ANN};
use crate::domain::time::Timestamp;
use crate::store::{Change, Read};
use std::time::Duration;

/// The hook is new: what its predecessor missed is found by listing. So many runs ended since.
async fn with_runs(count: usize) -> World {
    let world = World::at_work().await;
    world.passes(Duration::from_hours(3)).await;
    world.log.state.lock().entries.clear();
    world.has_hook(HookId(8)).await;
    let ended = world.now().minus(Duration::from_mins(30));
    world.log.state.lock().found = many(count, ended);
    world
}

/// How often a run was read.
fn reads(world: &World, id: u64) -> usize {
    let state = world.log.state.lock();
    state.runs_read.iter().filter(|read| **read == id).count()
}

#[tokio::test]
async fn a_limit_amid_a_list_is_waited_for_and_costs_no_run_that_was_read() {
    const RUNS: usize = 50;
    let world = with_runs(RUNS).await;
    world.log.state.lock().runs_a_minute = Some(12);
    let began = world.now();
    // A user's would not wait that long.
    world.store.writes(Change::AskReconcile(Asked {
        connection: CONNECTION,
        at: began,
        by: AskedBy::Hook,
        unsent_since: None,
    }));
    world
        .until(|world| world.ledger().answered >= Some(began))
        .await;
    assert_eq!(world.gaps()[0].totals.found, RUNS as u64);
    assert_eq!(world.ledger().failures, 0);
    for id in (9001..).take(RUNS) {
        assert_eq!(reads(&world, id), 1, "{id}");
    }
    assert_eq!(world.log.calls("runs_since"), 1, "it did not begin again");
    let took = world.now().since(began);
    assert!(
        took >= Duration::from_mins(4) && took < Duration::from_mins(6),
        "{took:?}"
    );
}

/// The process dies while it waits: what was read is stored, and is not read again.
#[tokio::test]
async fn what_was_read_before_a_kill_is_not_read_again() {
    const RUNS: usize = 50;
    let mut world = with_runs(RUNS).await;
    world.log.state.lock().runs_a_minute = Some(25);
    world.asks();
    world
        .until(|world| world.log.state.lock().runs_read.len() == 25)
        .await;
    world.passes(Duration::from_secs(10)).await;
    let (first, event) = ended_at(9001, world.log.state.lock().found[0].at);
    assert!(world.is_stored(&first.delivery_id));
    // Its actor has processed the first one.
    let run = Run::begin(RunId::from_u128(1), CONNECTION, ANN, &event, world.now());
    world.commit(vec![Change::PutRun(Box::new(run))]).await;
    world.restart().await;
    world
        .until(|world| world.ledger().answered.is_some_and(|at| at > Timestamp(0)))
        .await;
    world.reconcile().await;
    assert_eq!(reads(&world, 9001), 1);
    assert_eq!(world.ledger().totals.found, RUNS as u64);
}

#[tokio::test]
async fn a_run_that_cannot_be_read_keeps_no_others_from_it_and_is_read_when_it_can() {
    let world = with_runs(25).await;
    let odd = ErrorCode::ProviderUnavailable;
    world.log.state.lock().odd_runs.insert(9004, odd);
    world.reconcile().await;
    assert_eq!(
        (world.ledger().totals.found, world.ledger().failures),
        (24, 0)
    );
    assert_eq!(reads(&world, 9004), 0);
    let gap = &world.gaps()[0];
    assert!(gap.closed_at.is_none(), "something is not known: {gap:?}");
    // Newer ones are listed and found meanwhile.
    let newer = many(26, world.now().minus(Duration::from_mins(1)));
    world
        .log
        .state
        .lock()
        .found
        .extend(newer.into_iter().skip(25));
    world.reconcile().await;
    assert_eq!(world.ledger().totals.found, 25);
    world.log.state.lock().odd_runs.clear();
    world.reconcile().await;
    assert_eq!((world.ledger().totals.found, reads(&world, 9004)), (26, 1));
    assert!(world.gaps().iter().all(|gap| gap.closed_at.is_some()));
}

#[tokio::test]
async fn a_run_that_can_never_be_read_is_lost_a_day_later_and_counted_once() {
    let world = with_runs(5).await;
    let odd = ErrorCode::BadAnswer;
    world.log.state.lock().odd_runs.insert(9002, odd);
    world.reconcile().await;
    // Our clock alone gives nothing up.
    world.passes(Duration::from_hours(30)).await;
    world.reconcile().await;
    assert_eq!(world.account().3, []);
    let newer = many(6, world.now().minus(Duration::from_mins(1)));
    world
        .log
        .state
        .lock()
        .found
        .extend(newer.into_iter().skip(5));
    for _ in 0..3 {
        world.reconcile().await;
        assert_eq!(world.account().3, [(Loss::Unreadable, 1)]);
        assert!(world.gaps().iter().all(|gap| gap.closed_at.is_some()));
    }
    assert_eq!(world.ledger().totals.found, 5);
}

/// The provider fails for a moment, and only one run is news: nobody waits for hours for it.
#[tokio::test]
async fn a_run_that_could_not_be_read_for_a_moment_is_read_soon() {
    let world = with_runs(1).await;
    let odd = ErrorCode::ProviderUnavailable;
    world.log.state.lock().odd_runs.insert(9001, odd);
    world.reconcile().await;
    world.log.state.lock().odd_runs.clear();
    let before = world.now();
    world.until(|world| world.ledger().totals.found == 1).await;
    let took = world.now().since(before);
    assert!(took <= Duration::from_mins(20), "{took:?}");
}

/// A child is left out while its parent cannot be read, and a run may be listed by its creation:
/// as long as something is not known, all that was listed with it is listed again.
#[tokio::test]
async fn what_was_listed_with_a_run_that_cannot_be_read_is_listed_again() {
    let world = with_runs(2).await;
    let odd = ErrorCode::ProviderUnavailable;
    world.log.state.lock().odd_runs.insert(9001, odd);
    for _ in 0..3 {
        world.reconcile().await;
    }
    let since = world.log.state.lock().listed_since.clone();
    assert_eq!(since[1..3], [since[0]; 2]);
}

/// The last run of a branch may be years old. If it cannot be read, not all since is listed.
#[tokio::test]
async fn an_old_run_that_cannot_be_read_first_does_not_have_years_listed() {
    let mut world = World::new().await;
    let old = world.now().minus(Duration::from_hours(24 * 365));
    let new = world.now().minus(Duration::from_mins(30));
    let (first, last) = (ended_at(9001, old).0, ended_at(9002, new).0);
    {
        let mut state = world.log.state.lock();
        state.latest = vec![first, last];
        state.odd_runs.insert(9001, ErrorCode::BadAnswer);
    }
    world.delivered().await;
    world.start().await;
    world.until(|world| world.ledger().read_at.is_some()).await;
    world.reconcile().await;
    assert_eq!(reads(&world, 9002), 1);
    assert_eq!(world.log.state.lock().listed_since, []);
    assert!(world.gaps().iter().all(|gap| gap.closed_at.is_some()));
}

#[tokio::test]
async fn when_none_can_be_read_the_reconcile_fails_and_nothing_is_lost() {
    let world = with_runs(5).await;
    let odd = (9001..9006).map(|id| (id, ErrorCode::ProviderUnavailable));
    world.log.state.lock().odd_runs = odd.collect();
    world.reconciles_in_vain().await;
    assert_eq!(world.ledger().failures, 1);
    world.log.state.lock().odd_runs.clear();
    world.until(|world| world.ledger().totals.found == 5).await;
    assert_eq!(world.account().3, []);
}

#[tokio::test]
async fn what_is_stored_as_it_is_listed_is_not_read() {
    let world = with_runs(3).await;
    let at = world.log.state.lock().found[1].at;
    let (_, event) = ended_at(9002, at);
    let run = Run::begin(RunId::from_u128(1), CONNECTION, ANN, &event, world.now());
    world.commit(vec![Change::PutRun(Box::new(run))]).await;
    world.reconcile().await;
    assert_eq!(world.log.state.lock().runs_read, [9001, 9003]);
}

/// Many connections with one token, after an outage: each has as many runs to be read as a minute
/// allows all of them.
#[tokio::test]
async fn many_connections_with_one_token_come_to_their_end_under_its_limit() {
    const RUNS: usize = 40;
    const CONNECTIONS: usize = 60;
    let mut world = World::new().await;
    let ended = world.now().minus(Duration::from_mins(30));
    {
        let mut state = world.log.state.lock();
        (state.found, state.runs_a_minute) = (many(RUNS, ended), Some(RUNS as u64));
    }
    let ids: Vec<_> = (100..100 + CONNECTIONS)
        .map(|n| samples::connection(n as u128, &format!("o/r{n}")))
        .collect();
    for connection in &ids {
        let mut connection = connection.clone();
        connection.credential = Some(samples::credential(1, ANN).id);
        connection.lifecycle.hook = Hook::Present(HookId(7));
        let asked = Asked {
            connection: connection.id,
            at: world.now(),
            by: AskedBy::Hook,
            unsent_since: Some(ended.minus(Duration::from_mins(1))),
        };
        let put = Change::PutConnection(Box::new(connection));
        world.commit(vec![put, Change::AskReconcile(asked)]).await;
    }
    let began = world.now();
    world.start().await;
    let is_done = |world: &World, id| {
        let ledger = world.store.ledger(id).ready().unwrap();
        ledger.is_some_and(|ledger| ledger.totals.found == RUNS as u64)
    };
    world
        .until(|world| ids.iter().all(|it| is_done(world, it.id)))
        .await;
    let took = world.now().since(began).as_secs() / 60;
    let least = CONNECTIONS as u64;
    assert!(took <= least + least / 5, "{took} minutes");
    // A reconcile waits for a limit a few minutes: the next one continues.
    let all = world.log.state.lock().runs_read.len();
    assert!(all <= CONNECTIONS * RUNS * 11 / 10, "{all} were read");
}
