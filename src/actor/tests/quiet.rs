//! Repositories that are unusually quiet, and whether they are pinged.

use super::fakes::{ANN, Farm};
use crate::actor::settings::Settings;
use crate::domain::connection::WebhookStatus;
use crate::domain::id::ConnectionId;
use crate::domain::rhythm::{QUIET_PING_PAUSE, hour_of};
use crate::store::memory::MemoryStore;
use crate::store::{Batch, Change};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

const WEEK: i64 = 168;
const HOUR: Duration = Duration::from_hours(1);

/// A farm that pings weekly, with a connection whose deliveries came in such hours of the last
/// weeks, counted back from now.
async fn with_rhythm(had_delivery: impl Fn(i64) -> bool) -> (Farm, ConnectionId) {
    let settings = Settings {
        arbiters: 0,
        ping_interval: HOUR * 24 * 7,
        ..Settings::default()
    };
    let farm = Farm::with(Arc::new(MemoryStore::new()), settings);
    let id = farm.connect(ANN).await.id;
    farm.until(|| farm.actors.is_at_rest(id) == Some(true))
        .await;
    let mut connection = farm.get(id);
    let now = hour_of(connection.created_at);
    for ago in (0..7 * WEEK).rev().filter(|ago| had_delivery(*ago)) {
        connection.rhythm.hear(now - ago, now);
    }
    let put = Change::PutConnection(Box::new(connection));
    farm.store.commit(Batch::of(vec![put])).await.unwrap();
    (farm, id)
}

/// Answers each ping for so many hours.
async fn answer(farm: &Farm, id: ConnectionId, hours: u32) {
    let mut answered = farm.provider.count("ping");
    for _ in 0..hours * 12 {
        let pings = farm.provider.count("ping");
        if pings > answered {
            farm.deliver(&farm.get(id), "ping 1").await;
            answered = pings;
        }
        sleep(HOUR / 12).await;
    }
}

#[actix::test]
async fn a_busy_repository_that_goes_silent_is_pinged_long_before_its_interval_is_up() {
    let (farm, id) = with_rhythm(|_| true).await;
    answer(&farm, id, 3).await;
    assert_eq!(farm.provider.count("ping"), 0);
    answer(&farm, id, 3).await;
    assert_eq!(farm.provider.count("ping"), 1);
    let asked = farm.get(id).quiet_ping_at.unwrap();
    assert_eq!(
        farm.status(id),
        WebhookStatus::Active,
        "it works, and is quiet"
    );
    // What the answers teach is nothing: twice a day at most, and never ill.
    answer(&farm, id, 48).await;
    assert!(farm.provider.count("ping") <= 5);
    let last = farm.get(id).quiet_ping_at.unwrap();
    assert!(last.since(asked) >= QUIET_PING_PAUSE);
    assert_eq!(farm.status(id), WebhookStatus::Active);
    assert!(farm.incidents(ANN).is_empty());
}

#[actix::test]
async fn only_a_ping_without_an_answer_makes_a_hook_ill_and_then_soon() {
    let (farm, id) = with_rhythm(|_| true).await;
    while farm.provider.count("ping") == 0 {
        sleep(HOUR / 12).await;
    }
    assert_eq!(farm.status(id), WebhookStatus::Active);
    sleep(HOUR / 2).await;
    assert_eq!(farm.provider.count("ping"), 2, "asked once more");
    assert_eq!(farm.status(id), WebhookStatus::Degraded);
    assert_eq!(farm.incidents(ANN)[0].failure_type, "hook_silent");
    sleep(HOUR * 24).await;
    assert_eq!(farm.provider.count("ping"), 2, "then at its interval");
}

#[actix::test]
async fn fresh_paused_and_regularly_quiet_repositories_are_not_pinged_because_of_it() {
    // Three weeks are too few.
    let (farm, id) = with_rhythm(|ago| ago < 3 * WEEK).await;
    answer(&farm, id, 48).await;
    assert_eq!(farm.provider.count("ping"), 0);
    // It comes weekly, and did so an hour ago.
    let (farm, id) = with_rhythm(|ago| ago % WEEK == 1).await;
    answer(&farm, id, 24 * 6).await;
    assert_eq!(farm.provider.count("ping"), 0);
    let (farm, id) = with_rhythm(|_| true).await;
    let pause = crate::domain::command::CommandKind::SetEnabled(false);
    farm.ask(id, pause).await;
    answer(&farm, id, 24).await;
    assert_eq!(farm.provider.count("ping"), 0);
}

#[actix::test]
async fn a_restart_does_not_ping_those_that_were_quiet_because_of_it() {
    let (mut farm, id) = with_rhythm(|_| true).await;
    for _ in 0..10 {
        farm.restart().await;
        sleep(HOUR * 2).await;
    }
    assert_eq!(farm.provider.count("ping"), 0);
    answer(&farm, id, 4).await;
    assert_eq!(farm.provider.count("ping"), 1);
}

/// The schedule follows from what is stored: a start asks for no ping at once, and puts none off.
#[actix::test]
async fn scenario_20_restarts_neither_bring_pings_forward_nor_put_them_off() {
    let (mut farm, connection) = Farm::connected().await;
    let id = connection.id;
    farm.process(&connection, "ping 1").await;
    for _ in 0..10 {
        farm.restart().await;
        sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(farm.provider.count("ping"), 0);
    // For three days it starts again before a whole interval has passed.
    for _ in 0..15 {
        answer(&farm, id, 5).await;
        farm.restart().await;
    }
    let pings = farm.provider.count("ping");
    assert!((4..=12).contains(&pings), "{pings}");
    assert_eq!(farm.status(id), WebhookStatus::Active);
}

/// What arrives is learned, with the step that processes it, and pongs are not.
#[actix::test]
async fn deliveries_teach_the_rhythm_and_pongs_do_not() {
    let (farm, connection) = Farm::connected().await;
    farm.process(&connection, "ping 1").await;
    assert_eq!(farm.get(connection.id).rhythm.known, None);
    farm.process(&connection, "push 1").await;
    let hour = hour_of(farm.get(connection.id).last_event_at.unwrap());
    assert_eq!(farm.get(connection.id).rhythm.known, Some((hour, hour)));
}
