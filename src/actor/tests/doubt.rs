//! Deliveries with wrong signatures: what strangers can cause with them, and what is mended.

use super::fakes::{ANN, Farm};
use crate::actor::Connections;
use crate::domain::connection::{Connection, WebhookStatus};
use crate::domain::id::ConnectionId;
use std::time::Duration;

async fn forge(farm: &Farm, id: ConnectionId, count: usize) {
    for _ in 0..count {
        farm.actors.rejected(id);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// How often each kind of call was made that suspicion may cause.
fn calls(farm: &Farm) -> [usize; 4] {
    ["ensure", "check", "ping", "repair"].map(|operation| farm.provider.count(operation))
}

#[actix::test]
async fn forged_posts_between_good_ones_cost_one_check_and_change_nothing() {
    let (farm, connection) = Farm::connected().await;
    let id = connection.id;
    let before = farm.get(id);
    for n in 0..56 {
        forge(&farm, id, 1).await;
        assert_eq!(farm.status(id), WebhookStatus::Active);
        let good = farm.deliver(&connection, &format!("push {n}")).await;
        farm.outcome(good).await;
    }
    assert_eq!(calls(&farm), [1, 1, 0, 0]);
    let after = farm.get(id);
    assert_eq!(after.lifecycle.wanted, before.lifecycle.wanted);
    assert!(farm.incidents(ANN).is_empty());
}

#[actix::test]
async fn a_day_of_forging_costs_some_checks_and_restarts_allow_no_more() {
    let (mut farm, connection) = Farm::connected().await;
    let id = connection.id;
    let looks = |c: &Connection| c.suspicion.map(|s| (s.at, s.fruitless));
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..96 {
        farm.deliver(&connection, "push").await;
        forge(&farm, id, 8).await;
        seen.extend(looks(&farm.get(id)));
        farm.restart().await;
        farm.until(|| farm.actors.len() == 1).await;
        tokio::time::sleep(Duration::from_mins(14)).await;
    }
    let counts: Vec<u32> = seen.iter().map(|(_, fruitless)| *fruitless).collect();
    assert_eq!(counts, [1, 2, 3, 4, 5], "at 0, 1, 3, 7 and 15 hours");
    assert_eq!(farm.status(id), WebhookStatus::Active);
    assert_eq!(farm.provider.count("repair"), 0);
}

/// Nothing authentic arrives, not even the test delivery: the secret was changed by hand.
#[actix::test]
async fn a_secret_changed_by_hand_is_written_again() {
    let (farm, connection) = Farm::connected().await;
    let id = connection.id;
    forge(&farm, id, 3).await;
    farm.until(|| farm.provider.count("ping") == 1).await;
    forge(&farm, id, 1).await;
    let asked_at = || {
        farm.store
            .reconcile_asked(id)
            .ready()
            .unwrap()
            .map(|it| it.at)
    };
    let before = asked_at();
    farm.until(|| farm.provider.count("repair") == 1).await;
    farm.becomes(id, WebhookStatus::Active).await;
    // What was refused until then was authentic, and stands in the provider's log.
    farm.until(|| asked_at() > before).await;
    assert_eq!(calls(&farm), [1, 1, 1, 1]);
    // And whoever goes on causes no more.
    forge(&farm, id, 50).await;
    assert_eq!(calls(&farm), [1, 1, 1, 1]);
}

/// In a quiet repository only pings show it, one after the other, and by then the hook is silent.
#[actix::test]
async fn a_secret_changed_by_hand_is_written_again_in_a_quiet_repository() {
    let (farm, connection) = Farm::connected().await;
    let (id, mut refused) = (connection.id, 0);
    for _ in 0..90_000 {
        let pings = farm.provider.count("ping");
        if pings > refused {
            refused = pings;
            forge(&farm, id, 1).await;
        }
        if farm.provider.count("repair") > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert_eq!(farm.provider.count("repair"), 1, "after {refused} pings");
}

#[actix::test]
async fn a_test_delivery_that_proves_itself_ends_the_suspicion() {
    let (farm, connection) = Farm::connected().await;
    let id = connection.id;
    forge(&farm, id, 3).await;
    farm.until(|| farm.provider.count("ping") == 1).await;
    farm.deliver(&connection, "ping").await;
    forge(&farm, id, 20).await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(calls(&farm), [1, 1, 1, 0]);
    assert_eq!(farm.status(id), WebhookStatus::Active);
}
