//! Scenarios 17 and 18 of the list of reliability scenarios: a provider that fails, in each way,
//! and one that limits a token.

use crate::daemon::{RETRY_FIRST, RETRY_MAX};
use crate::network::Request;
use crate::scene::Scene;
use crate::virtually;
use hookherd::actor::{Asking, Connections};
use hookherd::domain::backoff::Backoff;
use hookherd::domain::command::CommandKind;
use hookherd::domain::connection::Connection;
use hookherd::domain::id::UserId;
use hookherd::domain::outage::PROBE_EVERY;
use hookherd::domain::repo::ProviderKind;
use hookherd::simulator::{Hook, Misbehaviour};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);
/// How much later than another call one may arrive that was sent at the same time.
const LATENCY: Duration = Duration::from_secs(1);
/// The one who does not connect first.
const BOB: usize = 1;

impl Scene {
    /// Whatever is asked of the provider goes wrong.
    fn breaks_all(&self, misbehaviour: Misbehaviour) {
        self.breaks("*", misbehaviour, (0, u32::MAX));
    }

    /// The times of the calls since then.
    fn times(&self, since: Duration) -> Vec<Duration> {
        let requests = self.requests(since).into_iter();
        requests.map(|it| it.at).collect()
    }

    /// What the hook sends is accepted, within a second each.
    async fn is_heard(&mut self, number: u64) {
        let answers = self.delivers(number).await;
        let is_accepted = |status: &u16| (200..300).contains(status);
        assert!(!answers.is_empty());
        assert!(answers.iter().all(is_accepted), "{answers:?}");
    }
}

async fn fails(provider: ProviderKind, misbehaviour: Option<Misbehaviour>) {
    let what = format!("{provider}: {misbehaviour:?}");
    let mut scene = Scene::connected(provider).await;
    let (hook, down) = (scene.hooks()[0].id, scene.now());
    match misbehaviour {
        Some(misbehaviour) => scene.breaks_all(misbehaviour),
        None => scene.world.network.is_outbound_down.set(true),
    }
    let instance = crate::daemon::instance(provider);
    let is_out = |it: &Scene| {
        it.world
            .actors()
            .is_some_and(|it| it.outage(&instance).is_some())
    };
    scene.until("it is found to be an outage", is_out).await;
    let tries = scene.requests(down).len();
    assert!(tries < 30, "{what}: {tries} until it was found");
    scene.world.pass(MINUTE).await;
    let begun = scene.now();
    for number in 1..=6 {
        scene.world.pass(HOUR).await;
        scene.is_heard(number).await;
    }
    let times = scene.times(begun);
    // A probe is repeated within its call, briefly.
    let probes: Vec<_> = times
        .chunk_by(|one, other| other.saturating_sub(*one) < PROBE_EVERY / 2)
        .collect();
    let is_spaced =
        |pair: &[&[Duration]]| pair[1][0].saturating_sub(pair[0][0]) + LATENCY >= PROBE_EVERY;
    println!(
        "{what}: {tries} calls, then {} probes of {} calls",
        probes.len(),
        times.len()
    );
    assert!(probes.windows(2).all(is_spaced), "{what}: {times:?}");
    assert!(probes.len() <= 6 * 60 + 1, "{what}: {}", probes.len());
    assert!(
        misbehaviour.is_none() || probes.len() >= 4 * 60,
        "{what}: {}",
        probes.len()
    );
    let incidents = scene.incidents();
    let told = incidents
        .iter()
        .filter(|it| it.failure_type == "provider_outage");
    assert_eq!(told.count(), 1, "{what}: {incidents:?}");
    scene.world.offline.faults().clear();
    scene.world.network.is_outbound_down.set(false);
    let is_over = |it: &Scene| {
        it.world
            .actors()
            .is_some_and(|it| it.outage(&instance).is_none())
    };
    scene.until("it is over", is_over).await;
    assert_eq!(scene.ends_with_one_hook().await, hook);
}

#[test]
fn scenario_17_a_provider_that_fails_in_any_way_is_probed_once_a_minute_and_ingest_goes_on() {
    for provider in ProviderKind::ALL {
        for misbehaviour in [
            None,
            Some(Misbehaviour::FailBefore(500)),
            Some(Misbehaviour::FailBefore(503)),
            Some(Misbehaviour::Hang),
            Some(Misbehaviour::DropBefore),
            Some(Misbehaviour::TruncatedJson),
        ] {
            virtually(|| fails(provider, misbehaviour));
        }
    }
}

/// One operation fails, and the provider answers all others: no outage, and a wait before each try.
async fn fails_in_one_thing(provider: ProviderKind, misbehaviour: Misbehaviour) {
    let mut scene = Scene::connected(provider).await;
    let (hook, url) = (scene.hooks()[0].id, scene.hooks()[0].url.clone());
    match provider {
        ProviderKind::Github => {
            let github = scene.world.offline.github();
            let change = |hook: &mut Hook| hook.insecure_ssl = "1".to_owned();
            github.change_hook_by_hand(scene.name(), hook, change);
        }
        ProviderKind::Gitlab => {
            let change = json!({ "url": url, "enable_ssl_verification": false });
            scene.edits(&change).await;
        }
    }
    let begun = scene.now();
    scene.breaks("update_hook", misbehaviour, (0, u32::MAX));
    scene.world.pass(3 * HOUR).await;
    scene.is_heard(1).await;
    let tries: Vec<Request> = scene.writes(begun);
    let tries: Vec<_> = tries
        .iter()
        .filter(|it| ["PATCH", "PUT"].contains(&&*it.method))
        .collect();
    // Those of one call are sent shortly after each other.
    let short = Duration::from_millis(1300);
    let calls: Vec<_> = tries
        .chunk_by(|one, other| other.at.saturating_sub(one.at) < short)
        .collect();
    let gaps: Vec<_> = calls
        .windows(2)
        .map(|pair| pair[1][0].at.saturating_sub(pair[0][0].at))
        .collect();
    println!("{provider} {misbehaviour:?}: {:?}", &gaps[..10]);
    assert!((40..200).contains(&gaps.len()), "{gaps:?}");
    let backoff = Backoff {
        initial: RETRY_FIRST,
        cap: RETRY_MAX,
    };
    let late = gaps[gaps.len() / 2..].iter();
    let (least, most) = (
        backoff.wait(40, 0),
        backoff.wait(40, u64::MAX) + 10 * LATENCY,
    );
    assert!(
        late.clone().all(|gap| (least..most).contains(gap)),
        "{gaps:?}"
    );
    let distinct: BTreeSet<_> = late.map(Duration::as_secs).collect();
    assert!(distinct.len() > 10, "with jitter: {distinct:?}");
    scene.world.offline.faults().clear();
    assert_eq!(scene.ends_with_one_hook().await, hook);
}

#[test]
fn scenario_17_what_fails_alone_is_retried_with_a_capped_backoff_and_jitter() {
    for provider in ProviderKind::ALL {
        for misbehaviour in [
            Misbehaviour::FailBefore(500),
            Misbehaviour::FailBefore(503),
            Misbehaviour::DropBefore,
        ] {
            virtually(|| fails_in_one_thing(provider, misbehaviour));
        }
    }
}

async fn asks_check(scene: &Scene, connection: &Connection, by: UserId) {
    let asking = Asking {
        connection: connection.id,
        owner: connection.owner,
        asked_by: by,
        kind: CommandKind::Check,
    };
    let actors = scene.world.actors().expect("the daemon runs");
    // It may wait.
    drop(tokio::time::timeout(LATENCY, actors.ask(asking)).await);
}

/// A token is limited for this long. Until then nothing is sent with it, whatever asks for it and
/// however often the daemon starts; another token is used as before.
async fn is_limited(provider: ProviderKind, limit: Misbehaviour, wait: Duration) {
    let what = format!("{provider}: {limit:?}");
    let mut scene = Scene::connected(provider).await;
    let connection = scene.stored().expect("it is connected");
    let token = scene.token().to_owned();
    let actors = scene.world.actors().expect("the daemon runs");
    let bobs = actors
        .connect(scene.world.request(scene.place(), BOB))
        .await;
    let bobs = bobs.expect("it is connected, too");
    scene.world.pass(MINUTE).await;
    scene.breaks("*", limit, (0, 1));
    asks_check(&scene, &connection, connection.owner).await;
    let is_met = |it: &Scene| {
        let last = it.requests(Duration::ZERO).into_iter().next_back();
        last.is_some_and(|it| [403, 429].contains(&it.status.unwrap_or(0)))
    };
    scene.until("the limit is met", is_met).await;
    let met = scene.requests(Duration::ZERO).pop().expect("it was sent");
    assert_eq!(met.token, token, "{what}");
    let sent = |scene: &Scene, token: &dyn Fn(&str) -> bool| {
        let requests = scene.requests(met.at);
        let of = requests.into_iter().filter(|it| token(&it.token));
        of.map(|it| it.at).collect::<Vec<_>>()
    };
    // Of the same moment, at most.
    let soon = met.at + LATENCY;
    scene.world.pass(2 * LATENCY).await;
    let mut starts = 0;
    while scene.now() + 4 * MINUTE < met.at + wait {
        if starts % 2 == 0 {
            scene.world.kill();
        } else {
            scene.world.stop().await;
        }
        scene.world.start().await;
        starts += 1;
        for one in [&connection, &bobs] {
            asks_check(&scene, one, one.owner).await;
        }
        scene.world.pass(2 * MINUTE).await;
    }
    scene
        .until("it is sent again", |it| {
            sent(it, &|it| it == token).iter().any(|at| *at > soon)
        })
        .await;
    let anns = sent(&scene, &|it| it == token);
    let first = anns.iter().find(|at| **at > soon).expect("there is one");
    println!(
        "{what}: {starts} starts, sent again after {:?}",
        first.saturating_sub(met.at)
    );
    assert!(
        first.saturating_sub(met.at) >= wait,
        "{what}: {:?}",
        first.saturating_sub(met.at)
    );
    assert!(
        first.saturating_sub(met.at) < wait + 15 * MINUTE,
        "{what}: {:?}",
        first.saturating_sub(met.at)
    );
    assert!(starts > 5);
    let bobs = sent(&scene, &|it| it != token);
    let meanwhile = bobs.iter().filter(|at| **at < met.at + wait).count();
    assert!(
        meanwhile > starts,
        "{what}: another token is not held: {meanwhile}"
    );
}

#[test]
fn scenario_18_nothing_is_sent_before_retry_after_or_the_reset_of_a_limit_also_after_restarts() {
    let wait_s = 40 * 60;
    for provider in ProviderKind::ALL {
        for limit in [
            Misbehaviour::RateLimitedSecondary {
                retry_after_s: wait_s,
            },
            // At GitHub no Retry-After comes with it.
            Misbehaviour::RateLimitedPrimary { reset_s: wait_s },
        ] {
            virtually(|| is_limited(provider, limit, Duration::from_secs(wait_s)));
        }
    }
}
