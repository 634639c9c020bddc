//! Reconciles that wait for a limit of their credential, and others beside them.

use super::World;
use super::arriving::many;
use super::log::FREE;
use crate::domain::id::{ConnectionId, CredentialId, HookId, UserId};
use crate::domain::ledger::{Asked, AskedBy, Ledger};
use crate::domain::lifecycle::Hook;
use crate::domain::samples::{self, ANN};
use crate::store::{Change, Read};
use std::time::Duration;

const BEN: UserId = UserId::from_u128(2);

/// A connection with a hook that was recreated: what ended since is to be listed.
async fn connects(world: &World, id: u128, name: &str, (owner, with): (UserId, CredentialId)) {
    let mut connection = samples::connection(id, name);
    (connection.owner, connection.credential) = (owner, Some(with));
    connection.lifecycle.hook = Hook::Present(HookId(7));
    let asked = Asked {
        connection: connection.id,
        at: world.now(),
        by: AskedBy::Hook,
        unsent_since: Some(world.now().minus(Duration::from_mins(31))),
    };
    let put = Change::PutConnection(Box::new(connection));
    world.commit(vec![put, Change::AskReconcile(asked)]).await;
}

/// Connections of Ann's, with her only credential.
async fn anns(world: &World, ids: std::ops::Range<u128>) {
    for id in ids {
        let of = (ANN, samples::credential(1, ANN).id);
        connects(world, id, &format!("o/r{id}"), of).await;
    }
}

fn ledger_of(world: &World, id: u128) -> Option<Ledger> {
    let id = ConnectionId::from_u128(id);
    world.store.ledger(id).ready().unwrap()
}

fn has_found(world: &World, id: u128, runs: usize) -> bool {
    ledger_of(world, id).is_some_and(|ledger| ledger.totals.found == runs as u64)
}

/// Four have met a limit and continue with a list of an hour. Another one of their credential
/// begins long before they have ended; and they may not keep it waiting again.
#[tokio::test]
async fn after_a_quarter_of_an_hour_a_long_reconcile_leaves_its_place_to_others() {
    const PAGES: usize = 60;
    let mut world = World::new().await;
    {
        let mut state = world.log.state.lock();
        state.found = many(PAGES, world.now().minus(Duration::from_mins(30)));
        (state.runs_a_page, state.runs_a_minute) = (1, Some(0));
    }
    anns(&world, 100..104).await;
    world.start().await;
    world.until(|world| world.log.calls("read_runs") >= 4).await;
    let began = world.now();
    {
        let mut state = world.log.state.lock();
        (state.runs_a_minute, state.runs_take) = (None, Duration::from_mins(1));
    }
    anns(&world, 200..201).await;
    world.until(|world| ledger_of(world, 200).is_some()).await;
    let waited = world.now().since(began).as_secs() / 60;
    assert!((14..=18).contains(&waited), "{waited} minutes");
    let long = || (100..104).map(|id| ledger_of(&world, id).unwrap());
    assert!(long().all(|it| it.answered.is_none() && it.last_error.is_none()));
    world.log.state.lock().runs_a_minute = Some(0);
    let met = world.now();
    world
        .until(|world| {
            let mut long = (100..104).map(|id| ledger_of(world, id).unwrap());
            long.all(|it| it.last_error.is_some())
        })
        .await;
    let took = world.now().since(met);
    assert!(took <= Duration::from_mins(2), "{took:?}");
}

/// Ann's connections have more to read than her credential's limit allows in an hour. Ben's, with
/// a credential of his own, are reconciled meanwhile, each once.
#[tokio::test]
async fn while_one_owners_credential_is_at_its_limit_anothers_connections_have_their_turn() {
    const RUNS: usize = 40;
    let mut world = World::new().await;
    let bens = samples::credential(2, BEN);
    let of_ben = (BEN, bens.id);
    world
        .commit(vec![
            Change::PutUser(samples::user(BEN, "ben")),
            Change::PutCredential(bens),
        ])
        .await;
    {
        let mut state = world.log.state.lock();
        state.found = many(RUNS, world.now().minus(Duration::from_mins(30)));
        state.runs_a_minute = Some(RUNS as u64);
    }
    anns(&world, 100..160).await;
    let began = world.now();
    world.start().await;
    // Ann's fill their places before the first of Ben's comes.
    world
        .until(|world| world.log.calls("read_runs") >= 60)
        .await;
    let first = world.now();
    for id in 300..340 {
        connects(&world, id, &format!("{FREE}r{id}"), of_ben).await;
    }
    world
        .until(|world| (300..340).all(|id| has_found(world, id, RUNS)))
        .await;
    let took = world.now().since(first);
    assert!(took <= Duration::from_mins(2), "{took:?}");
    let left = |world: &World| (100..160).filter(|id| !has_found(world, *id, RUNS)).count();
    assert!(left(&world) >= 50, "Ann's limit: {}", left(&world));
    // Ben's take nothing from Ann's.
    world.until(|world| left(world) == 0).await;
    let took = world.now().since(began).as_secs() / 60;
    assert!(took <= 60 + 60 / 5, "{took} minutes");
}
