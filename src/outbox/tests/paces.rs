//! Sinks are called no faster than their service bears.

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

async fn of_kind(kind: SinkKind) -> World {
    let world = World::new().await;
    let sink = Sink {
        kind,
        ..samples::sink(CHAT)
    };
    world.commit(vec![Change::PutSink(Box::new(sink))]).await;
    world
}

/// Most calls in any time as long as this.
fn most_within(heard: &[Heard], time: Duration) -> usize {
    let calls_from = |first: &Heard| {
        let after = heard.iter().filter(|it| it.at >= first.at);
        after.filter(|it| it.at - first.at < time).count()
    };
    heard.iter().map(calls_from).max().unwrap_or_default()
}

async fn all_is_sent(world: &World) {
    world
        .until(|world| {
            let busy = world.store.sinks_with_notifications();
            busy.ready().unwrap().is_empty()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_was_down_for_a_day_drains_within_its_limit_and_no_faster() {
    const INCIDENTS: u32 = 600;
    let world = of_kind(SinkKind::Slack).await;
    *world.sink.always.lock() = Some(later("no connection"));
    for n in 0..INCIDENTS {
        world.open(n.into()).await;
        world.passes(Duration::from_hours(24) / INCIDENTS).await;
    }
    world.sink.heard.lock().clear();
    *world.sink.always.lock() = None;
    world.until(|world| !world.heard().is_empty()).await;
    let up = Instant::now();
    all_is_sent(&world).await;
    let pace = SinkKind::Slack.pace();
    let (burst, least) = (pace.burst, pace.every * (INCIDENTS - pace.burst - 1));
    let took = up.elapsed();
    assert!(took >= least, "{took:?}, faster than {least:?}");
    assert!(
        took <= least + 2 * MINUTE,
        "{took:?}, slower than {least:?}"
    );
    let heard = world.heard();
    assert_eq!(heard.len(), INCIDENTS as usize);
    assert!(most_within(&heard, MINUTE) <= 60 + burst as usize);
}

/// Between two notifications its task ends, and another one begins.
#[tokio::test(start_paused = true)]
async fn a_task_that_begins_again_has_no_second_burst() {
    let world = of_kind(SinkKind::Slack).await;
    for n in 0..100 {
        world.open(n).await;
        world.passes(Duration::from_millis(300)).await;
    }
    all_is_sent(&world).await;
    let most = most_within(&world.heard(), MINUTE / 6);
    assert!((10..=15).contains(&most), "{most} in ten seconds");
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_sent_at_once_and_a_test_counts() {
    let world = of_kind(SinkKind::Slack).await;
    let begun = Instant::now();
    let burst = SinkKind::Slack.pace().burst;
    world.desk().test(CHAT).await.unwrap();
    for n in 1..u128::from(burst) {
        world.open(n).await;
    }
    let heard = |count: u32| move |world: &World| world.heard().len() == count as usize;
    world.until(heard(burst)).await;
    assert!(begun.elapsed() < MOMENT / 2, "{:?}", begun.elapsed());
    world.open(99).await;
    world.until(heard(burst + 1)).await;
    assert!(begun.elapsed() >= MOMENT, "{:?}", begun.elapsed());
    // A user who tests it again and again does not stop it.
    for _ in 0..100 {
        world.desk().test(CHAT).await.unwrap();
    }
    let tested = Instant::now();
    world.open(100).await;
    world.until(heard(burst + 102)).await;
    assert!(tested.elapsed() < 3 * MOMENT, "{:?}", tested.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_neither_stops_nor_hurries_the_calls() {
    let world = of_kind(SinkKind::Discord).await;
    let days = Duration::from_hours(24 * 30);
    world.wrong_by(days);
    let begun = Instant::now();
    for n in 0..20 {
        world.open(n).await;
    }
    world.until(|world| world.heard().len() > 5).await;
    world.wrong_by(Duration::ZERO);
    world.until(|world| world.heard().len() > 10).await;
    world.wrong_by(days);
    all_is_sent(&world).await;
    let pace = SinkKind::Discord.pace();
    let least = pace.every * (20 - pace.burst);
    let took = begun.elapsed();
    assert!(took >= least && took < least + MINUTE, "{took:?} {least:?}");
}
