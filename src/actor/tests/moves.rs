//! The public address changes: every hook is moved in place, in its turn.

use super::fakes::{ANN, Farm};
use super::provider::Behaviour;
use crate::actor::Connections;
use crate::domain::command::CommandKind;
use crate::domain::connection::WebhookStatus;
use crate::domain::id::ConnectionId;
use crate::domain::lifecycle::Failure;
use std::collections::BTreeMap;
use std::time::Duration;

const NEW: &str = "https://new.example/prefix";

async fn connected(farm: &Farm, count: usize) -> Vec<ConnectionId> {
    farm.give_credential(ANN).await;
    let mut ids = Vec::new();
    for n in 1..=count {
        let request = Farm::request_for(ANN, &format!("o/r{n}"));
        ids.push(farm.actors.connect(request).await.unwrap().id);
    }
    ids
}

fn places(farm: &Farm) -> BTreeMap<u64, String> {
    let hooks = farm.provider.hooks.lock();
    hooks
        .iter()
        .map(|(id, (url, _))| (*id, url.clone()))
        .collect()
}

fn all_at(farm: &Farm, address: &str) -> bool {
    places(farm).values().all(|url| url.starts_with(address))
}

async fn restart_at(farm: &mut Farm, address: &str) {
    farm.public_url = address.to_owned();
    farm.restart().await;
}

#[actix::test]
async fn every_hook_is_moved_in_place_also_a_paused_one_and_none_is_ill() {
    let mut farm = Farm::new();
    let ids = connected(&farm, 20).await;
    farm.ask(ids[3], CommandKind::SetEnabled(false)).await;
    let before = places(&farm);
    let checks = farm.provider.count("check");
    restart_at(&mut farm, NEW).await;
    farm.until(|| farm.actors.hooks_to_move() > 0).await;
    farm.until(|| {
        for (n, id) in ids.iter().enumerate() {
            let expected = if n == 3 {
                WebhookStatus::Inactive
            } else {
                WebhookStatus::Active
            };
            assert_eq!(farm.status(*id), expected);
        }
        all_at(&farm, NEW)
    })
    .await;
    assert!(before.keys().eq(places(&farm).keys()), "the same hooks");
    farm.until(|| farm.actors.hooks_to_move() == 0).await;
    assert_eq!(farm.provider.count("ensure"), 20);
    assert_eq!(farm.provider.count("repair"), 20, "one write each");
    assert!(
        farm.provider.count("check") < checks + 20,
        "sooner than checks find it"
    );
    // Another start finds nothing to do.
    farm.restart().await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(farm.provider.count("repair"), 20);
}

#[actix::test]
async fn a_limit_is_kept_by_the_whole_line_and_the_moves_go_on_after_it() {
    let mut farm = Farm::new();
    let ids = connected(&farm, 10).await;
    let after = Some(Duration::from_mins(20));
    let limited = Behaviour::Refuse(Failure::Retryable { after }, "rate_limited");
    farm.provider.always_does(Some(limited));
    restart_at(&mut farm, NEW).await;
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert!(farm.provider.count("repair") <= 1, "nobody asks again");
    assert_eq!(farm.actors.hooks_to_move(), 10);
    assert_eq!(farm.status(ids[0]), WebhookStatus::Active);
    farm.provider.always_does(None);
    farm.until(|| farm.actors.hooks_to_move() == 0).await;
    assert!(all_at(&farm, NEW));
}

#[actix::test]
async fn what_is_disconnected_before_its_turn_leaves_no_hook_behind() {
    let mut farm = Farm::new();
    let ids = connected(&farm, 3).await;
    let after = Some(Duration::from_hours(1));
    let limited = Behaviour::Refuse(Failure::Retryable { after }, "rate_limited");
    farm.provider.next_does(limited);
    restart_at(&mut farm, NEW).await;
    farm.until(|| farm.provider.count("repair") == 1).await;
    for id in &ids {
        let disconnect = CommandKind::Disconnect { delete_hook: true };
        farm.ask(*id, disconnect).await;
    }
    farm.until(|| farm.store.connection_ids().ready().unwrap().is_empty())
        .await;
    assert!(places(&farm).is_empty());
    assert_eq!(farm.actors.hooks_to_move(), 0);
}

/// A restart in the middle, back and forth: as often as one likes.
#[actix::test]
async fn restarts_in_the_middle_end_with_the_same_hooks_at_the_last_address() {
    let mut farm = Farm::new();
    connected(&farm, 5).await;
    let before = places(&farm);
    for (n, address) in [NEW, "https://third.example", NEW].iter().enumerate() {
        restart_at(&mut farm, address).await;
        farm.until(|| farm.provider.count("repair") > n * 2).await;
    }
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(all_at(&farm, NEW));
    assert!(before.keys().eq(places(&farm).keys()));
    assert_eq!(farm.actors.hooks_to_move(), 0);
}
